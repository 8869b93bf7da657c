package simnet

import (
	"testing"
	"time"
)

func TestClockShow(t *testing.T) {
	tests := []struct {
		name  string
		clock Clock
		t     time.Duration
		want  time.Duration
	}{
		{"true", Clock{}, time.Hour, time.Hour},
		{"offset", Clock{Offset: -time.Minute}, time.Hour, 59 * time.Minute},
		{"fast", Clock{PPM: 100}, time.Hour, time.Hour + 360*ms},
		{"slow", Clock{PPM: -100}, time.Hour, time.Hour - 360*ms},
		{"below a microsecond, fast", Clock{PPM: 1}, 999_999, 999_999},
		{"below a microsecond, slow", Clock{PPM: -1}, 999_999, 999_998},
		{"before a step", Clock{Steps: []ClockStep{{time.Second, time.Hour}}}, time.Second - 1, time.Second - 1},
		{"at a step", Clock{Steps: []ClockStep{{time.Second, time.Hour}}}, time.Second, time.Hour + time.Second},
		{"two steps", Clock{Steps: []ClockStep{{1, 10}, {2, -5}}}, 2, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.clock.Show(tt.t); got != tt.want {
				t.Errorf("Show(%v) = %v, want %v", tt.t, got, tt.want)
			}
		})
	}
}

// When is the first time at which Show has reached the deadline: checked one
// nanosecond around it, and against every time of a small clock.
func TestClockWhen(t *testing.T) {
	clocks := []Clock{
		{},
		{Offset: 5},
		{Offset: -5, PPM: 300_000},
		{PPM: -300_000},
		{PPM: 200_000, Steps: []ClockStep{{10, 7}, {20, -9}, {30, 4}}},
		{Offset: 3, PPM: -500_000, Steps: []ClockStep{{5, -20}, {5, 3}, {40, 100}}},
	}
	for _, c := range clocks {
		for shown := time.Duration(-10); shown < 60; shown++ {
			want := time.Duration(0)
			for c.Show(want) < shown {
				want++
			}
			if got := c.When(shown); got != want {
				t.Errorf("%+v: When(%d) = %d, want %d", c, shown, got, want)
			}
		}
	}
	for _, ppm := range []int64{-500, -1, 1, 250} {
		c := Clock{PPM: ppm}
		for _, shown := range []time.Duration{time.Second + 1, time.Hour, 1000*time.Hour + 7} {
			got := c.When(shown)
			if c.Show(got) < shown || c.Show(got-1) >= shown {
				t.Errorf("PPM %d: When(%v) = %v is not the first time", ppm, shown, got)
			}
		}
	}
}

// A clock that was set back shows a time twice; a deadline set after that means the second.
func TestClockWhenFrom(t *testing.T) {
	c := Clock{Offset: 10, Steps: []ClockStep{{At: 20, By: -15}}} // shows 30 at 20-, 15 at 20
	for _, tt := range []struct{ from, shown, want time.Duration }{
		{0, 25, 15}, {16, 25, 16}, {19, 29, 19}, {20, 25, 30}, {25, 25, 30}, {40, 25, 40}, {0, 30, 35},
	} {
		if got := c.whenFrom(tt.from, tt.shown); got != tt.want {
			t.Errorf("whenFrom(%d, %d) = %d, want %d", tt.from, tt.shown, got, tt.want)
		}
	}
}

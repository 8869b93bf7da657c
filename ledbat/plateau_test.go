package ledbat

import (
	"testing"
	"time"
)

func TestAConstantQueueInWhichTheWindowFallsIsPath(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	s.round(0, 0)
	before := c.window
	from := s.now
	s.rounds(30*ms, func() bool { return c.delay.base > 40*ms })
	if c.delay.base != 70*ms || c.delay.baseOneWay != 50*ms {
		t.Errorf("base %v, one way %v, want 70 and 50 ms", c.delay.base, c.delay.baseOneWay)
	}
	if n := (s.now - from) / (70 * ms); n > plateauRounds+1 {
		t.Errorf("after %d round trips", n)
	}
	s.wantStage(c, starting, "a longer path")
	s.wantWindow(int(before), int(before/2), "what it was")
}

func TestAQueueThatChangesOrLastsIsNotPath(t *testing.T) {
	constant := func(int) time.Duration { return 20 * ms }
	halving := func(i int) int64 { return 1 << 40 >> (i / 2) } // every second round
	for _, c := range []struct {
		name   string
		queue  func(i int) time.Duration
		window func(i int) int64
		want   bool
	}{
		{"a constant queue, a window that halves", constant, halving, true},
		{"a queue that changes", func(i int) time.Duration { return time.Duration(20+2*(i%2)) * ms }, halving, false},
		{"little of a queue", func(int) time.Duration { return 10 * ms }, halving, false},
		// Others fill up at once what is given up.
		{"a window that falls slowly", constant, func(i int) int64 { return 1 << 40 >> (i / 12) }, false},
	} {
		var p plateau
		got := false
		for i := range 40 {
			got = got || p.add(&round{least: c.queue(i)}, 10*ms, ms, c.window(i))
		}
		if got != c.want {
			t.Errorf("%s: longer path %v", c.name, got)
		}
	}
}

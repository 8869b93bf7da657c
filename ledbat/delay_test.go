package ledbat

import (
	"testing"
	"time"
)

func TestL1QueueIsTheLeastOfFourSamplesAboveTheBase(t *testing.T) {
	f := newDelayFilter()
	if f.known() || f.base() != 0 || f.queue() != 0 {
		t.Errorf("without samples: base %v, queue %v", f.base(), f.queue())
	}
	for i, c := range []struct{ delay, base, queue time.Duration }{
		{50 * ms, 50 * ms, 0},
		{90 * ms, 50 * ms, 0},
		{70 * ms, 50 * ms, 0},
		{80 * ms, 50 * ms, 0},
		{95 * ms, 50 * ms, 20 * ms}, // the 50 has left the four
		{99 * ms, 50 * ms, 20 * ms},
		{99 * ms, 50 * ms, 30 * ms},
		{97 * ms, 50 * ms, 45 * ms},
		{40 * ms, 40 * ms, 0},
		{60 * ms, 40 * ms, 0},
		{61 * ms, 40 * ms, 0},
		{62 * ms, 40 * ms, 0},
		{63 * ms, 40 * ms, 20 * ms},
	} {
		f.add(time.Duration(i)*ms, c.delay, 50*ms)
		if f.base() != c.base || f.queue() != c.queue {
			t.Errorf("sample %d, %v: base %v, queue %v, want %v, %v", i, c.delay, f.base(), f.queue(), c.base, c.queue)
		}
	}
}

func TestSamplesOlderThanARoundTripDoNotCount(t *testing.T) {
	f := newDelayFilter()
	f.add(0, 40*ms, 40*ms)
	f.add(1000*ms, 100*ms, 100*ms)
	if got := f.queue(); got != 60*ms {
		t.Errorf("queue %v, want 60ms: the sample of a second ago counts", got)
	}
	f.add(1100*ms, 120*ms, 100*ms)
	if got := f.queue(); got != 60*ms {
		t.Errorf("queue %v, want 60ms: the sample of a round trip ago does not count", got)
	}
}

func TestBaseHistoryHoldsTenMinutes(t *testing.T) {
	f := newDelayFilter()
	f.add(0, 40*ms, 40*ms)
	for m := 1; m <= 9; m++ {
		f.add(time.Duration(m)*time.Minute, 100*ms, 100*ms)
		if f.base() != 40*ms {
			t.Fatalf("minute %d: base %v, want 40ms", m, f.base())
		}
	}
	f.add(10*time.Minute, 100*ms, 100*ms)
	if f.base() != 100*ms {
		t.Errorf("minute 10: base %v, want 100ms", f.base())
	}
}

func TestBaseHistoryAgesWhileIdle(t *testing.T) {
	for _, c := range []struct {
		idle time.Duration
		want time.Duration
	}{
		{9*time.Minute + 59*time.Second, 40 * ms},
		{10 * time.Minute, 100 * ms},
		{1000 * time.Hour, 100 * ms},
	} {
		f := newDelayFilter()
		f.add(0, 40*ms, 40*ms)
		f.add(c.idle, 100*ms, 100*ms)
		if f.base() != c.want {
			t.Errorf("after %v: base %v, want %v", c.idle, f.base(), c.want)
		}
	}
}

func TestL3GainByBaseDelay(t *testing.T) {
	var f delayFilter
	if f = newDelayFilter(); f.divisor() != 16 {
		t.Errorf("without samples: divisor %d, want 16", f.divisor())
	}
	for _, c := range []struct {
		base time.Duration
		want int64
	}{
		{1, 16}, {30 * us, 16}, {ms, 16}, {4 * ms, 16}, {5 * ms, 16}, {8 * ms, 15}, {10 * ms, 12},
		{15 * ms, 8}, {20 * ms, 6}, {30 * ms, 4}, {60 * ms, 2}, {119 * ms, 2}, {120 * ms, 1},
		{500 * ms, 1}, {100 * time.Hour, 1},
	} {
		f := newDelayFilter()
		f.add(0, c.base, c.base)
		if got := f.divisor(); got != c.want {
			t.Errorf("base %v: divisor %d, want %d", c.base, got, c.want)
		}
	}
}

func TestSamplesThatAreNoDelaysAreIgnored(t *testing.T) {
	f := newDelayFilter()
	f.add(0, 0, 40*ms)
	f.add(0, -time.Second, 40*ms)
	if f.known() {
		t.Errorf("base %v of no samples", f.base())
	}
}

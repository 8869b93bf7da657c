package simnet

import (
	"math"
	"time"
)

// Clock is what a host's clock shows, as a function of true time. The zero
// value shows true time. PPM is above -1,000,000.
type Clock struct {
	Offset time.Duration // shown at true time 0
	PPM    int64         // microseconds gained per second of true time
	Steps  []ClockStep   // in order of At
}

// ClockStep is a jump of a clock, as when its owner sets it.
type ClockStep struct {
	At time.Duration // true time
	By time.Duration // forward, or back if negative
}

// Show is what the clock shows at the given true time, at least 0.
func (c Clock) Show(t time.Duration) time.Duration {
	shown := c.Offset + c.run(t)
	for _, s := range c.Steps {
		if s.At <= t {
			shown += s.By
		}
	}
	return shown
}

// When is the first true time, at least 0, at which the clock shows the given
// time or more. It turns a deadline of the host into one of the network.
func (c Clock) When(shown time.Duration) time.Duration { return c.whenFrom(0, shown) }

// whenFrom is When among the times from the given one on: a clock that was set
// back shows a time again.
func (c Clock) whenFrom(start, shown time.Duration) time.Duration {
	offset := c.Offset
	for i := 0; ; i++ {
		end := time.Duration(math.MaxInt64)
		if i < len(c.Steps) {
			end = c.Steps[i].At
		}
		if t := max(c.runs(shown-offset), start); t < end || i == len(c.Steps) {
			return t
		}
		start = max(start, end)
		offset += c.Steps[i].By
	}
}

// run is t as the clock counts it, rounded down, for t at least 0.
func (c Clock) run(t time.Duration) time.Duration {
	ppm := time.Duration(c.PPM)
	return t + t/1e6*ppm + floorDiv(t%1e6*ppm, 1e6)
}

// runs is the first true time at which run is at least d.
func (c Clock) runs(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	per := time.Duration(1e6 + c.PPM)
	t := d/per*1e6 + d%per*1e6/per
	for t > 0 && c.run(t-1) >= d {
		t--
	}
	for c.run(t) < d {
		t++
	}
	return t
}

func floorDiv(a, b time.Duration) time.Duration {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

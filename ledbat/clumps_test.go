package ledbat

import (
	"testing"
	"time"
)

// clumps makes a path look as if packets came in clumps of 10 ms, with least queues that differ from round to round by k.
func (c *adaptive) clumps(k time.Duration) {
	c.noise.jitter = jitter{ranges: [jitterRounds]uint32{}, least: 10 * ms, clumps: 0xff}
	for i := range c.noise.jitter.ranges {
		c.noise.jitter.ranges[i] = 10_000
	}
	for i := range c.noise.steps.sizes {
		c.noise.steps.sizes[i] = uint16(k / us)
	}
}

// TestOneRiseIsAClump: a range that is for three quarters one rise, in six of the last eight.
func TestOneRiseIsAClump(t *testing.T) {
	var j jitter
	add := func(spread, rise time.Duration) {
		j.add(&round{samples: jitterSamples, least: ms, most: ms + spread, rise: rise})
	}
	for range clumpRanges - 1 {
		add(10*ms, 8*ms)
	}
	if j.clumped() {
		t.Error("clumps after five ranges")
	}
	if add(10*ms, 7500*us); !j.clumped() {
		t.Error("no clumps after six")
	}
	for range jitterRounds - clumpRanges {
		if add(10*ms, 7*ms); !j.clumped() {
			t.Error("no clumps, with six of eight")
		}
	}
	if add(10*ms, 7*ms); j.clumped() {
		t.Error("clumps, with five of eight")
	}
	// Rounds with few samples are put together, and with them their rises.
	j = jitter{}
	for range jitterRounds {
		j.add(&round{samples: jitterSamples / 2, least: ms, most: 2 * ms})
		j.add(&round{samples: jitterSamples / 2, least: ms, most: 9 * ms, rise: 8 * ms})
	}
	if !j.clumped() {
		t.Error("no clumps where every second round has one")
	}
}

// TestMedianStep: one round that is unlike the others, as when a competitor comes, does not change K.
func TestMedianStep(t *testing.T) {
	var s steps
	if s.median() != 0 {
		t.Errorf("%v before the first round", s.median())
	}
	for range leastSteps {
		s.add(2 * ms)
	}
	if s.add(-time.Second); s.median() != 2*ms {
		t.Errorf("%v, want 2ms", s.median())
	}
	for range leastSteps {
		s.add(-3 * ms)
	}
	if s.median() != 3*ms {
		t.Errorf("%v, want 3ms from steps downwards", s.median())
	}
}

// TestWhatTakesThePlaceOfJ among clumps, and only where others have not squeezed the window: bursts of such a window are clumps of its own.
func TestWhatTakesThePlaceOfJ(t *testing.T) {
	for _, x := range []struct{ k, queue, jitter, want time.Duration }{
		{0, 5 * ms, 7 * ms, -3 * ms},            // three fifths of T0
		{0, 2 * ms, 7 * ms, -1200 * us},         // so T is never negative
		{0, 5 * ms, ms, -ms},                    // J
		{0, 5 * ms, 0, 0},                       // small clumps are no noise
		{1500 * us, 5 * ms, 7 * ms, 0},          // what there is without noise
		{2 * ms, 5 * ms, 7 * ms, 1500 * us},     //
		{20 * ms, 5 * ms, 7 * ms, 7 * ms},       // J at most
		{65 * ms, 5 * ms, 300 * us, 300 * us},   //
		{1100 * us, 5 * ms, 7 * ms, -1200 * us}, //
	} {
		var s steps
		for range leastSteps {
			s.add(x.k)
		}
		if got := s.allowed(x.queue, x.jitter); got != x.want {
			t.Errorf("K %v, beside %v, J %v: %v, want %v", x.k, x.queue, x.jitter, got, x.want)
		}
	}
	_, c := newCourse(t, 40*ms, Config{})
	c.delay.base = 40 * ms
	c.clumps(2 * ms)
	c.baseProbe.window = c.window
	if got := c.allowance(5 * ms); got != 1500*us {
		t.Errorf("%v among clumps, want 1.5ms", got)
	}
	c.baseProbe.window = 2*c.window + 2
	if got := c.allowance(5 * ms); got != maxJitter {
		t.Errorf("%v for a window that is squeezed, want J, %v", got, maxJitter)
	}
	c.baseProbe.window, c.noise.jitter.clumps = c.window, 0
	if got := c.allowance(5 * ms); got != maxJitter {
		t.Errorf("%v without clumps, want J, %v", got, maxJitter)
	}
}

// TestAQueueOfOneRoundAmongClumps lowers the window only by what it cannot be of noise; one of two rounds lowers it by all.
func TestAQueueOfOneRoundAmongClumps(t *testing.T) {
	const target = 4 * ms
	for _, x := range []struct {
		clumped              bool
		before, queue, above time.Duration
	}{
		{true, 0, 9 * ms, -2 * ms},      // 9 less 7
		{true, 3 * ms, 9 * ms, -ms},     //
		{true, 6 * ms, 9 * ms, 2 * ms},  // as far as the round before had it
		{true, 20 * ms, 9 * ms, 5 * ms}, //
		{true, 0, 300 * ms, 289 * ms},   // a link that has become slower
		{false, 0, 9 * ms, 5 * ms},      //
	} {
		_, c := newCourse(t, 40*ms, Config{})
		c.delay.base, c.baseProbe.window = 40*ms, c.window
		if c.leastBefore = x.before; x.clumped {
			c.clumps(0)
		}
		if got := c.above(&round{least: x.queue}, target); got != x.above {
			t.Errorf("clumps %v, %v after %v: %v above, want %v", x.clumped, x.queue, x.before, got, x.above)
		}
	}
}

// TestTheWaitBeforeAProbeAmongClumps is long where the window is what A4 has left, and short where it has fallen.
func TestTheWaitBeforeAProbeAmongClumps(t *testing.T) {
	_, c := newCourse(t, 40*ms, Config{})
	c.delay.base, c.baseProbe.window = 40*ms, c.window
	want := func(wait time.Duration, when string) {
		t.Helper()
		if got := c.probeWait(); got != wait {
			t.Errorf("%s: %v, want %v", when, got, wait)
		}
	}
	want(minProbeWait, "quiet")
	c.clumps(ms)
	c.idle.reached = c.window * 4 / 3
	want(minProbeWait, "clumps")
	c.idle.reached = c.window*4/3 + 4
	want(minProbeWait/noisyShare, "clumps, a window that has fallen")
	c.idle.reached, c.noise.jitter.clumps = c.window, 0
	want(minProbeWait/noisyShare, "jitter")
	// What A4 has left once is forgotten as it leaves less.
	c.idle.reached = 8 * c.window
	for range 20 {
		c.stage = holding
		c.leaveHold(&round{})
	}
	if c.idle.reached > c.window*5/4 {
		t.Errorf("it has reached %d still, with a window of %d", c.idle.reached, c.window)
	}
}

// TestAQueueAmongClumpsIsNoLongerPath, as long as it could be J: who fills the link beside clumps has such a queue for many rounds (A20).
func TestAQueueAmongClumpsIsNoLongerPath(t *testing.T) {
	for _, clumped := range []bool{false, true} {
		s, c := newCourse(t, 40*ms, Config{})
		s.toSteady(c, 300_000)
		c.baseProbe.at = c.now // no drain
		base := c.delay.base
		for range plateauLimit {
			if clumped {
				c.clumps(0)
				c.baseProbe.window = c.window
			}
			if c.stage == steady {
				c.avoid(&round{samples: 30, least: 12 * ms, most: 22 * ms, rtt: 52 * ms, trips: 1, acked: c.window})
				c.leastBefore = 12 * ms
			}
		}
		if longer := c.delay.base > base; longer == clumped {
			t.Errorf("clumps %v: the base is %v, and was %v", clumped, c.delay.base, base)
		}
	}
}

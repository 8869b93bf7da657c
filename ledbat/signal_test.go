package ledbat

import (
	"testing"
	"time"
)

func TestQueueIsTheRoundTripUnlessTheACKsWait(t *testing.T) {
	for _, c := range []struct {
		name        string
		rtt, oneWay time.Duration
		want        time.Duration
		reverse     bool
	}{
		{"no queue", 40 * ms, 20 * ms, 0, false},
		{"on the way there", 60 * ms, 40 * ms, 20 * ms, false},
		{"on the way back", 140 * ms, 20 * ms, 0, true},
		{"both", 140 * ms, 27 * ms, 7 * ms, true},
		{"too little to tell from a drift", 45 * ms, 20 * ms, 5 * ms, false},
		{"just enough", 45*ms + us, 20 * ms, 0, true},
		{"the clock ran ahead", 60 * ms, 1040 * ms, 20 * ms, false},
	} {
		var d delaySignal
		d.add(sample{40 * ms, 20 * ms, true}, false, false)
		d.ackHolding = ackHolding{} // rounds later
		d.add(sample{c.rtt, c.oneWay, true}, false, false)
		if d.queue != c.want || d.reverse != c.reverse {
			t.Errorf("%s: queue %v, reverse %v, want %v, %v", c.name, d.queue, d.reverse, c.want, c.reverse)
		}
	}
}

// What varies within a round is no drift but ACKs that are delayed; what varies by
// less than a millisecond is not worth the difference of two clocks.
func TestHeldACKsAreNoQueue(t *testing.T) {
	for _, c := range []struct {
		name            string
		constant        time.Duration // by which the clocks differ since the base was seen
		queue, ackDelay time.Duration
		want            time.Duration
		reverse         bool
	}{
		{"delayed by 4 ms", 0, 0, 4 * ms, 0, true},
		{"delayed, and a queue", 0, 7 * ms, 4 * ms, 7 * ms, true},
		{"delayed, a queue and a drift", -2 * ms, 7 * ms, 3 * ms, 7 * ms, true},
		{"hardly delayed", 0, 3 * ms, ms, 4 * ms, false},
		{"a drift", -2 * ms, 3 * ms, 0, 3 * ms, false},
	} {
		var d delaySignal
		d.add(sample{40 * ms, 20 * ms, true}, false, false)
		d.ackHolding = ackHolding{}
		for _, ackDelay := range []time.Duration{0, c.ackDelay} {
			d.ackHolding.endRound() // in the one before, or in this: two rounds count
			d.add(sample{40*ms + c.queue + ackDelay, 20*ms + c.queue + c.constant, true}, false, false)
		}
		if d.queue != c.want || d.reverse != c.reverse || d.ackHolding.spread() != 0 {
			t.Errorf("%s: queue %v, reverse %v, spread %v, want %v, %v", c.name, d.queue, d.reverse, d.ackHolding.spread(), c.want, c.reverse)
		}
		d.add(sample{40*ms + c.queue, 20*ms + c.queue + c.constant, true}, false, false)
		d.ackHolding.endRound()
		if got := d.ackHolding.spread(); got != c.ackDelay {
			t.Errorf("%s: ACKs delayed by %v, want %v", c.name, got, c.ackDelay)
		}
	}
}

func TestOneWayBase(t *testing.T) {
	for _, c := range []struct {
		name        string
		rtt, oneWay time.Duration
		want        time.Duration
	}{
		{"lower", 40 * ms, 12 * ms, 12 * ms},
		{"10 ms lower", 40 * ms, 10 * ms, 10 * ms},
		{"a step, no queue", 40 * ms, -980 * ms, -980 * ms},
		{"a step, and a queue of 15 ms", 55 * ms, -965 * ms, -980 * ms},
		{"higher", 55 * ms, 35 * ms, 20 * ms},
	} {
		var d delaySignal
		d.add(sample{40 * ms, 20 * ms, true}, false, false)
		for range enoughSamples {
			d.add(sample{c.rtt, c.oneWay, true}, false, false)
		}
		if d.baseOneWay != c.want {
			t.Errorf("%s: one-way base %v, want %v", c.name, d.baseOneWay, c.want)
		}
	}
}

// Inside a machine, ACKs that are late are a queue like any other (A1).
func TestLateACKsOnAShortPath(t *testing.T) {
	for _, c := range []struct {
		base, queue, ackDelay time.Duration
	}{
		{localBase, ms, 20 * ms},
		{localBase - 1, 21 * ms, 0},
	} {
		var d delaySignal
		for range 2 {
			d.add(sample{c.base, c.base / 2, true}, false, false)
			d.add(sample{c.base + 21*ms, c.base/2 + ms, true}, false, false)
			if d.queue != c.queue || d.reverse == (c.ackDelay == 0) {
				t.Errorf("base %v: queue %v, want %v; reverse %v", c.base, d.queue, c.queue, d.reverse)
			}
			d.ackHolding.endRound()
		}
		if got := d.ackHolding.spread(); got != c.ackDelay {
			t.Errorf("base %v: ACKs delayed by %v, want %v", c.base, got, c.ackDelay)
		}
		for range enoughSamples {
			d.add(sample{localBase / 2, localBase / 4, true}, false, false)
		}
		if d.hasOneWay || d.ackHolding.spread() != 0 {
			t.Errorf("base %v, then %v: one-way delays known %v, ACKs delayed by %v", c.base, d.base, d.hasOneWay, d.ackHolding.spread())
		}
	}
}

func TestRoundTripsAloneWillDo(t *testing.T) {
	var d delaySignal
	d.add(sample{40 * ms, 0, false}, false, false)
	d.add(sample{140 * ms, 0, false}, false, false)
	if d.queue != 100*ms || d.reverse {
		t.Errorf("queue %v, reverse %v", d.queue, d.reverse)
	}
	d.add(sample{60 * ms, 5 * ms, true}, false, false) // the first one-way delay, with 20 ms of queue in it
	if d.baseOneWay != -15*ms {
		t.Errorf("one-way base %v, want -15ms", d.baseOneWay)
	}
}

func TestHugeDelaysDoNotOverflow(t *testing.T) {
	var d delaySignal
	for _, oneWay := range []time.Duration{1<<63 - 1, -1 << 63, 0, 1 << 62, -1 << 62} {
		for _, rtt := range []time.Duration{1, 40 * ms, 1<<63 - 1} {
			d.add(sample{rtt, oneWay, true}, false, false)
			if d.queue < 0 || d.queue > maxDelay {
				t.Errorf("rtt %v, one way %v: queue %v", rtt, oneWay, d.queue)
			}
		}
	}
}

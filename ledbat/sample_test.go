package ledbat

import (
	"slices"
	"testing"
	"time"

	"example.com/ebb/congestion"
)

// One early packet is no shorter path; a path that has become shorter is in most samples.
func TestTheBaseFallsWithMostSamples(t *testing.T) {
	for _, c := range []struct {
		name            string
		fall            time.Duration
		overtook, noisy bool
		after           int // samples until the base is lower
	}{
		{"a little", smallFall, false, false, 1},
		{"a little, where delays vary", smallFall, false, true, enoughSamples},
		{"much", 10 * ms, false, false, enoughSamples},
	} {
		d := quiet()
		for i := range enoughSamples {
			d.add(sample{40*ms - c.fall, 20*ms - c.fall, true}, c.overtook, c.noisy)
			lower := i+1 >= c.after
			if got := d.base < 40*ms; got != lower {
				t.Errorf("%s: base %v after %d samples", c.name, d.base, i+1)
			}
			if got := d.baseOneWay < 20*ms; got != lower {
				t.Errorf("%s: one-way base %v after %d samples", c.name, d.baseOneWay, i+1)
			}
		}
		if d.queue != 0 {
			t.Errorf("%s: queue %v", c.name, d.queue)
		}
	}
	d := quiet()
	for range 100 {
		d.add(sample{39 * ms, 19 * ms, true}, true, false)
		d.add(sample{40 * ms, 20 * ms, true}, false, false)
	}
	if d.base != 40*ms || d.baseOneWay != 20*ms {
		t.Errorf("base %v, one way %v after packets that came ahead of others", d.base, d.baseOneWay)
	}
}

// Nothing else would contradict a first sample that was early. In a queue that grows, the first is the base.
func TestTheFirstSampleMayBeEarly(t *testing.T) {
	first := sample{30 * ms, 15 * ms, true}
	for _, c := range []struct {
		name string
		next func(i int) sample
		want time.Duration
	}{
		{"early", func(int) sample { return sample{40 * ms, 20 * ms, true} }, 40 * ms},
		{"early, with jitter", func(i int) sample { j := time.Duration(i%2) * ms; return sample{40*ms + j, 20*ms + j, true} }, 40 * ms},
		{"true, and a queue that grows", func(i int) sample { q := time.Duration(i) * 12 * ms; return sample{54*ms + q, 39*ms + q, true} }, 30 * ms},
		{"early, as another is", but(40*ms, firstSamples-2), 40 * ms},
		{"early, where delays vary by 20 ms", func(i int) sample {
			j := []time.Duration{0, 18, 4, 12, 20, 8, 16, 6}[i%recentSamples] * ms
			return sample{40*ms + j, 20*ms + j, true}
		}, 52 * ms}, // which five of eight do not exceed
		{"true, as two others say", but(40*ms, 3, firstSamples-2), 30 * ms},
	} {
		var d delaySignal
		d.add(first, false, false)
		for i := range 2 * settled {
			d.add(c.next(i), false, false)
			if d.base != 30*ms && i < firstSamples-1 {
				t.Errorf("%s: base %v after %d samples", c.name, d.base, i+1)
			}
		}
		if d.base != c.want {
			t.Errorf("%s: base %v, want %v", c.name, d.base, c.want)
		}
	}
}

// On a thin path every flow has a queue, which varies by whole packets: it does not show that the first sample was early.
func TestAQueueThatVariesOnAThinPathIsNotTheBase(t *testing.T) {
	for _, thin := range []bool{false, true} {
		d := delaySignal{thin: thin}
		d.add(sample{40 * ms, 20 * ms, true}, false, false)
		for i := range 2 * firstSamples {
			q := time.Duration(1+i%3) * 12 * ms
			d.add(sample{40*ms + q, 20*ms + q, true}, false, false)
		}
		if kept := d.base == 40*ms; kept != thin {
			t.Errorf("thin %v: base %v", thin, d.base)
		}
	}
}

func TestAPathIsThinIfItHoldsLessThanHalfOfTheInitialWindow(t *testing.T) {
	for _, c := range []struct {
		packets int
		want    bool
	}{{4, true}, {5, false}} {
		s, a := newCourse(t, 40*ms, Config{})
		s.flight = c.packets * mss
		for range 2 { // the first sample knows no base
			s.round(0, 0)
		}
		if a.delay.thin != c.want {
			t.Errorf("%d packets in a round trip: thin %v", c.packets, a.delay.thin)
		}
	}
}

// TestWhatAPathHolds: at the rate of a sample, without the queue in its interval.
func TestWhatAPathHolds(t *testing.T) {
	d := congestion.Delivery{Delivered: 30_000, PriorDelivered: 10_000, Interval: 100 * ms}
	if got := heldBy(&d, 40*ms); got != 8000 {
		t.Errorf("%d bytes of 20,000 in 100 ms at a base of 40 ms, want 8000", got)
	}
	if got := heldBy(&congestion.Delivery{}, 40*ms); got != 0 {
		t.Errorf("%d bytes without a sample", got)
	}
}

// but makes samples of a round trip, but of those with the given indices, which are a little longer than 30 ms.
func but(rtt time.Duration, near ...int) func(i int) sample {
	return func(i int) sample {
		if slices.Contains(near, i) {
			return sample{31 * ms, 16 * ms, true}
		}
		return sample{rtt, rtt - 15*ms, true}
	}
}

// quiet is a signal that has seen a path of 40 ms without a queue.
func quiet() (d delaySignal) {
	for range recentSamples {
		d.add(sample{40 * ms, 20 * ms, true}, false, false)
	}
	return d
}

func TestALookFindsTheSecondLowest(t *testing.T) {
	var l look
	l.add(9*ms, sample{49 * ms, 29 * ms, true})
	if want := (minima{true, true, 9 * ms, 49 * ms, 29 * ms}); l.found != want {
		t.Errorf("one sample: %+v", l.found)
	}
	l.add(2*ms, sample{42 * ms, 22 * ms, true})
	if want := (minima{true, true, 9 * ms, 49 * ms, 29 * ms}); l.found != want {
		t.Errorf("two samples: %+v", l.found)
	}
	l.add(8*ms, sample{48 * ms, 28 * ms, true})
	l.add(ms, sample{41 * ms, 30 * ms, true})
	if want := (minima{true, true, 2 * ms, 42 * ms, 28 * ms}); l.found != want {
		t.Errorf("four samples: %+v", l.found)
	}
}

func TestMinimaOfFailedLooks(t *testing.T) {
	var all, m minima
	all.merge(m)
	if all.seen {
		t.Error("a probe that saw nothing counts")
	}
	m.add(9*ms, 49*ms, 29*ms, true)
	m.add(8*ms, 50*ms, 31*ms, true)
	all.merge(m)
	m = minima{}
	m.add(12*ms, 52*ms, 0, false)
	all.merge(m)
	if want := (minima{true, true, 8 * ms, 49 * ms, 29 * ms}); all != want {
		t.Errorf("got %+v, want %+v", all, want)
	}
	d := delaySignal{base: 40 * ms}
	d.accept(all)
	if d.base != 49*ms || d.baseOneWay != 29*ms || !d.hasOneWay {
		t.Errorf("base %v, one way %v", d.base, d.baseOneWay)
	}
}

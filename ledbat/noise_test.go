package ledbat

import (
	"testing"
	"time"
)

func TestJitterIsWhatEveryRoundShows(t *testing.T) {
	var j jitter
	round := func(samples int32, spread time.Duration) {
		j.add(&round{samples: samples, least: 3 * ms, most: 3*ms + spread})
	}
	for range jitterRounds - 1 {
		round(jitterSamples, 6*ms)
	}
	if j.least != 0 {
		t.Errorf("%v after seven rounds", j.least)
	}
	if round(jitterSamples, 5*ms); j.least != 5*ms {
		t.Errorf("%v, want 5ms", j.least)
	}
	if round(23, 500*us); j.least != 5*ms {
		t.Errorf("%v after samples that may be of one clump", j.least)
	}
	if round(1, 0); j.least != 500*us {
		t.Errorf("%v after a round without jitter", j.least)
	}
	for _, c := range []struct{ target, want time.Duration }{{5 * ms, 0}, {500 * us, 500 * us}} {
		if got := j.allowed(c.target); got != c.want {
			t.Errorf("%v allowed beside a target of %v, want %v", got, c.target, c.want)
		}
	}
	for range jitterRounds {
		round(jitterSamples, 30*ms)
	}
	if got := j.allowed(5 * ms); got != maxJitter {
		t.Errorf("%v allowed for 30 ms, want %v", got, maxJitter)
	}
}

// What comes early makes the next sample look late. That is no clump (A19).
func TestARiseAfterAPacketThatOvertookIsNoClump(t *testing.T) {
	for _, c := range []struct {
		early, late bool // whether they overtook
		want        time.Duration
	}{{false, false, 10 * ms}, {true, false, 0}, {false, true, 0}} {
		s, a := newCourse(t, 40*ms, Config{})
		s.toSteady(a, 300_000)
		s.round(0, 0)
		s.send()
		s.overtook = c.early
		s.ack(s.sent-20, mss, 20*mss, 0, 0)
		s.overtook = c.late
		s.ack(s.sent-19, mss, 19*mss, 0, 10*ms)
		if got := a.noise.rise(&a.round); got != c.want {
			t.Errorf("the first overtook %v, the second %v: a rise of %v, want %v", c.early, c.late, got, c.want)
		}
	}
}

// A small window has few samples a round, and sees the same jitter in more of them.
func TestRoundsWithFewSamplesArePutTogether(t *testing.T) {
	var j jitter
	for i := range 2 * jitterRounds {
		j.add(&round{samples: jitterSamples / 2, least: time.Duration(i%2) * 6 * ms, most: time.Duration(i%2)*6*ms + ms})
		j.add(&round{})
	}
	if j.least != 7*ms {
		t.Errorf("%v, want 7ms from two rounds each", j.least)
	}
}

func TestNoisyForEightRounds(t *testing.T) {
	var n noise
	n.endRound(&round{samples: 1, rise: burstRise}, 0, 5*ms)
	if n.noisy() {
		t.Error("a rise of 4 ms")
	}
	n.endRound(&round{samples: 1, rise: burstRise + 1}, 0, 5*ms)
	for i := range noisyRounds {
		if !n.noisy() {
			t.Errorf("not noisy %d rounds after a rise of more than 4 ms", i)
		}
		n.endRound(&round{samples: 1}, 0, 5*ms)
	}
	if n.noisy() {
		t.Error("noisy for more than eight rounds")
	}
}

func TestOneSampleNearTheBaseIsNotEnoughWhereDelaysVary(t *testing.T) {
	var n noise
	if !n.nearBase(true, false) {
		t.Error("one sample is enough on a quiet path")
	}
	n.rounds = 1
	for i, c := range []struct{ near, overtook, want bool }{
		{false, false, false}, {true, false, false}, {true, false, false}, {false, false, false},
		{true, false, false}, {true, true, false}, {true, false, false}, {true, false, true}, {true, true, true}, {false, true, false},
	} {
		if got := n.nearBase(c.near, c.overtook); got != c.want {
			t.Errorf("sample %d: %v, want %v", i, got, c.want)
		}
	}
}

func TestOvertakingSamplesAreTheRoundsOnlyIfThereIsNoOther(t *testing.T) {
	var r round
	sample := func(queue time.Duration, overtook bool, want time.Duration) {
		t.Helper()
		r.sample(&delaySignal{queue: queue}, 40*ms+queue, 0, overtook)
		if r.least != want || r.rtt != 40*ms+want {
			t.Errorf("least %v, round trip %v, want a queue of %v", r.least, r.rtt, want)
		}
	}
	sample(3*ms, true, 3*ms)
	sample(2*ms, true, 2*ms)
	sample(5*ms, false, 5*ms)
	sample(ms, true, 5*ms)
	sample(4*ms, false, 4*ms)
	if r.samples != 5 || r.most != 5*ms {
		t.Errorf("%d samples, most %v", r.samples, r.most)
	}
}

// TestEveningIsAmongThoseWhoYield: flows that yield have more of a queue where their rate is low and delays vary, unless somebody who does not yield
// was there in the last rounds, or might have been (A22).
func TestEveningIsAmongThoseWhoYield(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	c.setWindow(50 * mss) // a packet in 0.8 ms
	vary := func() {
		c.noise.jitter = jitter{ranges: [jitterRounds]uint32{9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000}, least: 9 * ms}
	}
	more := func() time.Duration { vary(); return c.target(40*ms) - c.maxTarget() - maxJitter - 800*us }
	if c.noise.others == 0 {
		t.Fatal("who has just begun knows who is there")
	}
	for range othersRounds {
		if c.noise.others == 0 {
			break
		}
		if got := more(); got != 0 {
			t.Fatalf("%v more, %d rounds before others are known not to be there", got, c.noise.others)
		}
		s.round(4*ms, 0)
		c.setWindow(50 * mss)
	}
	if got, want := more(), 8*800*us-maxJitter/4; got != want {
		t.Errorf("%v more, want %v", got, want)
	}
	for range 2 { // a round ends with the first ACK of the next flight
		vary()
		s.round(23*ms, 0)
		c.setWindow(50 * mss)
	}
	if got := more(); got != 0 || c.noise.others != othersRounds {
		t.Errorf("%v more after a queue that nobody leaves who yields, for %d rounds", got, c.noise.others)
	}
	for _, x := range []struct{ packet, want time.Duration }{{200 * us, 0}, {ms, 5250 * us}, {40 * ms, 5250 * us}} {
		vary()
		if got := c.evening(x.packet); got != x.want {
			t.Errorf("a packet in %v: %v, want %v", x.packet, got, x.want)
		}
	}
	for _, x := range []struct{ jitter, want time.Duration }{{0, 0}, {ms, ms * 3 / 4 / 7}} {
		c.noise.jitter = jitter{least: (c.maxTarget() + x.jitter) / 2}
		if got := c.evening(40 * ms); got != x.want {
			t.Errorf("a jitter of %v: %v, want %v", x.jitter, got, x.want)
		}
		c.noise.jitter.clumps, c.baseProbe.window = 0xff, c.window
		if got, want := c.evening(40*ms), x.want*x.jitter/maxJitter; got != want {
			t.Errorf("a jitter of %v that clumps make: %v, want %v", x.jitter, got, want)
		}
	}
}

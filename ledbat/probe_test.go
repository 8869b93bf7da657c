package ledbat

import (
	"testing"
	"time"
)

// vary sends a window and acknowledges two packets each half a millisecond, with the queue that each of these samples saw.
func (s *course) vary(queue func(i int) time.Duration) {
	s.t.Helper()
	n := s.send() &^ 1
	first := s.sent - uint64(n)
	s.now += s.base
	for i := 0; i < n; i += 2 {
		s.now += ms / 2
		s.ack(first+uint64(i)+1, 2*mss, (n-i)*mss, i*mss, queue(i/2))
	}
}

// clump has no queue, but for 40 samples in a row.
func clump(queue time.Duration) func(int) time.Duration {
	return func(i int) time.Duration {
		if i >= 20 && i < 60 {
			return queue
		}
		return 0
	}
}

// probingAmongClumps is a probe on a path on which seven of eight rounds have samples with a queue of 12 ms, so that it is noisy
// but has no J (A8).
func probingAmongClumps(t *testing.T) (*course, *adaptive) {
	t.Helper()
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	for i := 0; c.stage != probing && i < 1000; i++ {
		queue := 12 * ms
		if i%8 == 7 {
			queue = 0
		}
		s.vary(clump(queue))
	}
	s.wantStage(c, probing, "among clumps")
	if c.jitterTime() != 0 || !c.noise.noisy() {
		t.Fatalf("J %v, noisy %v, want a noisy path without J", c.jitterTime(), c.noise.noisy())
	}
	return s, c
}

// Where delays vary, samples in a row say nothing that the rounds before had said as well; a round without a single one
// that has no queue does (A9).
func TestWhatEndsAProbeOnANoisyPath(t *testing.T) {
	between := func(least, most time.Duration) func(int) time.Duration {
		return func(i int) time.Duration { return []time.Duration{least, most}[i%2] }
	}
	for _, c := range []struct {
		name  string
		queue func(int) time.Duration
		want  stage
	}{
		{"as before", clump(12 * ms), probing},
		{"more than ever", clump(13 * ms), holding},
		{"a whole round, but not more than the target", between(5*ms, 11*ms), probing},
		{"a whole round", between(6*ms, 11*ms), holding},
	} {
		s, a := probingAmongClumps(t)
		for range 3 {
			if a.stage == probing {
				s.vary(c.queue)
			}
		}
		s.wantStage(a, c.want, c.name)
	}
}

// What the end of a probe has sent is lost in the round after it. A base that falls shows that the queue was another's (A9).
func TestLossAfterAProbeMakesTheNextWaitLongerUntilTheBaseFalls(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	s.rounds(0, func() bool { return c.stage == probing })
	s.round(4*ms, 0)
	s.wantStage(c, probing, "a moment of queue")
	s.round(4*ms, 5) // its first ACK ends the probe
	s.wantStage(c, holding, "a queue")
	if c.idle.wait != 0 {
		t.Errorf("wait %v at the end of a probe without loss", c.idle.wait)
	}
	if s.round(4*ms, 0); c.idle.wait != 2*minProbeWait {
		t.Errorf("wait %v after loss, want %v", c.idle.wait, 2*minProbeWait)
	}
	s.base -= 4 * ms
	if s.round(0, 0); c.idle.wait != 2*minProbeWait {
		t.Errorf("wait %v after a small fall, want %v", c.idle.wait, 2*minProbeWait)
	}
	s.base -= 6 * ms
	if s.round(0, 0); c.idle.wait != 0 {
		t.Errorf("wait %v after the base has fallen to %v", c.idle.wait, c.delay.base)
	}
}

// A round of few samples may have none without a queue by chance (A9).
func TestFewSamplesDoNotEndTheRoundsWithoutAQueue(t *testing.T) {
	for _, c := range []struct {
		name    string
		noisy   uint8
		samples int32 // of two rounds with a queue
		limited int64 // bytes of those while the application had no more
		want    int32
	}{
		{"few", noisyRounds, probeSamples/2 - 1, 0, 2},
		{"as many as needed", noisyRounds, probeSamples / 2, 0, 0},
		{"few on a quiet path", 0, probeSamples/2 - 1, 0, 0},
		{"few while the application had no more", noisyRounds, probeSamples/2 - 1, mss, 0},
	} {
		_, a := newCourse(t, 40*ms, Config{})
		a.noise.rounds = c.noisy
		for _, queue := range []time.Duration{0, 0, 4 * ms, 4 * ms} {
			r := round{samples: c.samples, least: queue, most: queue, acked: mss}
			if queue > 0 {
				r.limited = c.limited
			}
			a.probeDue(&r, 5*ms)
		}
		if a.idle.rounds != c.want {
			t.Errorf("%s: %d rounds without a queue, want %d", c.name, a.idle.rounds, c.want)
		}
	}
}

// What samples of a probe are compared with is from the rounds that led to it. On a quiet path the first of these may have begun
// with a queue.
func TestTheLargestQueueOfTheRoundsBeforeAProbe(t *testing.T) {
	for _, c := range []struct {
		name  string
		noisy uint8
		want  time.Duration
	}{{"quiet", 0, 2 * ms}, {"noisy", noisyRounds, 3 * ms}} {
		_, a := newCourse(t, 40*ms, Config{})
		a.noise.rounds = c.noisy
		for _, r := range []round{{most: 9 * ms}, {least: 8 * ms, most: 8 * ms}, {most: 3 * ms}, {most: 2 * ms}} {
			r.samples = probeSamples
			a.probeDue(&r, 5*ms)
		}
		if a.idle.most != c.want {
			t.Errorf("%s: %v, want %v", c.name, a.idle.most, c.want)
		}
	}
}

// The packets of the round after A4 were sent with the window before. Where clumps have left more, it is lowered again (A5).
func TestTheRoundAfterAHoldDoesNotLowerTheWindowOnANoisyPath(t *testing.T) {
	for _, k := range []struct {
		name    string
		noise   noise
		lowered bool
	}{
		{"quiet", noise{}, true},
		{"noisy", noise{rounds: noisyRounds}, false},
		{"clumps", noise{rounds: noisyRounds, riseBefore: burstRise + 1}, true},
	} {
		s, c := newCourse(t, 40*ms, Config{})
		s.toSteady(c, 300_000)
		before := c.window
		c.noise = k.noise
		s.round(15*ms, 0) // after 12 ms: no clump
		if lowered := c.window < before; lowered != k.lowered {
			t.Errorf("%s: the round after changes the window from %d to %d", k.name, before, c.window)
		}
		before = c.window
		if s.round(15*ms, 0); c.window >= before {
			t.Errorf("%s: the second changes it from %d to %d", k.name, before, c.window)
		}
	}
}

// A4 leaves a quarter of the target, and more where delays vary by more than P says.
func TestTheQueueThatAHoldLeaves(t *testing.T) {
	for _, c := range []struct {
		name  string
		noise noise
		loss  bool
		want  time.Duration
	}{
		{"quiet", noise{}, false, ms},
		{"loss", noise{}, true, 0},
		{"noisy", noise{rounds: 1}, false, 2 * ms},
		{"clumps", noise{rounds: 1, riseBefore: burstRise + 1}, false, ms},
	} {
		_, a := newCourse(t, time.Millisecond, Config{}) // T0 is 4 ms
		a.delay.base, a.noise, a.byLoss = ms, c.noise, c.loss
		if got := a.leftQueue(&round{}); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

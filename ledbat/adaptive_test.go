package ledbat

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

func TestAdaptiveSlowStartDoublesAndAQueueEndsIt(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.round(0, 0)
	s.wantWindow(20*mss, 0, "after a round trip")
	s.round(2*ms, 0)
	s.round(5*ms, 0)
	s.wantStage(c, starting, "a queue of 5 ms, the target")
	window := c.window
	for i := range 2 * streakSamples {
		s.now += streakTime / 4
		s.ack(s.sent-1, 0, 10*mss, 0, 6*ms)
		if got, want := c.stage == holding, i+1 >= streakSamples; got != want {
			t.Fatalf("%d samples of 6 ms: %v", i+1, c.stage)
		}
		if c.stage == holding {
			break
		}
	}
	s.wantWindow(int(window), 0, "in hold")
	if got := c.PacingRate(40 * ms); got != paced(window, 40*ms, steadyPace) {
		t.Errorf("paced at %d in hold", got)
	}
}

func TestAStalledMachineDoesNotEndSlowStart(t *testing.T) {
	s, c := newCourse(t, 40*us, Config{})
	s.round(0, 0)
	s.round(20*ms, 0) // all ACKs at one time
	s.wantStage(c, starting, "samples of 20 ms in no time")
}

func TestHoldSetsTheWindowToWhatWasDelivered(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.rounds(0, func() bool { return c.window > 300_000 })
	s.now += ms
	c.delay.queue = 20 * ms // it has come little by little
	c.hold(false)
	n := s.send()
	s.now += 60 * ms // 20 of them queue
	delay := int(40*ms + c.target(60*ms)/4)
	s.ack(s.sent-1, n*mss, n*mss, 0, 20*ms)
	s.wantStage(c, steady, "a round later")
	want := n * mss * delay / int(60*ms)
	s.wantWindow(want, 1, "rate times base delay and a quarter of the target")
	want = s.Window()
	if got := s.Stats(); got.SSThresh != want || own(got).MinSSThresh != want {
		t.Errorf("ssthresh %d, floor %d, want %d", got.SSThresh, own(got).MinSSThresh, want)
	}
}

func TestAdaptiveSteps(t *testing.T) {
	const base = 40 * ms
	for _, q := range []time.Duration{0, 2 * ms, 5 * ms, 6 * ms, 15 * ms, 200 * ms} {
		s, c := newCourse(t, base, Config{})
		s.toSteady(c, 300_000)
		s.round(q, 0) // the first ACK of a flight ends the round of the one before
		before := c.window
		s.round(q, 0)
		rtt := int64(base + q)
		target := int64(5*ms) + int64(mss)*rtt/before
		var want int64
		if off := target - int64(q); off >= 0 {
			want = before + min(mss/8, before*off/rtt)
		} else {
			want = before - min(before*-off/rtt, before/2)
		}
		if got := c.window; !near(int(got), int(want), 2) {
			t.Errorf("q = %v: %d after %d, want %d", q, got, before, want)
		}
	}
}

func TestTargetByPath(t *testing.T) {
	for _, c := range []struct{ base, want, short, packet time.Duration }{
		// A buffer of 16 ms is deep beside a base of 1 ms: Reno leaves 7.5 ms in it. Beside 40 ms it leaves nothing.
		{30 * us, ms, ms, 2992500}, {250 * us, ms, ms, 2937500}, {ms, 4 * ms, 3750 * us, 500 * us},
		{1250 * us, 5 * ms, 3687500, 500 * us}, {40 * ms, 5 * ms, ms, 500 * us}, {time.Second, 5 * ms, ms, 500 * us},
	} {
		_, a := newCourse(t, c.base, Config{})
		a.delay.base = c.base
		if got := a.maxTarget(); got != c.want {
			t.Errorf("base %v: %v, want %v", c.base, got, c.want)
		}
		a.buffer.size = ms
		if got := a.target(0); got != ms/2 {
			t.Errorf("base %v in a buffer of 1 ms: %v, want half of it", c.base, got)
		}
		a.buffer.size = 8 * ms
		if got := a.target(0); got != c.short {
			t.Errorf("base %v in a buffer of 16 ms: %v, want %v", c.base, got, c.short)
		}
		if got := a.target(40*ms) - a.target(0); got != c.packet {
			t.Errorf("base %v, a packet of ten in 40 ms: %v where the buffer is known, want %v", c.base, got, c.packet)
		}
		a.buffer.size = unknownBuffer
		if got := a.target(40*ms) - a.target(0); got != 4*ms {
			t.Errorf("a packet of ten in 40 ms: %v, want 4ms", got)
		}
	}
}

func TestDrainsSeeTheBase(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	s.rounds(3*ms, func() bool { return c.stage == draining })
	window := c.window
	s.wantWindow(int(window/2), 1, "in a drain")
	began := s.now
	s.rounds(0, func() bool { return c.stage == steady })
	if d := s.now - began; d > 200*ms {
		t.Errorf("a drain of %v", d)
	}
	s.wantWindow(int(window), mss, "after it")
	ended := s.now
	s.rounds(3*ms, func() bool { return c.stage == draining })
	if d := s.now - ended; d < staleTime || d > staleTime+time.Second {
		t.Errorf("the next drain %v after it, want 10 s", d)
	}
}

func TestTheBaseRisesAfterThreeDrainsInVain(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{MinSSThresh: -1})
	s.toSteady(c, 300_000)
	s.round(0, 0)
	rose := s.now
	for c.delay.base == 40*ms {
		if s.now-rose > 20*time.Second {
			t.Fatalf("never: %+v", s.Stats())
		}
		if c.baseProbe.drains > 0 && c.baseProbe.failed > 2 {
			t.Fatalf("failed %d and the base stands", c.baseProbe.failed)
		}
		s.round(60*ms, 0)
	}
	if c.delay.base != 100*ms {
		t.Errorf("base %v, want 100ms", c.delay.base)
	}
	if d := s.now - rose; d > 9*time.Second {
		t.Errorf("after %v: a squeezed window probes for the base every 2 s", d)
	}
	s.round(60*ms, 0)
	if c.delay.queue != 0 {
		t.Errorf("queue %v above the new base", c.delay.queue)
	}
}

func TestAStandingQueueOfOthersIsNotTheBaseAfterTwoDrains(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	s.round(0, 0)
	for i := 0; c.baseProbe.failed < 2 && i < 1000; i++ {
		s.round(time.Duration(28+4*(i%2))*ms, 0) // it changes, or it would be path
	}
	s.round(0, 0)
	if c.baseProbe.failed != 0 || c.delay.base != 40*ms {
		t.Errorf("failed %d, base %v after the base was seen", c.baseProbe.failed, c.delay.base)
	}
}

// Where delays vary, a squeezed window takes six drains in vain, and the base is the least that they found.
func TestDrainsInVainUntilTheBaseRises(t *testing.T) {
	for _, test := range []struct {
		noisy  uint8
		before int64 // the window when the base was seen, of what it is
		want   int
	}{{0, 1, maxFailedProbes}, {0, 3, maxFailedProbes}, {noisyRounds, 1, maxFailedProbes}, {noisyRounds, 3, squeezedFailedProbes}} {
		s, c := newCourse(t, 40*ms, Config{})
		s.toSteady(c, 300_000)
		c.noise.rounds = test.noisy
		c.baseProbe.window = test.before * c.window
		drains := 0
		for ; c.delay.base == 40*ms && drains < 10; drains++ {
			queue := time.Duration(60-10*drains) * ms
			if drains > 2 {
				queue = 70 * ms
			}
			c.baseProbe.seen = look{found: minima{seen: true, queue: queue, rtt: 40*ms + queue}}
			c.judge()
		}
		if drains != test.want || c.delay.base != 80*ms {
			t.Errorf("noisy for %d rounds, a window that was %d times as large: a base of %v after %d drains, want the least, 80ms, after %d",
				test.noisy, test.before, c.delay.base, drains, test.want)
		}
	}
}

func TestAProbeNeedsASecondOfQuiet(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	s.round(4*ms, 0)
	from := s.now
	s.rounds(0, func() bool { return c.stage == probing })
	if d := s.now - from; d < minProbeWait || d > minProbeWait+3*40*ms {
		t.Errorf("after %v, want 1 s", d)
	}
	before := c.window
	s.round(0, 0)
	s.wantWindow(int(before+before/4), 2*mss, "a round of a probe")
	s.now += ms
	s.round(3*ms, 0) // above half of the target, all at one time
	s.wantStage(c, probing, "a moment of queue")
	for range streakSamples {
		s.now += ms
		s.ack(s.sent-1, 0, 10*mss, 0, 3*ms)
	}
	s.wantStage(c, holding, "a queue of more than half of the target")
}

func TestALossyProbeMakesTheNextWaitLonger(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second} {
		from := s.now
		s.rounds(0, func() bool { return c.stage == probing })
		if d := s.now - from; d < want/2 {
			t.Errorf("a probe after %v, want %v", d, want/2)
		}
		for range 20 {
			if c.stage == probing {
				s.round(0, 5)
			}
		}
		if c.idle.wait != want {
			t.Errorf("wait %v, want %v", c.idle.wait, want)
		}
		c.setWindow(400_000)
		s.rounds(0, func() bool { return c.stage == steady })
	}
}

func TestAppLimitedNeitherGrowsNorProbesNorDrains(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	s.round(0, 0)
	s.appLimited = true
	s.flight = 2 * mss
	s.round(0, 0)
	before := c.window
	for range 2000 { // 80 s
		s.round(0, 0)
	}
	s.wantWindow(int(before), 0, "without more to send")
	if c.baseProbe.drains != 0 || c.stage != steady {
		t.Errorf("%d drains, %v", c.baseProbe.drains, c.stage)
	}
	// A base that rises meanwhile is found without a drain, and costs window only
	// until then.
	for range 1000 {
		s.round(30*ms, 0)
	}
	if c.delay.base != 70*ms || c.baseProbe.drains != 0 {
		t.Errorf("base %v after %d drains", c.delay.base, c.baseProbe.drains)
	}
}

func TestAnIdleTimeIsADrain(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{MinSSThresh: -1})
	s.toSteady(c, 300_000)
	s.round(0, 0)
	before := c.window
	s.now += 5 * time.Minute
	s.round(3*ms, 0)
	s.wantWindow(int(before), mss, "after five minutes")
	if c.baseProbe.drains != 0 {
		t.Errorf("%d drains right after an idle time", c.baseProbe.drains)
	}
	s.now += 11 * time.Minute
	s.round(0, 0)
	s.wantStage(c, starting, "after eleven minutes")
	if c.delay.base != 40*ms || s.Stats().SSThresh == 0 {
		t.Errorf("base %v", c.delay.base)
	}
	s.wantWindow(20*mss, 0, "a first round trip again")
}

func TestThrottledWindowIsTwiceTheFlightAndSlowStartResumes(t *testing.T) {
	for _, left := range []bool{false, true} {
		s, c := newCourse(t, 40*ms, Config{})
		if left {
			s.toSteady(c, 60_000)
		}
		before, ssthresh := s.Window(), s.Stats().SSThresh
		s.throttled = true
		s.flight = 40 * mss
		for range 1500 { // a minute
			s.round(0, 0)
		}
		s.wantWindow(max(before, 80*mss), 2*mss, "throttled to 40 packets in flight")
		if got := s.Stats(); got.SSThresh != ssthresh || own(got).Slowdowns > 1 {
			t.Errorf("left slow start %v: throttling looked like congestion: %+v", left, got)
		}
		s.throttled, s.flight = false, 0
		from := s.now
		s.rounds(0, func() bool { return s.Window() > 80*80*mss })
		if n := (s.now - from) / (40 * ms); n > 10 {
			t.Errorf("left slow start %v: 80 times the flight after %d round trips", left, n)
		}
	}
}

func TestAShortThrottleChangesNothing(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	s.round(3*ms, 0)
	before := c.window
	s.throttled = true
	for range 5 {
		s.round(3*ms, 0)
	}
	s.throttled = false
	for range 5 {
		s.round(3*ms, 0)
	}
	s.wantStage(c, steady, "after five throttled rounds")
	s.wantWindow(int(before), 11*mss/8, "after five throttled rounds")
}

// One ACK for everything and one for each byte grow the window alike.
func TestACKDivisionGainsNothing(t *testing.T) {
	var windows []int
	for _, parts := range []int{1, 10, mss} {
		s, c := newCourse(t, 40*ms, Config{})
		s.round(0, 0)
		n := s.send()
		s.now += s.base
		for range parts {
			s.OnAck(s.now, congestion.AckEvent{
				Bytes: n * mss / parts, LargestAcked: s.sent - 1, LargestSent: s.sent - 1,
				PriorInFlight: n * mss, RTT: s.base, SmoothedRTT: s.base,
			})
		}
		s.wantStage(c, starting, "no queue")
		windows = append(windows, s.Window())
	}
	for _, w := range windows {
		if !near(w, windows[0], mss) {
			t.Errorf("windows %v", windows)
		}
	}
}

// Where ACKs come in clumps, a queue is one that lasts from one to the next, and the window
// has to cover the wait.
func TestHeldACKs(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.rounds(0, func() bool { return c.window > 200_000 })
	delayed := func(q, back time.Duration) {
		s.back = back
		n, first := s.send(), s.sent
		s.now += s.base + q + back
		for i := range n { // those sent last waited the least
			s.back = back * time.Duration(n-1-i) / time.Duration(n)
			s.ack(first-uint64(n)+uint64(i), mss, (n-i)*mss, i*mss, q)
		}
	}
	delayed(0, 30*ms)
	delayed(0, 30*ms)
	s.wantStage(c, starting, "delayed ACKs")
	if got := c.ackHoldTime(); got < 25*ms || got > 30*ms {
		t.Errorf("ACKs delayed by %v, want about 30ms", got)
	}
	if got := c.delay.queue; got != 0 {
		t.Errorf("queue %v, want none", got)
	}
	delayed(12*ms, 30*ms)
	s.wantStage(c, starting, "a clump with a queue")
	delayed(12*ms, 30*ms)
	s.wantStage(c, holding, "a queue from one clump to the next")
}

// Slow start after a timeout stops at ssthresh only where an earlier one found what the path
// holds; elsewhere ssthresh is half of an accident.
func TestSlowStartAfterATimeoutGoesOnWhereNothingIsKnown(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.rounds(0, func() bool { return c.window > 50_000 })
	s.OnTimeout(s.now)
	s.wantStage(c, recovering, "a timeout")
	threshold := c.ssthresh
	s.rounds(0, func() bool { return c.window >= threshold })
	s.wantStage(c, starting, "at ssthresh")
	s.rounds(0, func() bool { return c.window > 8*threshold })
	s.rounds(12*ms, func() bool { return c.stage == steady })
	if c.exit.window == 0 || c.ssthresh < 2*threshold {
		t.Fatalf("nothing remembered: exit %d, ssthresh %d", c.exit.window, c.ssthresh)
	}
	s.OnTimeout(s.now)
	s.rounds(0, func() bool { return c.window >= c.ssthresh })
	s.wantStage(c, steady, "at an ssthresh that is known")
}

func TestSlowStartAfterATimeoutStopsAtAConfiguredThreshold(t *testing.T) {
	for _, floor := range []int{-1, 30_000} {
		s, c := newCourse(t, 40*ms, Config{MinSSThresh: floor})
		s.rounds(0, func() bool { return c.window > 50_000 })
		s.OnTimeout(s.now)
		s.rounds(0, func() bool { return c.window >= c.ssthresh })
		s.wantStage(c, steady, "at ssthresh")
	}
}

// A window that others have squeezed leaves in one burst, which sees little of the jitter. It keeps what it knew.
func TestASqueezedWindowKeepsItsJitter(t *testing.T) {
	for _, squeezed := range []bool{false, true} {
		s, c := newCourse(t, 40*ms, Config{})
		s.toSteady(c, 300_000)
		s.round(0, 0)
		c.noise.jitter = jitter{ranges: [jitterRounds]uint32{9000, 9000, 9000, 9000, 9000, 9000, 9000, 9000}, least: 9 * ms}
		if squeezed {
			c.setWindow(c.baseProbe.window / 4)
		}
		for range jitterRounds + 1 {
			s.round(4*ms, 0)
		}
		if kept := c.jitterTime() > 0; kept != squeezed {
			t.Errorf("squeezed %v: jitter %v", squeezed, c.jitterTime())
		}
	}
}

// Inside a machine delays vary by when programs are scheduled, and a window that covers that overflows sockets.
func TestNoJitterInsideAMachine(t *testing.T) {
	for _, c := range []struct {
		base time.Duration
		want bool
	}{{100 * us, false}, {2 * ms, true}} {
		s, a := newCourse(t, c.base, Config{})
		s.toSteady(a, 300_000)
		seen := false
		for i := range 200 {
			s.round(time.Duration(i%2)*4*ms, 0)
			seen = seen || a.jitterTime() > 0 || a.noise.noisy()
		}
		if seen != c.want {
			t.Errorf("delays that vary by 4 ms, base %v: jitter %v, want %v", c.base, seen, c.want)
		}
	}
}

// TestAStartOnAFullQueueWherePacketsOvertake: what the samples of packets that overtook others say lowers the base if there
// are many in a round and all say so (A18).
func TestAStartOnAFullQueueWherePacketsOvertake(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples int
		late    time.Duration // the queue that one of them saw
		want    time.Duration
	}{
		{"few", manySamples - 1, 0, 140 * ms},
		{"many", manySamples, 0, 60 * ms},
		{"many, of which one is longer", manySamples, 30 * ms, 90 * ms},
		{"many, of which one is like the base", manySamples, 79 * ms, 140 * ms},
	} {
		s, a := newCourse(t, 140*ms, Config{})
		s.flight = 2 * c.samples * mss
		s.round(0, 0)
		s.now += minRound
		s.base, s.overtook = 60*ms, true
		for range 2 { // a round ends with the first packet of the next flight
			number := s.sent
			for n := s.send(); n > 0; n -= 2 {
				queue := time.Duration(0)
				if n == 10 {
					queue = c.late
				}
				s.now += ms
				s.ack(number+1, 2*mss, n*mss, 0, queue)
				number += 2
			}
		}
		if got := a.Stats().BaseDelay; got != c.want {
			t.Errorf("%s: base %v, want %v", c.name, got, c.want)
		}
		if got := a.delay.baseOneWay; got != c.want-70*ms {
			t.Errorf("%s: one-way base %v, want %v", c.name, got, c.want-70*ms)
		}
	}
}

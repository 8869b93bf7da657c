package ledbat

import (
	"math/rand/v2"
	"testing"
	"time"

	"example.com/ebb/congestion"
)

func TestRandomLossIsNotCongestion(t *testing.T) {
	for _, every := range []uint64{1000, 100, 33} {
		s, c := newCourse(t, 40*ms, Config{})
		s.toSteady(c, 300_000)
		before := c.window
		for range 40 { // a probe is begun, and goes on: nothing ends it here
			s.round(400*us, every)
		}
		if c.window < before {
			t.Errorf("one of %d lost: window %d after %d", every, c.window, before)
		}
	}
}

// What late timers make of delays looks like a queue of a millisecond or two. Loss there is not what a short
// buffer does, and must not make the target less than that.
func TestLossAmongLateTimersLeavesTheTarget(t *testing.T) {
	s, c := newCourse(t, 20*ms, Config{})
	s.toSteady(c, 100_000)
	for i := range 40 {
		s.round(time.Duration(i%5)*400*us, 100)
	}
	if got := c.target(0); got != maxTarget {
		t.Errorf("target %v, want %v", got, maxTarget)
	}
	const rounds = 8 * usualGain
	for i := range rounds { // and a queue of our own, which grows slowly, changes nothing
		s.round(4*ms*time.Duration(i)/rounds, 100)
	}
	if got := c.target(0); got != maxTarget {
		t.Errorf("target %v with a queue of 4 ms, want %v", got, maxTarget)
	}
}

// A loss while late ACKs make round trips longer than the queue alone costs no more than
// what they are longer by.
func TestLossAmongLateACKsAtTheTarget(t *testing.T) {
	s, c := newCourse(t, 20*ms, Config{})
	s.toSteady(c, 200_000)
	s.round(0, 0)
	before := c.window
	s.back = 3 * ms / 2
	s.round(9*ms/2, 100)
	s.round(9*ms/2, 100)
	if c.window < before*9/10 {
		t.Errorf("window %d after %d", c.window, before)
	}
}

func TestMuchLossIsCongestionOnceARound(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{MinSSThresh: -1})
	s.toSteady(c, 300_000)
	for range 3 * usualGain { // until the queue is the usual one
		s.round(3*ms, 0)
	}
	before := c.window
	rounds := 0
	for ; c.window >= before && rounds < 20; rounds++ {
		s.round(3*ms, 10)
	}
	// A tenth of what was lost, twice: and its mean passes 4 % in the fourth round, which
	// the first ACK of the fifth ends.
	if want := before + 4*mss/8; rounds < 4 || rounds > 6 || !near(int(c.window), int(want*8/10), int(want/50)) {
		t.Errorf("%d after %d in %d rounds", c.window, before, rounds)
	}
	if got := s.Stats().SSThresh; got != int(c.window) {
		t.Errorf("ssthresh %d, window %d", got, c.window)
	}
	// What else is lost of that flight belongs to the same cut.
	cut := c.window
	for n := s.sent - 50; n < s.sent; n++ {
		s.lose(n)
	}
	s.round(3*ms, 0)
	s.round(3*ms, 0)
	s.wantWindow(int(cut), mss, "losses from before the cut")
}

func TestACutSparesAConfiguredFloor(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{MinSSThresh: 250_000})
	s.toSteady(c, 300_000)
	for range 40 {
		s.round(400*us, 3)
	}
	s.wantWindow(250_000, 41*mss/8, "a third lost, for 40 rounds")
}

func TestMarksHalveOnceARoundTrip(t *testing.T) {
	for _, in := range []stage{starting, steady, probing, draining} {
		s, c := newCourse(t, 40*ms, Config{MinSSThresh: -1})
		s.rounds(0, func() bool { return c.window > 300_000 })
		if in != starting {
			s.toSteady(c, 300_000)
		}
		q := 3 * ms
		if in == probing {
			q = 0
		}
		s.rounds(q, func() bool { return c.stage == in })
		before := c.window
		s.send()
		s.now += 40 * ms
		for n := s.sent - 40; n < s.sent; n++ {
			s.ce = 1
			s.ack(n, 0, 100*mss, 0, q)
		}
		if !near(int(c.window), int(before/2), mss) {
			t.Errorf("%v: window %d after %d and forty marks", in, c.window, before)
		}
		if in != draining {
			s.wantStage(c, steady, "a mark")
		}
	}
}

func TestAnUndoneLossGoesOnWithTheProbe(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.rounds(0, func() bool { return c.window > 300_000 })
	n := s.send()
	first, window := s.sent-uint64(n), c.window
	e := congestion.LossEvent{
		Bytes: 40 * mss, Packets: 40, Smallest: first, Largest: first + 39, LargestSent: s.sent - 1,
	}
	s.OnLoss(s.now, e)
	s.wantStage(c, holding, "forty losses")
	s.OnSpuriousLoss(s.now, e)
	s.wantStage(c, starting, "undone")
	s.wantWindow(int(window), 0, "undone")
	s.OnSpuriousLoss(s.now, e)
	s.OnLoss(s.now, e)
	s.wantStage(c, holding, "again")
}

func TestLossesTakenBackDoNotCount(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	for range 40 {
		s.send()
		for n := s.sent - 100; n < s.sent; n++ {
			s.OnSpuriousLoss(s.now, s.lose(n))
		}
		s.round(0, 0)
	}
	if c.loss.mean != 0 {
		t.Errorf("mean loss %d of %d", c.loss.mean, fullRate)
	}
}

// A peer whose clock says that there is never a queue gets what TCP would give: any loss
// halves the window while it contradicts the round trip.
func TestAForgedClockMakesLossCount(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{MinSSThresh: -1})
	s.toSteady(c, 300_000)
	s.round(0, 0)
	s.back = 80 * ms // a queue of ours, says the round trip; of the ACKs, says the peer
	s.round(0, 0)
	before := c.window
	s.round(0, 100)
	s.round(0, 0)
	if c.window > before/2+2*mss {
		t.Errorf("window %d after %d: one of a hundred was lost", c.window, before)
	}
	// And without loss it grows by no more than Reno's packet in a round trip, until a probe.
	before = c.window
	s.round(0, 0)
	if c.window > before+mss {
		t.Errorf("window %d after %d", c.window, before)
	}
}

// A peer whose clock says that the queue is long cannot starve anybody but by the round
// trips.
func TestAForgedClockStarvesNobody(t *testing.T) {
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	before := c.window
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		s.clock = time.Duration(r.Int64N(int64(time.Hour)))
		s.round(3*ms, 0)
	}
	if c.window < before {
		t.Errorf("window %d after %d", c.window, before)
	}
}

// ACKs for what was never in flight, and ACKs delayed for long, move the window within
// its bounds: it never grows by more than was acknowledged, nor beyond twice the flight.
func TestOptimisticAndLateACKs(t *testing.T) {
	s, _ := newCourse(t, 40*ms, Config{})
	s.round(0, 0)
	before := s.Window()
	s.send()
	s.OnAck(s.now, congestion.AckEvent{
		Bytes: 1 << 40, LargestAcked: s.sent - 1, LargestSent: s.sent - 1, PriorInFlight: before,
		RTT: us, SmoothedRTT: us,
	})
	if got := s.Window(); got > 2*before {
		t.Errorf("window %d after %d", got, before)
	}
	s, c := newCourse(t, 40*ms, Config{})
	s.toSteady(c, 300_000)
	before = s.Window()
	n := s.send()
	s.now += 20 * time.Second
	for i := s.sent - uint64(n); i < s.sent; i++ {
		s.ack(i, mss, n*mss, 0, 20*time.Second)
	}
	if got := s.Window(); got > before+mss {
		t.Errorf("window %d after %d: ACKs delayed by 20 s made it grow", got, before)
	}
}

package ledbat

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

// course drives a controller of any mode packet by packet, a flight at a time. A sample
// comes with every second packet, as ACKs do.
type course struct {
	congestion.Controller
	t    *testing.T
	now  time.Duration
	base time.Duration
	sent uint64 // packets sent so far: the next number
	// back is a queue on the ACKs' path, clock what the peer's clock is ahead.
	back, clock time.Duration
	noOneWay    bool
	appLimited  bool
	overtook    bool // every packet comes ahead of others
	throttled   bool
	flight      int // bytes in flight instead of the window, if not 0
	ce          int // marks with the first ACK of the next round
}

func newCourse(t *testing.T, base time.Duration, config Config) (*course, *adaptive) {
	t.Helper()
	if config.MaxDatagramSize == 0 {
		config.MaxDatagramSize = mss
	}
	c := newAdaptive(config)
	return &course{Controller: c, t: t, base: base}, c
}

// send puts a window, or flight, of packets on the way and returns how many.
func (s *course) send() int {
	n := 0
	for n == 0 || s.flight == 0 && (n+1)*mss <= s.Window() || (n+1)*mss <= s.flight {
		n++
		s.OnSend(s.now, congestion.SendEvent{Number: s.sent, Bytes: mss, InFlight: n * mss})
		s.sent++
	}
	return n
}

// round sends a window and, a round trip with a queue of q later, acknowledges it. Of
// every lossEvery packets one is lost; 0: none.
func (s *course) round(q time.Duration, lossEvery uint64) {
	s.t.Helper()
	n := s.send()
	first := s.sent - uint64(n)
	s.now += s.base + q + s.back
	inFlight, acked := n*mss, 0
	for i := first; i < s.sent; i++ {
		if lossEvery > 0 && i%lossEvery == lossEvery-1 {
			inFlight -= mss
			s.lose(i)
			continue
		}
		if acked += mss; i%2 == 0 && i < s.sent-1 {
			continue
		}
		s.ack(i, acked, inFlight, n*mss-inFlight, q)
		inFlight -= acked
		acked = 0
	}
}

func (s *course) ack(number uint64, acked, inFlight, before int, q time.Duration) {
	rtt := s.base + q + s.back
	s.OnAck(s.now, congestion.AckEvent{
		Bytes: acked, LargestAcked: number, LargestSent: s.sent - 1,
		PriorInFlight: inFlight, InFlight: inFlight - acked,
		RTT: rtt, SmoothedRTT: rtt, MinRTT: s.base,
		OneWay: s.base/2 + q + s.clock, HasOneWay: !s.noOneWay,
		AppLimited: s.appLimited, Throttled: s.throttled, CE: s.ce, Overtook: s.overtook,
		// What leaves in a round trip is what is delivered in one.
		Delivery: congestion.Delivery{
			Delivered: int64(before + acked), PriorDelivered: 0, Interval: rtt, TxInFlight: before,
		},
	})
	s.ce = 0
}

func (s *course) lose(number uint64) congestion.LossEvent {
	e := congestion.LossEvent{
		Bytes: mss, Packets: 1, Smallest: number, Largest: number, LargestSent: s.sent - 1, SentAt: s.now,
	}
	s.OnLoss(s.now, e)
	return e
}

// rounds runs rounds until the condition holds.
func (s *course) rounds(q time.Duration, until func() bool) {
	s.t.Helper()
	for range 100_000 {
		if until() {
			return
		}
		if s.Window() > 50_000_000 {
			break
		}
		s.round(q, 0)
	}
	s.t.Fatalf("never happened: %+v", s.Stats())
}

// toSteady takes a controller through slow start to congestion avoidance.
func (s *course) toSteady(c *adaptive, window int64) {
	s.t.Helper()
	s.rounds(0, func() bool { return c.window > window })
	s.rounds(12*ms, func() bool { return c.stage == steady })
}

func (s *course) wantStage(c *adaptive, want stage, when string) {
	s.t.Helper()
	if c.stage != want {
		s.t.Fatalf("%s: %v, want %v", when, c.stage, want)
	}
}

func (s *course) wantWindow(want, within int, when string) {
	s.t.Helper()
	if got := s.Window(); !near(got, want, within) {
		s.t.Errorf("%s: window %d, want %d ± %d", when, got, want, within)
	}
}

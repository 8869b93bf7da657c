package ledbat

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

const (
	us = time.Microsecond
	ms = time.Millisecond

	mss = 1424 // bytes: the packets of the numeric vectors, whose least window is 2848
)

// own is what only the controllers of this package have to say.
func own(s congestion.Stats) Stats { return s.Own.(Stats) }

// threshold is the slow start threshold as the algorithms have it: maxWindow until something sets it.
func threshold(s congestion.Stats) int {
	if s.SSThresh == 0 {
		return maxWindow
	}
	return s.SSThresh
}

// script drives LEDBAT++ packet by packet in time of its own.
type script struct {
	*plusPlus
	t    *testing.T
	now  time.Duration
	base time.Duration
	sent uint64 // packets sent so far: the next number
	// appLimited marks the ACKs; flight replaces the window as what is in
	// flight, if it is not 0.
	appLimited bool
	flight     int
}

func newScript(t *testing.T, base time.Duration, config Config) *script {
	t.Helper()
	if config.MaxDatagramSize == 0 {
		config.MaxDatagramSize = mss
	}
	return &script{plusPlus: newPlusPlus(config), t: t, base: base}
}

// send puts a window, or flight, of packets on the way and returns how many
// bytes.
func (s *script) send() int {
	s.t.Helper()
	limit := s.Window()
	if s.flight > 0 {
		limit = s.flight
	}
	inFlight := 0
	for inFlight == 0 || inFlight+mss <= limit {
		inFlight += mss
		s.OnSend(s.now, congestion.SendEvent{Number: s.sent, Bytes: mss, InFlight: inFlight})
		s.sent++
	}
	return inFlight
}

// round sends a window, lets a round trip pass over a queue of q, and
// acknowledges it packet by packet.
func (s *script) round(q time.Duration) {
	s.t.Helper()
	inFlight := s.send()
	first := s.sent - uint64(inFlight/mss)
	s.now += s.base + q
	for n := first; n < s.sent; n++ {
		s.ack(n, inFlight, q)
		inFlight -= mss
	}
}

// rounds runs rounds until the condition holds.
func (s *script) rounds(q time.Duration, until func() bool) {
	s.t.Helper()
	for range 100_000 {
		if until() {
			return
		}
		if s.Window() > 50_000_000 {
			break
		}
		s.round(q)
	}
	s.t.Fatalf("never happened: %+v", s.Stats())
}

func (s *script) ack(number uint64, inFlight int, q time.Duration) {
	rtt := s.base + q
	s.OnAck(s.now, congestion.AckEvent{
		Bytes: mss, LargestAcked: number, LargestSent: s.sent - 1,
		PriorInFlight: inFlight, InFlight: inFlight - mss,
		RTT: rtt, SmoothedRTT: rtt, MinRTT: s.base, AppLimited: s.appLimited,
	})
}

// toSSThresh acknowledges until the window is back at ssthresh, and not a packet
// more.
func (s *script) toSSThresh() {
	s.t.Helper()
	for range 1000 {
		inFlight := s.send()
		s.now += s.base
		for n := s.sent - uint64(inFlight/mss); n < s.sent; n++ {
			s.ack(n, inFlight, 0)
			if s.phase == avoidance {
				return
			}
		}
	}
	s.t.Fatalf("never: %+v", s.Stats())
}

// lose declares the newest packet lost, and returns the event.
func (s *script) lose() congestion.LossEvent {
	e := congestion.LossEvent{Bytes: mss, Packets: 1, Largest: s.sent - 1, LargestSent: s.sent - 1, SentAt: s.now}
	s.OnLoss(s.now, e)
	return e
}

// toAvoidance runs the initial slow start to its end and past the first
// slowdown, and waits for the ramp to end.
func (s *script) toAvoidance() {
	s.t.Helper()
	s.rounds(0, func() bool { return s.Window() > 400_000 })
	s.rounds(50*ms, func() bool { return s.phase == hold })
	s.rounds(0, func() bool { return s.phase == avoidance })
}

func (s *script) wantWindow(want int, when string) {
	s.t.Helper()
	if got := s.Window(); got != want {
		s.t.Errorf("%s: window %d, want %d", when, got, want)
	}
}

func (s *script) wantPhase(want phase, when string) {
	s.t.Helper()
	if s.phase != want {
		s.t.Fatalf("%s: %v, want %v", when, s.phase, want)
	}
}

// near says whether got is within so many bytes of want.
func near(got, want, within int) bool { return got-want <= within && want-got <= within }

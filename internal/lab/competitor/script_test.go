package competitor

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

const (
	ms  = time.Millisecond
	mss = 1000 // bytes: windows in packets are easy to read
)

var params = congestion.Params{MaxDatagramSize: mss, Seed: 1}

// script drives a controller packet by packet in time of its own, over a path that keeps the order.
type script struct {
	congestion.Controller
	t        *testing.T
	now      time.Duration
	rtt      time.Duration
	sent     uint64 // packets so far: the next number
	acked    uint64 // packets so far that are acknowledged or lost: the next to be
	inFlight int    // packets
	limited  bool   // the application has no more to send
}

func newScript(t *testing.T, factory congestion.Factory) *script {
	return &script{t: t, Controller: factory(params), rtt: 100 * ms}
}

// send fills the window and returns how many packets that took.
func (s *script) send() int {
	n := 0
	for (s.inFlight+1)*mss <= s.Window() {
		s.inFlight++
		n++
		s.OnSend(s.now, congestion.SendEvent{Number: s.sent, Bytes: mss, InFlight: s.inFlight * mss})
		s.sent++
	}
	return n
}

// ack acknowledges the oldest packet in flight.
func (s *script) ack() {
	s.inFlight--
	s.OnAck(s.now, congestion.AckEvent{
		Bytes: mss, LargestAcked: s.acked, LargestSent: s.sent - 1,
		PriorInFlight: (s.inFlight + 1) * mss, InFlight: s.inFlight * mss,
		RTT: s.rtt, SmoothedRTT: s.rtt, MinRTT: s.rtt, AppLimited: s.limited,
	})
	s.acked++
}

// lose declares the oldest packets in flight lost.
func (s *script) lose(n int) congestion.LossEvent {
	s.inFlight -= n
	first := s.acked
	s.acked += uint64(n)
	e := congestion.LossEvent{
		Bytes: n * mss, Packets: n, Smallest: first, Largest: s.acked - 1, LargestSent: s.sent - 1,
		SentAt: s.now - s.rtt, InFlight: s.inFlight * mss,
	}
	s.OnLoss(s.now, e)
	return e
}

// round sends a window, lets a round trip pass, and acknowledges it at once.
func (s *script) round() {
	s.send()
	s.now += s.rtt
	for n := s.inFlight; n > 0; n-- {
		s.ack()
	}
}

// clocked acknowledges n packets, each of which lets out what the window then has room for, and
// returns how many that was.
func (s *script) clocked(n int) (sent int) {
	for range n {
		s.ack()
		sent += s.send()
	}
	return sent
}

// packets is the window.
func (s *script) packets() int { return s.Window() / mss }

func (s *script) want(packets int, when string) {
	s.t.Helper()
	if got := s.packets(); got != packets {
		s.t.Errorf("%s: window of %d packets, want %d", when, got, packets)
	}
}

// recover loses one packet of a full window and lets the reduction run to its end.
func (s *script) recover() {
	s.send()
	s.lose(1)
	s.now += s.rtt
	s.clocked(s.inFlight)
	s.ack()
}

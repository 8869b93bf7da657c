// Package controllertest is for the tests of congestion controllers: a Script that drives one packet
// by packet, events read from a fuzzer's bytes, and a check that nothing is allocated.
package controllertest

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

// MSS is the size of a Script's packets, in bytes: windows in packets are easy to read.
const MSS = 1000

// Params are a Script's.
func Params() congestion.Params { return congestion.Params{MaxDatagramSize: MSS, Seed: 1} }

// Script drives a controller packet by packet in time of its own, over a path that keeps the order. It
// is used by one goroutine.
type Script struct {
	congestion.Controller
	T        *testing.T
	Now      time.Duration
	RTT      time.Duration
	Sent     uint64 // packets so far: the next number
	Acked    uint64 // packets so far that are acknowledged or lost: the next to be
	InFlight int    // packets
	Limited  bool   // the application has no more to send
	CE       int    // marks that the next ACK reports
}

// NewScript begins a Script with a round trip of 100 ms.
func NewScript(t *testing.T, factory congestion.Factory) *Script {
	return &Script{T: t, Controller: factory(Params()), RTT: 100 * time.Millisecond}
}

// SendOne sends a packet, whatever the window is.
func (s *Script) SendOne() {
	s.InFlight++
	s.OnSend(s.Now, congestion.SendEvent{Number: s.Sent, Bytes: MSS, InFlight: s.InFlight * MSS, AppLimited: s.Limited})
	s.Sent++
}

// Send fills the window and returns how many packets that took.
func (s *Script) Send() int {
	n := 0
	for (s.InFlight+1)*MSS <= s.Window() {
		s.SendOne()
		n++
	}
	return n
}

// Ack acknowledges the oldest packet in flight.
func (s *Script) Ack() {
	s.InFlight--
	s.OnAck(s.Now, congestion.AckEvent{
		Bytes: MSS, LargestAcked: s.Acked, LargestSent: s.Sent - 1,
		PriorInFlight: (s.InFlight + 1) * MSS, InFlight: s.InFlight * MSS,
		RTT: s.RTT, SmoothedRTT: s.RTT, MinRTT: s.RTT, AppLimited: s.Limited, CE: s.CE,
	})
	s.Acked++
	s.CE = 0
}

// Lose declares the oldest packets in flight lost.
func (s *Script) Lose(n int) congestion.LossEvent {
	s.InFlight -= n
	first := s.Acked
	s.Acked += uint64(n)
	e := congestion.LossEvent{
		Bytes: n * MSS, Packets: n, Smallest: first, Largest: s.Acked - 1, LargestSent: s.Sent - 1,
		SentAt: s.Now - s.RTT, InFlight: s.InFlight * MSS,
	}
	s.OnLoss(s.Now, e)
	return e
}

// Drain lets a round trip pass and acknowledges what is in flight.
func (s *Script) Drain() {
	s.Now += s.RTT
	for n := s.InFlight; n > 0; n-- {
		s.Ack()
	}
}

// Round sends a window, lets a round trip pass, and acknowledges it at once.
func (s *Script) Round() {
	s.Send()
	s.Drain()
}

// Clocked acknowledges n packets, each of which lets out what the window then has room for, and
// returns how many that was.
func (s *Script) Clocked(n int) (sent int) {
	for range n {
		s.Ack()
		sent += s.Send()
	}
	return sent
}

// Recover loses one packet of a full window and lets the reduction run to its end.
func (s *Script) Recover() {
	s.Send()
	s.Lose(1)
	s.Now += s.RTT
	s.Clocked(s.InFlight)
	s.Ack()
}

// Packets is the window.
func (s *Script) Packets() int { return s.Window() / MSS }

// Want fails the test if the window is another.
func (s *Script) Want(packets int, when string) {
	s.T.Helper()
	if got := s.Packets(); got != packets {
		s.T.Errorf("%s: window of %d packets, want %d", when, got, packets)
	}
}

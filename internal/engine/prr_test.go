package engine

import (
	"slices"
	"testing"
)

// TestReductionTraces plays the examples of RFC 6937 section 3.1, which RFC 9937 keeps: 20 packets
// are in flight, the first is lost or the first 15 are, the window falls to 10, and the
// third packet that arrives reveals it. Two new ones have left by then.
//
// With one loss the figure of RFC 6937 counts what had arrived before the recovery to
// RecoverFS; RFC 9937 does not, so that one packet leaves for every two that arrive.
func TestReductionTraces(t *testing.T) {
	const mss = 1000
	tests := []struct {
		name   string
		lost   int
		safe   bool // the ACKs close the oldest hole
		flight []int
		sent   []int
	}{
		{
			name: "one loss", lost: 1,
			flight: []int{18, 18, 17, 17, 16, 16, 15, 15, 14, 14, 13, 13, 12, 12, 11, 11, 10},
			sent:   []int{1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0},
		},
		{name: "15 losses, conservative bound", lost: 15, flight: []int{4, 4, 4}, sent: []int{1, 1, 1}},
		{name: "15 losses, slow start bound", lost: 15, safe: true, flight: []int{4, 5, 6}, sent: []int{2, 2, 2}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var p prrState
			p.begin(22, 20*mss, 0)
			inFlight := (22 - test.lost - 2) * mss
			var flight, sent []int
			for range test.flight {
				inFlight -= mss
				flight = append(flight, inFlight/mss)
				p.deliver(mss, inFlight, 10*mss, mss, test.safe)
				n := 0
				for ; p.credit >= mss; n++ {
					p.sent(mss)
					inFlight += mss
				}
				sent = append(sent, n)
			}
			if !slices.Equal(flight, test.flight) || !slices.Equal(sent, test.sent) {
				t.Errorf("flight %v, want %v\nsent   %v, want %v", flight, test.flight, sent, test.sent)
			}
			p.exitIfAcked(21)
			if !p.active {
				t.Error("an ACK of what was sent before ended it")
			}
			if p.exitIfAcked(22); p.active {
				t.Error("an ACK of the first retransmission did not end it")
			}
		})
	}
}

// TestReductionForcesTheFirstRetransmission: however little may leave, one packet does.
func TestReductionForcesTheFirstRetransmission(t *testing.T) {
	var p prrState
	p.begin(22, 20_000, 0)
	p.deliver(1000, 10_000, 10_000, 1000, false)
	if p.credit != 1000 {
		t.Errorf("credit %d", p.credit)
	}
	p.begin(22, 20_000, 1000) // a timer found the loss: no ACK will ask
	if p.credit != 1000 {
		t.Errorf("credit %d without an ACK", p.credit)
	}
}

package competitor

import (
	"testing"

	"example.com/ebb/congestion"
)

func TestRenoIsAdditiveUpAndMultiplicativeDown(t *testing.T) {
	s := newScript(t, Reno)
	for _, want := range []int{10, 20, 40, 80} {
		s.want(want, "slow start")
		s.round()
	}
	s.want(160, "slow start")
	s.recover()
	s.want(80, "behind a loss")
	for want := 80; want < 90; want++ {
		s.want(want, "a packet a round trip")
		s.round()
	}
	s.recover()
	s.want(45, "behind the second loss")
}

func TestRenoHalvesOnceForAWindow(t *testing.T) {
	s := newScript(t, Reno)
	s.round()
	s.round()
	s.send() // 40 packets
	s.lose(1)
	s.clocked(10)
	s.lose(5) // of the same flight
	if got := s.Stats().SSThresh; got != 20*mss {
		t.Errorf("ssthresh %d after losses of one flight, want %d", got, 20*mss)
	}
	s.clocked(s.inFlight)
	s.ack()
	s.want(20, "when the reduction is over")
}

func TestRenoLeastWindow(t *testing.T) {
	s := newScript(t, Reno)
	for range 8 {
		s.recover()
	}
	s.want(2, "after losses in a row")
	s.OnTimeout(s.now)
	s.want(2, "after a timeout")
	if got := s.Stats().SSThresh; got != 2*mss {
		t.Errorf("ssthresh %d, want %d", got, 2*mss)
	}
}

func TestTimeoutStartsSlowly(t *testing.T) {
	for name, c := range map[string]struct {
		factory  congestion.Factory
		ssthresh int
	}{"reno": {Reno, 20}, "cubic": {CUBIC, 28}} {
		s := newScript(t, c.factory)
		s.round()
		s.round()
		s.want(40, name)
		s.OnTimeout(s.now)
		s.want(2, name+" after a timeout")
		if got := s.Stats().SSThresh; got != c.ssthresh*mss {
			t.Errorf("%s: ssthresh %d, want %d packets", name, got, c.ssthresh)
		}
		s.round()
		s.want(4, name+" a round later")
	}
}

func TestWindowDoesNotGrowUnused(t *testing.T) {
	for name, factory := range map[string]congestion.Factory{"reno": Reno, "cubic": CUBIC} {
		s := newScript(t, factory)
		s.limited = true
		s.round()
		s.want(10, name+" without data")
		s.limited = false
		s.inFlight, s.acked = 0, s.sent
		for range 20 { // 4 packets of 10 in flight
			s.inFlight, s.sent = 4, s.sent+4
			for s.inFlight > 0 {
				s.ack()
			}
		}
		if got := s.packets(); got > 14 {
			t.Errorf("%s: window of %d packets with 4 in flight", name, got)
		}
	}
}

func TestSpuriousLossIsUndone(t *testing.T) {
	for name, factory := range map[string]congestion.Factory{"reno": Reno, "cubic": CUBIC} {
		s := newScript(t, factory)
		s.round()
		s.round()
		s.send()
		before, threshold := s.Window(), s.Stats().SSThresh
		e := s.lose(4)
		half := e
		half.Packets, half.Bytes = 2, 2*mss
		s.OnSpuriousLoss(s.now, half)
		if s.Window() >= before {
			t.Errorf("%s: undone by half of what was lost", name)
		}
		s.OnSpuriousLoss(s.now, half)
		if s.Window() != before || s.Stats().SSThresh != threshold {
			t.Errorf("%s: window %d, ssthresh %d after the undo, want %d and %d",
				name, s.Window(), s.Stats().SSThresh, before, threshold)
		}
	}
}

// RFC 6937 section 3: the reduction is in proportion to what is delivered, so that a window of 40
// becomes 20 by one packet for every two acknowledged.
func TestReductionIsProportional(t *testing.T) {
	s := newScript(t, Reno)
	s.round()
	s.round()
	s.send() // 40 packets
	s.lose(1)
	if n := s.send(); n != 1 {
		t.Fatalf("%d packets left with the loss, want the one retransmission", n)
	}
	// 40 packets are in flight: the retransmission took the place of what was lost.
	sent := 0
	for i := range 36 { // then the flight is down to 20
		s.ack()
		sent += s.send()
		if want := (i+2)/2 - 1; sent != want {
			t.Fatalf("%d packets after %d ACKs, want %d", sent, i+1, want)
		}
	}
	if s.inFlight != 21 {
		t.Errorf("%d packets in flight, want 21", s.inFlight)
	}
	s.clocked(s.inFlight)
	s.want(20, "at the end")
}

// With 15 of 40 lost, 25 are in flight and the window is to be 20: below it, a packet more than
// what was delivered leaves with each ACK (the slow start reduction bound).
func TestReductionBehindManyLosses(t *testing.T) {
	s := newScript(t, Reno)
	s.round()
	s.round()
	s.send()
	s.lose(25)
	if s.inFlight != 15 {
		t.Fatal("not the flight that the test is about")
	}
	s.send()
	s.clocked(1) // the ACK that showed the losses
	for range 4 {
		before := s.inFlight
		s.ack()
		s.send()
		if s.inFlight != min(before+1, 20) {
			t.Fatalf("flight of %d after one of %d, want one more up to 20", s.inFlight, before)
		}
	}
}

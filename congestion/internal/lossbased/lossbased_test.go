package lossbased_test

import (
	"testing"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/congestion/internal/controllertest"
	"example.com/ebb/congestion/reno"
)

func TestRenoIsAdditiveUpAndMultiplicativeDown(t *testing.T) {
	s := controllertest.NewScript(t, reno.Unpaced())
	for _, want := range []int{10, 20, 40, 80} {
		s.Want(want, "slow start")
		s.Round()
	}
	s.Want(160, "slow start")
	s.Recover()
	s.Want(80, "behind a loss")
	for want := 80; want < 90; want++ {
		s.Want(want, "a packet a round trip")
		s.Round()
	}
	s.Recover()
	s.Want(45, "behind the second loss")
}

func TestRenoHalvesOnceForAWindow(t *testing.T) {
	s := controllertest.NewScript(t, reno.Unpaced())
	s.Round()
	s.Round()
	s.Send() // 40 packets
	s.Lose(1)
	s.Clocked(10)
	s.Lose(5) // of the same flight
	if got := s.Stats().SSThresh; got != 20*controllertest.MSS {
		t.Errorf("ssthresh %d after losses of one flight, want %d", got, 20*controllertest.MSS)
	}
	s.Clocked(s.InFlight)
	s.Ack()
	s.Want(20, "when the reduction is over")
}

func TestRenoLeastWindow(t *testing.T) {
	s := controllertest.NewScript(t, reno.Unpaced())
	for range 8 {
		s.Recover()
	}
	s.Want(2, "after losses in a row")
	s.OnTimeout(s.Now)
	s.Want(2, "after a timeout")
	if got := s.Stats().SSThresh; got != 2*controllertest.MSS {
		t.Errorf("ssthresh %d, want %d", got, 2*controllertest.MSS)
	}
}

func TestTimeoutStartsSlowly(t *testing.T) {
	for name, c := range map[string]struct {
		factory  congestion.Factory
		ssthresh int
	}{"reno": {reno.Unpaced(), 20}, "cubic": {cubic.Unpaced(), 28}} {
		s := controllertest.NewScript(t, c.factory)
		s.Round()
		s.Round()
		s.Want(40, name)
		s.OnTimeout(s.Now)
		s.Want(2, name+" after a timeout")
		if got := s.Stats().SSThresh; got != c.ssthresh*controllertest.MSS {
			t.Errorf("%s: ssthresh %d, want %d packets", name, got, c.ssthresh)
		}
		s.Round()
		s.Want(4, name+" a round later")
	}
}

func TestWindowDoesNotGrowUnused(t *testing.T) {
	for name, factory := range map[string]congestion.Factory{"reno": reno.Unpaced(), "cubic": cubic.Unpaced()} {
		s := controllertest.NewScript(t, factory)
		s.Limited = true
		s.Round()
		s.Want(10, name+" without data")
		s.Limited = false
		s.InFlight, s.Acked = 0, s.Sent
		for range 20 { // 4 packets of 10 in flight
			s.InFlight, s.Sent = 4, s.Sent+4
			for s.InFlight > 0 {
				s.Ack()
			}
		}
		if got := s.Packets(); got > 14 {
			t.Errorf("%s: window of %d packets with 4 in flight", name, got)
		}
	}
}

func TestSpuriousLossIsUndone(t *testing.T) {
	for name, factory := range map[string]congestion.Factory{"reno": reno.Unpaced(), "cubic": cubic.Unpaced()} {
		s := controllertest.NewScript(t, factory)
		s.Round()
		s.Round()
		s.Send()
		before, threshold := s.Window(), s.Stats().SSThresh
		e := s.Lose(4)
		half := e
		half.Packets, half.Bytes = 2, 2*controllertest.MSS
		s.OnSpuriousLoss(s.Now, half)
		if s.Window() >= before {
			t.Errorf("%s: undone by half of what was lost", name)
		}
		s.OnSpuriousLoss(s.Now, half)
		if s.Window() != before || s.Stats().SSThresh != threshold {
			t.Errorf("%s: window %d, ssthresh %d after the undo, want %d and %d",
				name, s.Window(), s.Stats().SSThresh, before, threshold)
		}
	}
}

// RFC 6937 section 3: the reduction is in proportion to what is delivered, so that a window of 40
// becomes 20 by one packet for every two acknowledged.
func TestReductionIsProportional(t *testing.T) {
	s := controllertest.NewScript(t, reno.Unpaced())
	s.Round()
	s.Round()
	s.Send() // 40 packets
	s.Lose(1)
	if n := s.Send(); n != 1 {
		t.Fatalf("%d packets left with the loss, want the one retransmission", n)
	}
	// 40 packets are in flight: the retransmission took the place of what was lost.
	sent := 0
	for i := range 36 { // then the flight is down to 20
		s.Ack()
		sent += s.Send()
		if want := (i+2)/2 - 1; sent != want {
			t.Fatalf("%d packets after %d ACKs, want %d", sent, i+1, want)
		}
	}
	if s.InFlight != 21 {
		t.Errorf("%d packets in flight, want 21", s.InFlight)
	}
	s.Clocked(s.InFlight)
	s.Want(20, "at the end")
}

// With 15 of 40 lost, 25 are in flight and the window is to be 20: below it, a packet more than
// what was delivered leaves with each ACK (the slow start reduction bound).
func TestReductionBehindManyLosses(t *testing.T) {
	s := controllertest.NewScript(t, reno.Unpaced())
	s.Round()
	s.Round()
	s.Send()
	s.Lose(25)
	if s.InFlight != 15 {
		t.Fatal("not the flight that the test is about")
	}
	s.Send()
	s.Clocked(1) // the ACK that showed the losses
	for range 4 {
		before := s.InFlight
		s.Ack()
		s.Send()
		if s.InFlight != min(before+1, 20) {
			t.Fatalf("flight of %d after one of %d, want one more up to 20", s.InFlight, before)
		}
	}
}

package lossbased_test

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/congestion/internal/controllertest"
	"example.com/ebb/congestion/reno"
)

const mss = controllertest.MSS

// TestTheWindowIsPaced: twice the window a round trip in slow start, 1.2 times afterwards, and at least
// a byte a second, at round trips of nothing and of days.
func TestTheWindowIsPaced(t *testing.T) {
	s := controllertest.NewScript(t, reno.Factory())
	for _, c := range []struct {
		srtt time.Duration
		want int64
	}{{0, 0}, {-1, 0}, {100 * time.Millisecond, 200_000}, {time.Nanosecond, 20_000e9}, {1 << 62, 1}} {
		if got := s.PacingRate(c.srtt); got != c.want {
			t.Errorf("slow start: rate %d at %v, want %d", got, c.srtt, c.want)
		}
	}
	s.Round()
	s.Round()
	s.Recover()
	s.Want(20, "after a loss")
	if got := s.PacingRate(s.RTT); got != 240_000 {
		t.Errorf("congestion avoidance: rate %d, want 240000", got)
	}
	if got := reno.Unpaced()(controllertest.Params()).PacingRate(s.RTT); got != 0 {
		t.Errorf("unpaced: rate %d", got)
	}
}

// TestAMarkIsALoss: a mark reduces the window once a round trip, and what it did is not undone by
// losses that were none.
func TestAMarkIsALoss(t *testing.T) {
	for name, c := range map[string]struct {
		factory congestion.Factory
		after   int
	}{"reno": {reno.Factory(), 20}, "cubic": {cubic.Factory(), 28}} {
		s := controllertest.NewScript(t, c.factory)
		s.Round()
		s.Round()
		s.Send() // 40 packets
		s.CE = 1
		s.Clocked(1)
		s.CE = 3 // of the same flight
		s.Clocked(1)
		if got := s.Stats().SSThresh; got != c.after*mss {
			t.Errorf("%s: ssthresh %d after marks in one flight, want %d packets", name, got, c.after)
		}
		s.OnSpuriousLoss(s.Now, congestion.LossEvent{Bytes: mss, Packets: 1, Largest: s.Acked, LargestSent: s.Sent - 1})
		if got := s.Stats(); got.SSThresh != c.after*mss || got.State != "recovery" {
			t.Errorf("%s: a mark was undone: %+v", name, got)
		}
		for s.Stats().State == "recovery" {
			s.Clocked(1)
		}
		s.Want(c.after, name+" behind the mark")
	}
}

// TestAnUnusedWindowExpires: after an idle time the window is halved for each timeout that has passed, down
// to ten packets, and slow start leads back to three quarters (RFC 5681 section 4.1).
func TestAnUnusedWindowExpires(t *testing.T) {
	// A round trip of 100 ms makes a timeout of 300.
	for _, c := range []struct {
		idle time.Duration
		want int
	}{{290, 160}, {310, 80}, {610, 40}, {5000, 10}} {
		s := controllertest.NewScript(t, reno.Factory())
		for range 4 {
			s.Round()
		}
		s.Want(160, "before the pause")
		s.Now += c.idle * time.Millisecond
		s.Now -= s.RTT // since the last packet left
		s.SendOne()
		s.Want(c.want, "after "+(c.idle*time.Millisecond).String())
	}
	s := controllertest.NewScript(t, reno.Factory())
	for range 4 {
		s.Round()
	}
	s.Recover() // 80
	s.Drain()
	s.Now += time.Minute
	s.SendOne()
	s.Want(10, "after a minute")
	if got := s.Stats().SSThresh; got != 80*mss {
		t.Errorf("ssthresh %d, want the 80 packets that a loss has set", got)
	}
	s.Drain()
	for range 3 {
		s.Round()
	}
	s.Want(80, "three rounds later")
}

// TestTheCurveWaits: CUBIC's time does not run while nothing is sent, nor while the application has too little.
func TestTheCurveWaits(t *testing.T) {
	for name, pause := range map[string]func(*controllertest.Script){
		"idle": func(s *controllertest.Script) { s.Now += 20 * time.Second },
		"short of data": func(s *controllertest.Script) {
			s.Limited = true
			for range 200 {
				s.SendOne()
				s.Drain()
			}
			s.Limited = false
		},
	} {
		s := controllertest.NewScript(t, cubic.Factory())
		for range 4 {
			s.Round()
		}
		s.Recover()
		s.Drain()
		pause(s)
		for s.Packets() < s.Stats().SSThresh/mss {
			s.Round()
		}
		before := s.Packets()
		for range 3 {
			s.Round()
		}
		// The curve begins at 112 with three to five packets a round trip. Twenty seconds on it would add half of the window
		// every round trip.
		if got := s.Packets() - before; got > 20 {
			t.Errorf("%s: %d packets more in three round trips, from %d", name, got, before)
		}
	}
}

// TestShortOfDataForLong: a window that was not full for a timeout moves half of the way to what is used.
func TestShortOfDataForLong(t *testing.T) {
	s := controllertest.NewScript(t, reno.Factory())
	for range 4 {
		s.Round()
	}
	s.Want(160, "at first")
	s.Limited = true
	for range 40 {
		for range 20 {
			s.SendOne()
		}
		s.Drain()
	}
	// In slow start a window of twice what is used counts as full.
	if got := s.Packets(); got > 40 || got < 20 {
		t.Errorf("window of %d packets where 20 are used, want 20 to 40", got)
	}
	if got := s.Stats().State; got != "slow start" {
		t.Errorf("%s, want the way back to be slow start", got)
	}
}

// TestPersistentCongestionKeepsTheThreshold: the losses that make it have set ssthresh to half, and what is found
// lost afterwards of the same flight halves nothing again.
func TestPersistentCongestionKeepsTheThreshold(t *testing.T) {
	s := controllertest.NewScript(t, reno.Factory())
	s.Round()
	s.Round()
	s.Send() // 40 packets
	s.Lose(30)
	s.OnTimeout(s.Now)
	s.Want(2, "after persistent congestion")
	s.Lose(10)
	s.Want(2, "after the rest of the losses")
	if got := s.Stats().SSThresh; got != 20*mss {
		t.Errorf("ssthresh %d, want half of the window that was lost", got)
	}
}

// TestALimitIsNotGrownBeyond: while a bandwidth limit holds the sender back, the window stays within twice what is
// in flight.
func TestALimitIsNotGrownBeyond(t *testing.T) {
	for name, factory := range map[string]congestion.Factory{"reno": reno.Factory(), "cubic": cubic.Factory()} {
		s := controllertest.NewScript(t, factory)
		for range 60 {
			for range 12 {
				s.SendOne()
			}
			s.Drain()
		}
		if got := s.Packets(); got < 12 || got > 24 {
			t.Errorf("%s: window of %d packets where 12 are in flight", name, got)
		}
	}
}

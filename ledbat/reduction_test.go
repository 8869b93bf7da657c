package ledbat

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

func TestSSThreshOverTimeouts(t *testing.T) {
	for name, floor := range map[string]int{"none": -1, "remembered, but nothing yet": 0} {
		s := newScript(t, 60*ms, Config{InitialWindow: 1_000_000, MinSSThresh: floor})
		for i, want := range []int{500_000, 250_000, 125_000, 62_500, 31_250, 15_625, 7_812, 5_696} {
			s.OnTimeout(s.now)
			if got := s.Stats().SSThresh; got != want {
				t.Errorf("floor %s: timeout %d: ssthresh %d, want %d", name, i+1, got, want)
			}
			s.wantWindow(2848, "timeout")
			s.toSSThresh()
			s.wantWindow(want, "back at ssthresh")
		}
		if got := s.Stats().Timeouts; got != 8 {
			t.Errorf("%d timeouts counted, want 8", got)
		}
	}
}

func TestTimeoutsBackToBackCollapseOnTheSecond(t *testing.T) {
	s := newScript(t, 60*ms, Config{InitialWindow: 1_000_000, MinSSThresh: -1})
	for i, want := range []int{500_000, 5_696, 5_696} {
		s.OnTimeout(s.now)
		if got := s.Stats().SSThresh; got != want {
			t.Errorf("timeout %d: ssthresh %d, want %d", i+1, got, want)
		}
	}
}

func TestMinSSThreshHoldsOverTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		recover bool
		want    []int
	}{
		"back to back":        {false, []int{250_000, 102_400, 102_400, 102_400, 102_400}},
		"recovered each time": {true, []int{250_000, 125_000, 102_400, 102_400, 102_400}},
	} {
		s := newScript(t, 60*ms, Config{InitialWindow: 500_000, MinSSThresh: 102_400})
		for i, want := range c.want {
			s.OnTimeout(s.now)
			if got := s.Stats().SSThresh; got != want {
				t.Errorf("%s: timeout %d: ssthresh %d, want %d", name, i+1, got, want)
			}
			s.wantWindow(25_600, "a quarter of the floor")
			if c.recover {
				s.toSSThresh()
				s.wantWindow(want, "back at ssthresh")
			}
		}
	}
}

func TestFloorHoldsOnEverySSThreshWrite(t *testing.T) {
	const floor = 400_000
	config := Config{MinSSThresh: floor}
	for name, write := range map[string]func(*script){
		"exit":     func(s *script) { s.round(0); s.rounds(50*ms, func() bool { return s.phase == avoidance }) },
		"loss":     func(s *script) { s.round(0); s.lose() },
		"mark":     func(s *script) { s.round(0); s.onMark(s.sent - 1) },
		"timeout":  func(s *script) { s.round(0); s.OnTimeout(s.now) },
		"slowdown": func(s *script) { s.round(0); s.rounds(50*ms, func() bool { return s.phase == hold }) },
		"loss in a slowdown": func(s *script) {
			s.round(0)
			s.rounds(50*ms, func() bool { return s.phase == hold })
			s.round(0)
			s.lose()
		},
	} {
		s := newScript(t, 60*ms, config)
		write(s)
		if got := s.Stats().SSThresh; got != floor {
			t.Errorf("%s: ssthresh %d, want the floor of %d", name, got, floor)
		}
	}
}

// exitAt50 is a script whose initial slow start has found a queue at a base of
// 50 ms.
func exitAt50(t *testing.T) (s *script, exit int) {
	s = newScript(t, 50*ms, Config{})
	s.rounds(0, func() bool { return s.Window() > 100_000 })
	s.rounds(50*ms, func() bool { return s.phase == avoidance })
	return s, s.Stats().SSThresh
}

func TestExitWindowIsTheDefaultFloor(t *testing.T) {
	s, exit := exitAt50(t)
	for range 5 {
		s.OnTimeout(s.now)
		if got := s.Stats(); got.SSThresh != exit || own(got).MinSSThresh != exit {
			t.Errorf("ssthresh %d over %d, want the exit window %d", got.SSThresh, own(got).MinSSThresh, exit)
		}
		s.wantWindow(2848, "only a configured floor keeps the window up")
	}
}

func TestPathChangeForgetsTheExitWindow(t *testing.T) {
	for _, c := range []struct {
		base time.Duration
		used bool
	}{
		{33 * ms, false}, {34 * ms, true}, {50 * ms, true}, {75 * ms, true}, {76 * ms, false}, {80 * ms, false},
	} {
		s, exit := exitAt50(t)
		s.base = c.base
		s.now += 11 * time.Minute // the base of before is out of the history
		s.round(0)
		want := 2 * 2848
		if c.used {
			want = exit
		}
		if got := own(s.Stats()).MinSSThresh; got != want {
			t.Errorf("base %v after 50ms: floor %d, want %d", c.base, got, want)
		}
	}
}

func TestAnExitByLossIsNotRemembered(t *testing.T) {
	s := newScript(t, 50*ms, Config{})
	s.rounds(0, func() bool { return s.Window() > 100_000 })
	s.lose()
	if got := own(s.Stats()).MinSSThresh; got != 5696 {
		t.Errorf("floor %d, want 5696", got)
	}
}

func TestPathEstimatesSurviveATimeout(t *testing.T) {
	s, _ := exitAt50(t)
	before := s.Stats()
	s.OnTimeout(s.now)
	after := s.Stats()
	if after.BaseDelay != before.BaseDelay || after.QueueDelay != before.QueueDelay || own(after).MinSSThresh != own(before).MinSSThresh {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
}

func TestL9LossHalvesAtMostOncePerRoundTrip(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.round(0)
	before := s.Window()
	s.send()
	first := s.sent - 20
	for n := first; n < s.sent; n++ {
		s.OnLoss(s.now, congestion.LossEvent{Bytes: mss, Packets: 1, Largest: n, LargestSent: s.sent - 1})
	}
	s.wantWindow(before/2, "twenty losses of one flight")
	s.round(0)
	grown := s.Window()
	s.lose()
	s.wantWindow(grown/2, "a loss of a later flight")
}

// A configured floor binds the window after a loss too, because that is ssthresh; it
// never raises one that is below it already.
func TestLossDoesNotCutBelowMinSSThresh(t *testing.T) {
	for _, c := range []struct{ window, floor, want int }{
		{200_000, 150_000, 150_000},
		{400_000, 150_000, 200_000},
		{100_000, 150_000, 100_000},
		{200_000, -1, 100_000},
	} {
		s := newScript(t, 60*ms, Config{InitialWindow: c.window, MinSSThresh: c.floor})
		s.send()
		s.lose()
		s.wantWindow(c.want, "after a loss")
	}
}

func TestL9LossEndsTheInitialSlowStart(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.round(0)
	before := s.Window()
	s.lose()
	s.wantPhase(avoidance, "a loss")
	s.wantWindow(before/2, "a loss")
	s.rounds(0, func() bool { return s.phase == hold })
}

func TestNoGrowthFromPacketsSentBeforeACut(t *testing.T) {
	for _, what := range []string{"loss", "timeout"} {
		s := newScript(t, 60*ms, Config{})
		s.toAvoidance()
		inFlight := s.send()
		if what == "loss" {
			s.OnLoss(s.now, congestion.LossEvent{Bytes: mss, Packets: 1, Largest: s.sent - 50, LargestSent: s.sent - 1})
		} else {
			s.OnTimeout(s.now)
		}
		want := s.Window()
		for n := s.sent - 49; n < s.sent; n++ {
			s.ack(n, inFlight, 0)
		}
		s.wantWindow(want, what)
	}
}

func TestCEIsALoss(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.round(0)
	before := s.Window()
	inFlight := s.send()
	for n := s.sent - 30; n < s.sent; n++ {
		s.OnAck(s.now, congestion.AckEvent{Bytes: mss, LargestAcked: n, LargestSent: s.sent - 1, PriorInFlight: inFlight, CE: 1})
	}
	s.wantWindow(before/2, "thirty marks of one flight")
	s.OnSpuriousLoss(s.now, congestion.LossEvent{Bytes: mss, Packets: 1, Largest: s.sent - 1, LargestSent: s.sent - 1})
	s.wantWindow(before/2, "a mark is never spurious")
}

func TestSpuriousLossUndoesTheLastCut(t *testing.T) {
	for _, in := range []phase{slowStart, avoidance, recovery, ramp} {
		s := newScript(t, 60*ms, Config{})
		s.rounds(0, func() bool { return s.Window() > 300_000 })
		switch in {
		case avoidance:
			s.toAvoidance()
		case recovery:
			s.OnTimeout(s.now)
			s.round(0)
			s.round(0)
		case ramp:
			s.rounds(50*ms, func() bool { return s.phase == ramp && s.Window() > 8*mss })
		}
		s.wantPhase(in, "before the loss")
		before, window := s.Stats(), s.Window()
		e := s.lose()
		if s.Window() >= window {
			t.Errorf("%v: a loss took nothing", in)
		}
		s.OnSpuriousLoss(s.now, e)
		if after := s.Stats(); after != before {
			t.Errorf("%v: before %+v\nafter %+v", in, before, after)
		}
		s.OnSpuriousLoss(s.now, e)
		s.wantWindow(window, "undone once")
		s.lose()
		if s.Window() >= window {
			t.Errorf("%v: a later loss took nothing", in)
		}
	}
}

func TestAnUndoneLossInASlowdownDoesNotCount(t *testing.T) {
	s := newScript(t, 60*ms, Config{MinSSThresh: -1})
	s.rounds(0, func() bool { return s.Window() > 300_000 })
	s.rounds(50*ms, func() bool { return s.phase == ramp && s.Window() > 8*mss })
	saved := int(s.resume)
	s.OnSpuriousLoss(s.now, s.lose())
	s.lose()
	s.wantPhase(ramp, "the first loss that stands")
	if got := s.Stats().SSThresh; got != saved/2 {
		t.Errorf("ssthresh %d, want half of %d", got, saved)
	}
}

func TestSlowStartGoesOnAtItsPaceAfterAnUndoneLoss(t *testing.T) {
	s := newScript(t, 40*ms, Config{})
	s.rounds(0, func() bool { return s.Window() > 300_000 })
	e := s.lose()
	s.round(0) // congestion avoidance, and its fraction of a byte
	s.OnSpuriousLoss(s.now, e)
	s.wantPhase(slowStart, "undone")
	before := s.Window()
	inFlight := s.send()
	s.ack(s.sent-1, inFlight, 0)
	if got := s.Window() - before; !near(got, mss/3, 1) {
		t.Errorf("a packet added %d, want a third of it", got)
	}
}

func TestSlowdownFollowsARecoveryThatAnUndoneLossInterrupted(t *testing.T) {
	s := newScript(t, 60*ms, Config{InitialWindow: 1_000_000, MinSSThresh: -1})
	s.OnTimeout(s.now)
	s.round(0)
	s.OnSpuriousLoss(s.now, s.lose())
	s.wantPhase(recovery, "undone")
	s.toSSThresh()
	ended := s.now
	s.rounds(0, func() bool { return s.phase == hold })
	if d := s.now - ended; d < 2*s.base {
		t.Errorf("slowdown %v after the slow start, want two round trips", d)
	}
}

func TestAMarkMakesACutStand(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.round(0)
	before := s.Window()
	e := s.lose()
	s.OnAck(s.now, congestion.AckEvent{Bytes: mss, LargestAcked: s.sent - 2, LargestSent: s.sent - 1, CE: 1})
	s.OnSpuriousLoss(s.now, e)
	s.wantWindow(before/2, "a loss that was not one, and a mark that was")
}

func TestACutIsUndoneWhenAllOfItsPacketsHaveArrived(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.round(0)
	before := s.Window()
	s.send()
	event := func(packets int, largest uint64) congestion.LossEvent {
		return congestion.LossEvent{Bytes: packets * mss, Packets: packets, Largest: largest, LargestSent: s.sent - 1}
	}
	s.OnLoss(s.now, event(2, s.sent-10))
	s.OnLoss(s.now, event(1, s.sent-5)) // the same cut
	s.OnSpuriousLoss(s.now, event(2, s.sent-10))
	s.wantWindow(before/2, "one of three is still missing")
	s.OnSpuriousLoss(s.now, event(1, s.sent-5))
	s.wantWindow(before, "all three are here")
}

func TestSpuriousLossOfAnEarlierCutUndoesNothing(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.round(0)
	old := s.lose()
	s.round(0)
	s.lose()
	want := s.Window()
	s.OnSpuriousLoss(s.now, old)
	s.wantWindow(want, "the cut before the last")
}

func TestSpuriousLossInASlowdownRaisesWhatItGoesBackTo(t *testing.T) {
	s := newScript(t, 60*ms, Config{MinSSThresh: -1})
	s.toAvoidance()
	before := s.Window()
	e := s.lose()
	s.slowdown.at = s.now
	s.rounds(0, func() bool { return s.phase == hold })
	s.OnSpuriousLoss(s.now, e)
	s.wantWindow(2*mss, "the slowdown goes on")
	s.rounds(0, func() bool { return s.phase == avoidance })
	if got := s.Window(); !near(got, before, mss) {
		t.Errorf("back at %d, want %d", got, before)
	}
}

func TestTimeoutUndoesNothingLater(t *testing.T) {
	s := newScript(t, 60*ms, Config{})
	s.toAvoidance()
	s.round(0)
	e := s.lose()
	s.now += time.Second
	s.OnTimeout(s.now)
	s.OnSpuriousLoss(s.now, e)
	s.wantWindow(2*mss, "a loss from before the timeout")
}

func TestTimeoutMadeOfTheLossJustReportedIsOneEvent(t *testing.T) {
	s := newScript(t, 60*ms, Config{MinSSThresh: -1})
	s.toAvoidance()
	s.round(0)
	before := s.Window()
	s.lose()
	s.OnTimeout(s.now)
	if got := s.Stats().SSThresh; got != before/2 {
		t.Errorf("ssthresh %d, want half of %d", got, before)
	}
	s.OnTimeout(s.now)
	if got := s.Stats().SSThresh; got != 5696 {
		t.Errorf("a second timeout: ssthresh %d, want 5696", got)
	}
}

func TestDeathSpiralEndsAtTheFloor(t *testing.T) {
	// Eight timeouts on a path of 135 ms: with a floor the window of before is
	// back in seconds each time.
	s := newScript(t, 135*ms, Config{InitialWindow: 1_000_000, MinSSThresh: 500_000})
	for range 8 {
		s.OnTimeout(s.now)
		start := s.now
		s.rounds(0, func() bool { return s.Window() >= 500_000 })
		if d := s.now - start; d > time.Second {
			t.Errorf("back at 500 KB after %v", d)
		}
	}
}

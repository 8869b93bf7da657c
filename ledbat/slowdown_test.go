package ledbat

import (
	"testing"
	"time"
)

func TestL7SlowdownTimeline(t *testing.T) {
	const rtt = 120 * ms
	s := newScript(t, rtt, Config{MinSSThresh: -1})
	s.rounds(0, func() bool { return s.Window() > 200_000 })
	s.rounds(46*ms, func() bool { return s.phase == avoidance })
	exit := s.now
	s.round(0)
	s.wantPhase(avoidance, "one round trip after slow start")
	s.rounds(0, func() bool { return s.phase != avoidance })
	s.wantPhase(hold, "after slow start")
	// It is due two smoothed round trips, of 166 ms here, after the exit, and
	// the rounds of 120 ms look at the third.
	if got, want := s.now-exit, 3*rtt; got != want {
		t.Errorf("slowdown %v after slow start, want %v", got, want)
	}
	saved := s.Stats().SSThresh
	s.wantWindow(2*mss, "slowdown")
	if saved < 200_000 || saved != int(s.resume) {
		t.Errorf("ssthresh %d, window before %d", saved, s.resume)
	}

	began := s.now
	for s.phase == hold {
		s.wantWindow(2*mss, "held")
		s.round(0)
	}
	if got := s.now - began; got != 2*rtt {
		t.Errorf("held for %v, want two round trips", got)
	}
	for s.phase == ramp {
		before := s.Window()
		s.round(0)
		if got, want := s.Window(), min(2*before, saved); !near(got, want, mss) {
			t.Errorf("ramp: %d after %d, want %d", got, before, want)
		}
	}
	if got := s.Window(); !near(got, saved, mss) {
		t.Errorf("the ramp ended at %d, want ssthresh %d", got, saved)
	}
}

func TestL8IntervalIsNineTimesTheDuration(t *testing.T) {
	for _, base := range []time.Duration{40 * ms, 120 * ms, 500 * ms} {
		s := newScript(t, base, Config{})
		s.rounds(0, func() bool { return s.Window() > 200_000 })
		s.rounds(50*ms, func() bool { return s.phase == hold })
		var began, ended time.Duration
		for range 4 {
			began = s.now
			s.rounds(0, func() bool { return s.phase == avoidance })
			ended = s.now
			s.rounds(0, func() bool { return s.phase == hold })
			// A round late at most, as that is how often the script looks.
			want := max(9*(ended-began), 18*base, time.Second)
			if got := s.now - ended; got < want || got > want+base {
				t.Errorf("base %v: %v after a slowdown of %v, want %v", base, got, ended-began, want)
			}
			if cost := float64(ended-began) / float64(s.now-began); cost > 0.1 {
				t.Errorf("base %v: slowdowns take %.3f of the time", base, cost)
			}
		}
	}
}

func TestSlowdownIntervalIsAtLeast18RoundTripsAtEveryRoundTrip(t *testing.T) {
	for _, base := range []time.Duration{60 * us, ms, 10 * ms, 56 * ms, 120 * ms, time.Second} {
		s := newScript(t, base, Config{})
		s.round(0)
		s.flight = 30 * mss // keeps a slow start on a short path from growing without end
		var begun []time.Duration
		seen := 0
		for i := 0; s.now < 100*base+5*time.Second; i++ {
			q := time.Duration(0)
			if s.phase == slowStart && i > 20 {
				q = 50 * ms
			}
			if i%977 == 500 {
				s.OnTimeout(s.now)
			}
			if i%331 == 300 {
				s.lose()
			}
			s.round(q)
			if n := own(s.Stats()).Slowdowns; n > seen {
				seen = n
				begun = append(begun, s.now)
			}
		}
		if len(begun) < 2 {
			t.Errorf("base %v: %d slowdowns in %v", base, len(begun), s.now)
		}
		for i := 1; i < len(begun); i++ {
			if d := begun[i] - begun[i-1]; d < max(18*base, time.Second) {
				t.Errorf("base %v: slowdown %d %v after the one before", base, i, d)
			}
		}
	}
}

func TestSkippedSlowdownStillAvoidsCongestion(t *testing.T) {
	for _, why := range []string{"least window", "app-limited"} {
		s := newScript(t, 120*ms, Config{})
		s.toAvoidance()
		switch why {
		case "least window":
			s.setWindow(0)
		case "app-limited":
			s.appLimited = true
		}
		s.slowdown.at = s.now
		before, n := s.Window(), own(s.Stats()).Slowdowns
		s.round(0)
		if got := own(s.Stats()).Slowdowns; got != n || s.phase != avoidance {
			t.Errorf("%s: a slowdown with nothing to give up", why)
		}
		s.appLimited = false
		s.round(0)
		if s.Window() <= before {
			t.Errorf("%s: window %d after %d, want growth", why, s.Window(), before)
		}
		s.rounds(0, func() bool { return own(s.Stats()).Slowdowns > n })
	}
}

func TestSlowdownsGoOnAfterATimeout(t *testing.T) {
	for _, at := range []phase{slowStart, avoidance, hold, ramp, recovery} {
		s := newScript(t, 120*ms, Config{})
		s.rounds(0, func() bool { return s.Window() > 300_000 })
		switch at {
		case avoidance:
			s.rounds(50*ms, func() bool { return s.phase == avoidance })
		case hold, ramp:
			s.rounds(50*ms, func() bool { return s.phase == at })
		case recovery:
			s.OnTimeout(s.now)
			s.round(0)
		}
		s.wantPhase(at, "before the timeout")
		began := s.slowdown.beganAt
		s.OnTimeout(s.now)
		s.wantPhase(recovery, "after it")
		n := own(s.Stats()).Slowdowns
		s.rounds(0, func() bool { return s.phase == avoidance })
		ended := s.now
		s.rounds(0, func() bool { return own(s.Stats()).Slowdowns > n })
		if d := s.now - ended; d > 3*time.Second {
			t.Errorf("timeout in %v: the next slowdown came %v after the slow start", at, d)
		}
		if d := s.now - began; n > 0 && d < 18*120*ms {
			t.Errorf("timeout in %v: the next slowdown began %v after the one it cut short", at, d)
		}
	}
}

func TestTimeoutInASlowdownHalvesWhatWasPutAside(t *testing.T) {
	for _, at := range []phase{hold, ramp} {
		s := newScript(t, 60*ms, Config{MinSSThresh: -1})
		s.rounds(0, func() bool { return s.Window() > 300_000 })
		s.rounds(50*ms, func() bool { return s.phase == at })
		saved := int(s.resume)
		s.OnTimeout(s.now)
		if got := s.Stats().SSThresh; got != saved/2 {
			t.Errorf("timeout in %v: ssthresh %d, want half of %d", at, got, saved)
		}
		s.wantWindow(2*mss, "after the timeout")
	}
}

func TestLossInASlowdownReducesTheSavedThresholdOnce(t *testing.T) {
	for _, first := range []phase{hold, ramp} {
		s := newScript(t, 60*ms, Config{MinSSThresh: -1})
		s.rounds(0, func() bool { return s.Window() > 300_000 })
		s.rounds(50*ms, func() bool { return s.phase == hold })
		saved := int(s.resume)
		s.rounds(0, func() bool { return s.phase == first })
		s.round(0)
		s.lose()
		if got := s.Stats().SSThresh; got != saved/2 {
			t.Errorf("loss in %v: ssthresh %d, want half of %d", first, got, saved)
		}
		if s.phase != hold && s.phase != ramp {
			t.Errorf("a loss in %v ended the slowdown", first)
		}
		s.rounds(0, func() bool { return s.phase == ramp && s.Window() > 8*mss })
		before := s.Window()
		s.lose()
		s.wantPhase(avoidance, "a second loss")
		s.wantWindow(before/2, "a second loss")
		if got := s.Stats().SSThresh; got != saved/2 {
			t.Errorf("second loss after one in %v: ssthresh %d, want %d still", first, got, saved/2)
		}
		n := own(s.Stats()).Slowdowns
		s.rounds(0, func() bool { return own(s.Stats()).Slowdowns > n })
	}
}

func TestEverySlowdownAnswersALossOfItsOwn(t *testing.T) {
	s := newScript(t, 60*ms, Config{MinSSThresh: -1})
	s.rounds(0, func() bool { return s.Window() > 300_000 })
	for i := range 2 {
		s.rounds(50*ms, func() bool { return s.phase == hold })
		saved := int(s.resume)
		s.round(0)
		s.lose()
		if got := s.Stats().SSThresh; got != saved/2 {
			t.Errorf("slowdown %d: ssthresh %d, want half of %d", i+1, got, saved)
		}
		s.rounds(0, func() bool { return s.phase == avoidance })
	}
}

func TestBeyondTheWindowOfBeforeTheRampGrowsByGain(t *testing.T) {
	s := newScript(t, 40*ms, Config{MinSSThresh: 400_000})
	s.toAvoidance()
	s.setWindow(50_000)
	s.fraction = 100_000 // of a byte in avoidance; in slow start it would be many
	s.slowdown.at = s.now
	s.rounds(0, func() bool { return s.phase == hold })
	s.rounds(0, func() bool { return s.Window() > int(s.resume) })
	if got, most := s.Window(), int(s.resume)*4/3; got > most {
		t.Errorf("window %d when it passed %d, want at most %d", got, s.resume, most)
	}
	for range 3 {
		before := s.Window()
		s.round(0)
		if got, want := s.Window()-before, before/3; !near(got, want, mss) {
			t.Errorf("grew %d from %d, want a third", got, before)
		}
	}
	s.wantPhase(ramp, "under the floor")
}

func TestFloorHoldsInASlowdownAndIsStoppedByAQueue(t *testing.T) {
	for _, q := range []time.Duration{0, 50 * ms} {
		s := newScript(t, 60*ms, Config{MinSSThresh: 200_000})
		s.toAvoidance()
		s.setWindow(50_000)
		s.rounds(0, func() bool { return s.phase == hold })
		if got := s.Stats().SSThresh; got != 200_000 {
			t.Errorf("ssthresh %d, want the floor of 200,000", got)
		}
		before := int(s.resume)
		s.rounds(q, func() bool { return s.phase == avoidance })
		want := 200_000
		if q > 0 {
			want = before // a queue: nothing beyond what there was
		}
		if got := s.Window(); !near(got, want, mss) {
			t.Errorf("q = %v: the ramp ended at %d, want %d", q, got, want)
		}
	}
}

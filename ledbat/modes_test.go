package ledbat

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

var everyMode = []Mode{PlusPlus, RFC6817, Adaptive}

// newOfMode is a course of any mode.
func newOfMode(t *testing.T, base time.Duration, config Config) *course {
	t.Helper()
	config.MaxDatagramSize = mss
	return &course{Controller: mustNew(t, config).mode, t: t, base: base}
}

// back acknowledges packet by packet until slow start has ended.
func (s *course) toThreshold() {
	s.t.Helper()
	for range 10_000 {
		n := s.send()
		s.now += s.base
		for i := s.sent - uint64(n); i < s.sent; i++ {
			s.ack(i, mss, n*mss, 0, 0)
			if s.Stats().State == "congestion avoidance" {
				return
			}
		}
	}
	s.t.Fatalf("never: %+v", s.Stats())
}

func TestEveryModeHalvesSSThreshAtATimeout(t *testing.T) {
	for _, mode := range everyMode {
		for _, c := range []struct {
			floor, window int
			want          []int
		}{
			{-1, 1_000_000, []int{500_000, 250_000, 125_000, 62_500, 31_250, 15_625, 7_812, 5_696}},
			{102_400, 500_000, []int{250_000, 125_000, 102_400, 102_400, 102_400}},
		} {
			s := newOfMode(t, 60*ms, Config{Mode: mode, InitialWindow: c.window, MinSSThresh: c.floor})
			for i, want := range c.want {
				s.OnTimeout(s.now)
				if got := s.Stats().SSThresh; got != want {
					t.Errorf("%v, floor %d, timeout %d: ssthresh %d, want %d", mode, c.floor, i+1, got, want)
				}
				s.wantWindow(max(2*mss, c.floor/4), 0, mode.String()+": a timeout")
				s.toThreshold()
				s.wantWindow(want, 0, mode.String()+": back at ssthresh")
			}
			if got := s.Stats().Timeouts; got != len(c.want) {
				t.Errorf("%v: %d timeouts counted", mode, got)
			}
		}
	}
}

func TestEveryModeCollapsesAtTheSecondOfTwoTimeouts(t *testing.T) {
	for _, mode := range everyMode {
		s := newOfMode(t, 60*ms, Config{Mode: mode, InitialWindow: 1_000_000, MinSSThresh: -1})
		for i, want := range []int{500_000, 5_696, 5_696} {
			s.OnTimeout(s.now)
			if got := s.Stats().SSThresh; got != want {
				t.Errorf("%v: timeout %d: ssthresh %d, want %d", mode, i+1, got, want)
			}
		}
	}
}

func TestEveryModeUsesTheExitWindowWhileThePathIsTheSame(t *testing.T) {
	for _, mode := range everyMode {
		for _, c := range []struct {
			base time.Duration
			used bool
		}{{33 * ms, false}, {34 * ms, true}, {50 * ms, true}, {75 * ms, true}, {80 * ms, false}} {
			s := newOfMode(t, 50*ms, Config{Mode: mode})
			s.rounds(0, func() bool { return s.Window() > 100_000 })
			s.rounds(50*ms, func() bool { return s.Stats().State == "congestion avoidance" })
			exit := own(s.Stats()).MinSSThresh
			s.base = c.base
			s.now += 11 * time.Minute // the base of before is out of the history
			s.noOneWay = true
			s.flight = 2 * mss
			s.appLimited = true
			s.round(0, 0)
			s.round(0, 0)
			want := 2 * 2848
			if c.used && mode != Adaptive { // which forgets the path after ten minutes of silence
				want = exit
			}
			if got := own(s.Stats()).MinSSThresh; got != want {
				t.Errorf("%v: base %v after 50ms: floor %d, want %d", mode, c.base, got, want)
			}
		}
	}
}

func TestAdaptivePathChange(t *testing.T) {
	for _, c := range []struct {
		base time.Duration
		used bool
	}{{33 * ms, false}, {34 * ms, true}, {75 * ms, true}, {80 * ms, false}} {
		s, a := newCourse(t, 50*ms, Config{})
		s.toSteady(a, 100_000)
		exit := own(s.Stats()).MinSSThresh
		s.round(0, 0)
		s.base = c.base
		for range 1000 { // drains find a base that has risen
			s.round(0, 0)
			if a.delay.base == c.base {
				break
			}
		}
		want := 2 * 2848
		if c.used {
			want = exit
		}
		if got := own(s.Stats()).MinSSThresh; got != want || a.delay.base != c.base {
			t.Errorf("base %v after 50ms, seen as %v: floor %d, want %d", c.base, a.delay.base, got, want)
		}
	}
}

func TestPathEstimatesOfEveryModeSurviveATimeout(t *testing.T) {
	for _, mode := range everyMode {
		s := newOfMode(t, 50*ms, Config{Mode: mode})
		s.rounds(0, func() bool { return s.Window() > 100_000 })
		s.rounds(50*ms, func() bool { return s.Stats().State == "congestion avoidance" })
		before := s.Stats()
		s.OnTimeout(s.now)
		after := s.Stats()
		if after.BaseDelay != before.BaseDelay || after.QueueDelay != before.QueueDelay || own(after).MinSSThresh != own(before).MinSSThresh {
			t.Errorf("%v: before %+v\nafter %+v", mode, before, after)
		}
	}
}

func TestNoModeAllocates(t *testing.T) {
	for _, mode := range everyMode {
		c := mustNew(t, Config{Mode: mode})
		ack := feed(c)
		var number uint64
		if n := testing.AllocsPerRun(10_000, func() {
			ack()
			number += 2
			if number%500 == 0 {
				e := congestion.LossEvent{Bytes: mss, Packets: 1, Smallest: number + 100, Largest: number + 100, LargestSent: number + 200}
				c.OnLoss(0, e)
				c.OnSpuriousLoss(0, e)
			}
			if number%5000 == 0 {
				c.OnTimeout(0)
			}
			_ = c.Window()
		}); n != 0 {
			t.Errorf("%v: %v allocations", mode, n)
		}
	}
}

func BenchmarkOnAck(b *testing.B) {
	for _, mode := range everyMode {
		b.Run(mode.String(), func(b *testing.B) {
			ack := feed(mustNew(b, Config{Mode: mode}))
			b.ReportAllocs()
			for b.Loop() {
				ack()
			}
		})
	}
}

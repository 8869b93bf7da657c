package ledbat

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

func newRFCCourse(t *testing.T, base time.Duration, config Config) (*course, *rfc6817) {
	t.Helper()
	config.MaxDatagramSize = mss
	c := newRFC6817(config)
	return &course{Controller: c, t: t, base: base}, c
}

// toProportional ends slow start.
func (s *course) toProportional(c *rfc6817) {
	s.t.Helper()
	s.rounds(0, func() bool { return c.window > 300_000 })
	s.rounds(46*ms, func() bool { return !c.slowStart })
}

func TestRFC6817GrowsByOffTarget(t *testing.T) {
	for _, q := range []time.Duration{0, 15 * ms, 30 * ms, 60 * ms, 75 * ms, 120 * ms} {
		s, c := newRFCCourse(t, 40*ms, Config{})
		s.toProportional(c)
		s.round(q, 0)
		c.setWindow(320 * mss) // all of it in flight: nothing clamps a packet more
		before := c.window
		s.round(q, 0)
		// A packet a round trip without a queue, none at the target, one less per
		// 60 ms above it.
		want := before + mss*int64(60*ms-q)/int64(60*ms)
		if !near(int(c.window), int(want), 20) {
			t.Errorf("q = %v: window %d, want %d", q, c.window, want)
		}
	}
}

func TestRFC6817WindowFollowsTheFlight(t *testing.T) {
	s, c := newRFCCourse(t, 40*ms, Config{})
	s.toProportional(c)
	s.flight = 20 * mss
	for range 5 {
		s.round(0, 0)
	}
	s.wantWindow(21*mss, 0, "20 packets in flight and ALLOWED_INCREASE")
	// A limit on bandwidth is not inactivity.
	s, c = newRFCCourse(t, 40*ms, Config{})
	s.toProportional(c)
	s.round(0, 0)
	before := c.window
	s.flight, s.throttled = 20*mss, true
	for range 5 {
		s.round(0, 0)
	}
	if c.window < before {
		t.Errorf("throttled: window %d after %d", c.window, before)
	}
}

func TestRFC6817NeverBelowMinCwnd(t *testing.T) {
	s, c := newRFCCourse(t, 40*ms, Config{})
	s.toProportional(c)
	for range 2000 {
		s.round(200*ms, 0)
	}
	s.wantWindow(2*mss, 0, "a queue of 200 ms")
}

func TestRFC6817HalvesOnceARoundTrip(t *testing.T) {
	for _, mark := range []bool{false, true} {
		s, c := newRFCCourse(t, 40*ms, Config{MinSSThresh: -1})
		s.toProportional(c)
		s.round(60*ms, 0)
		before := int(c.window)
		s.send()
		s.now += 100 * ms
		var e congestion.LossEvent
		for n := s.sent - 20; n < s.sent; n++ {
			if mark {
				s.ce = 1
				s.ack(n, mss, 30*mss, 0, 60*ms)
			} else {
				e = s.lose(n)
			}
		}
		s.wantWindow(before/2, mss, "twenty of one flight")
		if mark {
			continue
		}
		e.Packets, e.Smallest = 20, s.sent-20
		s.OnSpuriousLoss(s.now, e)
		s.wantWindow(before, mss, "all of them arrived")
		s.lose(s.sent - 1)
		s.wantWindow(before/2, mss, "a loss after that")
	}
}

func TestRFC6817CongestionTimeout(t *testing.T) {
	s, c := newRFCCourse(t, 40*ms, Config{MinSSThresh: -1})
	s.toProportional(c)
	s.send()
	window := int(c.window)
	send := func(after time.Duration) {
		s.now += after
		s.OnSend(s.now, congestion.SendEvent{Number: s.sent, Bytes: mss, InFlight: window})
		s.sent++
	}
	send(999 * ms)
	s.wantWindow(window, 0, "999 ms without an ACK")
	send(ms)
	s.wantWindow(2*mss, 0, "a second without an ACK")
	if got := s.Stats(); got.SSThresh != window/2 || got.Timeouts != 1 {
		t.Errorf("%+v", got)
	}
	for want := 2 * time.Second; want < 200*time.Second; want *= 2 {
		want = min(want, maxCTO)
		if c.cto.after != want {
			t.Errorf("CTO %v, want %v", c.cto.after, want)
		}
		if want == maxCTO {
			break
		}
		send(want)
	}
	s.OnTimeout(s.now)
	if got := s.Stats(); got.SSThresh != window/2 || got.Timeouts != 1 {
		t.Errorf("one silence is one timeout: %+v", got)
	}
	s.ack(s.sent-1, mss, mss, 0, 0)
	if c.cto.after >= 2*time.Second {
		t.Errorf("CTO %v after an ACK", c.cto.after)
	}
}

func TestRFC6817TakesOneWayDelays(t *testing.T) {
	for _, forward := range []bool{false, true} {
		s, c := newRFCCourse(t, 40*ms, Config{})
		s.clock = -time.Hour // a difference of clocks means nothing
		s.noOneWay = !forward
		s.round(0, 0)
		s.back = 30 * ms // a queue of the ACKs alone
		s.round(0, 0)
		s.round(0, 0)
		want := 30 * ms
		if forward {
			want = 0
		}
		if got := c.delay.queue(); got != want {
			t.Errorf("one-way delays %v: queue %v, want %v", forward, got, want)
		}
	}
}

func TestRFC6817BaseAgesWhileIdle(t *testing.T) {
	s, c := newRFCCourse(t, 40*ms, Config{})
	s.round(0, 0)
	s.now += 9 * time.Minute
	s.round(20*ms, 0)
	if got := c.delay.queue(); got != 20*ms {
		t.Errorf("after nine minutes: queue %v, want 20ms", got)
	}
	s.now += 9 * time.Minute
	s.round(20*ms, 0)
	if got := c.delay.queue(); got != 0 {
		t.Errorf("after eighteen: queue %v, want none above the newer base", got)
	}
}

package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// TestSilenceIsWhatLimits: once timeouts have passed with nothing heard, the peer's silence is what limits a sender, and not
// its application or window. A peer that is heard is not silent, whatever it acknowledges.
func TestSilenceIsWhatLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		link simnet.LinkConfig
		n    uint64 // bytes to send
		want bool
	}{
		{"dead", simnet.LinkConfig{Loss: 1}, 1 << 30, true},
		{"dead, with one message", simnet.LinkConfig{Loss: 1}, 100, true},
		{"a hole", narrow(600), 1 << 30, false},
		{"alive", path(0, rtt), 1 << 30, false},
	} {
		w := newWorld(t, 1, path(250_000, rtt), path(250_000, rtt))
		w.server.Adjust = func(p *engine.Params) { p.KeepAlive = 0 }
		w.client.Adjust = func(p *engine.Params) { p.KeepAlive = time.Second }
		f, s := w.connect()
		w.Run(time.Second)
		before := w.Now()
		w.up.SetConfig(w.Now(), c.link)
		w.down.SetConfig(w.Now(), c.link)
		from, to := s, f // whose keep-alives go on
		in := &sink{t: t, f: to, salt: 1}
		out := &feed{f: from, salt: 1, n: c.n}
		from.OnChange, to.OnChange = out.pump, in.pump
		from.Flush()
		w.Run(5 * time.Second)
		i := from.Conn.Info()
		if got := i.Limit == engine.LimitSilence; got != c.want {
			t.Errorf("%s: limited by %v", c.name, i.Limit)
		}
		if heard := i.LastReceived > before+time.Second; heard == c.want {
			t.Errorf("%s: last heard %v ago", c.name, w.Now()-i.LastReceived)
		}
		if acked := i.LastAcked > before+time.Second; acked == c.want {
			t.Errorf("%s: last acknowledged %v ago", c.name, w.Now()-i.LastAcked)
		}
	}
}

// TestAFullWindowIsItsSize: a window that is full for a moment at each round trip, as its reader looks every ten
// milliseconds, admits what it admits in a round trip. One whose reader has paused admits little, the less the longer that lasts.
func TestAFullWindowIsItsSize(t *testing.T) {
	const window = 256 << 10
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	w.client.Controller = fixedFactory(4 << 20)
	w.server.Adjust = func(p *engine.Params) { p.ReceiveBuffer = window }
	c, s := w.connect()
	w.bulk(c, s)
	read, pump, paused := s.OnChange, c.OnChange, false
	s.OnChange = nil
	var look func()
	look = func() {
		if !paused {
			read()
			s.Flush()
		}
		w.After(10*time.Millisecond, look)
	}
	look()
	w.Run(2 * time.Second)
	least, full, sent := int64(1<<60), 0, c.Conn.Info().Stats.BytesSent
	c.OnChange = func() {
		pump()
		i := c.Conn.Info()
		if least = min(least, i.ReceiverRate); i.PeerWindow == 0 {
			full++
		}
	}
	w.Run(2 * time.Second)
	rate := int64(c.Conn.Info().Stats.BytesSent-sent) / 2
	if full == 0 || least < rate*8/10 {
		t.Errorf("%d bytes/s flow, the window was full %d times, and it is said to admit %d", rate, full, least)
	}
	paused = true
	w.Run(10 * time.Minute)
	if got := c.Conn.Info(); got.Limit != engine.LimitReceiver || got.ReceiverRate > 2*window/600 {
		t.Errorf("nobody has read for ten minutes: limited by %v, which admits %d", got.Limit, got.ReceiverRate)
	}
	paused = false
	w.Run(time.Second)
	if got := c.Conn.Info().ReceiverRate; got < rate*8/10 {
		t.Errorf("it goes on: the window admits %d of %d", got, rate)
	}
}

package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// narrow lets only IP packets of less than size bytes pass.
func narrow(size int) simnet.LinkConfig {
	return simnet.LinkConfig{Delay: rtt / 2, Rules: []simnet.Rule{{Match: simnet.Larger(size - 1), Loss: 1}}}
}

// bulk has a flow of the world send without an end, and its peer read.
func (w *world) bulk(from, to *simnet.Flow) {
	out, in := &feed{f: from, salt: 1, n: 1 << 30}, &sink{t: w.t, f: to, salt: 1}
	from.OnChange, to.OnChange = out.pump, in.pump
	from.Flush()
}

// TestAHoleForLargePacketsEnds: answered keep-alives are no progress. A path that carries nothing but small packets any
// more ends with the user timeout, whichever side sends, and not before.
func TestAHoleForLargePacketsEnds(t *testing.T) {
	for _, size := range []int{1228, 600, 100} {
		for _, client := range []bool{true, false} {
			w := newWorld(t, 1, path(250_000, rtt), path(250_000, rtt))
			for _, st := range []*simnet.Station{w.client, w.server} {
				st.Adjust = func(p *engine.Params) { p.KeepAlive, p.UserTimeout = 5*time.Second, 20*time.Second }
			}
			c, s := w.connect()
			if !client {
				c, s = s, c
			}
			w.bulk(c, s)
			w.Run(2 * time.Second)
			w.up.SetConfig(w.Now(), narrow(size))
			w.down.SetConfig(w.Now(), narrow(size))
			start := w.Now()
			if !w.RunUntil(time.Minute, func() bool { return c.Removed }) {
				t.Fatalf("packets of %d bytes vanish, sender dialled %v: no end after a minute; %+v", size, client, c.Conn.Info())
			}
			if took := w.Now() - start; kindOf(c.Conn.Err()) != engine.KindUserTimeout || took < 20*time.Second || took > 21*time.Second {
				t.Errorf("packets of %d bytes vanish, sender dialled %v: %v after %v", size, client, c.Conn.Err(), took)
			}
		}
	}
}

// TestAPausedReaderIsNoSilence: what the peer's window holds back may be held back for ever.
func TestAPausedReaderIsNoSilence(t *testing.T) {
	w, c, s := plainWorld(t)
	out, in := &feed{f: c, salt: 1, n: 1 << 20}, &sink{t: t, f: s, salt: 1}
	out.end = c.Conn.CloseWrite
	c.OnChange = out.pump
	c.Flush()
	w.Run(24 * time.Hour)
	s.OnChange = in.pump
	s.Flush()
	w.Run(10 * time.Second)
	if in.got != 1<<20 || !c.Conn.Delivered() {
		t.Errorf("%d bytes of %d, %v", in.got, 1<<20, c.Conn.Err())
	}
}

// TestSilenceIsNotCalledLackOfProgress: on a path that dies in mid-transfer both timeouts are over at about the same time,
// and the error names the silence. A user timeout that is shorter counts all the same.
func TestSilenceIsNotCalledLackOfProgress(t *testing.T) {
	t.Parallel()
	for _, user := range []time.Duration{0, 5 * time.Second, 30 * time.Second, time.Minute} {
		want, limit := engine.KindIdleTimeout, 30*time.Second
		if user > 0 && user < limit {
			want, limit = engine.KindUserTimeout, user
		}
		for seed := range uint64(10) {
			w := newWorld(t, seed, simnet.LinkConfig{Delay: rtt / 2, Loss: 0.02}, path(0, rtt))
			w.client.Adjust = func(p *engine.Params) { p.UserTimeout = user }
			c, s := w.connect()
			w.bulk(c, s)
			w.Run(time.Second / 2)
			w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
			w.down.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
			start := w.Now()
			w.RunUntil(2*time.Minute, func() bool { return c.Removed })
			if took := w.Now() - start; kindOf(c.Conn.Err()) != want || took < limit-time.Second || took > limit+time.Second {
				t.Errorf("user timeout %v, seed %d: %v after %v, want %v", user, seed, c.Conn.Err(), took, want)
			}
		}
	}
}

// TestTheOwnLimitIsNobodysFault: bytes that wait for the own limit, lost ones too, run no timer of the peer's, open or
// closed. At 100 bytes/s a packet leaves every 12 s, and half of them are lost.
func TestTheOwnLimitIsNobodysFault(t *testing.T) {
	for _, closed := range []bool{false, true} {
		w := newWorld(t, 1, simnet.LinkConfig{Delay: rtt / 2, Loss: 0.5}, path(0, rtt))
		w.client.Adjust = func(p *engine.Params) {
			p.Rate, p.UserTimeout, p.LingerTimeout = 100, 10*time.Second, 10*time.Second
		}
		c, s := w.connect()
		out, in := &feed{f: c, salt: 1, n: 40_000}, &sink{t: t, f: s, salt: 1}
		out.end = c.Conn.CloseWrite
		if closed {
			out.end = func() { c.Conn.Close(w.Now()) }
		}
		c.OnChange, s.OnChange = out.pump, in.pump
		c.Flush()
		w.Run(time.Hour)
		if in.got != 40_000 || !c.Conn.Delivered() {
			t.Errorf("closed %v: %d bytes, %v", closed, in.got, c.Conn.Err())
		}
	}
}

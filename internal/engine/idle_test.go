package engine_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// TestIdleConnectionLives: an hour of silence costs a probe every 15 s and its
// answer, and the connection still works.
// Of docs/wire.md: [W146].
func TestIdleConnectionLives(t *testing.T) {
	w, c, s := plainWorld(t)
	before := w.up.Stats().Sent + w.down.Stats().Sent
	w.Run(time.Hour)
	if c.Removed || s.Removed {
		t.Fatalf("dead after an hour: %v, %v", c.Conn.Err(), s.Conn.Err())
	}
	sent := w.up.Stats().Sent + w.down.Stats().Sent - before
	if sent < 2*239 || sent > 2*241 {
		t.Errorf("%d datagrams in an hour, want a probe and an answer every 15 s", sent)
	}
	write(t, c, "good morning")
	w.Run(time.Second)
	if got, err := readAll(s); got != "good morning" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestIdleArmsOneTimer: a quiet connection waits for its keep-alive and for nothing
// else.
func TestIdleArmsOneTimer(t *testing.T) {
	w, c, s := plainWorld(t)
	w.Run(5 * time.Second)
	for _, f := range []*simnet.Flow{c, s} {
		wait := f.Conn.NextTimeout() - w.Now()
		if wait < 9*time.Second {
			t.Errorf("the next timeout comes in %v", wait)
		}
	}
	if n := w.client.Chunks() + w.server.Chunks(); n != 0 {
		t.Errorf("%d chunks are held by idle connections", n)
	}
}

// TestSilenceEndsBothSides: when the path dies, the dialler's probes go unanswered
// for 30 s; the listener asks after 30 s, and 30 s later has given up too.
// Of docs/wire.md: [W147].
func TestSilenceEndsBothSides(t *testing.T) {
	w, c, s := plainWorld(t)
	dead := simnet.LinkConfig{Loss: 1}
	start := w.Now()
	w.up.SetConfig(start, dead)
	w.down.SetConfig(start, dead)
	if !w.RunUntil(2*time.Minute, func() bool { return c.Removed && s.Removed }) {
		t.Fatal("alive on a dead path")
	}
	for _, f := range []*simnet.Flow{c, s} {
		if kindOf(f.Conn.Err()) != engine.KindIdleTimeout {
			t.Errorf("error %v", f.Conn.Err())
		}
		if _, err := readAll(f); kindOf(err) != engine.KindIdleTimeout {
			t.Errorf("read: %v", err)
		}
	}
	if took := w.Now() - start; took < 44*time.Second || took > 62*time.Second {
		t.Errorf("the last side gave up after %v", took)
	}
}

// TestSilenceSaysWhatWasAsked: the error of a silence says how long it was, and tells of
// probes only where there were any.
func TestSilenceSaysWhatWasAsked(t *testing.T) {
	w, c, _ := plainWorld(t)
	w.Run(time.Second)
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	w.RunUntil(time.Minute, func() bool { return c.Removed })
	// The keep-alive goes unanswered after 15 s of silence, and what follows it for 30.
	want := fmt.Sprintf("idle timeout: nothing came from the peer for 45s, despite %d probes", c.Conn.Info().Stats.Probes)
	if got := fmt.Sprint(c.Conn.Err()); got != want || c.Conn.Info().Stats.Probes < 5 {
		t.Errorf("error %q, want %q", got, want)
	}

	w = newWorld(t, 1, path(0, rtt), path(0, rtt))
	w.client.Adjust = func(p *engine.Params) { p.IdleTimeout = rtt / 2 } // less than any answer takes
	c = w.client.Dial(w.server)
	w.RunUntil(time.Minute, func() bool { return c.Removed })
	want = fmt.Sprintf("idle timeout: nothing came from the peer for %v", rtt/2)
	if got := fmt.Sprint(c.Conn.Err()); got != want || c.Conn.Info().Stats.Probes != 0 {
		t.Errorf("error %q after %d probes, want %q", got, c.Conn.Info().Stats.Probes, want)
	}
}

// TestOutageIsSurvived: 25 s without a path, in the middle of a transfer, cost little
// more than that.
func TestOutageIsSurvived(t *testing.T) {
	w := newWorld(t, 1, path(1_250_000, rtt), path(1_250_000, rtt))
	up := w.up.Config()
	w.After(2*time.Second, func() { w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1}) })
	w.After(27*time.Second, func() { w.up.SetConfig(w.Now(), up) })
	if took := w.transfer(5<<20, 2*time.Minute); took > 35*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestNoWaitIsUnbounded: whatever a connection waits for, a timer ends the wait.
func TestNoWaitIsUnbounded(t *testing.T) {
	w, c, s := plainWorld(t)
	out := &feed{f: c, salt: 1, n: 1 << 20}
	c.OnChange = out.pump
	c.Flush()
	w.Run(time.Second) // blocked by the window
	for _, f := range []*simnet.Flow{c, s} {
		if f.Conn.NextTimeout() == engine.Never {
			t.Errorf("waits without a timer: %+v", f.Conn.Info())
		}
	}
}

// TestLostWindowIsRepeated: the window opens although the packet that said so was
// lost.
// Of docs/wire.md: [W127].
func TestLostWindowIsRepeated(t *testing.T) {
	w, c, s := plainWorld(t)
	out := &feed{f: c, salt: 1, n: 100 << 10}
	out.end = c.Conn.CloseWrite
	c.OnChange = out.pump
	c.Flush()
	w.Run(time.Second)
	in := sink{t: t, f: s, salt: 1}
	lose := true
	w.down.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, Drop: func(int, []byte) bool { l := lose; lose = false; return l }})
	in.pump()
	s.OnChange = in.pump
	s.Flush()
	w.Run(3 * time.Second)
	if in.err != io.EOF || lose {
		t.Errorf("read %d bytes, %v", in.got, in.err)
	}
}

// TestProbesOfASilentPeerSlowDown: on a path of 1 ms too, the intervals between probes double until they are 1.5 s.
func TestProbesOfASilentPeerSlowDown(t *testing.T) {
	w := newWorld(t, 1, path(0, time.Millisecond), path(0, time.Millisecond))
	c, _ := w.connect()
	write(t, c, "warm")
	w.Run(time.Second)
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	write(t, c, "into the void")
	var intervals []time.Duration
	last, probes := w.Now(), c.Conn.Info().Stats.Probes
	for len(intervals) < 14 {
		if !w.RunUntil(10*time.Second, func() bool { return c.Conn.Info().Stats.Probes > probes || c.Removed }) || c.Removed {
			t.Fatalf("after intervals of %v: %v", intervals, c.Conn.Err())
		}
		intervals = append(intervals, w.Now()-last)
		last, probes = w.Now(), c.Conn.Info().Stats.Probes
	}
	for i := 3; i < len(intervals); i++ { // the tail probe first, then timeouts
		want := min(2*intervals[i-1], 1500*time.Millisecond)
		if got := intervals[i]; got < want*9/10 || got > want*11/10 {
			t.Errorf("interval %d is %v after %v, want %v", i, got, intervals[i-1], want)
		}
	}
	if got := intervals[len(intervals)-1]; got != 1500*time.Millisecond {
		t.Errorf("the last interval is %v: %v", got, intervals)
	}
}

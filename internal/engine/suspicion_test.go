package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// killWorld is a path that has been in use for a while by a client that does one of three things.
func killWorld(t *testing.T, rtt time.Duration, doing string) (w *world, c *simnet.Flow) {
	w = newWorld(t, 1, path(2_500_000, rtt), path(2_500_000, rtt))
	c, s := w.connect()
	in := &sink{t: t, f: s, salt: 1}
	s.OnChange = in.pump
	out := &feed{f: c, salt: 1, n: 1 << 30}
	switch doing {
	case "busy":
		c.OnChange = out.pump
	case "closing":
		out.n = 1 << 20
		out.end = func() { c.Conn.Close(w.Now()) }
		c.OnChange = out.pump
	}
	c.Flush()
	w.Run(200 * time.Millisecond)
	if c.Conn.Err() != nil || c.Removed {
		t.Fatalf("%s: over before anything happened: %+v", doing, c.Conn.Info())
	}
	return w, c
}

// TestADeadPeerIsNoticed: after kill -9 of the peer's process, its host answers port unreachable. That is noticed within 2 s of the
// first packet that is sent, by a busy sender, a closing one, and an idle one that sends a keep-alive; even if no more than six reports
// come at once, the others one a second, within 4 s.
func TestADeadPeerIsNoticed(t *testing.T) {
	for _, doing := range []string{"busy", "closing", "idle"} {
		for _, rtt := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond} {
			for every, limit := range map[time.Duration]time.Duration{0: 2 * time.Second, time.Second: 4 * time.Second} {
				t.Run(fmt.Sprintf("%s/%v/every %v", doing, rtt, every), func(t *testing.T) {
					w, c := killWorld(t, rtt, doing)
					w.server.ReportEvery = every
					w.server.Kill()
					sent := w.up.Stats().Sent
					if !w.RunUntil(time.Minute, func() bool { return w.up.Stats().Sent > sent }) {
						t.Fatal("nothing was sent to the dead peer")
					}
					first := w.Now()
					if !w.RunUntil(time.Minute, func() bool { return c.Removed }) || kindOf(c.Conn.Err()) != engine.KindReset {
						t.Fatalf("error %v\n%+v", c.Conn.Err(), c.Conn.Info())
					}
					took := w.Now() - first
					t.Logf("%v after the first packet: %v", took, c.Conn.Err())
					if took > limit {
						t.Errorf("noticed after %v, want %v", took, limit)
					}
				})
			}
		}
	}
}

// forgeHints sends hints to a flow, of packets that were sent to the peer, as who sees some of them would.
func forgeHints(w *world, f *simnet.Flow, every, until time.Duration, hint func() engine.Hint) {
	var strike func()
	strike = func() {
		if f.Removed || w.Now() >= until {
			return
		}
		f.Conn.Unreachable(w.Now(), hint())
		f.Flush()
		w.After(every, strike)
	}
	strike()
}

// recent is a hint about one of the last packets of a flow.
func recent(f *simnet.Flow, r *rand.Rand) engine.Hint {
	next := f.Conn.FinalState().NextNumber
	return engine.Hint{Kind: engine.HintPortUnreachable, Known: true, Number: next - 1 - min(next-1, uint64(r.IntN(8))), NumberLen: 4}
}

// TestForgedHintsCostProbes: whoever says a thousand times a second that nobody listens, of recent packets, of guessed ones, or of
// nothing in particular, ends no connection, idle or busy. He gets at most one small packet in a timeout.
func TestForgedHintsCostProbes(t *testing.T) {
	t.Parallel()
	for _, doing := range []string{"busy", "idle"} {
		for kind := range 3 {
			w, c := killWorld(t, 20*time.Millisecond, doing)
			r := newRand(uint64(kind))
			before := c.Conn.Info().Stats
			const length = 10 * time.Second
			forgeHints(w, c, time.Millisecond, w.Now()+length, func() engine.Hint {
				h := recent(c, r)
				switch kind {
				case 1:
					h.Number, h.NumberLen = r.Uint64N(1<<16), 2
				case 2:
					h = engine.Hint{Kind: engine.HintPortUnreachable}
				}
				return h
			})
			w.Run(length + time.Second)
			stats := c.Conn.Info().Stats
			probes := stats.Probes - before.Probes
			t.Logf("%s, kind %d: %d probes", doing, kind, probes)
			if c.Conn.Err() != nil || c.Removed {
				t.Errorf("%s, kind %d: %v", doing, kind, c.Conn.Err())
			}
			if most := uint64(length / (20 * time.Millisecond)); probes > most || probes == 0 {
				t.Errorf("%s, kind %d: %d probes, want 1 to %d", doing, kind, probes, most)
			}
			if got := c.Conn.Info().Stats.StreamBytesSent - before.StreamBytesSent; doing == "busy" && got < 20e6 {
				t.Errorf("busy, kind %d: %d bytes sent in 10 s at 2.5 MB/s", kind, got)
			}
		}
	}
}

// TestAnOutageWithReportsLosesNothing: a router that says for 25 s that there is no way to the peer's host ends nothing, though
// somebody says beside it that nobody listens, about packets whose numbers he has to guess.
func TestAnOutageWithReportsLosesNothing(t *testing.T) {
	for _, code := range []simnet.ICMPCode{simnet.NetUnreachable, simnet.HostUnreachable} {
		w := newWorld(t, 1, path(250_000, rtt), path(250_000, rtt))
		r := newRand(1)
		w.onAccept = func(*simnet.Flow) {
			config := w.up.Config()
			config.Rules = []simnet.Rule{{From: w.Now() + time.Second, Until: w.Now() + 26*time.Second, Loss: 1, Report: code}}
			w.up.SetConfig(w.Now(), config)
			w.After(time.Second, func() {
				f := w.accepted[0]
				forgeHints(w, f, 10*time.Millisecond, w.Now()+25*time.Second, func() engine.Hint {
					return engine.Hint{Kind: engine.HintPortUnreachable, Known: true, Number: r.Uint64N(1 << 32), NumberLen: 4}
				})
			})
		}
		w.transfer(1<<20, time.Minute)
	}
}

// TestForgedHintsAmongLosses: no connection ends over a path that loses, delays and reorders, although recent packets are said to
// have found nobody at random moments.
func TestForgedHintsAmongLosses(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := newRand(seed)
		link := func() simnet.LinkConfig {
			return simnet.LinkConfig{
				Rate: 100_000 + r.Int64N(2_000_000), Queue: 64 << 10, Delay: time.Duration(r.Int64N(int64(100 * time.Millisecond))),
				Loss: r.Float64() * 0.1, Reorder: r.Float64() * 0.2, Jitter: time.Duration(r.Int64N(int64(20 * time.Millisecond))),
			}
		}
		w := newWorld(t, seed, link(), link())
		w.onAccept = func(s *simnet.Flow) {
			forgeHints(w, s, time.Duration(1+r.IntN(100))*time.Millisecond, w.Now()+30*time.Second, func() engine.Hint { return recent(s, r) })
		}
		w.transfer(uint64(500_000+r.IntN(500_000)), 5*time.Minute)
	}
}

package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

// delivery runs a transfer that lasts for d and returns its rate in bytes per second, and the longest time in which the
// application got nothing.
func delivery(t *testing.T, seed uint64, factory congestion.Factory, up, down simnet.LinkConfig, d time.Duration) (rate float64, gap time.Duration, s *simnet.Flow) {
	t.Helper()
	w := newWorld(t, seed, up, down)
	w.client.Controller = factory
	adjust := func(p *engine.Params) { p.SendBuffer, p.ReceiveBuffer = 16<<20, 16<<20 }
	w.client.Adjust, w.server.Adjust = adjust, adjust
	c, s := w.connect()
	in := &sink{t: t, f: s, salt: 1}
	start := w.Now()
	last := start
	s.OnChange = func() {
		before := in.got
		if in.pump(); in.got > before {
			gap = max(gap, w.Now()-last)
			last = w.Now()
		}
	}
	out := &feed{f: c, salt: 1, n: 1 << 40}
	c.OnChange = out.pump
	c.Flush()
	w.Run(d)
	gap = max(gap, w.Now()-last)
	return float64(in.got) / d.Seconds(), gap, s
}

// TestLostAcksDoNotStall: where half of what the receiver sends is lost, and with it half of its windows, a transfer over 50 Mbit/s has
// 40 of them, and is never silent for a second. With -long there are 24 seeds of each.
// Of docs/wire.md: [W173].
func TestLostAcksDoNotStall(t *testing.T) {
	seeds := uint64(4)
	if *longIdle {
		seeds = 24
	}
	for name, factory := range controllers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range seeds {
				up, down := path(6_250_000, brokenRTT), path(0, brokenRTT)
				down.Loss = 0.5
				rate, gap, _ := delivery(t, seed, factory, up, down, 20*time.Second)
				if rate < 5_000_000 || gap > time.Second {
					t.Errorf("seed %d: %.1f Mbit/s, silent for %v", seed, rate*8/1e6, gap)
				}
			}
		})
	}
}

// TestTheWindowGrowsDespiteReordering: packets that come late by a round trip, one in every so many, do not keep the receive window small.
func TestTheWindowGrowsDespiteReordering(t *testing.T) {
	t.Parallel()
	for _, every := range []int{2, 5, 10, 20, 30, 45, 100} {
		for _, late := range []time.Duration{brokenRTT / 4, brokenRTT} {
			up := path(6_250_000, brokenRTT)
			up.Rules = []simnet.Rule{{Every: every, Late: late}}
			_, _, s := delivery(t, 1, fixedFactory(1<<20), up, path(0, brokenRTT), 5*time.Second)
			if got := s.Conn.Info().ReceiveWindow; got < 1<<20 {
				t.Errorf("every %dth late by %v: a window of %d KiB", every, late, got>>10)
			}
		}
	}
}

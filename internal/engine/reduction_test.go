package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/simnet"
)

// halving is a fixed controller that halves its window for a loss, once for all that is
// in flight then, and takes that back if the loss was none.
type halving struct {
	fixed
	whole int
	end   uint64
}

func (h *halving) OnLoss(now time.Duration, e congestion.LossEvent) {
	h.fixed.OnLoss(now, e)
	if e.Largest >= h.end {
		h.whole, h.end = h.window, e.LargestSent+1
		h.window /= 2
	}
}

func (h *halving) OnSpuriousLoss(now time.Duration, e congestion.LossEvent) {
	h.fixed.OnSpuriousLoss(now, e)
	h.window = max(h.window, h.whole)
}

// lossyWorld is a bulk transfer with a window of 40 packets over a path that carries them without
// a queue, in the middle of which the packets for which lost answers true vanish or come later.
// times are when packets left since.
func lossyWorld(t *testing.T, c congestion.Controller, drop func(i int) bool) (w *world, f *simnet.Flow, times *[]time.Duration) {
	t.Helper()
	link := simnet.LinkConfig{Rate: 1_000_000, Delay: rtt / 2}
	w = newWorld(t, 1, link, path(0, rtt))
	w.client.Controller = func(congestion.Params) congestion.Controller { return c }
	f, s := w.connect()
	s.OnChange = func() { readAll0(s) }
	out := &feed{f: f, n: 64 << 20}
	f.OnChange = out.pump
	f.Flush()
	w.Run(2 * time.Second)
	times = new([]time.Duration)
	link.Drop = func(int, []byte) bool {
		*times = append(*times, w.Now())
		return drop(len(*times) - 1)
	}
	w.up.SetConfig(w.Now(), link)
	return w, f, times
}

// TestReductionIsSpread: after a loss the flight comes down to half within a round trip,
// and all through it packets leave; half a round of silence would be 20 ms.
func TestReductionIsSpread(t *testing.T) {
	h := &halving{fixed: fixed{window: 40 * 1472, quiet: true}}
	w, c, times := lossyWorld(t, h, func(i int) bool { return i == 0 })
	before := c.Conn.Info().InFlight
	if !w.RunUntil(time.Second, func() bool { return h.window == 20*1472 }) {
		t.Fatal("no loss")
	}
	sent := len(*times)
	w.Run(rtt + rtt/2)
	var silence time.Duration
	for i := sent; i+1 < len(*times) && (*times)[i] < (*times)[sent]+rtt; i++ {
		silence = max(silence, (*times)[i+1]-(*times)[i])
	}
	if silence > 8*time.Millisecond {
		t.Errorf("silent for %v", silence)
	}
	after := c.Conn.Info().InFlight
	if after > h.window || after < h.window-3*1472 {
		t.Errorf("%d in flight before, %d after, the window is %d", before, after, h.window)
	}
	if n := c.Conn.Info().Stats.PacketsLost; n != 1 {
		t.Errorf("%d packets lost", n)
	}
}

// TestReductionRefillsAfterHeavyLoss: when more is lost than the window was lowered by, the
// flight grows to the window again, by no more than twice what arrives.
func TestReductionRefillsAfterHeavyLoss(t *testing.T) {
	h := &halving{fixed: fixed{window: 40 * 1472, quiet: true}}
	w, c, times := lossyWorld(t, h, func(i int) bool { return i < 30 })
	w.RunUntil(time.Second, func() bool { return h.window == 20*1472 })
	sent, acked := len(*times), w.down.Stats().Delivered
	least := c.Conn.Info().InFlight
	w.Run(rtt / 2)
	if n, acks := len(*times)-sent, w.down.Stats().Delivered-acked; n > 4*acks+4 {
		t.Errorf("%d packets sent for %d ACKs", n, acks)
	}
	if !w.RunUntil(5*rtt, func() bool { return c.Conn.Info().InFlight > 18*1472 }) {
		t.Errorf("%d in flight after the loss, and %d five round trips later", least, c.Conn.Info().InFlight)
	}
	if n := c.Conn.Info().Stats.PacketsLost; n != 30 || c.Conn.Info().Stats.Probes != 0 {
		t.Errorf("%d packets lost: %+v", n, c.Conn.Info().Stats)
	}
}

// TestNoReductionWithoutOne: a controller that keeps its window keeps it full through a loss.
func TestNoReductionWithoutOne(t *testing.T) {
	f := &fixed{window: 40 * 1472}
	w, c, _ := lossyWorld(t, f, func(i int) bool { return i%25 == 0 })
	for range 200 {
		w.Run(time.Millisecond)
		if n := c.Conn.Info().InFlight; n < 35*1472 {
			t.Fatalf("%d in flight of %d", n, f.window)
		}
	}
	if len(f.losses) < 3 {
		t.Errorf("%d losses", len(f.losses))
	}
}

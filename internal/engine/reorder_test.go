package engine_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/simnet"
)

// TestReorderingIsLearnt: on a path that loses nothing and lets a packet in fifty overtake as
// many others as depth says, that is taken for loss a few times at first, and then no more
// (RFC 8985 section 6.2).
// Of docs/wire.md: [W143].
func TestReorderingIsLearnt(t *testing.T) {
	t.Parallel()
	const perPacket = 500 * time.Microsecond
	for _, depth := range []int{1, 2, 3, 5, 10, 20, 50} {
		t.Run(fmt.Sprint(depth), func(t *testing.T) {
			up := simnet.LinkConfig{Rate: int64(1500 * time.Second / perPacket), Delay: rtt, Reorder: 0.02, ReorderBy: time.Duration(depth) * perPacket}
			w, c, _, notes := watched(t, up, path(0, rtt), 250_000)
			run := func(n int) (spurious int) {
				before := c.Conn.Info().Stats
				out := &feed{f: c, n: uint64(n)}
				c.OnChange = out.pump
				c.Flush()
				if !w.RunUntil(time.Minute, func() bool { return out.done && c.Conn.Info().SendBuffered == 0 }) {
					t.Fatal("stuck")
				}
				after := c.Conn.Info().Stats
				if after.PacketsLost-before.PacketsLost != after.SpuriousLosses-before.SpuriousLosses {
					t.Errorf("%d losses, of which %d were none", after.PacketsLost-before.PacketsLost, after.SpuriousLosses-before.SpuriousLosses)
				}
				return int(after.SpuriousLosses - before.SpuriousLosses)
			}
			first, later := run(2<<20), run(8<<20)
			told := 0
			for _, e := range notes.spurious {
				told += e.Packets
			}
			if first > 8*depth || later > depth {
				t.Errorf("%d false losses in the first 2 MiB, %d in the next 8", first, later)
			}
			if told != first+later {
				t.Errorf("the controller was told of %d of %d", told, first+later)
			}
		})
	}
}

// TestFirstReorderingCostsNothing: a packet that two others overtake is not lost, and from then
// on no number of them proves it is.
// Of docs/wire.md: [W143].
func TestFirstReorderingCostsNothing(t *testing.T) {
	w, c, _, _ := watched(t, simnet.LinkConfig{Delay: rtt / 2}, path(0, rtt), 1<<20)
	late := func(by int) {
		start := w.up.Stats().Sent
		// What it leaves behind is slower by a few milliseconds.
		w.up.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, Drop: func(n int, b []byte) bool {
			if n != start {
				return false
			}
			held := append([]byte(nil), b...)
			w.After(rtt/2+time.Duration(by)*time.Millisecond, func() { w.server.Inject(w.client.Addr, held) })
			return true
		}})
		for range by + 1 { // a packet a millisecond
			send(c, 1000)
			w.Run(time.Millisecond - time.Microsecond)
		}
		w.Run(time.Second)
	}
	late(2)
	late(8)
	if st := c.Conn.Info().Stats; st.PacketsLost != 0 || st.Probes != 0 {
		t.Errorf("%+v", st)
	}
}

// TestLateAckUndoesTheReduction: when the packet turns up, the controller has its window
// back and the flight is as before.
func TestLateAckUndoesTheReduction(t *testing.T) {
	h := &halving{fixed: fixed{window: 40 * 1472}}
	w, c := delayingWorld(t, h)
	before := c.Conn.Info().InFlight
	if !w.RunUntil(time.Second, func() bool { return h.window == 20*1472 }) {
		t.Fatal("not declared lost")
	}
	if !w.RunUntil(time.Second, func() bool { return h.window == 40*1472 }) {
		t.Fatal("not undone")
	}
	w.Run(time.Millisecond)
	if n := c.Conn.Info().InFlight; n < before-2*1472 {
		t.Errorf("%d in flight before, %d after the undoing", before, n)
	}
	if st := c.Conn.Info().Stats; st.PacketsLost != 1 || st.SpuriousLosses != 1 || len(h.spurious) != 1 {
		t.Errorf("%d lost, %d falsely; the controller was told %d times", st.PacketsLost, st.SpuriousLosses, len(h.spurious))
	}
	if in := c.Conn.Info(); in.Stats.BytesRetransmitted > 1472 {
		t.Errorf("%d bytes sent again", in.Stats.BytesRetransmitted)
	}
}

// delayingWorld is a lossyWorld in which the first packet is not lost but arrives some 20 ms
// behind its place.
func delayingWorld(t *testing.T, c congestion.Controller) (*world, *simnet.Flow) {
	t.Helper()
	w, f, _ := lossyWorld(t, c, func(int) bool { return false })
	link := w.up.Config()
	first := true
	link.Drop = func(_ int, b []byte) bool {
		if !first {
			return false
		}
		first = false
		p := append([]byte(nil), b...)
		w.After(rtt/2+40*time.Millisecond, func() { w.server.Inject(w.client.Addr, p) })
		return true
	}
	w.up.SetConfig(w.Now(), link)
	return w, f
}

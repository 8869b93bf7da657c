package shaper_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

// TestTinySharesTakeTurns: connections that are closed behind 20 kB each have 100 bytes/s each of a pool, which is a packet
// every 12 s for each. All is delivered, as no timer of the peer's runs while the pool holds bytes back, and nobody waits
// for its next packet for longer than twice that.
func TestTinySharesTakeTurns(t *testing.T) {
	for _, n := range []int{100, 150, 400} {
		tinyShares(t, n, int64(n)*100)
	}
}

func tinyShares(t *testing.T, n int, total int64) {
	t.Helper()
	const each = 20 * kb
	const size = 1200 // no probes of a larger one
	fair := time.Second * time.Duration(n) * size / time.Duration(total)
	var w *world
	last, longest := make(map[wire.ID]time.Duration), time.Duration(0)
	up := simnet.LinkConfig{Delay: 10 * ms, Drop: func(_ int, b []byte) bool {
		if len(b) < size/2 || wire.IsLong(b) {
			return false
		}
		id, _, _, _, err := wire.ParseShort(b)
		if err != nil {
			t.Fatal(err)
		}
		if at, ok := last[id]; ok {
			longest = max(longest, w.Now()-at)
		}
		last[id] = w.Now()
		return false
	}}
	w = newWorld(t, newPool(t, total, 0), windows(64<<10), up)
	w.client.Adjust = func(p *engine.Params) { p.MaxDatagram = size }
	w.server.Accept = func(f *simnet.Flow) {
		f.OnChange = func() {
			discard(f)
			if _, err := f.Conn.Read(zeros[:1]); err != nil {
				f.Conn.Close(w.Now())
			}
		}
	}
	flows := w.dial(w.server, n)
	for _, f := range flows {
		f.Conn.Write(zeros[:each])
		f.Conn.Close(w.Now())
		f.Flush()
	}
	w.Run(5 * time.Minute)
	undelivered := 0
	for _, f := range flows {
		if !f.Conn.Delivered() {
			undelivered++
		}
	}
	t.Logf("%d connections had packets, the longest wait for the next one %v, fair %v", len(last), longest, fair)
	if undelivered > 0 || len(last) != n {
		t.Errorf("%d of %d connections were given up", undelivered, n)
	}
	if longest > 2*fair {
		t.Errorf("the longest wait for a packet was %v, want at most twice %v", longest, fair)
	}
}

// TestTurnsRespectWeights: where all wait for single packets, who weighs three times as much has three times as many.
func TestTurnsRespectWeights(t *testing.T) {
	const n, total = 50, 20 * kb
	w := newWorld(t, newPool(t, total, 0), windows(64<<10), simnet.LinkConfig{Delay: 10 * ms})
	light := w.dial(w.server, n)
	w.client.Weight = 3
	heavy := w.dial(w.server, n)
	start(w.flows...)
	w.Run(2 * time.Minute) // full buckets are used up
	each, sum := w.rates(5*time.Minute, w.flows)
	if sum < 0.97*total || sum > 1.03*total {
		t.Errorf("together %.0f, want %d ± 3 %%", sum, total)
	}
	for i, rate := range each {
		want := float64(total) / (4 * n)
		if i >= len(light) {
			want *= 3
		}
		if rate < 0.8*want || rate > 1.2*want {
			t.Errorf("connection %d of %d light and %d heavy ones sends %.0f, want %.0f ± 20 %%", i, len(light), len(heavy), rate, want)
		}
	}
}

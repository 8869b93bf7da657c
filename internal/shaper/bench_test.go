package shaper_test

import (
	"testing"

	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/internal/shaper"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// BenchmarkFlush is the cost of asking a connection that waits for an ACK what it has to send: as its engine
// tells it, through a shaper in no pool, and in one.
func BenchmarkFlush(b *testing.B) {
	w := newWorld(b, nil, windows(64*kb), simnet.LinkConfig{Delay: 10 * ms})
	f := w.dial(w.server, 1)[0]
	start(f)
	now := shaper.Clock{Engine: w.Now(), Pool: w.Now()}
	var buf [64 << 10]byte
	b.Run("engine", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f.Conn.AppendSegments(now.Engine, buf[:0], len(buf))
		}
	})
	b.Run("no pool", func(b *testing.B) {
		var s shaper.Shaper
		b.ReportAllocs()
		for b.Loop() {
			s.AppendSegments(now, f.Conn, buf[:0], len(buf))
		}
	})
	for name, total := range map[string]int64{"pool": 100 * mb, "pool without a total": pool.Unlimited} {
		b.Run(name, func(b *testing.B) {
			var s shaper.Shaper
			s.Join(newPool(b, total, 0), limits.Peer{}, 1)
			b.ReportAllocs()
			for b.Loop() {
				s.AppendSegments(now, f.Conn, buf[:0], len(buf))
			}
		})
	}
}

package shaper_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/pacing"
	"example.com/ebb/pool"
)

const packet = 1472

// tap measures by how much what passes exceeds a rate, over the worst stretch of time there is.
type tap struct {
	rate   int64 // bytes per second
	now    func() time.Duration
	at     time.Duration
	excess float64 // over the rate, of the stretch that is the worst so far
	worst  float64
}

// pass is a link's Drop: it lets everything pass.
func (p *tap) pass(_ int, b []byte) bool {
	p.excess = max(0, p.excess-float64(p.rate)*(p.now()-p.at).Seconds()) + float64(len(b))
	p.worst = max(p.worst, p.excess)
	p.at = p.now()
	return false
}

// stretch is a time that is long beside what a rate needs to settle.
func stretch(rate int64) time.Duration {
	return min(200*time.Second, max(200*ms, time.Duration(20*mb/rate)*time.Second))
}

// TestNoWindowExceedsTheRate checks the bound on what a connection sends in any time T: rate·T, a burst of
// max(10 KB, 2 ms of the rate), and a packet.
func TestNoWindowExceedsTheRate(t *testing.T) {
	for _, rate := range []int64{5 * kb, mb, 10 * mb, 100 * mb, 1000 * mb} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			up := &tap{rate: rate}
			w := newWorld(t, nil, windows(64<<20), simnet.LinkConfig{Delay: 10 * ms, Drop: up.pass})
			up.now = w.Now
			w.client.Adjust = func(p *engine.Params) {
				p.Rate, p.SendBuffer, p.ReceiveBuffer = rate, 64<<20, 64<<20
			}
			w.server.Adjust = func(p *engine.Params) { p.ReceiveBuffer = 64 << 20 }
			flows := w.dial(w.server, 1)
			w.Run(5 * time.Second) // silence: the bucket is full
			start(flows...)
			span := stretch(rate)
			w.Run(span) // the peer's window opens
			_, sum := w.rates(span, flows)
			bound := float64(capacity(rate) + packet)
			t.Logf("rate %d: sent at %.0f; a burst of %.0f, bound %.0f", rate, sum, up.worst, bound)
			if up.worst > bound {
				t.Errorf("a burst of %.0f bytes over the rate, bound %.0f", up.worst, bound)
			}
			if sum < 0.98*float64(rate) || sum > 1.01*float64(rate)+packet {
				t.Errorf("sent at %.0f, want %d", sum, rate)
			}
		})
	}
}

// TestNoWindowExceedsTheTotal is the same for a hundred connections of a pool together, with four bursts. All
// wake at the same moment with full buckets.
func TestNoWindowExceedsTheTotal(t *testing.T) {
	const n = 100
	for _, total := range []int64{5 * kb, mb, 10 * mb, 100 * mb, 1000 * mb} {
		t.Run(fmt.Sprint(total), func(t *testing.T) {
			up := &tap{rate: total}
			w := newWorld(t, newPool(t, pool.Unlimited, 0), windows(64*kb+int(total/n/10)), simnet.LinkConfig{Delay: 10 * ms, Drop: up.pass})
			up.now = w.Now
			flows := w.dial(w.server, n)
			if err := w.pool.SetLimits(total, 0); err != nil {
				t.Fatal(err)
			}
			w.Run(5 * time.Second)
			*up = tap{rate: total, now: w.Now}
			start(flows...)
			w.Run(stretch(total))
			_, sum := w.rates(stretch(total), flows)
			bound := float64(4*capacity(total) + packet)
			t.Logf("total %d: sent at %.0f; a burst of %.0f, bound %.0f", total, sum, up.worst, bound)
			if up.worst > bound {
				t.Errorf("a burst of %.0f bytes over the total, bound %.0f", up.worst, bound)
			}
			if sum < 0.97*float64(total) || sum > 1.03*float64(total) {
				t.Errorf("sent at %.0f together, want %d", sum, total)
			}
		})
	}
}

// TestACrawlIsNotTrouble sends both ways at 5 kB/s: no timeout fires, nothing is lost, and acknowledgements
// come as soon as they always do.
func TestACrawlIsNotTrouble(t *testing.T) {
	const rate, rtt = 5 * kb, 40 * ms
	up := simnet.LinkConfig{Delay: rtt / 2}
	w := newWorld(t, nil, windows(1<<20), up)
	w.client.Adjust = func(p *engine.Params) { p.Rate = rate }
	w.server.Adjust = w.client.Adjust
	var peer *simnet.Flow
	w.server.Accept = func(f *simnet.Flow) {
		peer = f
		f.OnChange = func() {
			discard(f)
			f.Conn.Write(zeros[:])
		}
	}
	flows := w.dial(w.server, 1)
	write := flows[0].OnChange
	flows[0].OnChange = func() { discard(flows[0].Flow); write() }
	start(flows...)
	if !w.RunUntil(time.Second, func() bool { return peer != nil }) {
		t.Fatal("the server has no connection")
	}
	peer.Flush()
	slowest := time.Duration(0)
	for range 3000 {
		w.Run(20 * ms)
		slowest = max(slowest, flows[0].Conn.Info().LatestRTT, peer.Conn.Info().LatestRTT)
	}
	for _, c := range []*engine.Conn{flows[0].Conn, peer.Conn} {
		i := c.Info()
		if i.Stats.Probes != 0 || i.Stats.PacketsLost != 0 || i.Stats.BytesRetransmitted != 0 {
			t.Errorf("a minute at 5 kB/s: %d probes, %d lost, %d bytes again", i.Stats.Probes, i.Stats.PacketsLost, i.Stats.BytesRetransmitted)
		}
		if i.Limit != engine.LimitRate || i.Stats.BytesSent < 59*rate {
			t.Errorf("limited by %v, %d bytes", i.Limit, i.Stats.BytesSent)
		}
	}
	if slowest > rtt+11*ms {
		t.Errorf("an acknowledgement took %v over a path of %v", slowest, rtt)
	}
}

// capacity is what a bucket of the rate holds.
func capacity(rate int64) int {
	b := pacing.NewBucket(0, rate)
	return b.Capacity()
}

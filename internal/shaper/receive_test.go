package shaper_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/pool"
)

// receivers is a world whose server has the pool, and limits what it receives. got is what it has read.
func receivers(t *testing.T, total int64, rtt time.Duration) (w *world, got func(f *flow) uint64) {
	p := newPool(t, pool.Unlimited, 0)
	if err := p.SetReceiveLimits(total, 0); err != nil {
		t.Fatal(err)
	}
	w = newWorld(t, p, defaultController, simnet.LinkConfig{Rate: 1000 * mb, Delay: rtt / 2})
	w.client.Pool, w.server.Pool = nil, p
	return w, func(f *flow) uint64 { // what the peer has acknowledged
		i := f.Conn.Info()
		return i.Stats.StreamBytesSent - i.Stats.BytesRetransmitted - uint64(max(i.InFlight, 0))
	}
}

// receiveRates lets d pass and returns at what rate the server received of each flow, in bytes per second.
func receiveRates(w *world, got func(*flow) uint64, d time.Duration, flows []*flow) (each []float64, sum float64) {
	before := make([]uint64, len(flows))
	for i, f := range flows {
		before[i] = got(f)
	}
	w.Run(d)
	for i, f := range flows {
		r := float64(got(f)-before[i]) / d.Seconds()
		each = append(each, r)
		sum += r
	}
	return each, sum
}

// TestReceivingIsShared has a server with a total for receiving: its busy peers get equal parts of it, though
// nothing limits them at home, and silent ones hold nothing.
func TestReceivingIsShared(t *testing.T) {
	for _, c := range []struct {
		total   int64
		n, idle int
		rtt     time.Duration
	}{
		{3 * mb, 1, 0, 20 * ms}, {3 * mb, 6, 0, 20 * ms}, {20 * mb, 1, 50, 20 * ms}, {20 * mb, 10, 50, 20 * ms},
		{10 * mb, 2, 0, 200 * ms}, {100 * mb, 1, 0, 100 * ms}, {100 * mb, 50, 0, 2 * ms}, {500 * kb, 3, 0, 40 * ms},
	} {
		t.Run(fmt.Sprintf("%d of %d over %v", c.n, c.total, c.rtt), func(t *testing.T) {
			w, got := receivers(t, c.total, c.rtt)
			flows := w.dial(w.server, c.n+c.idle)
			busy := flows[:c.n]
			start(busy...)
			w.Run(3 * time.Second)
			each, sum := receiveRates(w, got, 3*time.Second, busy)
			share := float64(c.total) / float64(c.n)
			low, high := slices.Min(each), slices.Max(each)
			t.Logf("share %.0f, measured %.0f to %.0f, sum %.0f; %v", share, low, high, sum, busy[0].Conn.Info().Limit)
			if low < 0.95*share || high > 1.05*share || sum < 0.97*float64(c.total) || sum > 1.03*float64(c.total) {
				t.Errorf("%d peers are received at %.0f to %.0f, want %.0f ± 5 %%; together %.0f, want %d ± 3 %%", c.n, low, high, share, sum, c.total)
			}
			for _, f := range busy {
				if i := f.Conn.Info(); i.Stats.PacketsLost != 0 || i.Stats.Probes != 0 {
					t.Errorf("%d packets lost, %d probes", i.Stats.PacketsLost, i.Stats.Probes)
				}
			}
			if err := w.pool.SetReceiveLimits(pool.Unlimited, 0); err != nil {
				t.Fatal(err)
			}
			w.Run(10 * c.rtt)
			if _, after := receiveRates(w, got, 2*c.rtt, busy); after < 1.5*sum && c.rtt < 50*ms {
				t.Errorf("without a limit %.0f, with one %.0f", after, sum)
			}
		})
	}
}

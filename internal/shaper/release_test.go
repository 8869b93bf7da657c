package shaper_test

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/ledbat"
	"example.com/ebb/pool"
)

// defaultController makes the default congestion controller.
func defaultController(p congestion.Params) congestion.Controller {
	return ledbat.Factory(ledbat.Config{})(p)
}

// TestThrottlingIsNotCongestion holds a connection to 1 MB/s for a minute on a path of 100 MB/s, by its own
// limit or by its pool's, and lets it go: in the tenth round trip and behind it it uses 80 % of the path, and
// nothing was lost, no threshold set and no slowdown begun until then.
func TestThrottlingIsNotCongestion(t *testing.T) {
	const rtt, rate, limit = 20 * ms, 100 * mb, mb
	for _, by := range []string{"own limit", "pool"} {
		t.Run(by, func(t *testing.T) {
			p := newPool(t, pool.Unlimited, 0)
			w := newWorld(t, p, defaultController, simnet.LinkConfig{Rate: rate, Queue: rate / 50, Delay: rtt / 2})
			w.client.Adjust = func(p *engine.Params) {
				if by == "own limit" {
					p.Rate = limit
				}
			}
			if by == "pool" {
				if err := p.SetLimits(limit, 0); err != nil {
					t.Fatal(err)
				}
			}
			var peer *simnet.Flow
			w.server.Accept = func(f *simnet.Flow) {
				peer = f
				f.OnChange = func() { discard(f) }
			}
			f := w.dial(w.server, 1)[0]
			start(f)
			threshold := f.Conn.Info().Congestion.SSThresh
			w.Run(time.Minute)
			info := f.Conn.Info()
			if got := info.Congestion.SSThresh; got != threshold {
				t.Errorf("throttling has moved ssthresh from %d to %d", threshold, got)
			}
			if info.Limit.String() != by || info.Stats.PacketsLost != 0 || info.Congestion.Own.(ledbat.Stats).Slowdowns != 0 || info.Congestion.Timeouts != 0 {
				t.Errorf("throttled: limited by %v, %d lost, %+v", info.Limit, info.Stats.PacketsLost, info.Congestion)
			}
			if by == "pool" {
				if err := p.SetLimits(pool.Unlimited, 0); err != nil {
					t.Fatal(err)
				}
			} else {
				f.Conn.SetRate(w.Now(), 0)
				f.Flush()
			}
			arriving := func(rounds int) float64 {
				before := peer.Conn.Info().Stats.BytesReceived
				w.Run(time.Duration(rounds) * rtt)
				return float64(peer.Conn.Info().Stats.BytesReceived-before) / (time.Duration(rounds) * rtt).Seconds()
			}
			arriving(9)
			tenth := arriving(1)
			then := arriving(20)
			t.Logf("%.0f arrive in the tenth round trip, %.0f in the twenty behind it", tenth, then)
			if min(tenth, then) < 0.8*rate {
				t.Errorf("%.0f arrive in the tenth round trip and %.0f in those behind it, want 80 %% of %d", tenth, then, int(rate))
			}
			free := f.Conn.Info()
			if free.Stats.PacketsLost != 0 {
				t.Errorf("%d packets were lost by its release", free.Stats.PacketsLost)
			}
		})
	}
}

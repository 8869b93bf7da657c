package measure

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"
)

// Network is a transport to measure.
type Network struct {
	Name   string
	Listen func(ctx context.Context, address string) (net.Listener, error)
	Dial   func(ctx context.Context, address string) (net.Conn, error)
}

// Plan says how long to measure.
type Plan struct {
	Rounds int           // how often each transport has its turn; at least 1
	Slot   time.Duration // what one bulk or ping-pong run takes; more than 0
	// Size is the number of bytes of a bulk run, however long it takes; 0 is
	// what fits in Slot.
	Size int64
}

// Validate reports the first thing that is wrong with the plan.
func (p Plan) Validate() error {
	switch {
	case p.Rounds < 1:
		return errors.New("at least one round is needed")
	case p.Slot <= 0:
		return errors.New("a run must take some time")
	case p.Size < 0:
		return errors.New("a negative size")
	}
	return nil
}

// Result is what was measured of one transport.
type Result struct {
	Transport string `json:"transport"`
	Rate      Spread `json:"bytes_per_second"`   // payload of one connection, one way
	CPU       Spread `json:"cpu_seconds_per_gb"` // of both ends, per 10⁹ bytes; zero where it cannot be told
	PingP50   Spread `json:"ping_p50_seconds"`   // 64 bytes there and back, median of a round
	PingP99   Spread `json:"ping_p99_seconds"`   // the same, 99th percentile of a round
}

// Spread is a figure over all rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spread summarises at least one value. The median of an even number is the mean
// of the middle two.
func spread(values []float64) Spread {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return Spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

// percentile is the nearest-rank percentile, 0 < p ≤ 100, of sorted values.
func percentile(sorted []time.Duration, p int) time.Duration {
	return sorted[(len(sorted)*p+99)/100-1]
}

// Run measures the networks in turns after a short warm-up that does not count.
// It returns their results in the order given, or the first failure, which is
// ctx's cause if ctx ended.
func Run(ctx context.Context, plan Plan, networks []Network) ([]Result, error) {
	if err := plan.Validate(); err != nil {
		return nil, err
	}
	warmUp := Plan{Rounds: 1, Slot: plan.Slot / 10}
	for _, n := range networks {
		if err := new(samples).round(ctx, warmUp, n); err != nil {
			return nil, err
		}
	}
	all := make([]samples, len(networks))
	for round := range plan.Rounds {
		for turn := range networks {
			// Each is first as often as it is last.
			i := (turn + round) % len(networks)
			if err := all[i].round(ctx, plan, networks[i]); err != nil {
				return nil, err
			}
		}
	}
	results := make([]Result, len(networks))
	for i, n := range networks {
		results[i] = all[i].result(n.Name)
	}
	return results, nil
}

// samples are the figures of one transport, one per round.
type samples struct {
	rate, cpu, p50, p99 []float64
}

func (s *samples) round(ctx context.Context, plan Plan, n Network) error {
	b, err := bulk(ctx, n, plan.Slot, plan.Size)
	if err != nil {
		return fmt.Errorf("%s, bulk: %w", n.Name, err)
	}
	s.rate = append(s.rate, float64(b.bytes)/b.elapsed.Seconds())
	s.cpu = append(s.cpu, b.cpu.Seconds()/float64(b.bytes)*1e9)
	trips, err := pingPong(ctx, n, plan.Slot)
	if err != nil {
		return fmt.Errorf("%s, ping-pong: %w", n.Name, err)
	}
	slices.Sort(trips)
	s.p50 = append(s.p50, percentile(trips, 50).Seconds())
	s.p99 = append(s.p99, percentile(trips, 99).Seconds())
	return nil
}

func (s *samples) result(name string) Result {
	return Result{
		Transport: name,
		Rate:      spread(s.rate), CPU: spread(s.cpu),
		PingP50: spread(s.p50), PingP99: spread(s.p99),
	}
}

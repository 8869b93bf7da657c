package measure

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"time"
)

// pingPong sends 64 bytes to and fro on one connection for the slot.
func pingPong(ctx context.Context, t Turn) (Sample, error) {
	c, err := t.dial(ctx, t.Server.Address, t.Plan.Slot)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := c.Write([]byte{wantEcho}); err != nil {
		return nil, err
	}
	const warm = 16
	if _, err := roundTrips(c, warm, time.Time{}); err != nil {
		return nil, err
	}
	times, err := roundTrips(c, 1, time.Now().Add(t.Plan.Slot))
	if err != nil {
		return nil, err
	}
	return Sample{PingP50: percentile(times, 50).Seconds(), PingP99: percentile(times, 99).Seconds()}, nil
}

// roundTrips makes round trips until the given time, but at least n, and
// returns how long each took, sorted.
func roundTrips(c net.Conn, n int, until time.Time) ([]time.Duration, error) {
	out, back := make([]byte, messageSize), make([]byte, messageSize)
	var times []time.Duration
	for now := time.Now(); len(times) < n || now.Before(until); {
		out[0]++
		if _, err := c.Write(out); err != nil {
			return nil, err
		}
		if _, err := io.ReadFull(c, back); err != nil {
			return nil, err
		}
		if back[0] != out[0] {
			return nil, fmt.Errorf("message %d was answered by %d", out[0], back[0])
		}
		end := time.Now()
		times = append(times, end.Sub(now))
		now = end
	}
	slices.Sort(times)
	return times, nil
}

// percentile is the smallest of the sorted times that p of 100 do not exceed.
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}

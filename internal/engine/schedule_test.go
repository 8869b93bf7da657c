package engine

import (
	"math"
	"testing"
	"time"
)

func TestTrainSize(t *testing.T) {
	for _, c := range []struct {
		rate          int64
		packet, bytes int
	}{
		{0, 1452, 65_536},
		{-1, 1452, 65_536},
		{1, 1452, 2904},
		{1_000_000, 1452, 2904},
		{5_000_000, 1452, 5000},
		{10_000_000, 1452, 10_000},
		{100_000_000, 1452, 65_536},
		{10_000_000_000, 1452, 65_536},
		{1_000_000, 65_000, 65_536},
		{1, 0, 2},
		{math.MaxInt64, 1452, 65_536},
	} {
		if got := trainSize(c.rate, c.packet); got != c.bytes {
			t.Errorf("trainSize(%d, %d) = %d, want %d", c.rate, c.packet, got, c.bytes)
		}
	}
}

func TestUpdateIntervalFollowsTheRoundTrip(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct{ rtt, want time.Duration }{
		{0, 50 * ms}, {10*ms - 1, 50 * ms}, {10 * ms, 100 * ms}, {55 * ms, 150 * ms},
		{100 * ms, 200 * ms}, {100*ms + 1, 500 * ms}, {time.Second, 500 * ms},
	} {
		if got := updateInterval(c.rtt); got != c.want {
			t.Errorf("updateInterval(%v) = %v, want %v", c.rtt, got, c.want)
		}
	}
}

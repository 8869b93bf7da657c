package matrix

import (
	"testing"
	"time"

	"example.com/ebb/congestion/reno"
)

// BenchmarkSecond is a second of 1 Gbit/s beside nothing else.
func BenchmarkSecond(b *testing.B) {
	for b.Loop() {
		e := &Env{Subject: reno.Unpaced(), Seed: 1}
		e.alone(path{rate: 1000 * mbit, rtt: 10 * ms, buffer: 1250 * kb}, settling+5*time.Second)
	}
}

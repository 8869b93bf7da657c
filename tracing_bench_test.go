package ebb_test

import (
	"context"
	"io"
	"slices"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/qlog"
	"example.com/ebb/trace"
)

// BenchmarkTracing is what a trace costs, as the median of many pairs of turns: 8 MiB at a time over loopback without a limit, through a connection of which both ends are traced
// into files, and through one of which neither is, in turns. The CPU time of both ends and of what writes is in it, as all are of one
// process; where its processors are busy, that is what counts.
func BenchmarkTracing(b *testing.B) {
	const turn = 8 << 20
	dir := qlog.NewDirectory(b.TempDir())
	pairs := [2]func(){pump(b, turn, nil), pump(b, turn, dir.Begin)}
	var off, on, ratio []float64 // MB/s, and of each pair what the second has of the first
	for b.Loop() {
		var rates [2]float64
		for i, pump := range pairs {
			start := time.Now()
			pump()
			rates[i] = turn / 1e6 / time.Since(start).Seconds()
		}
		off, on, ratio = append(off, rates[0]), append(on, rates[1]), append(ratio, rates[1]/rates[0])
	}
	for _, all := range [][]float64{off, on, ratio} {
		slices.Sort(all)
	}
	b.ReportMetric(off[len(off)/2], "MB/s-off")
	b.ReportMetric(on[len(on)/2], "MB/s-on")
	b.ReportMetric(100*(1-ratio[len(ratio)/2]), "%-slower")
	if err := dir.Flush(context.Background()); err != nil {
		b.Log(err)
	}
}

// pump returns what moves size bytes over a connection, and returns when they have arrived.
func pump(b *testing.B, size int, begin trace.Begin) func() {
	cfg := &ebb.Config{BandwidthLimit: ebb.Unlimited, Tracer: begin}
	here, there := endpoint(b, cfg), endpoint(b, cfg)
	l, err := there.Listen()
	if err != nil {
		b.Fatal(err)
	}
	c, err := here.DialAddr(b.Context(), l.Addr())
	if err != nil {
		b.Fatal(err)
	}
	s, err := l.AcceptConn()
	if err != nil {
		b.Fatal(err)
	}
	buf, in := make([]byte, 256<<10), make([]byte, 256<<10)
	return func() {
		done := make(chan error, 1)
		go func() {
			var err error
			for n := 0; n < size && err == nil; n += len(in) {
				_, err = io.ReadFull(s, in)
			}
			done <- err
		}()
		for n := 0; n < size; n += len(buf) {
			if _, err := c.Write(buf); err != nil {
				b.Fatal(err)
			}
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

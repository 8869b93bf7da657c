package ebb_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/congestion"
)

// wide is a controller whose window never holds anything back.
type wide struct{ congestion.Base }

func (wide) Window() int                    { return 64 << 20 }
func (wide) PacingRate(time.Duration) int64 { return 0 }
func (wide) Stats() congestion.Stats        { return congestion.Stats{Name: "wide"} }

// BenchmarkBesideLargeCalls is how long 64 bytes take to come back on one connection of an endpoint while
// others of it are used for Writes of 16 MiB, one after the other, or for Reads of 16 MiB, at 200 MB/s. A round trip that
// takes long counts as those would that were to begin every 100 µs meanwhile: they wait for its end.
func BenchmarkBesideLargeCalls(b *testing.B) {
	b.Run("alone", func(b *testing.B) { besideLargeCalls(b, func(func() (here, there *ebb.Conn)) {}) })
	b.Run("write", func(b *testing.B) { besideLargeCalls(b, largeWrites) })
	b.Run("read", func(b *testing.B) { besideLargeCalls(b, largeReads) })
}

// large is the size of a large call, in bytes.
const large = 16 << 20

// largeWrites fills the send buffer of one connection after the other. The peers do not read, so that nothing but the
// first 64 KiB moves: these are being acknowledged while the rest is written.
func largeWrites(connect func() (here, there *ebb.Conn)) {
	buf := make([]byte, large)
	for {
		here, there := connect()
		if here == nil {
			return
		}
		here.Write(buf[:64<<10])
		here.Write(buf)
		here.Abort()
		there.Abort()
		time.Sleep(20 * time.Millisecond)
	}
}

// largeReads reads whenever the receive buffer is full, all that is there.
func largeReads(connect func() (here, there *ebb.Conn)) {
	here, there := connect()
	there.SetBandwidthLimit(200e6)
	go io.Copy(struct{ io.Writer }{there}, zeros{})
	buf := make([]byte, large)
	for {
		i := here.Info()
		switch {
		case i.State != ebb.StateEstablished:
			return
		case i.ReceiveBuffered < i.ReceiveWindow*9/10:
			time.Sleep(time.Millisecond)
		default:
			io.ReadFull(here, buf[:min(i.ReceiveBuffered, large)])
		}
	}
}

func besideLargeCalls(b *testing.B, load func(connect func() (here, there *ebb.Conn))) {
	cfg := &ebb.Config{BandwidthLimit: ebb.Unlimited, ReceiveBuffer: large, SendBuffer: 2 * large,
		Congestion: func(congestion.Params) congestion.Controller { return wide{} }}
	here, there := endpoint(b, cfg), endpoint(b, cfg)
	l, err := there.Listen()
	if err != nil {
		b.Fatal(err)
	}
	connect := func() (dialled, accepted *ebb.Conn) { // nil once the endpoints are closed
		c, err := here.DialAddr(context.Background(), l.Addr())
		if err != nil {
			return nil, nil
		}
		s, err := l.AcceptConn()
		if err != nil {
			return nil, nil
		}
		return c, s
	}
	c, s := connect()
	if c == nil {
		b.Fatal("no connection")
	}
	go io.Copy(s, struct{ io.Reader }{s})
	var group sync.WaitGroup
	group.Go(func() { load(connect) })
	b.Cleanup(group.Wait)
	b.Cleanup(func() { here.Close() })

	var took []time.Duration
	buf := make([]byte, 64)
	for b.Loop() {
		start := time.Now()
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
		for wait := time.Since(start); wait > 0; wait -= 100 * time.Microsecond {
			took = append(took, wait)
		}
	}
	slices.Sort(took)
	for _, f := range []struct {
		name string
		at   int
	}{{"p50-µs", len(took) / 2}, {"p99-µs", len(took) * 99 / 100}, {"max-µs", len(took) - 1}} {
		b.ReportMetric(float64(took[f.at])/1e3, f.name)
	}
}

// zeros is a Reader without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

package ebb_test

import (
	"io"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
)

// TestLargePacketsAtLowRates: packets that are larger than what a rate lets leave at once still leave, at that rate, whatever has
// lowered it since their size was found.
func TestLargePacketsAtLowRates(t *testing.T) {
	const size, fast, slow, n = 60 << 10, 100e6, 400e3, 2 << 20
	link := func(rate int64) simnet.LinkConfig {
		return simnet.LinkConfig{Delay: time.Millisecond, Rate: rate, Queue: 1 << 20}
	}
	for name, lower := range map[string]func(b *bubble, c *ebb.Conn){
		"own limit": func(_ *bubble, c *ebb.Conn) { c.SetBandwidthLimit(slow) },
		"link":      func(b *bubble, _ *ebb.Conn) { b.SetLink(b.client, b.server, link(slow)) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, link(fast), link(fast), func(b *bubble) {
				c, s := b.connect(&ebb.Config{BandwidthLimit: ebb.Unlimited, MaxDatagramSize: size}, &ebb.Config{MaxDatagramSize: size})
				lasts := sends(b.T, c, s, 32<<20)
				if got := c.Info().PacketSize; got != size {
					b.Fatalf("packets have %d bytes", got)
				}
				b.Logf("%d MB at %d MB/s take %v", 32, int(fast/1e6), lasts)
				lower(b, c)
				atRate(b.T, sends(b.T, c, s, n), n, slow)
			})
		})
	}
	t.Run("pool", func(t *testing.T) {
		inBubble(t, link(fast), link(fast), func(b *bubble) {
			p := newPool(b.T, 2*fast, 0)
			cfg := &ebb.Config{MaxDatagramSize: size, Pool: p}
			l := serves(b.T, b.endpoint(b.server, serverPort, &ebb.Config{MaxDatagramSize: size}))
			e := b.endpoint(b.client, clientPort, cfg)
			const members = 3
			ends := make(chan time.Duration, members)
			var conns [2][members]*ebb.Conn
			for i := range members {
				c, err := e.DialAddr(b.Context(), serverAddr)
				if err != nil {
					b.Fatal(err)
				}
				conns[0][i], conns[1][i] = c, accept(b.T, l)
				sends(b.T, c, conns[1][i], 32<<20)
				if got := c.Info().PacketSize; got != size {
					b.Fatalf("packets have %d bytes", got)
				}
			}
			if err := p.SetLimits(slow, 0); err != nil {
				b.Fatal(err)
			}
			for i := range members {
				go func() { ends <- sends(b.T, conns[0][i], conns[1][i], n/members) }()
			}
			longest := time.Duration(0)
			for range members {
				longest = max(longest, <-ends)
			}
			atRate(b.T, longest, n, slow)
		})
	})
}

// sends writes n bytes on one side and reads them on the other, and returns how long that takes, an hour at most.
func sends(t *testing.T, from, to *ebb.Conn, n int64) time.Duration {
	t.Helper()
	start := time.Now()
	go from.Write(make([]byte, n))
	to.SetReadDeadline(start.Add(time.Hour))
	if got, err := io.CopyN(io.Discard, to, n); err != nil {
		t.Errorf("%d of %d bytes arrived after %v: %v", got, n, time.Since(start), err)
	}
	return time.Since(start)
}

// atRate demands that n bytes have taken the time that they take at a rate in bytes per second: no more than a quarter longer, and
// no less than it takes all but what a bucket may hold.
func atRate(t *testing.T, lasted time.Duration, n, rate int64) {
	t.Helper()
	want := time.Duration(n) * time.Second / time.Duration(rate)
	if lasted > want*5/4 || lasted < want*3/4 {
		t.Errorf("%d bytes at %d B/s took %v, want about %v", n, rate, lasted, want)
	}
}

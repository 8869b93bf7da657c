package engine_test

import (
	"fmt"
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

// shrinking is a bulk transfer over a path whose MTU falls in the middle of it. It returns the
// longest time without a new byte at the receiver from then on.
func shrinking(t *testing.T, mtu int, ledbat bool) (stall time.Duration, c *simnet.Flow) {
	t.Helper()
	link := simnet.LinkConfig{Rate: 1_250_000, Queue: 256 << 10, Delay: rtt / 2, MTU: 1500}
	w := newWorld(t, 1, link, path(0, rtt))
	if ledbat {
		w.client.Controller = ledbatFactory
	}
	c, s := w.connect()
	var last time.Duration
	in := &sink{t: t, f: s, salt: 1}
	s.OnChange = func() {
		before := in.got
		if in.pump(); in.got > before {
			stall = max(stall, w.Now()-last)
			last = w.Now()
		}
	}
	out := &feed{f: c, salt: 1, n: 64 << 20}
	c.OnChange = out.pump
	c.Flush()
	w.Run(3 * time.Second)
	if size := c.Conn.Info().PacketSize; size != 1472 {
		t.Fatalf("packets of %d bytes before", size)
	}
	link.MTU = mtu
	w.up.SetConfig(w.Now(), link)
	stall, last = 0, w.Now()
	w.Run(10 * time.Second)
	stall = max(stall, w.Now()-last)
	if size := c.Conn.Info().PacketSize; size > mtu-28 || size < mtu-28-16 {
		t.Errorf("packets of %d bytes on a path of %d", size, mtu)
	}
	return stall, c
}

// TestPathShrinks: a path that silently drops large packets from now on stops a transfer for
// less than a second at a round trip of 40 ms, and the new size is found.
// Of docs/wire.md: [W169].
func TestPathShrinks(t *testing.T) {
	for _, ledbat := range []bool{false, true} {
		for _, mtu := range []int{1400, 1228} {
			t.Run(fmt.Sprint(mtu, " ", ledbat), func(t *testing.T) {
				stall, c := shrinking(t, mtu, ledbat)
				if stall > time.Second {
					t.Errorf("stalled for %v", stall)
				}
				if c.Conn.TrainsVanish() > 0 {
					t.Error("blamed on trains")
				}
				if n := c.Conn.Info().Stats.BlackHoles; n != 1 {
					t.Errorf("%d black holes", n)
				}
			})
		}
	}
}

// TestSizeIsSearchedAgain: a path that grows is noticed when the search begins again
// (RFC 8899 section 5.1.1, PMTU_RAISE_TIMER), by one probe and without a loss that counts.
func TestSizeIsSearchedAgain(t *testing.T) {
	link := simnet.LinkConfig{Delay: rtt / 2, MTU: 1300}
	w, c, _, notes := watched(t, link, path(0, rtt), 1<<20)
	busy := func(d time.Duration) {
		for end := w.Now() + d; w.Now() < end; w.Run(time.Second) {
			send(c, 5000)
		}
	}
	busy(time.Minute)
	small := c.Conn.Info().PacketSize
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Delay: rtt / 2, MTU: 1500})
	busy(8 * time.Minute)
	if size := c.Conn.Info().PacketSize; size != small {
		t.Errorf("searched before its time: %d bytes, then %d", small, size)
	}
	busy(2 * time.Minute)
	if size := c.Conn.Info().PacketSize; size != 1472 {
		t.Errorf("packets of %d bytes", size)
	}
	if len(notes.losses) != 0 {
		t.Errorf("%d losses", len(notes.losses))
	}
}

// TestThreeProbesOfASize: a size is given up after three lost probes and not before, and
// none is sent behind another that is out (RFC 8899 section 5.1.3).
// Of docs/wire.md: [W168].
func TestThreeProbesOfASize(t *testing.T) {
	sizes := make(map[int]int)
	link := simnet.LinkConfig{Delay: rtt / 2, Drop: func(_ int, b []byte) bool {
		if len(b) > 1252 {
			sizes[len(b)]++
		}
		return len(b) > 1252
	}}
	w, c, _, _ := watched(t, link, path(0, rtt), 1<<20)
	for range 60 {
		send(c, 5000)
		w.Run(time.Second)
	}
	for size, n := range sizes {
		if n != 3 {
			t.Errorf("%d bytes were tried %d times", size, n)
		}
	}
	if sizes[1472] == 0 || len(sizes) < 3 || c.Conn.Info().PacketSize < 1252-16 {
		t.Errorf("tried %v, found %d", sizes, c.Conn.Info().PacketSize)
	}
}

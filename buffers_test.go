//go:build !race

package ebb_test

import (
	"io"
	"net"
	"testing"

	"example.com/ebb"
	"example.com/ebb/wire"
)

// The race detector makes a write take longer than the time within which the next one is said to follow at once.

// buffersPackets is how many packets net.Buffers of 500 times 20 bytes take.
func buffersPackets(t *testing.T, a, b *ebb.Conn) int {
	before := a.Info().PacketsSent
	pieces := make(net.Buffers, 500)
	for i := range pieces {
		pieces[i] = make([]byte, 20)
	}
	if n, err := pieces.WriteTo(a); n != 10_000 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := io.ReadFull(b, make([]byte, 10_000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all to be acknowledged", func() bool { return a.Info().SendBuffered == 0 })
	return int(a.Info().PacketsSent - before)
}

// Writes that follow each other at once share packets. A machine that is busy with something else may tear one series of writes apart; not all of
// them.
func TestBuffersSharePackets(t *testing.T) {
	leavesNothing(t)
	a, b := warm(t)
	// The first piece leaves at once. The search for the path's packet size may still go on, or have lost a probe.
	const overhead = wire.ShortOverhead + 1 + 8 // of the packet, and of the frame: type and offset
	full := a.Info().PacketSize - overhead
	want := 1 + (10_000-20+full-1)/full
	least := 500
	for try := 0; try < 50 && least > want; try++ {
		least = min(least, buffersPackets(t, a, b))
	}
	if least > want {
		t.Errorf("10 000 bytes in pieces of 20 take %d packets at least, want %d with %d bytes in each", least, want, full)
	}
}

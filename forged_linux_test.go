//go:build !race

package ebb_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"example.com/ebb/internal/hostile"
	"example.com/ebb/wire"
)

// forge sends n INITIALs of connections that nobody wants, each in the name of another address, as fast as one goroutine does, or
// until done. initial makes those of a client's ID.
func forge(t *testing.T, to string, n int, done <-chan struct{}, initial func(wire.ID) []byte) (sent int) {
	t.Helper()
	pc, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	raw, target := ipv4.NewPacketConn(pc), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
	for ; sent < n; sent++ {
		select {
		case <-done:
			return sent
		default:
		}
		var source [4]byte
		binary.BigEndian.PutUint32(source[:], 127<<24|2<<16|uint32(sent)*97%(1<<24-2<<16-1))
		if _, err := raw.WriteTo(initial(wire.ID(sent+1)<<8), &ipv4.ControlMessage{Src: source[:]}, target); err != nil {
			t.Fatal(err)
		}
	}
	return sent
}

// TestForgedInitials: a flood of INITIALs in everybody's name ends no connection, is answered with less than a twentieth of its bytes,
// and leaves nothing. With -long there are 200,000, and transfers keep seven tenths of the rate that they have beside a busy loop.
func TestForgedInitials(t *testing.T) {
	n := 20_000
	if *longTables {
		n = 200_000
	}
	g := newGuarded(t, 64<<20)
	var living []net.Conn
	echo := func() {
		t.Helper()
		for i, c := range living {
			c.SetDeadline(time.Now().Add(30 * time.Second))
			c.Write([]byte("e"))
			if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
				t.Fatalf("connection %d: %v", i, err)
			}
		}
	}
	for range 50 {
		living = append(living, g.dial())
	}
	echo()
	forge(t, g.address, 1000, nil, hostile.Initial) // the tables are warm
	before := g.settle(0)
	start := time.Now()
	forge(t, g.address, n, nil, hostile.Initial)
	took := time.Since(start)
	echo()
	after := g.settle(before.Heap + 1<<20)
	out, in := after.Sent-before.Sent, after.Arrived-before.Arrived
	t.Logf("%d in %v: %d bytes arrived, %d left (%.3f); heap %d before, %d after; %d were asked for a proof",
		n, took, in, out, float64(out)/float64(in), before.Heap, after.Heap, after.Forged-before.Forged)
	if in < uint64(n)*1200/10 {
		t.Errorf("the flood is none: %d bytes arrived", in)
	}
	if float64(out) > 0.05*float64(in) {
		t.Errorf("%d bytes are answered with %d", in, out)
	}
	if after.Heap > before.Heap+1<<20 {
		t.Errorf("the heap was %d before the flood, and is %d", before.Heap, after.Heap)
	}
	if after.Inbound != before.Inbound {
		t.Errorf("%d connections of %d are left", after.Inbound, before.Inbound)
	}
	if *longTables {
		g.holdRate()
	}
}

// settle waits until the heap is at most so much, 0: until half-open connections have ended, and returns the state.
func (g *guarded) settle(most int64) (s guardedState) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); ; <-tick.C {
		s = g.state()
		if most > 0 && s.Heap <= most || time.Now().After(end) || most == 0 && time.Until(end) < 5*time.Second {
			return s
		}
	}
}

// holdRate compares transfers beside a flood with transfers beside a loop that takes as much processor.
func (g *guarded) holdRate() {
	done := make(chan struct{})
	idle := make(chan int)
	go func() {
		n := 0
		for {
			select {
			case <-done:
				idle <- n
				return
			default:
				n++
			}
		}
	}()
	busy := g.transfers(4, 4<<20)
	close(done)
	<-idle
	done = make(chan struct{})
	go func() { idle <- forge(g.T, g.address, 1<<30, done, hostile.Initial) }()
	flooded := g.transfers(4, 4<<20)
	close(done)
	n := <-idle
	g.Logf("%.1f MB/s beside a busy loop, %.1f beside a flood of %d", busy/1e6, flooded/1e6, n)
	if flooded < 0.7*busy {
		g.Errorf("transfers have %.0f bytes a second beside a flood, and %.0f beside a busy loop", flooded, busy)
	}
}

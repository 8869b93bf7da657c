package ebb

import (
	"net"
	"slices"
	"sync"
	"testing"

	"example.com/ebb/internal/udp"
	"example.com/ebb/wire"
)

// holdback is a socket that can keep what is sent.
type holdback struct {
	net.PacketConn
	mu    sync.Mutex
	holds bool
	held  [][]byte
}

func (h *holdback) WriteTo(b []byte, to net.Addr) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holds {
		h.held = append(h.held, slices.Clone(b))
		return len(b), nil
	}
	return h.PacketConn.WriteTo(b, to)
}

// whole is what was kept of a size for a destination, n datagrams at most.
func (h *holdback) whole(size int, dst wire.ID, n int) (all [][]byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.held {
		if len(all) < n && len(b) == size && wire.IsShortTo(b, dst) {
			all = append(all, b)
		}
	}
	return all
}

// TestTrainOfTwoConnections: the system makes one train of datagrams that came from one address, also of those of several
// connections. Each gets its own, whatever is between them, and every datagram counts once.
func TestTrainOfTwoConnections(t *testing.T) {
	l, err := Listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tap := &holdback{PacketConn: pc}
	from, err := NewEndpoint(tap, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	var dialled, accepted [2]*Conn
	for i := range dialled {
		dialled[i], accepted[i] = connectOver(t, from, l)
	}
	const each = 4
	train, size := mixedTrain(t, tap, dialled, accepted, each)
	e := accepted[0].endpoint
	before, receivedBefore := e.Info(), [2]uint64{accepted[0].Info().PacketsReceived, accepted[1].Info().PacketsReceived}
	in := newReceiveBatch(1, udp.MaxTrain)
	in.messages[0].N = copy(in.messages[0].Buf, train)
	in.messages[0].SegmentSize, in.messages[0].Remote, in.messages[0].At = size, dialled[0].Info().Local, e.now()
	e.take(accepted[0].sock, in, 1)
	for i, c := range accepted {
		if got := c.Info().PacketsReceived - receivedBefore[i]; got != each {
			t.Errorf("connection %d has received %d packets, want %d", i, got, each)
		}
		if d := c.Info().Dropped; len(d) > 0 {
			t.Errorf("connection %d has dropped %v", i, d)
		}
	}
	after := e.Info()
	if got := after.Delivered - before.Delivered; got != 2*each {
		t.Errorf("%d datagrams were delivered, want %d", got, 2*each)
	}
	if got := after.Foreign - before.Foreign; got != each {
		t.Errorf("%d datagrams were foreign, want %d", got, each)
	}
}

// mixedTrain has the dialled connections write, and is a train of n datagrams of each in turns, with others between that are not
// Ebb's.
func mixedTrain(t *testing.T, tap *holdback, dialled, accepted [2]*Conn, n int) (train []byte, size int) {
	t.Helper()
	tap.mu.Lock()
	tap.holds = true
	tap.mu.Unlock()
	var kept [2][][]byte
	for i, c := range dialled {
		if _, err := c.Write(make([]byte, 20_000)); err != nil {
			t.Fatal(err)
		}
		size = c.Info().PacketSize
		eventually(t, "the first packets leave", func() bool {
			kept[i] = tap.whole(size, wire.ID(accepted[i].Info().ID), n)
			return len(kept[i]) == n
		})
	}
	for i := range n {
		train = append(append(append(train, kept[0][i]...), kept[1][i]...), make([]byte, size)...)
	}
	return train, size
}

// connectOver is a connection from an endpoint to a listener, over which a byte has gone each way.
func connectOver(t *testing.T, from *Endpoint, l net.Listener) (dialled, accepted *Conn) {
	t.Helper()
	c, err := from.Dial("udp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	if _, err := s.Read(one); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(one); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(one); err != nil {
		t.Fatal(err)
	}
	return c.(*Conn), s.(*Conn)
}

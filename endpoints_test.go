package ebb_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"example.com/ebb"
	"example.com/ebb/internal/hostile"
	"example.com/ebb/limits"
)

// TestConnectionsAreListed: those of an endpoint by ID, with the addresses that both sides agree on, and none that is over.
func TestConnectionsAreListed(t *testing.T) {
	leavesNothing(t)
	l, e := listen(t, nil), endpoint(t, nil)
	var dialled []*ebb.Conn
	for range 5 {
		c, err := e.DialAddr(t.Context(), l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		dialled = append(dialled, c)
		accept(t, l)
	}
	here, there := slices.Collect(e.Connections()), slices.Collect(l.Endpoint().Connections())
	if len(here) != 5 || len(there) != 5 {
		t.Fatalf("%d connections here and %d there, want 5", len(here), len(there))
	}
	for i, c := range here {
		if i > 0 && here[i-1].ID >= c.ID {
			t.Errorf("ID %x follows %x", c.ID, here[i-1].ID)
		}
		if !c.Dialled || c.State != ebb.StateEstablished || c.Err != nil || c.Local.String() != e.Addr().String() || c.Remote.String() != l.Addr().String() {
			t.Errorf("a connection is listed as %+v", c)
		}
	}
	if c := there[0]; c.Dialled || c.Local != here[0].Remote || c.Remote != here[0].Local {
		t.Errorf("the other side lists %+v", c)
	}
	if got := dialled[0].Info().ID; !slices.ContainsFunc(here, func(c ebb.ConnInfo) bool { return c.ID == got }) {
		t.Errorf("Info has the ID %x, which is not listed", got)
	}
	for range e.Connections() { // the loop may use the endpoint, and end
		e.Info()
		break
	}
	for _, c := range dialled {
		c.Abort()
	}
	eventually(t, "aborted connections to leave the list", func() bool { return len(slices.Collect(e.Connections())) == 0 })
}

// listed are the connections of the process to or from an address.
func listed(at net.Addr) (all []ebb.ConnInfo) {
	for c := range ebb.Connections() {
		if c.Local.String() == at.String() || c.Remote.String() == at.String() {
			all = append(all, c)
		}
	}
	return all
}

// endpointAt finds an endpoint of the process by its address.
func endpointAt(at net.Addr) *ebb.Endpoint {
	for e := range ebb.Endpoints() {
		if e.Addr().String() == at.String() {
			return e
		}
	}
	return nil
}

// TestTheProcessListsItsEndpoints: those of Listen, of Dial and of NewEndpoint, while their sockets are open, with pools and limits.
func TestTheProcessListsItsEndpoints(t *testing.T) {
	leavesNothing(t)
	p, m := newPool(t, 1<<30, 0), limitsOf(t, limits.Config{})
	l := listen(t, &ebb.Config{Pool: p, Limits: m})
	e := endpoint(t, nil)
	c := dial(t, l, nil)
	s := accept(t, l)
	if got := endpointAt(l.Addr()); got == nil || !got.Info().Listening || got.Info().Dialled || got.Pool() != p || got.Limits() != m {
		t.Errorf("the listener's is listed as %+v", got)
	}
	if got := endpointAt(e.Addr()); got == nil || got.Info().Listening || got.Info().Dialled || got.Pool() != nil || got.Info().Local.String() != e.Addr().String() {
		t.Errorf("one without a listener is listed as %+v", got)
	}
	if got := endpointAt(c.LocalAddr()); got == nil || !got.Info().Dialled {
		t.Errorf("Dial's is listed as %+v", got)
	}
	if got := listed(l.Addr()); len(got) != 2 || got[0].Dialled == got[1].Dialled {
		t.Errorf("the process lists %+v, want both sides of one connection", got)
	}
	gone := c.LocalAddr()
	c.Close()
	s.Close()
	l.Close()
	e.Close()
	eventually(t, "closed endpoints to leave the list", func() bool {
		return endpointAt(gone) == nil && endpointAt(l.Addr()) == nil && endpointAt(e.Addr()) == nil
	})
}

// TestListsKeepNothingAlive: what the application drops is collected, though the process lists it, and somebody holds what was yielded.
func TestListsKeepNothingAlive(t *testing.T) {
	awaitOthers(t)
	before := held(t)
	infos, ends := func() (infos []ebb.ConnInfo, ends []*ebb.Endpoint) {
		e := newEnds(t, nil)
		var used []any // until they are listed
		for range 20 {
			l := e.listen().(*ebb.Listener)
			_, c, s := e.over(l)
			write(t, c, "x")
			reads(t, s, "x")
			used = append(used, l, c, s)
		}
		defer runtime.KeepAlive(used)
		return slices.Collect(ebb.Connections()), slices.Collect(ebb.Endpoints())
	}()
	if len(infos) < 40 || len(ends) < 40 {
		t.Errorf("%d connections and %d endpoints are listed", len(infos), len(ends))
	}
	backToStart(t, before, 4<<20)
	runtime.KeepAlive(infos)
	runtime.KeepAlive(ends)
}

// TestTotalsOutliveConnections: they count those that are over, of endpoints that are closed too, each once, and never go back.
func TestTotalsOutliveConnections(t *testing.T) {
	leavesNothing(t)
	before := ebb.Totals()
	const rounds, size = 8, 100_000
	for range rounds {
		l := listen(t, nil)
		c := dial(t, l, nil)
		s := accept(t, l)
		go func() { c.Write(make([]byte, size)); c.Close() }()
		last := ebb.Totals()
		for b := make([]byte, 10_000); ; {
			if _, err := s.Read(b); err != nil {
				break
			}
			now := ebb.Totals()
			if now.BytesReceived < last.BytesReceived || now.PacketsSent < last.PacketsSent {
				t.Errorf("totals went back from %+v to %+v", last, now)
			}
			last = now
		}
		s.Close()
		l.Close()
	}
	eventually(t, "all connections to be over", func() bool { return ebb.Totals().Ended >= before.Ended+2*rounds })
	after := ebb.Totals()
	if n, m := after.Dialled-before.Dialled, after.Accepted-before.Accepted; n != rounds || m != rounds || after.Ended-before.Ended != 2*rounds {
		t.Errorf("%d dialled, %d accepted, %d ended, want %d, %[4]d and twice that", n, m, after.Ended-before.Ended, rounds)
	}
	fresh := after.StreamBytesSent - before.StreamBytesSent - (after.BytesRetransmitted - before.BytesRetransmitted)
	if fresh != rounds*size {
		t.Errorf("%d bytes were sent for the first time, want %d", fresh, rounds*size)
	}
}

// TestInfoSaysWhyAConnectionIsOver: escaped, if it is the peer's words.
func TestInfoSaysWhyAConnectionIsOver(t *testing.T) {
	leavesNothing(t)
	e := endpoint(t, nil)
	c, err := e.DialAddr(t.Context(), hostilePeer(t, &hostile.Peer{Reason: nastyReasons[0].reason}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	write(t, c, "x") // which it answers with its reason
	readsError(t, c)
	got := c.Info().Err
	if !errors.Is(got, syscall.ECONNRESET) {
		t.Fatalf("Info has the error %v", got)
	}
	wantPrintable(t, "ConnInfo.Err", got.Error(), nastyReasons[0].shown)

	a, b := pair(t, nil)
	a.Close()
	if _, err := b.Read(make([]byte, 1)); err != io.EOF {
		t.Fatal(err)
	}
	if err := b.Info().Err; err != nil {
		t.Errorf("after an orderly end of one direction: %v", err)
	}
	b.Close()
}

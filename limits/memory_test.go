package limits

import (
	"math/rand/v2"
	"testing"
)

// TestPrioritiesFadeInOrder: of a limit each priority has its fraction, to the byte.
func TestPrioritiesFadeInOrder(t *testing.T) {
	const limit = 1 << 20
	for _, c := range []struct {
		p    Priority
		want int
	}{
		{-5, limit / 2}, {OutOfOrder, limit / 2}, {1, limit * 129 / 256}, {WindowGrowth, limit * 5 / 8}, {WindowRenewal, limit * 3 / 4},
		{NewConnection, limit * 7 / 8}, {FirstWindow, limit}, {1000, limit},
	} {
		for name, config := range map[string]Config{ // order-free: each is on its own
			"process": {Process: Limits{Memory: limit}, Peer: unlimited(), Network: unlimited()},
			"peer":    {Peer: Limits{Memory: limit}},
			"conn":    {Conn: Limits{Memory: limit}},
		} {
			conn := establish(t, endpoint(t, manager(t, config)), addr(1))
			if !conn.Reserve(c.want-Overhead, c.p) {
				t.Errorf("%s, priority %d: %d bytes are refused", name, c.p, c.want)
			}
			if conn.Reserve(1, c.p) || conn.Admits(c.p) {
				t.Errorf("%s, priority %d: more than %d bytes are granted", name, c.p, c.want)
			}
			conn.Free(1)
			if !conn.Admits(c.p) || !conn.Reserve(1, c.p) {
				t.Errorf("%s, priority %d: a byte that was given back is refused", name, c.p)
			}
		}
	}
}

// TestNothingIsReservedAheadWhenMemoryIsShort: a connection holds at most two steps more than it uses, and in every limit's second half
// nothing.
func TestNothingIsReservedAheadWhenMemoryIsShort(t *testing.T) {
	const limit = 10 << 20
	m := manager(t, Config{Process: Limits{Memory: limit}, Peer: unlimited(), Network: unlimited()})
	e := endpoint(t, m)
	used := func() int64 { return m.process.books[Memory].used.Load() }
	a, b := establish(t, e, addr(1)), establish(t, e, addr(2))
	a.Reserve(1, FirstWindow)
	if got := used(); got != 2*Overhead+step {
		t.Errorf("for a byte %d are charged, want a step", got-2*Overhead)
	}
	a.Free(1)
	if got := used(); got != 2*Overhead+step {
		t.Errorf("a connection that goes on keeps %d, want a step", got-2*Overhead)
	}
	a.Reserve(6*step, FirstWindow)
	a.Free(6 * step)
	if got := used(); got > 2*Overhead+2*step {
		t.Errorf("a connection that has freed everything keeps %d", got-2*Overhead)
	}
	a.Trim()
	if got := used(); got != 2*Overhead {
		t.Errorf("an idle connection keeps %d", got-2*Overhead)
	}
	a.Reserve(1, FirstWindow)
	a.Reserve(1, FirstWindow)
	b.Reserve(limit/2, FirstWindow)
	before := used()
	b.Reserve(5, FirstWindow)
	if got := used(); got != before+5 {
		t.Errorf("when memory is short %d are charged for 5 bytes", got-before)
	}
	a.Free(1) // it had a step ahead
	if a.charged != a.used {
		t.Errorf("when memory is short a connection keeps %d ahead", a.charged-a.used)
	}
}

// TestReleaseIsOnce: however often it is called, and whatever is asked afterwards.
func TestReleaseIsOnce(t *testing.T) {
	m := manager(t, Config{})
	e := endpoint(t, m)
	half, err := e.Inbound(0, addr(1), true)
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.Outbound(addr(2))
	if err != nil {
		t.Fatal(err)
	}
	in := establish(t, e, addr(3))
	for _, c := range []*Conn{half, out, in} {
		c.Reserve(200_000, FirstWindow)
		s, err := c.InboundStream()
		if err != nil {
			t.Fatal(err)
		}
		s.Reserve(5000, FirstWindow)
		for range 3 {
			c.Release()
		}
		s.Free(5000)
		s.Release()
		c.Free(200_000)
		c.Trim()
		if c.Reserve(1, FirstWindow) || c.Admits(FirstWindow) || s.Reserve(1, FirstWindow) {
			t.Error("something is granted to a connection that was released")
		}
		_, streamErr := c.OutboundStream()
		for _, err := range []error{c.Establish(0), c.Identify([32]byte{1}), streamErr} {
			if err != ErrReleased {
				t.Errorf("of a connection that was released: %v", err)
			}
		}
	}
	atZero(t, m)
	if s := m.Snapshot(); s.Opened != 3 || s.Released != 3 || s.ReleasedAgain != 6 {
		t.Errorf("%d opened, %d released and %d released again; want 3, 3 and 6", s.Opened, s.Released, s.ReleasedAgain)
	}
}

// TestWhatCanStillBeReadIsCharged: a connection that is over gives its place back at once, and is released with the last byte.
func TestWhatCanStillBeReadIsCharged(t *testing.T) {
	m := manager(t, Config{Peer: Limits{Connections: 1}})
	e := endpoint(t, m)
	c := establish(t, e, addr(1))
	c.Reserve(50_000, FirstWindow)
	s, err := c.InboundStream()
	if err != nil {
		t.Fatal(err)
	}
	s.Reserve(10_000, FirstWindow)
	c.End()
	c.End()
	if c.Reserve(1, FirstWindow) || c.Admits(FirstWindow) || c.Establish(0) != ErrReleased || c.Identify([32]byte{1}) != ErrReleased {
		t.Error("something is granted to a connection that is over")
	}
	if got := m.Snapshot().Process; got.Memory.Used != 60_000 || got.Connections.Used != 0 || got.Inbound.Used != 0 {
		t.Errorf("of a connection that is over and has 60,000 bytes: %+v", got)
	}
	establish(t, e, addr(1)).End() // there is a place
	s.Release()
	c.Free(49_999)
	if got := m.Snapshot(); got.Process.Memory.Used != 1 || got.Released != 1 {
		t.Errorf("of one byte: %+v", got)
	}
	c.Free(1)
	atZero(t, m)
	c.Release()
	if got := m.Snapshot(); got.Released != 2 || got.ReleasedAgain != 1 {
		t.Errorf("%d released, %d again", got.Released, got.ReleasedAgain)
	}
}

// TestMoreIsNotFreedThanWasReserved: that would be a bug of ours, and it does not pass in silence.
func TestMoreIsNotFreedThanWasReserved(t *testing.T) {
	for name, f := range map[string]func(*Conn){ // order-free: each is on its own
		"conn": func(c *Conn) { c.Reserve(5, FirstWindow); c.Free(6) },
		"stream": func(c *Conn) {
			c.Reserve(5, FirstWindow)
			s, _ := c.InboundStream()
			s.Free(1)
		},
		"less than nothing": func(c *Conn) { c.Reserve(-1, FirstWindow) },
	} {
		c := establish(t, endpoint(t, manager(t, Config{})), addr(1))
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f(c)
		}()
	}
}

func TestStreams(t *testing.T) {
	m := manager(t, Config{
		Process: Limits{InboundStreams: 3}, Conn: Limits{InboundStreams: 2, OutboundStreams: 1}, Stream: Limits{Memory: 1000},
	})
	e := endpoint(t, m)
	a, b := establish(t, e, addr(1)), establish(t, e, addr(2))
	var streams []*Stream
	open := func(f func() (*Stream, error), want string) {
		t.Helper()
		s, err := f()
		if err == nil {
			streams = append(streams, s)
		}
		if got := errorText(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	open(a.InboundStream, "")
	open(a.InboundStream, "")
	open(a.InboundStream, "limits: 2 of 2 inbound streams in use (connection)")
	open(a.OutboundStream, "")
	open(a.OutboundStream, "limits: 1 of 1 outbound streams in use (connection)")
	open(b.InboundStream, "")
	open(b.InboundStream, "limits: 3 of 3 inbound streams in use (process)")
	s := streams[0]
	if !s.Reserve(1000, FirstWindow) || s.Reserve(1, FirstWindow) {
		t.Error("a stream of 1000 bytes has more, or less")
	}
	s.Release()
	s.Release()
	open(b.InboundStream, "")
	if got := a.Usage(); got.Memory.Used != Overhead || got.InboundStreams.Used != 1 || got.InboundStreams.Peak != 2 || got.InboundStreams.Refused != 1 {
		t.Errorf("after a stream's release: %+v", got)
	}
	for _, s := range streams[1:] {
		s.Release()
	}
	a.Release()
	b.Release()
	atZero(t, m)
	if got := m.Snapshot().Totals; got[LevelConn].InboundStreams.Peak != 2 || got[LevelStream].Memory.Peak != 1000 || got[LevelStream].Memory.Refused != 1 {
		t.Errorf("totals of connections %+v, of streams %+v", got[LevelConn], got[LevelStream])
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestNothingIsChargedAboveALimit: greedy connections that take whatever they get stay below each of their limits at every moment.
func TestNothingIsChargedAboveALimit(t *testing.T) {
	const limit, greedy = 64 << 20, 1000
	m := manager(t, Config{Process: Limits{Memory: limit, Inbound: greedy}, Peer: unlimited(), Network: unlimited()})
	e := endpoint(t, m)
	r := rand.New(rand.NewPCG(1, 2))
	var conns []*Conn
	refused := 0
	for round := range 50_000 {
		if len(conns) < greedy && round%2 == 0 {
			if c, err := e.Inbound(0, addr(256*len(conns)), true); err == nil && c.Establish(0) == nil {
				conns = append(conns, c)
			}
		}
		if c := conns[r.IntN(len(conns))]; !c.Reserve(32<<10, Priority(r.IntN(129))) {
			refused++
		}
		if got := m.process.books[Memory].used.Load(); got > limit {
			t.Fatalf("%d of %d bytes are charged", got, limit)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused: the test shows nothing")
	}
	for _, c := range conns {
		c.Release()
	}
	atZero(t, m)
}

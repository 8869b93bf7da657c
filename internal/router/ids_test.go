package router

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	"example.com/ebb/wire"
)

// TestConnectionHasSeveralIDs: what goes to any of a connection's IDs is its own, and nothing more goes to one that was
// taken back.
func TestConnectionHasSeveralIDs(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	id, c := s.opens(alice, 7)
	other, _ := s.opens(bob, 8)
	second := s.NewID()
	s.AddID(id, second)
	third := s.NewID()
	s.AddID(id, third)
	if second == third || second == id || third == other {
		t.Fatalf("IDs %v, %v and %v", id, second, third)
	}
	for _, to := range []wire.ID{id, second, third} {
		if v := s.get(alice, short(to, 7, data(20)), Deliver); v.Conn != c {
			t.Errorf("%v: delivered to %v", to, v.Conn)
		}
	}
	s.RetireID(second)
	s.RetireID(second) // twice is once
	s.RetireID(id)     // the first stays as long as the connection
	s.RetireID(0x999)
	if v := s.get(alice, short(second, 7, data(20)), Reply); v.Conn != nil {
		t.Errorf("a retired ID: %v", v)
	}
	for _, to := range []wire.ID{id, third} {
		if v := s.get(alice, short(to, 7, data(20)), Deliver); v.Conn != c {
			t.Errorf("%v: delivered to %v", to, v.Conn)
		}
	}
	if n := s.Counters().Connections; n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	s.AddID(0x999, 0x998) // of a connection that has ended meanwhile
	if v := s.get(alice, short(0x998, 7, data(20)), Reply); v.Conn != nil {
		t.Errorf("an ID of nobody: %v", v)
	}
}

// TestAllIDsAreRemembered: after its end a connection answers under each of its IDs, with numbers that are not repeated, until
// its time is over or another takes its place; then none of them is known.
// Of docs/wire.md: [W115].
func TestAllIDsAreRemembered(t *testing.T) {
	for _, how := range []string{"time", "eviction"} {
		s := newScene(t, Config{Listening: true, MaxTombstones: 1})
		id, _ := s.opens(alice, 7)
		ids := []wire.ID{id, 0x71, 0x72, 0x73}
		for _, other := range ids[1:] {
			s.AddID(id, other)
		}
		s.RetireID(0x72)
		s.Establish(s.now, id)
		s.Remove(s.now, id, FinalState{Code: wire.CodeReset, NextNumber: 40, Hold: time.Second})
		number := uint64(40)
		for _, to := range []wire.ID{0x71, id, 0x73} {
			v := s.get(alice, short(to, 7, data(20)), Reply)
			h, f := s.parsed(v.Reply, wire.Seed(wire.Version, 7, id))
			if h.Dst != 7 || f.Type != wire.FrameClose || f.Code != wire.CodeReset || h.Number != number {
				t.Errorf("%v: answered by %v %v", to, h, f)
			}
			number++
			s.drops(alice, short(to, 8, data(20)), Corrupt)
		}
		s.unknown(0x72)
		if how == "time" {
			s.now += 20 * time.Second
			s.Sweep(s.now)
		} else {
			s.dials(bob, 0x99)
			s.Remove(s.now, 0x99, FinalState{Hold: time.Second})
		}
		for _, to := range ids {
			s.unknown(to)
		}
		if n := len(s.closed.byID); how == "time" && n != 0 || n > 1 || len(s.closed.others) != 0 {
			t.Errorf("%s: %d IDs are left, %v", how, n, s.closed.others)
		}
	}
}

// unknown demands that nobody knows an ID.
func (s *scene) unknown(id wire.ID) {
	s.Helper()
	v := s.get(alice, short(id, 7, data(20)), Reply)
	if h, _ := s.parsed(v.Reply, wire.Seed(wire.Version, 0, id)); h.Type != wire.Unknown {
		s.Errorf("%v is answered by %v", id, h)
	}
}

// TestSweepLetsGoOfTables: a router that has had many connections, and has none, holds what a new one does once it was swept.
func TestSweepLetsGoOfTables(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	s := newScene(t, Config{Listening: true, RetryAfter: -1, Backlog: 10_000})
	before := heap()
	var ids []wire.ID
	for i := range 5000 {
		id := s.NewID()
		s.Dial(id, netip.AddrPortFrom(alice.Addr(), uint16(20_000+i)), &client{})
		ids = append(ids, id)
	}
	for range 5000 {
		id := s.NewID()
		s.Accept(id, bob, Verdict[*client]{Client: s.NewID(), held: s.held(bob)}, &client{})
		ids = append(ids, id)
	}
	grown := heap() - before
	for _, id := range ids {
		s.Remove(s.now, id, FinalState{Hold: time.Second})
	}
	ids = nil
	s.now += time.Minute
	if _, more := s.Sweep(s.now); more {
		t.Fatal("not all was swept")
	}
	if kept := heap() - before; kept > 8<<10 || grown < 1<<20 {
		t.Errorf("%d bytes are kept of %d", kept, grown)
	}
	runtime.KeepAlive(s)
}

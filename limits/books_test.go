package limits

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestManyOpenAndClose is 50 goroutines that open and close 100,000 connections of 500 peers, each in any way in which one
// ends. Nothing is left of them.
func TestManyOpenAndClose(t *testing.T) {
	const workers, each = 50, 2000
	m := manager(t, Config{
		Process: Limits{Memory: 16 << 20, Inbound: 300}, Network: unlimited(), Peer: Limits{Connections: 4}, Conn: Limits{InboundStreams: 3},
	})
	var all sync.WaitGroup
	var refused atomic.Int64
	for w := range workers {
		all.Go(func() { refused.Add(int64(openAndClose(t, m, rand.New(rand.NewPCG(uint64(w), 7)), each))) })
	}
	for range 100 { // somebody looks at the books meanwhile
		for _, u := range m.Snapshot().Totals {
			for r, b := range u.All() {
				if b.Limit >= 0 && b.Peak > b.Limit {
					t.Errorf("%s: %d of %d %v were in use", u.Scope, b.Peak, b.Limit, r)
				}
			}
		}
	}
	all.Wait()
	if s := m.Snapshot(); s.Opened != workers*each || refused.Load() == 0 {
		t.Errorf("%d connections were opened, want %d, and %d refused", s.Opened, workers*each, refused.Load())
	}
	atZero(t, m)
}

// openAndClose opens n connections and releases them, in any order, and returns how many were refused meanwhile.
func openAndClose(t *testing.T, m *Manager, r *rand.Rand, n int) (refused int) {
	e := endpoint(t, m)
	defer e.Release()
	var open []*Conn
	for opened := 0; opened < n && refused < 100*n; {
		if c := randomConn(t, r, e, time.Duration(opened+refused)*time.Millisecond); c != nil {
			open = append(open, c)
			opened++
		} else {
			refused++
		}
		for len(open) > r.IntN(10) {
			i := r.IntN(len(open))
			open[i].Release()
			open[i] = open[len(open)-1]
			open = open[:len(open)-1]
		}
	}
	for _, c := range open {
		c.Release()
	}
	return refused
}

// randomConn opens a connection of any kind, uses it, and may have released it already.
func randomConn(t *testing.T, r *rand.Rand, e *Endpoint, now time.Duration) *Conn {
	remote := addr(r.IntN(500))
	var c *Conn
	var err error
	if r.IntN(3) == 0 {
		c, err = e.Outbound(remote)
	} else {
		c, err = e.Inbound(now, remote, r.IntN(2) == 0)
	}
	if err != nil {
		if !errors.Is(err, ErrLimit) {
			t.Error(err)
		}
		return nil
	}
	if r.IntN(4) > 0 {
		c.Identify([32]byte{byte(r.IntN(20))})
	}
	if r.IntN(4) > 0 {
		c.Establish(now)
	}
	for range r.IntN(5) {
		if n := r.IntN(100_000); c.Reserve(n, Priority(r.IntN(129))) && r.IntN(2) == 0 {
			c.Free(n)
		}
		if s, err := c.InboundStream(); err == nil && s.Reserve(r.IntN(5000), FirstWindow) && r.IntN(2) == 0 {
			s.Release()
		}
	}
	if r.IntN(5) == 0 {
		var both sync.WaitGroup
		both.Go(c.Release)
		c.Release()
		both.Wait()
	}
	return c
}

// TestEachBookIsWhatItCounts compares every book of every scope with what the living connections hold, after each of many random
// steps; and what is refused must be so by a scope that is full.
func TestEachBookIsWhatItCounts(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		m := manager(t, Config{
			Process: Limits{Memory: 4 << 20, Inbound: 20, Outbound: 10, HalfOpen: 8, InboundStreams: 30},
			Network: Limits{Connections: 9}, Peer: Limits{Connections: 4, Memory: 1 << 20}, Identity: Limits{Connections: 3, HalfOpen: 2},
			Conn:  Limits{OutboundStreams: 4},
			Allow: []netip.Prefix{netip.MustParsePrefix("198.0.0.4/31")},
		})
		ends := []*Endpoint{endpoint(t, m), endpoint(t, m)}
		ends[1].scope.name = "198.51.100.1:443"
		var conns []*Conn
		for step := range 600 {
			conns = randomStep(t, r, m, ends, conns)
			if got, want := books(m.Snapshot()), countedBooks(m, ends, conns); got != want {
				t.Fatalf("seed %d, step %d: the books say\n%s\nand the connections hold\n%s", seed, step, got, want)
			}
		}
		for _, c := range conns {
			c.Release()
		}
		atZero(t, m)
	}
}

// randomStep does anything with any of the connections, and returns those that live.
func randomStep(t *testing.T, r *rand.Rand, m *Manager, ends []*Endpoint, conns []*Conn) []*Conn {
	e := ends[r.IntN(len(ends))]
	remote := addr(r.IntN(3)*256 + r.IntN(6))
	var c *Conn
	var err error
	k := r.IntN(10)
	if len(conns) == 0 || k < 3 {
		if k == 0 {
			c, err = e.Outbound(remote)
		} else {
			c, err = e.Inbound(time.Hour, remote, r.IntN(2) == 0)
		}
		if err == nil {
			conns = append(conns, c)
		}
		checkRefusal(t, m, err)
		return conns
	}
	i := r.IntN(len(conns))
	switch c := conns[i]; k {
	case 3:
		if err := c.Establish(time.Hour); err != ErrReleased {
			checkRefusal(t, m, err)
		}
	case 4:
		if err := c.Identify([32]byte{byte(r.IntN(5))}); err != ErrIdentified && err != ErrReleased {
			checkRefusal(t, m, err)
		}
	case 5, 6:
		c.Reserve(r.IntN(200_000), Priority(r.IntN(129)))
	case 7:
		if c.state < ended {
			c.Free(r.IntN(int(c.used-Overhead) + 1))
		}
	case 8:
		_, err := [...]func() (*Stream, error){c.InboundStream, c.OutboundStream}[r.IntN(2)]()
		if err != ErrReleased {
			checkRefusal(t, m, err)
		}
	case 9:
		if r.IntN(2) == 0 {
			c.End()
			c.Free(r.IntN(int(c.used) + 1))
			return conns
		}
		c.Release()
		conns[i] = conns[len(conns)-1]
		conns = conns[:len(conns)-1]
	}
	return conns
}

// checkRefusal fails if something was refused though nothing is full.
func checkRefusal(t *testing.T, m *Manager, err error) {
	t.Helper()
	if err == nil {
		return
	}
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		t.Fatal(err)
	case e.Resource == Handshakes:
	case e.Used+1 <= e.Priority.bound(e.Limit) && e.Resource != Memory:
		t.Fatalf("refused though it is not full: %v", err)
	}
}

// books is what a snapshot says is in use, as text.
func books(s Snapshot) string {
	text := ""
	for _, list := range [][]Usage{{s.Process}, s.Endpoints, s.Networks, s.Peers, s.Identities} {
		for _, u := range list {
			text += u.Scope + ":"
			for r, b := range u.All() {
				if b.Used != 0 {
					text += fmt.Sprintf(" %d %v", b.Used, r)
				}
			}
			text += "\n"
		}
	}
	return text
}

// countedBooks is what books has to be.
func countedBooks(m *Manager, ends []*Endpoint, conns []*Conn) string {
	s := Snapshot{Process: Usage{Scope: "process"}}
	scopes := make(map[string]*Usage)
	keys := []Peer{}
	for _, c := range conns {
		for _, sc := range c.under() {
			if sc.peer != (Peer{}) && scopes[sc.title()] == nil {
				scopes[sc.title()] = &Usage{Scope: sc.title()}
				keys = append(keys, sc.peer)
			}
		}
	}
	for _, e := range []*Endpoint{ends[0], ends[1]} {
		scopes[e.scope.title()] = &Usage{Scope: e.scope.title()}
	}
	for _, c := range conns {
		for _, sc := range c.under() {
			u := scopes[sc.title()]
			if sc == &m.process {
				u = &s.Process
			}
			for _, r := range places[c.state] {
				u.book(r).Used++
			}
			u.Memory.Used += c.charged
			u.InboundStreams.Used += c.rarities().streams[0].used
			u.OutboundStreams.Used += c.rarities().streams[1].used
		}
	}
	for _, e := range m.listed() {
		s.Endpoints = append(s.Endpoints, *scopes[e.scope.title()])
	}
	for _, p := range sortedPeers(keys) {
		u := *scopes[(&scope{class: m.classes[p.level()], peer: p}).title()]
		switch p.level() {
		case LevelNetwork:
			s.Networks = append(s.Networks, u)
		case LevelIdentity:
			s.Identities = append(s.Identities, u)
		default:
			s.Peers = append(s.Peers, u)
		}
	}
	return books(s)
}

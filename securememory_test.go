//go:build !race

// The race detector takes memory of its own.

package ebb_test

import (
	"crypto/tls"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/ebb"
)

// TestTLSIdleMemory: what an idle protected connection takes, both ends, TLS's view of it included.
func TestTLSIdleMemory(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	plain, secure := idlePair(t, nil, nil), idlePair(t, client, server)
	t.Logf("an idle pair takes %d bytes, a protected one %d", plain, secure)
	if secure > 20<<10 {
		t.Errorf("an idle protected pair takes %d bytes", secure)
	}
}

// idlePair is how many bytes a pair of connections takes that have nothing to do.
func idlePair(t *testing.T, client, server *tls.Config) int {
	t.Helper()
	l := listen(t, &ebb.Config{TLS: server})
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	from, err := ebb.NewEndpoint(pc, inMode(&ebb.Config{TLS: client}))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer l.Endpoint().Close()
	const first, pairs = 200, 1000 // what all share is there after the first
	var all [2 * pairs]net.Conn
	connect := func(at int) {
		c, err := from.Dial("udp4", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		all[at], all[pairs+at] = c, s
		write(t, c, "x")
		reads(t, s, "x")
		write(t, s, "y")
		reads(t, c, "y")
	}
	connectAll := func(begin, end int) int64 {
		for i := range end - begin {
			connect(begin + i)
		}
		for _, c := range append(all[begin:end:end], all[pairs+begin:pairs+end]...) {
			info := infoOf(c)
			eventually(t, "all to be acknowledged", func() bool { return info().SendBuffered == 0 })
		}
		return heapInUse()
	}
	before := connectAll(0, first)
	after := connectAll(first, pairs)
	runtime.KeepAlive(&all)
	return int(after-before) / (pairs - first)
}

// TestTLSManyConnections: protected connections in one process, both ends, cost what a pair does and no goroutine, and all of them work.
// With -long there are 10,000.
func TestTLSManyConnections(t *testing.T) {
	leavesNothing(t)
	n, callers, most := 500, 16, int64(24<<10) // so few bear more of what all share, the tables above all
	if *longTables {
		n, most = 10_000, 20<<10
	}
	client, server := secured(t)
	l := listen(t, &ebb.Config{TLS: server, Backlog: callers})
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	from, err := ebb.NewEndpoint(pc, inMode(&ebb.Config{TLS: client}))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	defer l.Endpoint().Close()
	all := &crowd{t: t, from: from, to: l, dialled: make([]net.Conn, n), accepted: make([]net.Conn, n)}
	const warm = 50
	all.connect(0, warm, callers)
	goroutines, before := runtime.NumGoroutine(), heapInUse()
	all.connect(warm, n, callers)
	eventually(t, "the goroutines of handshakes to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	each := (heapInUse() - before) / int64(n-warm)
	runtime.KeepAlive(all)
	t.Logf("%d connections take %d bytes each, both ends", n, each)
	if each > most {
		t.Errorf("%d connections take %d bytes each", n, each)
	}
	if got := l.Endpoint().Info(); got.Connections != n || got.HalfOpen != 0 {
		t.Errorf("%d connections and %d half-open, of %d", got.Connections, got.HalfOpen, n)
	}
}

// crowd is connections of two endpoints.
type crowd struct {
	t                 *testing.T
	from              *ebb.Endpoint
	to                *ebb.Listener
	dialled, accepted []net.Conn // each in its own order
}

// connect makes those from first to last, by so many callers, and has a byte cross each.
func (g *crowd) connect(first, last, callers int) {
	g.t.Helper()
	var all sync.WaitGroup
	var next atomic.Int64
	next.Store(int64(first))
	for range callers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(last); i = next.Add(1) - 1 {
				var err error
				if g.dialled[i], err = g.from.Dial("udp4", g.to.Addr().String()); err == nil {
					g.accepted[i], err = g.to.Accept() // of another caller's dial, perhaps
				}
				if err != nil {
					g.t.Errorf("connection %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
	if g.t.Failed() {
		g.t.FailNow()
	}
	for _, c := range g.dialled[first:last] {
		write(g.t, c, "x")
	}
	for _, c := range g.accepted[first:last] {
		reads(g.t, c, "x")
	}
	for _, c := range g.dialled[first:last] {
		info := infoOf(c)
		eventually(g.t, "all to be acknowledged", func() bool { return info().SendBuffered == 0 })
	}
}

// infoOf is the method Info of a connection.
func infoOf(c net.Conn) func() ebb.ConnInfo {
	return c.(interface{ Info() ebb.ConnInfo }).Info
}

package ebb_test

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/limits"
)

// resources is what a process holds.
type resources struct {
	goroutines, sockets int
	heap                uint64 // in bytes
}

func held(t *testing.T) resources {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	r := resources{goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return r // not Linux
	}
	for _, f := range files {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(to, "socket:") {
			r.sockets++
		}
	}
	return r
}

// backToStart waits until no more is held than before, but for some memory.
func backToStart(t *testing.T, before resources, slack uint64) {
	t.Helper()
	defer drain(t) // what was dropped may have had its peer dropped first; that is not for other tests to hear
	var now resources
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(2 * patience); ; <-tick.C {
		now = held(t)
		if now.goroutines <= before.goroutines && now.sockets <= before.sockets && now.heap <= before.heap+slack {
			return
		}
		if time.Now().After(limit) {
			buf := make([]byte, 1<<20)
			t.Fatalf("before %+v, after %+v\n%s", before, now, buf[:min(runtime.Stack(buf, true), 20000)])
		}
	}
}

// ends dials and accepts without a trace in the test.
type ends struct {
	*testing.T
	d ebb.Dialer
}

func newEnds(t *testing.T, cfg *ebb.Config) ends {
	return ends{t, ebb.Dialer{Config: inMode(cfg), Timeout: patience}}
}

func (e ends) pair(l net.Listener) (dialled, accepted *ebb.Conn) {
	c, err := e.d.Dial("udp4", l.Addr().String())
	if err != nil {
		e.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		e.Fatal(err)
	}
	return c.(*ebb.Conn), s.(*ebb.Conn)
}

func (e ends) listen() net.Listener {
	lc := ebb.ListenConfig{Config: e.d.Config}
	l, err := lc.Listen(e.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		e.Fatal(err)
	}
	return l
}

func (e ends) endpoint() *ebb.Endpoint {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		e.Fatal(err)
	}
	p, err := ebb.NewEndpoint(pc, e.d.Config)
	if err != nil {
		e.Fatal(err)
	}
	return p
}

// over is an Endpoint with a connection to a listener, of which none is used again.
func (e ends) over(l *ebb.Listener) (*ebb.Endpoint, *ebb.Conn, *ebb.Conn) {
	p := e.endpoint()
	c, err := p.DialAddr(e.Context(), l.Addr())
	if err != nil {
		e.Fatal(err)
	}
	s, err := l.AcceptConn()
	if err != nil {
		e.Fatal(err)
	}
	return p, c, s
}

// cycles are the ends of connections. Each makes at least one and returns when it is of no more use.
var cycles = []struct {
	name string
	run  func(e ends, l *ebb.Listener)
}{
	{"Close", func(e ends, l *ebb.Listener) {
		c, s := e.pair(l)
		write(e.T, c, "x")
		c.Close()
		s.Close()
	}},
	{"Abort", func(e ends, l *ebb.Listener) {
		c, s := e.pair(l)
		c.Abort()
		s.Abort()
	}},
	{"dropped", func(e ends, l *ebb.Listener) {
		c, s := e.pair(l)
		write(e.T, c, "x")
		s.SetReadDeadline(time.Now().Add(time.Hour))
		c.SetReadDeadline(time.Now().Add(time.Hour))
		s.Read(make([]byte, 1))
	}},
	{"peer's reset", func(e ends, l *ebb.Listener) {
		c, s := e.pair(l)
		s.Abort()
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			e.Errorf("Read: %v", err)
		}
	}},
	{"Listener.Close", func(e ends, _ *ebb.Listener) {
		l := e.listen()
		c, s := e.pair(l)
		l.Close()
		c.Close()
		s.Close()
	}},
	{"listener dropped", func(e ends, _ *ebb.Listener) {
		c, s := e.pair(e.listen())
		c.Close()
		s.Close()
	}},
	{"Endpoint.Close", func(e ends, l *ebb.Listener) {
		p, _, s := e.over(l)
		p.Close()
		s.Close()
	}},
	{"endpoint dropped", func(e ends, l *ebb.Listener) {
		_, c, s := e.over(l)
		c.Close()
		s.Close()
	}},
	{"dial's timeout", func(e ends, _ *ebb.Listener) {
		mute, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			e.Fatal(err)
		}
		defer mute.Close()
		if _, err := e.d.Dial("udp4", mute.LocalAddr().String()); !errors.Is(err, syscall.ETIMEDOUT) {
			e.Errorf("Dial: %v", err)
		}
	}},
}

// TestNothingIsLeft: after each kind of end, goroutines, sockets, memory and the books of what was taken are what they were. With -long, after 10,000.
func TestNothingIsLeft(t *testing.T) {
	n := 50
	if *longTables {
		n = 10_000
	}
	for _, c := range cycles {
		t.Run(c.name, func(t *testing.T) {
			awaitOthers(t)
			cfg := &ebb.Config{Limits: limitsOf(t, limits.Config{})}
			if c.name == "dial's timeout" {
				cfg.HandshakeTimeout = 2 * time.Millisecond
			}
			e := newEnds(t, cfg)
			first := held(t)
			func() {
				l := e.listen().(*ebb.Listener)
				defer l.Close()
				for range 20 {
					c.run(e, l)
				}
			}()
			backToStart(t, first, 8<<20) // the pools are warm
			before := held(t)
			func() {
				l := e.listen().(*ebb.Listener)
				defer l.Close()
				for range n {
					c.run(e, l)
				}
			}()
			backToStart(t, before, 1<<20)
			nothingHeld(t, cfg.Limits)
		})
	}
}

// TestSilentPeerLeavesNothing: nor do connections whose peers have fallen silent.
func TestSilentPeerLeavesNothing(t *testing.T) {
	awaitOthers(t)
	before := held(t)
	const n = 50
	func() {
		var mute atomic.Bool
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server, err := ebb.NewEndpoint(silenced{pc, &mute}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		l, err := server.Listen()
		if err != nil {
			t.Fatal(err)
		}
		e := newEnds(t, &ebb.Config{IdleTimeout: 20 * time.Millisecond, KeepAlive: -1})
		var conns, peers []*ebb.Conn
		for range n {
			c, s := e.pair(l)
			conns, peers = append(conns, c), append(peers, s)
		}
		mute.Store(true)
		for _, c := range conns {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, ebb.ErrIdleTimeout) {
				t.Errorf("Read: %v", err)
			}
		}
		runtime.KeepAlive(peers)
	}()
	backToStart(t, before, 4<<20)
}

// silenced is a socket that sends nothing while the flag is set.
type silenced struct {
	net.PacketConn
	mute *atomic.Bool
}

func (s silenced) WriteTo(b []byte, a net.Addr) (int, error) {
	if s.mute.Load() {
		return len(b), nil
	}
	return s.PacketConn.WriteTo(b, a)
}

// TestDroppedConnectionsAreCollected: a thousand at once, with what their readers, deadlines and peers hold.
func TestDroppedConnectionsAreCollected(t *testing.T) {
	awaitOthers(t)
	e := newEnds(t, nil)
	before := held(t)
	func() {
		l := e.listen()
		defer l.Close()
		for range 1000 {
			c, s := e.pair(l)
			write(t, c, "from one that will be forgotten")
			s.SetDeadline(time.Now().Add(time.Hour))
		}
	}()
	backToStart(t, before, 8<<20)
}

// TestWaitingCallKeepsAConnection: one that a call waits on is not collected, though nothing else holds it; and what was written to
// one that is dropped is delivered.
func TestWaitingCallKeepsAConnection(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, nil)
	read := make(chan string, 1)
	l := listen(t, nil)
	peer := func() *ebb.Conn {
		c, s := newEnds(t, nil).pair(l)
		go func() {
			got := make([]byte, 5)
			_, err := io.ReadFull(s, got)
			read <- string(got)
			if err != nil {
				t.Error(err)
			}
		}()
		return c
	}()
	for range 3 { // cleanups have run when this pair's news have gone to and fro
		runtime.GC()
		write(t, a, "news")
		reads(t, b, "news")
	}
	write(t, peer, "hello")
	if got := <-read; got != "hello" {
		t.Errorf("got %q", got)
	}
	peer.SetReadDeadline(time.Now().Add(patience))
	done := make(chan error, 1)
	go func() { _, err := peer.Read(make([]byte, 1)); done <- err }()
	for {
		runtime.GC() // until the end that nothing holds any more is closed
		select {
		case err := <-done:
			if err != io.EOF {
				t.Errorf("the peer of one that was dropped: %v", err)
			}
			peer.Close()
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// Package lossy is for tests that run other people's programs over Ebb: it dials and listens on loopback, and loses a part of the
// packets if it is asked to. Modules of their own use it too.
package lossy

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/ebbtest"
	"example.com/ebb/internal/lab/simnet"
)

// drainTimeout is how long closed connections may deliver when a test ends.
const drainTimeout = 10 * time.Second

// Network dials and listens over Ebb. Without loss it uses nothing but what a program would: ebb.Dialer and ebb.ListenConfig with its Config.
// With loss the packets of each of its sockets pass a link that drops some of them. Its methods may be called by any number of goroutines
// until the test ends.
type Network struct {
	t      testing.TB
	loss   float64
	config *ebb.Config

	shared func() *ebb.Endpoint // what dials over loss have in common

	mu     sync.Mutex
	seed   uint64      // of the last link
	opened []io.Closer // to close when the test ends
}

// New makes a network that loses the given part of the packets in each direction (0 to 1). Config nil is the defaults. When the
// test ends, and what it registered with Cleanup after this call has run, the network waits for what closed connections deliver and closes
// what it has made; the test fails if it leaves a goroutine of Ebb's.
func New(t testing.TB, loss float64, config *ebb.Config) *Network {
	t.Helper()
	if loss < 0 || loss >= 1 {
		t.Fatalf("lossy: a loss of %v is not possible, want 0 to 1", loss)
	}
	ebbtest.NoLeaks(t)
	n := &Network{t: t, loss: loss, config: config}
	n.shared = sync.OnceValue(func() *ebb.Endpoint { return n.Endpoint(config) })
	t.Cleanup(n.close)
	return n
}

// Listen listens on a port of 127.0.0.1 that the system chooses. The listener closes with the network, if not before.
func (n *Network) Listen() *Listener {
	n.t.Helper()
	var l *ebb.Listener
	var err error
	if n.loss > 0 {
		l, err = n.Endpoint(n.config).Listen()
	} else {
		lc := ebb.ListenConfig{Config: n.config}
		var any net.Listener
		if any, err = lc.Listen(context.Background(), "tcp", "127.0.0.1:0"); err == nil {
			l = any.(*ebb.Listener)
		}
	}
	if err != nil {
		n.t.Fatal(err)
	}
	n.closes(l)
	return &Listener{l}
}

// DialContext connects to an address of this network.
func (n *Network) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return n.Dialer(n.config).DialContext(ctx, network, address)
}

// Dialer is a dialer with a configuration of its own, as those of peers that know each other by different certificates.
func (n *Network) Dialer(config *ebb.Config) *ebb.Dialer {
	if n.loss == 0 {
		return &ebb.Dialer{Config: config}
	}
	if config != n.config {
		return &ebb.Dialer{Endpoint: n.Endpoint(config)}
	}
	return &ebb.Dialer{Endpoint: n.shared()}
}

// Endpoint is a socket on loopback behind a link that loses what the network loses. It closes with the network.
func (n *Network) Endpoint(config *ebb.Config) *ebb.Endpoint {
	n.t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	n.seed++
	seed := n.seed
	n.mu.Unlock()
	if n.loss > 0 { // and no delay: what is on the way when a socket closes would be lost too
		pc = simnet.Wrap(pc, simnet.LinkConfig{Loss: n.loss}, seed)
	}
	e, err := ebb.NewEndpoint(pc, config)
	if err != nil {
		n.t.Fatal(err)
	}
	n.closes(e)
	return e
}

func (n *Network) closes(c io.Closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened = append(n.opened, c)
}

// close closes listeners and endpoints, but endpoints after the last bytes of their connections.
func (n *Network) close() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	ebb.Drain(ctx) // an error is of a peer that is gone: then nothing is worth waiting for
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.opened {
		c.Close()
	}
}

// Listener is a listener whose connections show addresses of TCP, as those of ebb.Listen("tcp", …) do, whatever its socket is.
type Listener struct{ *ebb.Listener }

// Accept returns the next connection: an *ebb.Conn or *ebb.SecureConn, or one in it.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if _, ok := c.LocalAddr().(*net.TCPAddr); ok {
		return c, nil
	}
	switch c := c.(type) {
	case *ebb.SecureConn:
		return secureConn{c}, nil
	case *ebb.Conn:
		return conn{c}, nil
	}
	return c, nil
}

// Addr returns the listener's address, a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return tcp(l.Listener.Addr()) }

type conn struct{ *ebb.Conn }

func (c conn) LocalAddr() net.Addr  { return tcp(c.Conn.LocalAddr()) }
func (c conn) RemoteAddr() net.Addr { return tcp(c.Conn.RemoteAddr()) }

type secureConn struct{ *ebb.SecureConn }

func (c secureConn) LocalAddr() net.Addr  { return tcp(c.SecureConn.LocalAddr()) }
func (c secureConn) RemoteAddr() net.Addr { return tcp(c.SecureConn.RemoteAddr()) }

func tcp(a net.Addr) net.Addr {
	if u, ok := a.(*net.UDPAddr); ok {
		return &net.TCPAddr{IP: u.IP, Port: u.Port, Zone: u.Zone}
	}
	return a
}

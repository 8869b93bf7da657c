package ebb

import (
	"context"
	"net"
	"net/netip"
	"time"

	core "example.com/ebb/internal/endpoint"
)

// Dial connects to an address, as net.Dial does. Networks are udp, udp4, udp6
// and, meaning the same, tcp, tcp4 and tcp6. The connection is a *Conn and has
// a socket of its own.
func Dial(network, address string) (net.Conn, error) {
	return new(Dialer).Dial(network, address)
}

// DialTimeout is Dial with a bound on the time it takes.
func DialTimeout(network, address string, timeout time.Duration) (net.Conn, error) {
	d := Dialer{Timeout: timeout}
	return d.Dial(network, address)
}

// DialContext is Dial until the context is done; the connection does not
// depend on it. The function fits http.Transport.DialContext.
func DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return new(Dialer).DialContext(ctx, network, address)
}

// shared is the endpoint to dial from; nil: there is none.
func (d *Dialer) shared() *endpoint {
	if d.Endpoint == nil {
		return nil
	}
	return d.Endpoint.endpoint
}

func (d *Dialer) localAddr() (*net.UDPAddr, error) {
	a, ok := udpAddrOf(d.LocalAddr)
	if !ok {
		return nil, &net.AddrError{Err: "Dialer.LocalAddr is neither a *net.UDPAddr nor a *net.TCPAddr", Addr: d.LocalAddr.String()}
	}
	return a, nil
}

// dialling is a dial that somebody waits for, and then who wants to know how its connection ends. It is guarded by endpoint.mu.
type dialling struct {
	ready    chan struct{} // closed when the books say what became of it
	conn     *conn         // what the dial returns; nil: it failed, or was given up
	fallback *Fallback     // learns whether the connection ends in silence; nil: nobody does
}

// dial connects to an address and waits for the handshake. Its network is what
// errors call it, and host the name whose certificate the peer has to have, if there is a Config.TLS that names none.
func (e *endpoint) dial(ctx context.Context, network, host string, remote netip.AddrPort) (*conn, error) {
	failed := func(err error) error {
		return &net.OpError{Op: "dial", Net: network, Source: e.addrOn(nameOf(network)), Addr: nameOf(network).addr(remote), Err: err}
	}
	c, err := e.startDial(network, host, remote)
	if err != nil {
		return nil, failed(err)
	}
	select {
	case <-c.dial.ready:
	case <-ctx.Done():
	}
	e.mu.Lock()
	gaveUp := e.books.GiveUp(c.id())
	got := c.dial.conn
	c.dial = nil
	e.mu.Unlock()
	switch {
	case got != nil:
		got.showAs(nameOf(network))
		return got, nil
	case gaveUp:
		c.Abort()
		return nil, failed(cancelled(ctx))
	}
	c.mu.Lock()
	err = c.driver.Conn.Err()
	c.mu.Unlock()
	return nil, failed(explained(callConnect, err))
}

// startDial makes a connection and sends its INITIAL.
func (e *endpoint) startDial(network, host string, remote netip.AddrPort) (*conn, error) {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return nil, net.ErrClosed
	}
	s := e.sockets[e.random.Uint64()%uint64(len(e.sockets))]
	now, path := e.now(), core.Path{Local: e.local, Remote: remote}
	c := newConn(e, s, path)
	c.network.Store(uint32(nameOf(network)))
	c.dial = &dialling{ready: make(chan struct{})}
	secure, err := c.dialTLS(host)
	if err != nil {
		e.mu.Unlock()
		return nil, err
	}
	p, err := e.books.Dial(now, &c.settings.core, path, c)
	if err != nil {
		e.mu.Unlock()
		return nil, err
	}
	c.protectWith(&p, secure)
	c.traceWith(&p, now)
	c.driver.Start(now, p)
	e.mu.Unlock()
	e.recallReader(s)
	if s.Interruptible() {
		e.report(c, c.begin())
		return c, nil
	}
	e.goroutines.start(func() { // a PacketConn may wait, but the dial has its context
		t := c.begin()
		e.goroutines.outside(func() { e.report(c, t) })
	})
	return c, nil
}

// begin sends the INITIAL of a dial, and returns what is to be reported.
func (c *conn) begin() core.Topic {
	c.mu.Lock()
	return c.step(c.endpoint.now())
}

// reach narrows a network to the addresses that the endpoint's socket can send
// to.
func (e *endpoint) reach(udpNetwork string) string {
	switch a := e.local.Addr(); {
	case udpNetwork != "udp":
	case a.Is4():
		return "udp4"
	case !a.IsUnspecified():
		return "udp6"
	}
	return udpNetwork
}

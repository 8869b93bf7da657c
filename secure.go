package ebb

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"net"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/protect"
	"example.com/ebb/internal/protect/tlsdriver"
	"example.com/ebb/peerid"
)

// This file gives protected connections their handshakes. crypto/tls computes for a while, and calls the application, so a handshake
// is worked on by goroutines of the endpoint's, of which there are none when it is over: never with a connection's lock held, and never
// by who reads the socket. The engine takes note of what there is to do; whoever has changed its state sees to it when the lock is
// released (work), and what comes of it is one more way in (handshakeNews).

// maxHandshakeWorkers is how many handshakes of an endpoint are worked on at once. Others wait their turn, within HandshakeTimeout. It is far
// more than there are processors because the application may take its time.
const maxHandshakeWorkers = 256

// SecureConn is a protected connection, as Dial and Accept return it, if there is a Config.TLS. It has a method more than a Conn, by which
// net/http knows such connections.
type SecureConn struct{ *Conn }

// ConnectionState returns what TLS says of the connection: who the peer is, the application protocol, whether it was resumed. The
// handshake was complete before Dial or Accept returned it.
func (c *SecureConn) ConnectionState() tls.ConnectionState {
	state, _ := c.TLS()
	return state
}

// TLS returns what TLS says of the connection; false: it is a plain one.
func (c *Conn) TLS() (tls.ConnectionState, bool) { return c.conn.tlsState() }

// netConn is a handle as a net.Conn.
func (c *Conn) netConn() net.Conn {
	if c.conn.protected() {
		return &SecureConn{c}
	}
	return c
}

// protected reports whether the connection is. conn.mu must not be held.
func (c *conn) protected() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tls != nil
}

func (c *conn) tlsState() (tls.ConnectionState, bool) {
	c.mu.Lock()
	session := c.tls
	c.mu.Unlock()
	if session == nil {
		return tls.ConnectionState{}, false
	}
	return session.State()
}

// identity is who the peer has proved to be, for the limits: its Ed25519 key, as package peerid names it, or the hash of another key. The
// zero value: it has shown none.
func (c *conn) identity() [32]byte {
	state, ok := c.tlsState()
	if !ok || len(state.PeerCertificates) == 0 {
		return [32]byte{}
	}
	if id, err := peerid.Of(state); err == nil {
		return id
	}
	return sha256.Sum256(state.PeerCertificates[0].RawSubjectPublicKeyInfo)
}

// newWorkers makes those who work on an endpoint's handshakes.
func newWorkers(g *goroutines) *tlsdriver.Workers {
	return tlsdriver.NewWorkers(maxHandshakeWorkers, func(work func()) {
		g.start(func() { g.outside(work) })
	})
}

// serverTLS is what the handshakes of a listener begin with; nil: its connections are plain. An error says what is wrong with Config.TLS.
func (c *Config) serverTLS() (*tls.Config, error) {
	if c.TLS == nil {
		return nil, nil
	}
	return tlsdriver.ServerConfig(c.TLS)
}

// protectWith has a connection that is about to be started make a handshake, unless cfg is nil.
func (c *conn) protectWith(p *core.Params, cfg *tls.Config) {
	if cfg == nil {
		return
	}
	name := networkName(c.network.Load())
	driver := tlsdriver.Params{Client: p.Client, TLS: cfg, Local: name.addr(*c.local), Remote: name.addr(p.Path.Remote)}
	p.Handshake = func(ours []byte) protect.Handshake {
		driver.Transport = ours
		c.tls = tlsdriver.NewSession(tlsdriver.New(context.Background(), driver)) // which ends with the connection, at the latest
		return c.tls
	}
}

// dialTLS is what the handshake of a dial begins with; nil: it is a plain one.
func (c *conn) dialTLS(host string) (*tls.Config, error) {
	if c.settings.TLS == nil {
		return nil, nil
	}
	return tlsdriver.ClientConfig(c.settings.TLS, host)
}

// wantsWork reports whether the handshake has to be worked on, and ends it with the connection. conn.mu is held.
func (c *conn) wantsWork() bool {
	switch {
	case c.tls == nil:
		return false
	case c.driver.Ended():
		c.tls.Close()
		return false
	}
	return c.tls.TakeWork()
}

// work has the handshake worked on. No lock is held, or that of endpoint.
func (c *conn) work() { c.endpoint.workers.Run(c.tls.Driver, c.handshakeNews) }

// handshakeNews is called by whoever works on the handshake when something has come of it.
func (c *conn) handshakeNews() {
	c.mu.Lock()
	now := c.endpoint.now()
	c.driver.Conn.HandshakeNews(now)
	c.proceed(now)
}

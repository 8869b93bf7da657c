package ebb

import (
	"context"
	"net"
	"runtime"
)

// The library itself keeps connections, endpoints and listeners: in tables, timers and goroutines. What the application
// holds are handles to them, which nothing of the library holds. So the garbage collector finds the handles that the application has
// dropped, and closes what they stand for, as it does for package net. A method that waits keeps its handle alive.
//
// Cleanups run outside of every testing/synctest bubble, and may not wake anybody in one. So one of a connection only takes a note,
// and has the timer see it, and those of endpoints and listeners do nothing, where the socket is not the system's.

// Conn is a reliable, ordered stream of bytes in each direction, over UDP. It
// implements net.Conn, io.ReaderFrom and io.WriterTo; its methods may be called
// by any number of goroutines. Reads take turns with each other, and so do
// writes.
//
// Errors are *net.OpError around values that match what TCP's would: see the
// package's Err variables. The end of the stream is a bare io.EOF.
//
// A Conn that is dropped without Close is closed when it is garbage collected, as package net does. On a socket that is not the
// system's that may take until the next packet arrives or is due.
type Conn struct {
	*conn
	cleanup runtime.Cleanup
}

// handle makes the application's handle to a connection.
func (c *conn) handle() *Conn {
	h := &Conn{conn: c}
	h.cleanup = runtime.AddCleanup(h, (*conn).drop, c)
	return h
}

// Close closes both directions and returns at once. What was written is
// delivered in the background, which Drain waits for, unless SetLinger says
// otherwise. What arrives from now on is answered with a reset.
func (c *Conn) Close() error {
	c.cleanup.Stop() // which would cost more than the rest of Close
	return c.conn.Close()
}

// Abort closes the connection at once. What was not delivered is discarded, and
// the peer gets ECONNRESET. It may follow Close, to cut the delivery short.
func (c *Conn) Abort() error {
	c.cleanup.Stop()
	return c.conn.Abort()
}

// Read reads what has arrived into b, at least one byte unless b is empty and at most 256 KiB, and
// waits for it if necessary. At the end of the peer's stream the error is
// io.EOF.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.conn.Read(b)
	runtime.KeepAlive(c)
	return n, err
}

// Write writes all of b. It returns when the last of it is in the send buffer,
// which is not to say that the peer has it; Close and Drain are.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.conn.Write(b)
	runtime.KeepAlive(c)
	return n, err
}

// Endpoint is one socket, or several on one port (see Config.Sockets), that dials and listens,
// both at once, and is shared by any number of connections. It is for peers, which know each other by the
// address that they also dial from, and for programs with thousands of
// connections: none has a goroutine of its own. Dial and Listen make one
// behind the scenes.
//
// Its methods may be called by any number of goroutines. One that is dropped without Close, on a socket of the system's, closes
// when it has no listener and no connection any more.
type Endpoint struct {
	*endpoint
	listener *Listener // that it was asked of, which must not be collected before it; nil: none
}

// Dial connects to an address from the endpoint's own, as the function Dial does from a new socket. The
// connection is a *Conn and has the endpoint's Config.
func (e *Endpoint) Dial(network, address string) (net.Conn, error) {
	return e.DialContext(context.Background(), network, address)
}

// DialContext is Dial until the context is done; the connection does not depend on it. The method
// fits http.Transport.DialContext.
func (e *Endpoint) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	d := Dialer{Endpoint: e}
	return d.DialContext(ctx, network, address)
}

// DialAddr connects to addr, a *net.UDPAddr or a *net.TCPAddr, from the endpoint's own address. The connection shows
// addresses of the same type.
// If the peer dials this endpoint at the same time, both dials return one
// connection. The context bounds the dial, not the connection.
func (e *Endpoint) DialAddr(ctx context.Context, addr net.Addr) (*Conn, error) {
	c, err := e.endpoint.dialAddr(ctx, addr)
	runtime.KeepAlive(e)
	if err != nil {
		return nil, err
	}
	return c.handle(), nil
}

// Listen makes the endpoint accept connections. It fails while another listener
// of the endpoint is open.
func (e *Endpoint) Listen() (*Listener, error) {
	l, err := e.endpoint.startListening()
	if err != nil {
		return nil, err
	}
	return l.handle(), nil
}

// Listener is the part of an endpoint that accepts connections. It implements
// net.Listener. One that is dropped without Close, on a socket of the system's, is closed when it is garbage collected.
type Listener struct{ *listener }

// handle makes the application's handle to a listener.
func (l *listener) handle() *Listener {
	h := &Listener{l}
	runtime.AddCleanup(h, (*listener).drop, l)
	return h
}

// Accept waits for a connection and returns it, a *Conn, or a *SecureConn if there is a Config.TLS. With ListenConfig.Fallback it may be one of
// TCP's, a *net.TCPConn or a *tls.Conn.
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.listener.acceptEither(true)
	runtime.KeepAlive(l)
	switch {
	case err != nil:
		return nil, err
	case c.tcp != nil:
		return c.tcp, nil
	}
	return l.accepted(c.ebb).netConn(), nil
}

// AcceptConn is Accept without the need for a type assertion. Connections of TCP, which ListenConfig.Fallback admits, wait for an Accept.
func (l *Listener) AcceptConn() (*Conn, error) {
	c, err := l.listener.acceptEither(false)
	runtime.KeepAlive(l)
	if err != nil {
		return nil, err
	}
	return l.accepted(c.ebb), nil
}

// accepted makes the application's handle to a connection that was accepted.
func (l *Listener) accepted(c *conn) *Conn {
	h := c.handle()
	if config := l.listener.keepAlive; config != nil {
		h.SetKeepAliveConfig(*config)
	}
	return h
}

// Endpoint returns the endpoint that the listener belongs to: for its Info, or
// to dial from the listener's address.
func (l *Listener) Endpoint() *Endpoint { return &Endpoint{endpoint: l.listener.endpoint, listener: l} }

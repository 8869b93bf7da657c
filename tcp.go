package ebb

import (
	"net"
	"syscall"
	"time"
)

// This file is what programs ask of a *net.TCPConn by interface, beside net.Conn.

// SetNoDelay says whether a write that does not fill a packet leaves at once, which is the default. With false it waits while
// anything is unacknowledged, until there is a packet's worth: Nagle's algorithm (RFC 896), by which at most one small packet is unacknowledged. Either way small writes that follow
// each other within microseconds, with no Read between, share packets.
func (c *conn) SetNoDelay(noDelay bool) error {
	return c.set(func() { c.driver.Conn.SetNagle(!noDelay) })
}

// SetKeepAlive turns probes of a silent peer on, every Config.KeepAlive or 15 s, or off. Without them a dead peer is found
// after Config.IdleTimeout of silence and as long again of probes.
func (c *conn) SetKeepAlive(keepalive bool) error {
	every := time.Duration(-1)
	if keepalive {
		every = c.settings.KeepAlive
		if every < 0 {
			every = defaultKeepAlive
		}
	}
	return c.set(func() { c.driver.Conn.SetKeepAlive(every) })
}

// SetKeepAlivePeriod sets the silence after which the peer is probed. 0 is the default of 15 s, negative changes nothing.
func (c *conn) SetKeepAlivePeriod(d time.Duration) error {
	return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: d, Interval: -1, Count: -1})
}

// SetKeepAliveConfig sets after what silence the peer is probed, Idle, and for how long that goes on before the connection
// ends with ErrIdleTimeout: Interval times Count. It stands for Config.KeepAlive and IdleTimeout of this connection. As of
// net.TCPConn, 0 is a default (15 s, 15 s, 9) and negative leaves what is set; if Interval or Count is negative, so is their
// product. How often probes are repeated is the engine's matter: sooner than Interval.
func (c *conn) SetKeepAliveConfig(config net.KeepAliveConfig) error {
	orDefault := func(d time.Duration) time.Duration {
		if d == 0 {
			return defaultKeepAlive
		}
		return d
	}
	idle, timeout := orDefault(config.Idle), time.Duration(-1)
	if config.Count == 0 {
		config.Count = defaultKeepAliveCount
	}
	if interval := orDefault(config.Interval); interval > 0 && config.Count > 0 {
		timeout = min(interval, maxWait/time.Duration(config.Count)) * time.Duration(config.Count)
	}
	return c.set(func() {
		switch {
		case !config.Enable:
			c.driver.Conn.SetKeepAlive(-1)
		case idle > 0:
			c.driver.Conn.SetKeepAlive(idle)
		}
		if timeout > 0 {
			c.driver.Conn.SetIdleTimeout(timeout)
		}
	})
}

// defaultKeepAliveCount is package net's.
const defaultKeepAliveCount = 9

// SetReadBuffer bounds what the connection holds of what was received and not read, in bytes, from now on: it stands for
// Config.ReceiveBuffer. What was offered to the peer before is not taken back.
func (c *conn) SetReadBuffer(bytes int) error {
	return c.setLocal(func() { c.driver.Conn.SetReceiveBuffer(max(bytes, 1)) })
}

// SetWriteBuffer bounds what the connection holds of what was written and not acknowledged, in bytes: it stands for
// Config.SendBuffer.
func (c *conn) SetWriteBuffer(bytes int) error {
	return c.setLocal(func() { c.driver.Conn.SetSendBuffer(max(bytes, 1)) })
}

// MultipathTCP is false: a connection has one path.
func (c *conn) MultipathTCP() (bool, error) { return false, nil }

// MultipathTCP is false: see SetMultipathTCP.
func (d *Dialer) MultipathTCP() bool { return false }

// SetMultipathTCP does nothing. It is there for programs that call it on a net.Dialer: an Ebb connection has one path, and whether the connections over TCP that a
// Fallback makes have several is left to package net.
func (d *Dialer) SetMultipathTCP(use bool) {}

// MultipathTCP is false: see SetMultipathTCP.
func (lc *ListenConfig) MultipathTCP() bool { return false }

// SetMultipathTCP does nothing. It is there for programs that call it on a net.ListenConfig: an Ebb connection has one path, and whether the connections over TCP
// that Fallback admits may have several is left to package net.
func (lc *ListenConfig) SetMultipathTCP(use bool) {}

// SyscallConn gives access to the options of the UDP socket that the connection sends on, which may be shared with others. Reading and writing through it are
// undefined: they fail with errors.ErrUnsupported. Over a net.PacketConn that is not the system's there is none.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.sock.SyscallConn()
	if err != nil {
		return nil, c.opError("raw-control", err)
	}
	closed := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.closed
	}
	return rawConn{raw, closed, c.opError}, nil
}

// SyscallConn gives access to the options of the listener's socket, the first of several. Reading and writing through it are undefined: they
// fail with errors.ErrUnsupported.
func (l *listener) SyscallConn() (syscall.RawConn, error) {
	raw, err := l.endpoint.sockets[0].SyscallConn()
	if err != nil {
		return nil, l.opError("raw-control", err)
	}
	closed := func() bool {
		l.endpoint.mu.Lock()
		defer l.endpoint.mu.Unlock()
		return l.closed
	}
	return rawConn{raw, closed, l.opError}, nil
}

// rawConn is a socket's, which may outlive the connection or listener that was asked for it.
type rawConn struct {
	syscall.RawConn
	closed  func() bool
	opError func(op string, err error) error
}

// Control is syscall.RawConn.Control until the connection or listener is closed.
func (r rawConn) Control(f func(fd uintptr)) error {
	if r.closed() {
		return r.opError("raw-control", net.ErrClosed)
	}
	return r.RawConn.Control(f)
}

// set changes a setting of an open connection.
func (c *conn) set(change func()) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.opError("set", net.ErrClosed)
	}
	change()
	c.proceed(c.endpoint.now())
	return nil
}

// setLocal is set for what concerns this side alone, which is how package net names it in errors.
func (c *conn) setLocal(change func()) error {
	if err := c.set(change); err != nil {
		return &net.OpError{Op: "set", Net: networkNames[c.network.Load()], Addr: c.LocalAddr(), Err: net.ErrClosed}
	}
	return nil
}

package simnet

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// DefaultReadBuffer is how many bytes a new socket holds for its reader: what
// Linux gives.
const DefaultReadBuffer = 212992

// maxPayload is the most a UDP datagram carries over IPv4, in bytes.
const maxPayload = 65507

// PacketConn is a UDP socket of a simulated host. It implements
// [net.PacketConn] and the methods of [net.UDPConn] that need no kernel; its
// errors are those of net. Writes never wait. Any number of goroutines may use
// it at once.
type PacketConn struct {
	host  *Host
	local netip.AddrPort

	mu          sync.Mutex
	readable    sync.Cond
	received    []packet
	buffered    int // bytes of received, charged by charge
	limit       int // of buffered
	reports     []*Unreachable
	paused      bool
	held        []datagram // written while paused
	read, write deadline
	closed      bool
	stats       PacketConnStats
}

// PacketConnStats counts datagrams that reached a socket.
type PacketConnStats struct {
	Received int // put into the receive buffer
	Dropped  int // found it full
}

type packet struct {
	src netip.AddrPort
	b   []byte
}

var _ net.PacketConn = (*PacketConn)(nil)

func newPacketConn(h *Host, local netip.AddrPort) *PacketConn {
	c := &PacketConn{host: h, local: local, limit: DefaultReadBuffer}
	c.readable.L = &c.mu
	return c
}

// ReadFrom implements net.PacketConn. What of a datagram does not fit into b
// is lost.
func (c *PacketConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, src, err := c.ReadFromUDPAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(src), nil
}

// ReadFromUDPAddrPort is ReadFrom without the allocation.
func (c *PacketConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, netip.AddrPort{}, c.opError("read", netip.AddrPort{}, net.ErrClosed)
		case c.read.passed:
			return 0, netip.AddrPort{}, c.opError("read", netip.AddrPort{}, os.ErrDeadlineExceeded)
		case c.paused:
		case len(c.reports) > 0:
			u := c.reports[0]
			c.reports = c.reports[1:]
			return 0, netip.AddrPort{}, c.opError("read", u.To, u)
		case len(c.received) > 0:
			p := c.received[0]
			c.received[0] = packet{}
			c.received = c.received[1:]
			c.buffered -= charge(p.b)
			return copy(b, p.b), p.src, nil
		}
		c.readable.Wait()
	}
}

// WriteTo implements net.PacketConn. An address other than a *net.UDPAddr is
// an error.
func (c *PacketConn) WriteTo(b []byte, addr net.Addr) (int, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok || udp == nil {
		return 0, &net.OpError{Op: "write", Net: "udp", Source: c.LocalAddr(), Addr: addr, Err: syscall.EINVAL}
	}
	return c.WriteToUDPAddrPort(b, udp.AddrPort())
}

// WriteToUDPAddrPort is WriteTo with an address that needs no allocation.
func (c *PacketConn) WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error) {
	dst := netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
	source := c.source(dst.Addr())
	if err := c.writeError(len(b), source, dst); err != nil {
		return 0, c.opError("write", dst, err)
	}
	src := netip.AddrPortFrom(source, c.local.Port())
	if d := (datagram{src: src, dst: dst, b: b, from: c}); !c.hold(d) {
		c.host.n.send(c.host, d)
	}
	return len(b), nil
}

// hold keeps what is written to a paused socket, and says whether it is one.
func (c *PacketConn) hold(d datagram) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.paused {
		return false
	}
	d.b = bytes.Clone(d.b)
	c.held = append(c.held, d)
	return true
}

// Pause makes the socket look, to its peers, like that of a process that was stopped: reads wait, while the
// buffer fills, and what is written leaves when Resume is called. The process itself is not stopped: its timers
// fire. Deadlines and Close end a read that waits.
func (c *PacketConn) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = true
}

// Resume ends Pause.
func (c *PacketConn) Resume() {
	c.mu.Lock()
	held := c.held
	c.paused, c.held = false, nil
	c.readable.Broadcast()
	c.mu.Unlock()
	for _, d := range held {
		c.host.n.send(c.host, d)
	}
}

func (c *PacketConn) source(peer netip.Addr) netip.Addr {
	c.host.n.mu.Lock()
	defer c.host.n.mu.Unlock()
	return c.host.source(c.local.Addr(), peer)
}

// writeError says why a datagram cannot be sent.
func (c *PacketConn) writeError(size int, source netip.Addr, dst netip.AddrPort) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return net.ErrClosed
	case c.write.passed:
		return os.ErrDeadlineExceeded
	case !dst.IsValid() || dst.Port() == 0:
		return syscall.EINVAL
	case !source.IsValid():
		return syscall.ENETUNREACH
	case size > maxPayload:
		return syscall.EMSGSIZE
	}
	return nil
}

// Close implements net.PacketConn. What is already on the way still goes where
// it was sent.
func (c *PacketConn) Close() error {
	if !c.shut() {
		return c.opError("close", netip.AddrPort{}, net.ErrClosed)
	}
	c.host.n.mu.Lock()
	defer c.host.n.mu.Unlock()
	c.host.forget(c)
	return nil
}

// LocalAddr implements net.PacketConn. It is a *net.UDPAddr.
func (c *PacketConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// SetDeadline implements net.PacketConn.
func (c *PacketConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline implements net.PacketConn.
func (c *PacketConn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.read, t) }

// SetWriteDeadline implements net.PacketConn. Writes do not wait, but fail once
// it has passed.
func (c *PacketConn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.write, t) }

// SetReadBuffer sets how many bytes the socket holds for its reader, 28 for the
// headers of each datagram included; at least one datagram fits.
func (c *PacketConn) SetReadBuffer(bytes int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
	return nil
}

// SetWriteBuffer does nothing: writes never wait.
func (c *PacketConn) SetWriteBuffer(bytes int) error { return nil }

// Stats is what has happened so far.
func (c *PacketConn) Stats() PacketConnStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

func (c *PacketConn) setDeadline(d *deadline, t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", netip.AddrPort{}, net.ErrClosed)
	}
	d.set(t, &c.mu, c.readable.Broadcast)
	return nil
}

// shut closes the socket, but leaves it on its port. It says whether it was
// open.
func (c *PacketConn) shut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.closed = true
	c.received, c.reports, c.held, c.buffered = nil, nil, nil, 0
	c.read.stop()
	c.write.stop()
	c.readable.Broadcast()
	return true
}

// receive takes a datagram, and b with it, unless the buffer is full.
func (c *PacketConn) receive(src netip.AddrPort, b []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.buffered > 0 && c.buffered+charge(b) > c.limit {
		c.stats.Dropped++
		return false
	}
	c.stats.Received++
	c.buffered += charge(b)
	c.received = append(c.received, packet{src, b})
	c.readable.Signal()
	return true
}

// tell takes a report of what became of a datagram.
func (c *PacketConn) tell(u *Unreachable) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.reports = append(c.reports, u)
		c.readable.Signal()
	}
}

func (c *PacketConn) opError(op string, peer netip.AddrPort, err error) error {
	e := &net.OpError{Op: op, Net: "udp", Source: c.LocalAddr(), Err: err}
	if peer.IsValid() {
		e.Addr = net.UDPAddrFromAddrPort(peer)
	}
	return e
}

// charge is what a datagram takes of a receive buffer.
func charge(b []byte) int { return len(b) + DefaultOverhead }

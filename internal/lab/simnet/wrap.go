package simnet

import (
	"bytes"
	"net"
	"slices"
	"sync"
)

// Wrapped is a socket whose outgoing datagrams pass a Link in real time before
// they are really sent. Any number of goroutines may use it at once.
type Wrapped struct {
	net.PacketConn

	mu     sync.Mutex
	link   *Link
	line   *timeline[outgoing]
	failed int
}

var _ net.PacketConn = (*Wrapped)(nil)

type outgoing struct {
	b  []byte
	to net.Addr
}

// Wrap puts a link behind pc, which it owns from here on.
func Wrap(pc net.PacketConn, cfg LinkConfig, seed uint64) *Wrapped {
	w := &Wrapped{PacketConn: pc, link: NewLink(cfg, seed)}
	w.line = newTimeline[outgoing](w.run)
	return w
}

// WriteTo implements net.PacketConn. It never waits, and succeeds whatever
// becomes of the datagram.
func (w *Wrapped) WriteTo(b []byte, addr net.Addr) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.line.closed {
		return 0, &net.OpError{Op: "write", Net: "udp", Source: w.LocalAddr(), Addr: addr, Err: net.ErrClosed}
	}
	if udp, ok := addr.(*net.UDPAddr); ok { // the caller may change it afterwards
		addr = &net.UDPAddr{IP: slices.Clone(udp.IP), Port: udp.Port, Zone: udp.Zone}
	}
	arrivals, n := w.link.Send(w.line.now(), b)
	for _, a := range arrivals[:n] {
		o := outgoing{bytes.Clone(b), addr}
		a.Apply(o.b)
		w.line.push(a.At, o)
	}
	w.flush()
	return len(b), nil
}

// Close closes the socket and forgets what is on the way.
func (w *Wrapped) Close() error {
	err := w.PacketConn.Close() // first: it ends a send that holds the lock
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line.close()
	return err
}

// SetReadBuffer passes on to the socket, if it has buffers.
func (w *Wrapped) SetReadBuffer(bytes int) error {
	if s, ok := w.PacketConn.(interface{ SetReadBuffer(int) error }); ok {
		return s.SetReadBuffer(bytes)
	}
	return nil
}

// SetWriteBuffer passes on to the socket, if it has buffers.
func (w *Wrapped) SetWriteBuffer(bytes int) error {
	if s, ok := w.PacketConn.(interface{ SetWriteBuffer(int) error }); ok {
		return s.SetWriteBuffer(bytes)
	}
	return nil
}

// SetLink changes the link from now on.
func (w *Wrapped) SetLink(cfg LinkConfig) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.link.SetConfig(w.line.now(), cfg)
}

// Stats is what has happened on the link so far, and how many datagrams that
// had passed it the socket then failed to send.
func (w *Wrapped) Stats() (link LinkStats, failed int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.link.Stats(), w.failed
}

// run is the timeline's timer.
func (w *Wrapped) run() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.line.fired()
	w.flush()
}

// flush sends what has passed the link and waits for the rest. It holds the
// lock so that the order is the link's.
func (w *Wrapped) flush() {
	now := w.line.now()
	for {
		_, o, ok := w.line.pop(now)
		if !ok {
			break
		}
		if _, err := w.PacketConn.WriteTo(o.b, o.to); err != nil {
			w.failed++
		}
	}
	w.line.arm()
}

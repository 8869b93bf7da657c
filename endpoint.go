package ebb

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/router"
	"example.com/ebb/internal/shaper"
	"example.com/ebb/internal/udp"
	"example.com/ebb/wire"
)

// Endpoint is one socket, or several on one port (see Config.Sockets), that dials and listens,
// both at once, and is shared by any number of connections. It is for peers, which know each other by the
// address that they also dial from, and for programs with thousands of
// connections: none has a goroutine of its own. Dial and Listen make one
// behind the scenes.
//
// Its methods may be called by any number of goroutines.
type Endpoint struct {
	config         Config
	network        string
	sockets        []*socket      // at least one; all bound to the same address
	local          netip.AddrPort // of the sockets
	addr           *net.UDPAddr   // the same, for connections that have no other
	epoch          time.Time      // the engines' time 0
	sinceStart     time.Duration  // the pools' time then
	largest        int            // no packet of ours is larger, in bytes of UDP payload
	receiveBatches *sync.Pool     // of *receiveBatch

	connected bool // the one socket has one peer
	private   bool // nobody has a handle: it closes itself when it has nothing left to do

	group sync.WaitGroup // its goroutines: a reader for each socket, and while there is need one that resumes
	done  chan struct{}  // closed when the endpoint begins to close

	mu        sync.Mutex // guards everything below; never held together with a Conn's
	router    *router.Router[*Conn]
	random    *rand.ChaCha8
	conns     map[*Conn]struct{} // those that have not ended
	listener  *Listener          // nil: nobody listens
	sweeper   *time.Timer        // sweeps tombstones; nil: there are none
	vanishing vanishingTrains
	closing   bool // nothing new begins
	closed    bool // the sockets are closed, or about to be
}

// socket is one of an endpoint's. A connection sends all it has to say on one of them, on which the
// datagram arrived that opened it; what it is told may arrive on any.
type socket struct {
	*udp.Socket
	reader     receiver
	leadership leadership
	timers     timerHeap

	// Guarded by Endpoint.mu.
	blocked  []*Conn // those that it had no room for
	resuming bool    // a goroutine waits for room
}

// newSocket makes a socket of the endpoint's, which nobody reads yet.
func newSocket(e *Endpoint, u *udp.Socket) *socket {
	s := &socket{Socket: u}
	s.reader = receiver{endpoint: e, sock: s}
	s.leadership.prompt = promptReturn
	s.timers.now, s.timers.set = e.now, engine.Never
	return s
}

// NewEndpoint makes an endpoint of a socket, which it owns from here on, unless
// it returns an error. Any net.PacketConn will do whose addresses are
// *net.UDPAddr; a *net.UDPConn is the fastest. config may be nil.
func NewEndpoint(pc net.PacketConn, config *Config) (*Endpoint, error) {
	cfg, err := config.resolved()
	if err != nil {
		return nil, err
	}
	if cfg.Sockets > 1 {
		return nil, fmt.Errorf("ebb: Config.Sockets is %d: NewEndpoint is given one socket; Listen makes several", cfg.Sockets)
	}
	sock, err := udp.New(pc, cfg.socketOptions())
	if err != nil {
		return nil, err
	}
	return startEndpoint([]*udp.Socket{sock}, "udp", cfg, false), nil
}

// startEndpoint makes an endpoint of sockets that are bound to one address and starts their readers. cfg is
// resolved.
func startEndpoint(socks []*udp.Socket, network string, cfg Config, private bool) *Endpoint {
	var seed [32]byte
	crand.Read(seed[:])
	random := rand.NewChaCha8(seed)
	crand.Read(seed[:])
	first := socks[0]
	e := &Endpoint{
		config:    cfg,
		network:   network,
		local:     unmapped(first.LocalAddr().AddrPort()),
		addr:      first.LocalAddr(),
		epoch:     time.Now(),
		largest:   max(defaultDatagram4, cfg.MaxDatagramSize),
		connected: first.Remote().IsValid(),
		private:   private,
		done:      make(chan struct{}),
		router: router.New[*Conn](router.Config{
			Seed: seed, RetryAfter: cfg.RetryThreshold, Backlog: cfg.Backlog, Window: engine.FirstWindow(cfg.ReceiveBuffer),
		}),
		random: random,
		conns:  make(map[*Conn]struct{}),
	}
	e.sinceStart = e.epoch.Sub(started)
	e.receiveBatches = receiveBatchesFor(first.Info().GRO, e.largest)
	for _, s := range socks {
		e.sockets = append(e.sockets, newSocket(e, s))
	}
	for _, s := range e.sockets {
		e.group.Go(func() { e.readLoop(s) })
	}
	return e
}

// Addr returns the address of the socket, a *net.UDPAddr.
func (e *Endpoint) Addr() net.Addr { return e.sockets[0].LocalAddr() }

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

// DialAddr connects to addr, a *net.UDPAddr, from the endpoint's own address.
// If the peer dials this endpoint at the same time, both dials return one
// connection. The context bounds the dial, not the connection.
func (e *Endpoint) DialAddr(ctx context.Context, addr net.Addr) (*Conn, error) {
	remote, err := addrPortOf(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: e.network, Source: e.Addr(), Addr: addr, Err: err}
	}
	return e.dial(ctx, e.network, remote)
}

// Listen makes the endpoint accept connections. It fails while another listener
// of the endpoint is open.
func (e *Endpoint) Listen() (*Listener, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closing:
		return nil, &net.OpError{Op: "listen", Net: e.network, Addr: e.Addr(), Err: net.ErrClosed}
	case e.listener != nil:
		return nil, &net.OpError{Op: "listen", Net: e.network, Addr: e.Addr(), Err: errListening}
	}
	e.listener = newListener(e)
	e.router.SetListening(true)
	return e.listener, nil
}

// Close aborts all connections, those too that are still delivering what was
// written before their Close, and closes its sockets. It waits for the
// endpoint's goroutines, and up to a second for a socket that is full, so that
// the peers hear of it.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return &net.OpError{Op: "close", Net: e.network, Addr: e.Addr(), Err: net.ErrClosed}
	}
	e.closing = true
	close(e.done)
	conns := make([]*Conn, 0, len(e.conns))
	for c := range e.conns {
		conns = append(conns, c)
	}
	l := e.listener
	e.mu.Unlock()

	if l != nil {
		l.Close()
	}
	for _, c := range conns {
		c.Abort()
	}
	awaitClosings(conns, time.Second)
	e.mu.Lock()
	e.setClosed()
	e.mu.Unlock()
	err := e.closeSockets()
	e.group.Wait()
	e.finishBlocked()
	if err != nil {
		return &net.OpError{Op: "close", Net: e.network, Addr: e.Addr(), Err: err}
	}
	return nil
}

// setClosed takes note that the sockets are about to be closed. Endpoint.mu is held.
func (e *Endpoint) setClosed() {
	e.closed = true
	if e.sweeper != nil {
		e.sweeper.Stop()
	}
	for _, s := range e.sockets {
		s.leadership.end()
	}
}

// closeSockets closes all sockets and returns the first error.
func (e *Endpoint) closeSockets() error {
	var first error
	for _, s := range e.sockets {
		if err := s.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// awaitClosings waits until the peers of aborted connections were told, which may be in
// the hands of another goroutine or wait for the socket, but not for ever.
func awaitClosings(conns []*Conn, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, c := range conns {
		select {
		case <-c.closing.done:
		case <-timer.C:
			return
		}
	}
}

// finishBlocked lets the connections end that waited for their socket in vain.
func (e *Endpoint) finishBlocked() {
	for _, s := range e.sockets {
		for {
			e.mu.Lock()
			if len(s.blocked) == 0 {
				e.mu.Unlock()
				break
			}
			c := s.nextBlocked()
			e.mu.Unlock()
			c.resume()
		}
	}
}

// now is the engines' time.
func (e *Endpoint) now() time.Duration { return time.Since(e.epoch) }

// clock is a moment of the engines' time, and of the pools', which endpoints share: it counts from the
// process's beginning.
func (e *Endpoint) clock(now time.Duration) shaper.Clock {
	return shaper.Clock{Engine: now, Pool: now + e.sinceStart}
}

// started is the pools' time 0.
var started = time.Now()

// report takes note of what has become of a connection. No lock is held.
func (e *Endpoint) report(c *Conn, n news) {
	if n&newsOpened != 0 {
		e.config.Logger.Debug("connection established", "local", c.local, "remote", c.remote, "dialled", c.client)
		if c.client {
			e.connectedDial(c)
		} else {
			e.admit(c)
		}
	}
	if n&newsTrains != 0 {
		e.noteTrains(c)
	}
	if n&newsResolved != 0 {
		closings.resolve(c, c.undelivered())
	}
	if n&newsEnded != 0 {
		e.forget(c)
	}
}

// noteTrains remembers what a connection has found out about trains on the way to its peer.
func (e *Endpoint) noteTrains(c *Conn) {
	c.mu.Lock()
	until := c.trainsVanish
	c.mu.Unlock()
	e.mu.Lock()
	e.vanishing.note(e.now(), c.remote.AddrPort().Addr().Unmap(), until)
	e.mu.Unlock()
}

// admit hands a connection that was made to us to whom it belongs: a dial that
// it crossed, or the listener. It is aborted if there is neither.
func (e *Endpoint) admit(c *Conn) {
	e.mu.Lock()
	fate, lost := e.router.Establish(e.now(), c.id)
	switch fate {
	case router.Queued:
		e.listener.accept.wake()
	case router.Replaces:
		lost.dial.resolve(c)
	}
	e.mu.Unlock()
	switch fate {
	case router.Replaces:
		lost.Abort()
	case router.Unwanted:
		c.Abort()
	}
}

// forget takes a connection that has ended off the tables. An endpoint that
// nobody has a handle to ends with its last connection.
func (e *Endpoint) forget(c *Conn) {
	c.mu.Lock()
	final, err := c.finalState, c.engine.Err()
	c.mu.Unlock()
	e.config.Logger.Debug("connection over", "local", c.local, "remote", c.remote, "error", err)

	e.mu.Lock()
	e.router.Remove(e.now(), c.id, final)
	delete(e.conns, c)
	c.dial.resolve(nil)
	if e.sweeper == nil {
		e.sweepLater()
	}
	e.mu.Unlock()
	e.closeIfIdle()
}

// sweep forgets the connections that were remembered long enough.
func (e *Endpoint) sweep() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweepLater()
}

// sweepLater sweeps when that is due, as long as there are tombstones. Endpoint.mu is held.
func (e *Endpoint) sweepLater() {
	now := e.now()
	next, more := e.router.Sweep(now)
	e.sweeper = nil
	if more && !e.closed {
		e.sweeper = time.AfterFunc(next-now, e.sweep)
	}
}

// closeIfIdle closes the sockets of an endpoint that nobody can use any more.
func (e *Endpoint) closeIfIdle() {
	e.mu.Lock()
	idle := e.private && !e.closing && e.listener == nil && len(e.conns) == 0
	if idle {
		e.closing = true
		close(e.done)
		e.setClosed()
	}
	e.mu.Unlock()
	if idle {
		for _, s := range e.sockets {
			s.Shut() // we may be its reader
		}
	}
}

// open makes the connection that a datagram opens, which answers on the socket it came from.
// Endpoint.mu is held.
func (e *Endpoint) open(s *socket, path engine.Path, v router.Verdict[*Conn]) *Conn {
	id := e.router.NewID()
	c := newConn(e, s, e.now(), engine.Params{
		Local: id, Peer: v.Client, OriginalDst: v.Dst, Path: path, Validated: v.Proven,
	})
	e.router.Accept(id, path.Remote, v.Client, c)
	e.conns[c] = struct{}{}
	return c
}

// params completes the parameters of a connection that has IDs and a path.
// Endpoint.mu is held.
func (e *Endpoint) params(now time.Duration, p engine.Params) engine.Params {
	cfg := &e.config
	p.MaxDatagram = cfg.maxDatagram(p.Path.Remote.Addr())
	p.Controller = cfg.Congestion(congestion.Params{MaxDatagramSize: wire.MinInitialSize, Seed: e.random.Uint64()})
	p.Chunks = chunkPool{}
	p.SendBuffer, p.ReceiveBuffer = cfg.SendBuffer, cfg.ReceiveBuffer
	p.KeepAlive, p.IdleTimeout = max(cfg.KeepAlive, 0), max(cfg.IdleTimeout, 0)
	p.HandshakeTimeout, p.LingerTimeout = max(cfg.HandshakeTimeout, 0), max(cfg.LingerTimeout, 0)
	if !p.Client && p.HandshakeTimeout == 0 {
		p.HandshakeTimeout = defaultHandshakeTimeout
	}
	p.Rate = cfg.BandwidthLimit
	p.Stamp = uint32(e.random.Uint64())
	p.NoECN, p.Seed = cfg.NoECN, e.random.Uint64()
	p.TrainsVanish = e.vanishing.until(now, p.Path.Remote.Addr().Unmap())
	return p
}

// randomID is an ID that nobody can predict and nobody has to know.
func (e *Endpoint) randomID() wire.ID {
	for {
		var b [wire.IDSize]byte
		e.random.Read(b[:])
		if id := wire.ID(binary.BigEndian.Uint64(b[:])); id != 0 {
			return id
		}
	}
}

// addrPortOf is a UDP address as package netip has it, an IPv4 one never in its
// IPv6-mapped form.
func addrPortOf(a net.Addr) (netip.AddrPort, error) {
	u, ok := a.(*net.UDPAddr)
	if !ok || u == nil {
		return netip.AddrPort{}, errNotUDP
	}
	ap := unmapped(u.AddrPort())
	if !ap.IsValid() || ap.Port() == 0 {
		return ap, errors.New("no address and port to connect to")
	}
	return ap, nil
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

package ebb

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/router"
	"example.com/ebb/internal/shaper"
	"example.com/ebb/internal/udp"
	"example.com/ebb/wire"
)

// endpoint is an Endpoint as the library holds it.
type endpoint struct {
	settings   atomic.Pointer[settings] // of what is new; a connection keeps those that it began with
	sockets    []*socket                // at least one; all bound to the same address
	local      netip.AddrPort           // of the sockets
	addr       *net.UDPAddr             // the same, for connections that have no other
	epoch      time.Time                // the engines' time 0
	sinceStart time.Duration            // the pools' time then

	connected bool    // the one socket has one peer
	port      portKey // in the table of those that listen, whose lock guards it

	goroutines goroutines    // a reader for each socket, and while there is need one that resumes
	done       chan struct{} // closed when the endpoint begins to close
	freed      chan struct{} // closed when the sockets are, and their port is free

	mu        sync.Mutex // guards everything below; never held together with a connection's
	router    *router.Router[*conn]
	random    *rand.ChaCha8
	conns     map[*conn]struct{} // those that have not ended
	listener  *listener          // nil: nobody listens
	sweeper   *time.Timer        // sweeps tombstones; nil: there are none
	vanishing vanishingTrains
	private   bool // nobody has a handle: it closes itself when it has nothing left to do
	closing   bool // nothing new begins
	closed    bool // the sockets are closed, or about to be
}

// settings are a Config and what follows from it.
type settings struct {
	Config
	network        string     // what errors call it
	largest        int        // no packet of ours is larger, in bytes of UDP payload
	receiveBatches *sync.Pool // of *receiveBatch
}

// settingsFor completes a resolved Config for sockets that read trains, or single datagrams.
func settingsFor(cfg Config, network string, trains bool) *settings {
	s := &settings{Config: cfg, network: network, largest: max(defaultDatagram4, cfg.MaxDatagramSize)}
	s.receiveBatches = receiveBatchesFor(trains, s.largest)
	return s
}

// socket is one of an endpoint's. A connection sends all it has to say on one of them, on which the
// datagram arrived that opened it; what it is told may arrive on any.
type socket struct {
	*udp.Socket
	reader     callerReceiver
	leadership leadership
	timers     timerHeap

	// Guarded by endpoint.mu.
	blocked  []*conn // those that it had no room for
	resuming bool    // a goroutine waits for room
}

// newSocket makes a socket of the endpoint's, which nobody reads yet.
func newSocket(e *endpoint, u *udp.Socket) *socket {
	s := &socket{Socket: u}
	s.reader.receiver = receiver{endpoint: e, sock: s}
	s.leadership.prompt = promptReturn
	s.timers.now, s.timers.set = e.now, engine.Never
	return s
}

// NewEndpoint makes an endpoint of a socket, which it owns from here on, unless
// it returns an error. config may be nil.
//
// A *net.UDPConn is the fastest. Any other net.PacketConn will do if its addresses are *net.UDPAddr and
//   - ReadFrom, which one goroutine calls, returns one whole datagram, or waits for it, until Close,
//   - WriteTo, which many goroutines call, one at a time, sends a datagram or loses it, and keeps no part of b. It should not
//     wait: while it does, no connection of the endpoint makes any progress, and its methods may return late, except DialAddr and the like,
//   - errors of both say nothing of the next call, except net.ErrClosed, which ends the endpoint, with Accept, all dials and
//     all connections,
//   - Close ends calls of both, which do not call methods of the endpoint, its listener or its connections.
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
	h := &Endpoint{endpoint: startEndpoint([]*udp.Socket{sock}, "udp", cfg, false)}
	runtime.AddCleanup(h, (*endpoint).drop, h.endpoint)
	return h, nil
}

// startEndpoint makes an endpoint of sockets that are bound to one address and starts their readers. cfg is
// resolved.
func startEndpoint(socks []*udp.Socket, network string, cfg Config, private bool) *endpoint {
	var seed [32]byte
	crand.Read(seed[:])
	random := rand.NewChaCha8(seed)
	crand.Read(seed[:])
	first := socks[0]
	e := &endpoint{
		local:     unmapped(first.LocalAddr().AddrPort()),
		addr:      first.LocalAddr(),
		epoch:     time.Now(),
		connected: first.Remote().IsValid(),
		private:   private,
		done:      make(chan struct{}),
		freed:     make(chan struct{}),
		router: router.New[*conn](router.Config{
			Seed: seed, RetryAfter: cfg.RetryThreshold, Backlog: cfg.Backlog, Window: engine.FirstWindow(cfg.ReceiveBuffer),
		}),
		random: random,
		conns:  make(map[*conn]struct{}),
	}
	e.sinceStart = e.epoch.Sub(started)
	e.settings.Store(settingsFor(cfg, network, first.Info().GRO))
	e.goroutines.changed = make(chan struct{}, 1)
	for _, s := range socks {
		e.sockets = append(e.sockets, newSocket(e, s))
	}
	for _, s := range e.sockets {
		e.goroutines.start(func() { e.readLoop(s) })
	}
	return e
}

// Addr returns the address of the socket, a *net.UDPAddr.
func (e *endpoint) Addr() net.Addr { return e.sockets[0].LocalAddr() }

// dialAddr is Endpoint.DialAddr.
func (e *endpoint) dialAddr(ctx context.Context, addr net.Addr) (*conn, error) {
	remote, err := addrPortOf(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: e.network(), Source: e.Addr(), Addr: addr, Err: err}
	}
	return e.dial(ctx, e.network(), remote)
}

// startListening is Endpoint.Listen.
func (e *endpoint) startListening() (*listener, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closing:
		return nil, &net.OpError{Op: "listen", Net: e.network(), Addr: e.Addr(), Err: net.ErrClosed}
	case e.listener != nil:
		return nil, &net.OpError{Op: "listen", Net: e.network(), Addr: e.Addr(), Err: errListening}
	}
	return e.listen(), nil
}

// listen is startListening where nothing stands in the way. endpoint.mu is held.
func (e *endpoint) listen() *listener {
	e.listener = newListener(e)
	e.router.SetListening(true)
	return e.listener
}

// Close aborts all connections, those too that are still delivering what was
// written before their Close, and closes its sockets. It waits for the
// endpoint's goroutines, and up to a second for a socket that is full, so that
// the peers hear of it. It may be called from Config.Foreign or from the handler of Config.Logger, and does
// not wait for itself then; for such a call by another goroutine it waits up to a second.
func (e *endpoint) Close() error {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return &net.OpError{Op: "close", Net: e.network(), Addr: e.Addr(), Err: net.ErrClosed}
	}
	e.closing = true
	close(e.done)
	conns, l := e.living(), e.listener
	e.mu.Unlock()

	if l != nil {
		l.stop()
	}
	for _, c := range conns {
		c.Abort()
	}
	awaitClosings(conns, time.Second)
	e.mu.Lock()
	e.setClosed()
	e.mu.Unlock()
	err := e.closeSockets()
	e.goroutines.wait()
	e.finishBlocked()
	if err != nil {
		return &net.OpError{Op: "close", Net: e.network(), Addr: e.Addr(), Err: err}
	}
	return nil
}

// fail ends an endpoint one of whose sockets was closed by somebody else: Accept, dials and connections end with net.ErrClosed.
// It does nothing if the endpoint is closing.
func (e *endpoint) fail() {
	e.mu.Lock()
	if e.closing {
		e.mu.Unlock()
		return
	}
	e.closing = true
	close(e.done)
	e.setClosed()
	conns, l := e.living(), e.listener
	e.mu.Unlock()
	if l != nil {
		l.stop()
	}
	for _, c := range conns {
		c.cut()
	}
	e.closeSockets()
	e.finishBlocked()
	e.settings.Load().Logger.Warn("somebody else has closed the socket: the endpoint is over", "local", e.local, "connections", len(conns))
}

// living is a copy of the connections that have not ended. endpoint.mu is held.
func (e *endpoint) living() []*conn { return slices.Collect(maps.Keys(e.conns)) }

// setClosed takes note that the sockets are about to be closed. endpoint.mu is held.
func (e *endpoint) setClosed() {
	e.closed = true
	if e.sweeper != nil {
		e.sweeper.Stop()
	}
	for _, s := range e.sockets {
		s.leadership.end()
	}
}

// closeSockets closes all sockets and returns the first error. It waits until nobody reads them, so it must not be called
// during a Receive.
func (e *endpoint) closeSockets() error {
	var first error
	for _, s := range e.sockets {
		if err := s.Close(); err != nil && first == nil {
			first = err
		}
	}
	listening.remove(e)
	close(e.freed)
	return first
}

// awaitClosings waits until the peers of aborted connections were told, which may be in
// the hands of another goroutine or wait for the socket, but not for ever.
func awaitClosings(conns []*conn, limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, c := range conns {
		c.mu.Lock()
		closing := c.closing
		c.mu.Unlock()
		select {
		case <-closing.done:
		case <-timer.C:
			return
		}
	}
}

// finishBlocked lets the connections end that waited for their socket in vain.
func (e *endpoint) finishBlocked() {
	for _, s := range e.sockets {
		for {
			e.mu.Lock()
			if len(s.blocked) == 0 {
				e.mu.Unlock()
				break
			}
			c := s.nextBlocked()
			e.mu.Unlock()
			e.report(c, c.resume())
		}
	}
}

// network is what errors call the endpoint's network.
func (e *endpoint) network() string { return e.settings.Load().network }

// over reports whether the endpoint is closing.
func (e *endpoint) over() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.closing
}

// now is the engines' time.
func (e *endpoint) now() time.Duration { return time.Since(e.epoch) }

// clock is a moment of the engines' time, and of the pools', which endpoints share: it counts from the
// process's beginning.
func (e *endpoint) clock(now time.Duration) shaper.Clock {
	return shaper.Clock{Engine: now, Pool: now + e.sinceStart}
}

// started is the pools' time 0.
var started = time.Now()

// report takes note of what has become of a connection. No lock is held, and the caller is not within a Receive: it may close
// the sockets, or call a Logger's handler that does.
func (e *endpoint) report(c *conn, n news) {
	if n&newsOpened != 0 {
		c.settings.Logger.Debug("connection established", "local", c.local, "remote", c.remote, "dialled", c.client)
		if c.client {
			e.connectedDial(c)
		} else {
			e.admit(c)
		}
	}
	if n&newsTrains != 0 {
		e.noteTrains(c)
	}
	if n&newsEnded != 0 {
		e.forget(c)
	}
	if n&newsResolved != 0 { // who waits for it may want the port
		err := c.undelivered()
		if err != nil {
			c.settings.Logger.Warn("a closed connection gave up", "local", c.local, "remote", c.remote, "error", err)
		}
		closings.resolve(c, err)
	}
}

// noteTrains remembers what a connection has found out about trains on the way to its peer.
func (e *endpoint) noteTrains(c *conn) {
	c.mu.Lock()
	until := c.trainsVanish
	c.mu.Unlock()
	e.mu.Lock()
	e.vanishing.note(e.now(), c.remote.AddrPort().Addr().Unmap(), until)
	e.mu.Unlock()
}

// admit hands a connection that was made to us to whom it belongs: a dial that
// it crossed, or the listener. It is aborted if there is neither.
func (e *endpoint) admit(c *conn) {
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
func (e *endpoint) forget(c *conn) {
	c.mu.Lock()
	final, err := router.FinalState(c.engine.FinalState()), c.engine.Err()
	c.mu.Unlock()
	c.settings.Logger.Debug("connection over", "local", c.local, "remote", c.remote, "error", err)

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
func (e *endpoint) sweep() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweepLater()
}

// sweepLater sweeps when that is due, as long as there are tombstones. endpoint.mu is held.
func (e *endpoint) sweepLater() {
	now := e.now()
	next, more := e.router.Sweep(now)
	e.sweeper = nil
	if more && !e.closed {
		e.sweeper = time.AfterFunc(next-now, e.sweep)
	}
}

// drop is the cleanup of the handle that NewEndpoint has made.
func (e *endpoint) drop() {
	if !e.sockets[0].Interruptible() {
		return
	}
	e.mu.Lock()
	e.private = true
	e.mu.Unlock()
	e.closeIfIdle()
}

// closeIfIdle closes the sockets of an endpoint that nobody can use any more.
func (e *endpoint) closeIfIdle() {
	e.mu.Lock()
	idle := e.private && !e.closing && e.listener == nil && len(e.conns) == 0
	if idle {
		e.closing = true
		close(e.done)
		e.setClosed()
	}
	e.mu.Unlock()
	if idle {
		e.closeSockets()
	}
}

// open makes the connection that a datagram opens, which answers on the socket it came from.
// endpoint.mu is held.
func (e *endpoint) open(s *socket, path engine.Path, v router.Verdict[*conn]) *conn {
	id := e.router.NewID()
	c := newConn(e, s, e.now(), engine.Params{
		Local: id, Peer: v.Client, OriginalDst: v.Dst, Path: path, Validated: v.Proven,
	})
	e.router.Accept(id, path.Remote, v.Client, c)
	e.conns[c] = struct{}{}
	return c
}

// params completes the parameters of a connection that has IDs and a path.
// endpoint.mu is held.
func (e *endpoint) params(now time.Duration, cfg *settings, p engine.Params) engine.Params {
	p.MaxDatagram = cfg.maxDatagram(p.Path.Remote.Addr())
	p.Controller = cfg.Congestion(congestion.Params{MaxDatagramSize: wire.MinInitialSize, Seed: e.random.Uint64()})
	p.Chunks = chunkPool{}
	p.SendBuffer, p.ReceiveBuffer = cfg.SendBuffer, cfg.ReceiveBuffer
	p.KeepAlive, p.IdleTimeout = max(cfg.KeepAlive, 0), max(cfg.IdleTimeout, 0)
	p.UserTimeout = max(cfg.UserTimeout, 0)
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
func (e *endpoint) randomID() wire.ID {
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
	ap := udp.Canonical(unmapped(u.AddrPort()))
	if !ap.IsValid() || ap.Port() == 0 {
		return ap, errors.New("no address and port to connect to")
	}
	return ap, nil
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

package ebb

import (
	"context"
	crand "crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/protect/tlsdriver"
	"example.com/ebb/internal/udp"
	"example.com/ebb/limits"
	"example.com/ebb/qlog"
)

// endpoint is an Endpoint as the library holds it.
type endpoint struct {
	settings   atomic.Pointer[settings]    // of what is new; a connection keeps those that it began with
	sockets    []*socket                   // at least one; all bound to the same address
	local      netip.AddrPort              // of the sockets
	shown      [2]atomic.Pointer[net.Addr] // the same as udp and tcp show it; nil: nobody has asked
	epoch      time.Time                   // the engines' time 0
	sinceStart time.Duration               // the pools' time then

	connected bool // the one socket has one peer

	// Guarded by the lock of the table of endpoints.
	port portKey // where Listen has made it

	limits    *limits.Endpoint // what its connections and sockets are charged to
	lingering lingerList       // its closed connections that are still delivering; closings' lock guards it

	goroutines goroutines         // a reader for each socket, and while there is need one that resumes, and those of workers
	workers    *tlsdriver.Workers // on handshakes
	done       chan struct{}      // closed when the endpoint begins to close
	freed      chan struct{}      // closed when the sockets are, and their port is free

	mu       sync.Mutex // guards everything below; never held together with a connection's
	books    *core.Endpoint[*conn]
	random   *rand.ChaCha8
	listener *listener     // nil: nobody listens
	sweeper  *time.Timer   // sweeps tombstones; nil: it never had to
	private  bool          // nobody has a handle: it closes itself when it has nothing left to do
	refused  time.Duration // when it was last told that a dial was refused; 0: never
	closing  bool          // nothing new begins
	closed   bool          // the sockets are closed, or about to be
	past     Counters      // of the connections that have ended
	retired  bool          // it is off the table of endpoints, which has its past
}

// settings are a Config and what follows from it.
type settings struct {
	Config
	core           core.Settings // what the connections need of it
	server         *tls.Config   // of what peers open; nil: connections are plain, or serverErr says why there can be none
	serverErr      error
	traces         *qlog.Directory // that QLOGDIR names; nil: none
	silent         bool            // nothing is logged
	network        string          // what errors call it
	receiveBatches *sync.Pool      // of *receiveBatch
}

// settingsFor completes a resolved Config for sockets that read trains, or single datagrams.
func settingsFor(cfg Config, network string, trains bool) *settings {
	server, serverErr := cfg.serverTLS()
	cfg.TLS = cfg.TLS.Clone()
	traces := cfg.traceAsAsked()
	return &settings{
		Config: cfg, server: server, serverErr: serverErr, traces: traces,
		core: core.Settings{
			Congestion: cfg.Congestion, DSCP: cfg.DSCP, Chunks: chunksFor,
			SendBuffer: cfg.SendBuffer, ReceiveBuffer: cfg.ReceiveBuffer,
			KeepAlive: cfg.KeepAlive, IdleTimeout: cfg.IdleTimeout, UserTimeout: cfg.UserTimeout,
			HandshakeTimeout: cfg.HandshakeTimeout, LingerTimeout: cfg.LingerTimeout,
			MaxDatagram4:   cfg.maxDatagram(defaultDatagram4, largestDatagram4),
			MaxDatagram6:   cfg.maxDatagram(defaultDatagram6, largestDatagram6),
			BandwidthLimit: cfg.BandwidthLimit, NoECN: cfg.NoECN, HoldConfirm: true,
			HealthCheck: max(cfg.HealthCheck, 0), MaxAge: max(cfg.MaxAge, 0),
		},
		silent:         cfg.Logger.Handler() == slog.DiscardHandler,
		network:        network,
		receiveBatches: receiveBatchesFor(trains, max(defaultDatagram4, cfg.MaxDatagramSize)),
	}
}

// bounds is what the endpoint has to put up with.
func (s *settings) bounds() core.Bounds {
	b := core.Bounds{RetryAfter: s.RetryThreshold, MaxHalfOpen: s.MaxHalfOpen, Backlog: s.Backlog, Window: s.core.FirstWindow(), Protected: s.TLS != nil}
	if s.ResetKey != nil {
		b.ResetKey = *s.ResetKey
	}
	if s.Admit != nil {
		b.Admit = func(remote netip.AddrPort, proven bool) error { return s.Admit(Peer{Addr: remote, Proven: proven}) }
	}
	return b
}

// openLimits makes the scope of an endpoint that is about to open sockets, and takes their descriptors.
func (c *Config) openLimits(name string, sockets int) (*limits.Endpoint, error) {
	var own limits.Limits
	if c.MaxHalfOpen != core.DefaultMaxHalfOpen { // which the books of half-open connections have anyway
		own.HalfOpen = c.MaxHalfOpen
	}
	scope, err := c.Limits.Endpoint(name, own)
	if err != nil {
		return nil, err
	}
	if err := scope.OpenDescriptors(sockets); err != nil {
		scope.Release()
		return nil, err
	}
	return scope, nil
}

// socket is one of an endpoint's. A connection sends all it has to say on one of them, on which the
// datagram arrived that opened it; what it is told may arrive on any.
type socket struct {
	*udp.Socket
	reader     callerReceiver
	leadership leadership
	timers     timerHeap
	early      time.Duration // how long before the engines' time 0 it began to count its own

	// Guarded by endpoint.mu.
	blocked  []*conn // those that it had no room for
	resuming bool    // a goroutine waits for room
}

// newSocket makes a socket of the endpoint's, which nobody reads yet.
func newSocket(e *endpoint, u *udp.Socket) *socket {
	s := &socket{Socket: u, early: e.epoch.Sub(u.Epoch())}
	s.reader.receiver = receiver{endpoint: e, sock: s}
	s.leadership.prompt = promptReturn
	s.timers.now, s.timers.set = e.now, core.Never
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
	scope, err := cfg.openLimits(pc.LocalAddr().String(), 1)
	if err != nil {
		return nil, err
	}
	sock, err := udp.New(pc, cfg.socketOptions())
	if err != nil {
		scope.Release()
		return nil, err
	}
	h := &Endpoint{endpoint: startEndpoint([]*udp.Socket{sock}, scope, "udp", cfg, false)}
	runtime.AddCleanup(h, (*endpoint).drop, h.endpoint)
	return h, nil
}

// startEndpoint makes an endpoint of sockets that are bound to one address, and charged to a scope, and starts their readers. cfg is
// resolved.
func startEndpoint(socks []*udp.Socket, scope *limits.Endpoint, network string, cfg Config, private bool) *endpoint {
	var seed [32]byte
	crand.Read(seed[:])
	random := rand.NewChaCha8(seed)
	first := socks[0]
	e := &endpoint{
		local:     unmapped(first.LocalAddr().AddrPort()),
		epoch:     time.Now(),
		connected: first.Remote().IsValid(),
		private:   private,
		limits:    scope,
		done:      make(chan struct{}),
		freed:     make(chan struct{}),
		random:    random,
	}
	e.sinceStart = e.epoch.Sub(started)
	s := settingsFor(cfg, network, first.Info().GRO)
	e.settings.Store(s)
	bounds := s.bounds()
	if private && e.connected { // it closes with its one connection
		bounds.MaxTombstones = 1
	}
	bounds.Limits, bounds.Origin = scope, e.sinceStart
	bounds.Port = e.local.Port()
	crand.Read(bounds.Seed[:])
	e.books = core.New[*conn](core.Config{Bounds: bounds, Connected: e.connected, Numbers: e.numbers})
	e.goroutines.changed = make(chan struct{}, 1)
	e.workers = newWorkers(&e.goroutines)
	for _, s := range socks {
		e.sockets = append(e.sockets, newSocket(e, s))
	}
	endpoints.add(e)
	for _, s := range e.sockets {
		e.goroutines.start(func() { e.readLoop(s) })
	}
	return e
}

// dialAddr is Endpoint.DialAddr.
func (e *endpoint) dialAddr(ctx context.Context, addr net.Addr) (*conn, error) {
	remote, network, err := addrPortOf(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: e.network(), Source: e.Addr(), Addr: addr, Err: err}
	}
	return e.dial(ctx, network, remote.Addr().String(), remote)
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
	if err := e.settings.Load().serverErr; err != nil {
		return nil, &net.OpError{Op: "listen", Net: e.network(), Addr: e.Addr(), Err: err}
	}
	return e.listen(), nil
}

// listen is startListening where nothing stands in the way. endpoint.mu is held.
func (e *endpoint) listen() *listener {
	e.listener = newListener(e)
	e.books.SetListening(true)
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
	conns, l := e.books.Conns(), e.listener
	e.mu.Unlock()

	if l != nil {
		l.stop()
		l.awaitTCP()
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
	e.settings.Load().finishTraces()
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
	conns, l := e.books.Conns(), e.listener
	e.mu.Unlock()
	if l != nil {
		l.stop()
	}
	for _, c := range conns {
		e.report(c, c.cut())
	}
	e.closeSockets()
	e.finishBlocked()
	e.settings.Load().Logger.Warn("somebody else has closed the socket: the endpoint is over", "local", e.local, "connections", len(conns))
}

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
	e.limits.Release()
	e.retire()
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
		case <-closings.wait(closing):
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
func (e *endpoint) clock(now time.Duration) core.Clock {
	return core.Clock{Engine: now, Pool: now + e.sinceStart}
}

// started is the pools' time 0.
var started = time.Now()

// sweepAt has the closed connections forgotten that were remembered long enough, at a time. endpoint.mu is held.
func (e *endpoint) sweepAt(at time.Duration) {
	if at == core.Never || e.closed {
		return
	}
	after := at - e.now()
	if e.sweeper != nil {
		e.sweeper.Reset(after)
		return
	}
	e.sweeper = time.AfterFunc(after, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.sweepAt(e.books.Sweep(e.now()))
	})
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
	idle := e.idle()
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

// idle reports whether nobody can use the endpoint any more, and nothing is left for it to do. endpoint.mu is held.
func (e *endpoint) idle() bool {
	return e.private && !e.closing && e.listener == nil && e.books.Len() == 0
}

// open makes the connection that a datagram opens, which answers on the socket it came from. endpoint.mu is held.
func (e *endpoint) open(now time.Duration, s *socket, path core.Path, v core.Verdict[*conn]) *conn {
	c := newConn(e, s, path)
	p := e.books.Open(now, &c.settings.core, path, v, c)
	if v.Protected {
		c.protectWith(&p, c.settings.server)
	}
	c.traceWith(&p, now)
	c.driver.Start(now, p)
	return c
}

// numbers draws those of a connection. endpoint.mu is held.
func (e *endpoint) numbers() core.Numbers {
	return core.Numbers{Stamp: uint32(e.random.Uint64()), Seed: e.random.Uint64(), Controller: e.random.Uint64()}
}

package ebb

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"example.com/ebb/internal/protect/tlsdriver"
	"example.com/ebb/limits"
)

// tcpSide is the part of a listener that takes connections of the kernel's TCP, for ListenConfig.Fallback. One goroutine accepts them. With TLS
// each has a goroutine until its handshake is complete. Then it waits in the queue for an Accept of the listener. All goroutines
// are over when awaitTCP returns.
type tcpSide struct {
	owner    *listener
	listener *net.TCPListener
	settings *settings   // of the listener
	tls      *tls.Config // nil: connections are plain
	slots    chan struct{}
	ctx      context.Context // of the handshakes; it ends with the listener
	cancel   context.CancelFunc

	goroutines goroutines

	// Guarded by endpoint.mu.
	queue []net.Conn // for Accept
	turn  bool       // its next connection goes before the next of Ebb's
}

const (
	// maxTCPWaiting is how many connections are between the kernel's queue and Accept. Others wait in that queue.
	// Of one peer Config.Limits admits fewer by default, so that silent ones have to come from many addresses to take all.
	maxTCPWaiting = 1024
	// hurriedHandshake is how long a handshake may take while half of these places are taken.
	hurriedHandshake = time.Second
	// portAttempts is how often another port is tried if the one that the system has chosen for TCP is taken for UDP.
	portAttempts = 32
)

// listenBoth binds a socket of TCP, and those of listenOn to the same port number. TCP comes first: of its ports many more are taken, so that
// a number that is free there most often is for UDP.
func (lc *ListenConfig) listenBoth(ctx context.Context, network, udpNetwork string, local *net.UDPAddr, cfg Config) (l *listener, err error) {
	for range portAttempts {
		tcp, err := lc.listenTCP(ctx, network, local)
		if err != nil {
			return nil, err
		}
		at := *local
		at.Port = tcp.Addr().(*net.TCPAddr).Port
		l, err = lc.listenOn(network, udpNetwork, &at, cfg)
		if err == nil {
			return l, l.addTCP(tcp)
		}
		tcp.Close()
		var op *net.OpError
		if errors.As(err, &op) {
			op.Err = ofSocket("UDP", op.Err)
		}
		if local.Port != 0 || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
	}
	return nil, err
}

func (lc *ListenConfig) listenTCP(ctx context.Context, network string, local *net.UDPAddr) (*net.TCPListener, error) {
	config := net.ListenConfig{Control: lc.Control, KeepAlive: lc.KeepAlive, KeepAliveConfig: lc.KeepAliveConfig}
	at := net.TCPAddr{IP: local.IP, Port: local.Port, Zone: local.Zone}
	l, err := config.Listen(ctx, "tcp"+network[len("tcp"):], at.String())
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: &at, Err: ofSocket("TCP", inner(err))}
	}
	return l.(*net.TCPListener), nil
}

// ofSocket is an error about one of two sockets with the same address, which says which.
func ofSocket(protocol string, err error) error {
	with := func(err error) error { return &fault{text: err.Error() + " (by " + protocol + ")", is: []error{err}} }
	if sys, ok := err.(*os.SyscallError); ok {
		return os.NewSyscallError(sys.Syscall, with(sys.Err))
	}
	return with(err)
}

// addTCP has a listener, which nobody else has yet, take connections of TCP too.
func (l *listener) addTCP(tcp *net.TCPListener) error {
	s := l.endpoint.settings.Load()
	side := &tcpSide{owner: l, listener: tcp, settings: s, slots: make(chan struct{}, maxTCPWaiting)}
	if s.server != nil {
		side.tls = tlsdriver.ServerConfigOverTCP(s.server)
	}
	side.ctx, side.cancel = context.WithCancel(context.Background())
	side.goroutines.changed = make(chan struct{}, 1)
	l.endpoint.mu.Lock()
	closed := l.closed // by somebody who has closed the endpoint that it has taken over
	l.tcp = side
	l.endpoint.mu.Unlock()
	if closed {
		side.stop()
		return l.opError("listen", net.ErrClosed)
	}
	side.goroutines.start(side.serve)
	return nil
}

// stop closes what nobody has accepted. The listener is closed.
func (s *tcpSide) stop() {
	s.cancel()
	s.listener.Close()
	mu := &s.owner.endpoint.mu
	mu.Lock()
	queue := s.queue
	s.queue = nil
	mu.Unlock()
	for _, c := range queue {
		c.Close()
	}
}

// awaitTCP waits until nobody works for the TCP side of a listener that is closed, but for a call of the application's not for ever.
func (l *listener) awaitTCP() {
	if l.tcp != nil {
		l.tcp.goroutines.wait()
	}
}

// serve accepts connections until the listener is closed.
func (s *tcpSide) serve() {
	var rest time.Duration
	for {
		select {
		case s.slots <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		c, err := s.listener.AcceptTCP()
		switch {
		case err != nil:
			<-s.slots
			if rest = s.pause(rest, err); rest == 0 {
				return
			}
			continue
		case s.tls == nil:
			s.take(c)
		default:
			s.goroutines.start(func() { s.take(c) })
		}
		rest = 0
	}
}

// pause waits for longer than the last time, up to a second, after an error such as that there are too many open files, and returns
// for how long; 0: the listener is closed.
func (s *tcpSide) pause(last time.Duration, err error) time.Duration {
	if s.ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return 0
	}
	rest := min(max(2*last, 5*time.Millisecond), time.Second)
	s.goroutines.outside(func() {
		s.settings.Logger.Warn("a connection of TCP is not accepted", "local", s.listener.Addr(), "error", err)
	})
	timer := time.NewTimer(rest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return rest
	case <-s.ctx.Done():
		return 0
	}
}

// take makes the handshake of a connection, if there is one, and puts it into the queue; or it closes the connection, and gives its slot back.
func (s *tcpSide) take(c *net.TCPConn) {
	var ready net.Conn
	if charge, ok := s.admit(c); ok {
		ready = s.shake(c)
		if ready != nil && charge.Establish(s.now()) != nil {
			ready.Close()
			ready = nil
		}
		charge.Release()
	} else {
		c.SetLinger(0) // a reset, as Ebb's refusal is one
		c.Close()
	}
	if ready == nil || !s.enqueue(ready) {
		<-s.slots
	}
}

// admit asks the limits and the application. The address of a peer over TCP is proven.
func (s *tcpSide) admit(c *net.TCPConn) (charge *limits.Conn, ok bool) {
	remote := unmapped(c.RemoteAddr().(*net.TCPAddr).AddrPort())
	charge, err := s.owner.endpoint.limits.Inbound(s.now(), remote.Addr(), true)
	if err != nil {
		return nil, false
	}
	if s.settings.Admit != nil {
		s.goroutines.outside(func() {
			err = s.settings.Admit(Peer{Addr: netip.AddrPortFrom(remote.Addr(), remote.Port()), Proven: true})
		})
	}
	if err != nil {
		charge.Release()
		return nil, false
	}
	return charge, true
}

// now is the limits' time.
func (s *tcpSide) now() time.Duration { return s.owner.endpoint.now() + s.owner.endpoint.sinceStart }

// shake makes the handshake, and returns the connection as Accept does; nil: it is closed.
func (s *tcpSide) shake(c *net.TCPConn) net.Conn {
	if s.tls == nil {
		return c
	}
	limit := s.settings.HandshakeTimeout
	if limit < 0 {
		limit = defaultHandshakeTimeout
	}
	if len(s.slots) > maxTCPWaiting/2 {
		limit = min(limit, hurriedHandshake)
	}
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	secure := tls.Server(c, s.tls)
	var err error
	s.goroutines.outside(func() { err = secure.HandshakeContext(ctx) })
	if err != nil {
		c.Close()
		return nil
	}
	return secure
}

// enqueue has a connection wait for an Accept; false: there will be none, and the connection is closed.
func (s *tcpSide) enqueue(c net.Conn) bool {
	l := s.owner
	l.endpoint.mu.Lock()
	defer l.endpoint.mu.Unlock()
	if l.closed {
		c.Close()
		return false
	}
	s.queue = append(s.queue, c)
	l.accept.wake()
	return true
}

// next takes a connection from the queue. endpoint.mu is held.
func (s *tcpSide) next() (connection, bool) {
	if len(s.queue) == 0 {
		return connection{}, false
	}
	c := s.queue[0]
	s.queue[0] = nil
	s.queue, s.turn = s.queue[1:], false
	<-s.slots
	return connection{tcp: c}, true
}

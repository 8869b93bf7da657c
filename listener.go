package ebb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"example.com/ebb/internal/udp"
)

var errListening = os.NewSyscallError("bind", &fault{text: "the endpoint has a listener already: close it first", is: []error{syscall.EADDRINUSE}})

// Listen announces on a local address, as net.Listen does. Networks are udp,
// udp4, udp6 and, meaning the same, tcp, tcp4 and tcp6.
func Listen(network, address string) (net.Listener, error) {
	return new(ListenConfig).Listen(context.Background(), network, address)
}

// ListenConfig is the options of Listen. It has the fields of a net.ListenConfig.
type ListenConfig struct {
	// Config is the settings of the connections; nil for the defaults.
	Config *Config

	// Control is called with each socket before it is bound. The network is tcp4 or tcp6, or udp4 or udp6, as the one that is
	// asked for is TCP's or UDP's; the socket of TCP that Fallback has always goes by tcp4 or tcp6. An error ends Listen. A socket that is taken over from a listener that was closed is not
	// passed again.
	Control func(network, address string, c syscall.RawConn) error

	// KeepAlive is the silence after which the peer of an accepted connection is probed, beside the peer's own probes: see
	// Conn.SetKeepAlivePeriod. 0 or negative: no sooner than after Config.IdleTimeout.
	KeepAlive time.Duration
	// KeepAliveConfig is what Conn.SetKeepAliveConfig of accepted connections is called with if Enable is true; KeepAlive is
	// ignored then.
	KeepAliveConfig net.KeepAliveConfig

	// Fallback has the listener accept connections of the kernel's TCP too, on the same port number: those of dialers with a Fallback
	// where UDP is blocked. Accept returns them as package net's *net.TCPConn or, with Config.TLS, as a *tls.Conn whose handshake is
	// complete: at least TLS 1.3, with the same *tls.Config. Config.Admit is asked about them, and Config.Limits bounds their handshakes,
	// which end after Config.HandshakeTimeout. At most 1024 are between the kernel's queue and Accept; while there are half as many, a handshake has a second. An
	// accepted one is the kernel's, and is charged to nobody. Port 0 is a number that is free for both.
	Fallback bool
}

// control is what to call with a socket; nil: nothing.
func (lc *ListenConfig) control(network string) udp.Control {
	if lc.Control == nil {
		return nil
	}
	return underName(network, lc.Control)
}

// keepAlive is what accepted connections are set to; nothing if Enable is false.
func (lc *ListenConfig) keepAlive() net.KeepAliveConfig {
	if lc.KeepAliveConfig.Enable || lc.KeepAlive <= 0 {
		return lc.KeepAliveConfig
	}
	return net.KeepAliveConfig{Enable: true, Idle: lc.KeepAlive, Interval: -1, Count: -1}
}

// Listen announces on a local address, as net.ListenConfig.Listen does. The
// context bounds the look-up of the address. The listener is a *Listener.
func (lc *ListenConfig) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	udpNetwork, err := networkOf(network)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	cfg, err := lc.Config.resolved()
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	if _, err := cfg.serverTLS(); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	at := target{network: network, udpNetwork: udpNetwork, address: address}
	local, err := at.local(ctx)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	var l *listener
	if lc.Fallback {
		l, err = lc.listenBoth(ctx, network, udpNetwork, local, cfg)
	} else {
		l, err = lc.listenOn(network, udpNetwork, local, cfg)
	}
	if err != nil {
		return nil, err
	}
	return l.keeping(lc.keepAlive()).handle(), nil
}

// listenOn binds the sockets, or takes over those that a closed listener of this process has left.
func (lc *ListenConfig) listenOn(network, udpNetwork string, local *net.UDPAddr, cfg Config) (*listener, error) {
	failed := func(err error) error {
		return &net.OpError{Op: "listen", Net: network, Addr: nameOf(network).addr(local.AddrPort()), Err: err}
	}
	key := portKeyOf(udpNetwork, local)
	scope, err := cfg.openLimits(local.String(), cfg.Sockets)
	if err != nil {
		return nil, failed(err)
	}
	var socks []*udp.Socket
	for {
		e := endpoints.on(key) // before the attempt: it may be gone after it
		socks, err = udp.ListenGroup(udpNetwork, local, cfg.Sockets, lc.control(network), cfg.socketOptions())
		if e == nil || !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
		if l := e.adopt(network, cfg); l != nil {
			scope.Release()
			return l, nil
		}
		if !e.over() {
			break
		}
		<-e.freed
	}
	if errors.Is(err, errors.ErrUnsupported) && cfg.Sockets > 1 {
		err = fmt.Errorf("Config.Sockets is %d: %w", cfg.Sockets, err)
	}
	if err != nil {
		scope.Release()
		return nil, failed(inner(err))
	}
	e := startEndpoint(socks, scope, network, cfg, true)
	l, err := e.startListening()
	if err != nil {
		panic("BUG: a new endpoint does not listen: " + err.Error())
	}
	key.addr = netip.AddrPortFrom(key.addr.Addr(), e.local.Port())
	endpoints.setPort(key, e)
	return l, nil
}

// inner is what an error of package net is about, to be put under the name of the network that the caller knows.
func inner(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// listener is a Listener as the library holds it.
type listener struct {
	endpoint  *endpoint
	keepAlive *net.KeepAliveConfig // of accepted connections; nil: the endpoint's
	tcp       *tcpSide             // ListenConfig.Fallback; nil: there is none

	// Guarded by endpoint.mu.
	accept serializer
	alarm  *time.Timer // of accept's deadline; nil: there was none yet
	closed bool
}

func newListener(e *endpoint) *listener {
	return &listener{endpoint: e, accept: serializer{lock: &e.mu}}
}

// keeping sets what accepted connections are set to, if Enable is true, before anybody accepts.
func (l *listener) keeping(config net.KeepAliveConfig) *listener {
	if config.Enable {
		l.keepAlive = &config
	}
	return l
}

// acceptEither waits for a connection of Ebb's or, if either will do, of TCP's.
func (l *listener) acceptEither(either bool) (connection, error) {
	e := l.endpoint
	e.mu.Lock()
	defer e.mu.Unlock()
	l.accept.acquire()
	defer l.accept.release()
	for {
		switch {
		case l.closed:
			return connection{}, l.opError("accept", net.ErrClosed)
		case l.accept.expired:
			return connection{}, l.opError("accept", os.ErrDeadlineExceeded)
		}
		if c, ok := l.next(either); ok {
			return c, nil
		}
		l.accept.await()
	}
}

// next is a connection that waits. Where there are both kinds, they take turns. endpoint.mu is held.
func (l *listener) next(either bool) (connection, bool) {
	either = either && l.tcp != nil
	if either && l.tcp.turn {
		if c, ok := l.tcp.next(); ok {
			return c, true
		}
	}
	if c, ok := l.endpoint.books.Next(); ok {
		if either {
			l.tcp.turn = true
		}
		return connection{ebb: c}, true
	}
	if either {
		return l.tcp.next()
	}
	return connection{}, false
}

// SetDeadline sets the time after which Accept fails with
// os.ErrDeadlineExceeded; the zero time is none.
func (l *listener) SetDeadline(t time.Time) error {
	l.endpoint.mu.Lock()
	defer l.endpoint.mu.Unlock()
	if l.closed {
		return net.ErrClosed // bare, as of a *net.TCPListener
	}
	left := l.accept.setDeadline(t)
	switch {
	case left <= 0:
	case l.alarm == nil:
		l.alarm = time.AfterFunc(left, l.look)
	default:
		l.alarm.Reset(left)
	}
	return nil
}

// look is the alarm. It may be one of an earlier deadline.
func (l *listener) look() {
	l.endpoint.mu.Lock()
	defer l.endpoint.mu.Unlock()
	l.accept.look(time.Since(started))
}

// Close stops accepting. Connections that were accepted live on, and the socket
// with them; those that still waited for Accept are aborted. If there are no others, the port is free when Close
// returns. If there are, a Listen of this process on the same address takes over the socket.
func (l *listener) Close() error {
	aborted, err := l.stop()
	if err != nil {
		return err
	}
	awaitClosings(aborted, time.Second)
	l.awaitTCP()
	e := l.endpoint
	e.closeIfIdle()
	if e.over() {
		<-e.freed // it may be another goroutine that closes the sockets
	}
	return nil
}

// stop is Close but for the end of the socket. It returns the connections that it has aborted: no others are the
// listener's.
func (l *listener) stop() (aborted []*conn, err error) {
	e := l.endpoint
	e.mu.Lock()
	if l.closed {
		e.mu.Unlock()
		return nil, l.opError("close", net.ErrClosed)
	}
	l.closed = true
	if l.alarm != nil {
		l.alarm.Stop()
	}
	e.listener = nil
	aborted = e.books.StopListening()
	l.accept.wake()
	tcp := l.tcp
	e.mu.Unlock()
	if tcp != nil {
		tcp.stop()
	}
	for _, c := range aborted {
		c.Abort()
	}
	return aborted, nil
}

// drop is the cleanup of the handle.
func (l *listener) drop() {
	e := l.endpoint
	if !e.sockets[0].Interruptible() {
		return
	}
	if _, err := l.stop(); err == nil {
		e.closeIfIdle()
	}
}

// Addr returns the address of the listener's socket: a *net.TCPAddr if the network was tcp, tcp4 or tcp6, else a *net.UDPAddr.
func (l *listener) Addr() net.Addr { return l.endpoint.Addr() }

func (l *listener) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: l.endpoint.network(), Addr: l.Addr(), Err: err}
}

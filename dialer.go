package ebb

import (
	"context"
	"crypto/tls"
	"net"
	"net/http/httptrace"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"

	"example.com/ebb/internal/protect/tlsdriver"
	"example.com/ebb/internal/udp"
)

// Dialer is the options of Dial. It may be used by any number of goroutines. It has the fields of a net.Dialer, and a literal of one is
// a literal of this.
type Dialer struct {
	// Config is the settings of the connections; nil for the defaults. With
	// Endpoint it is ignored: an endpoint's connections have its own.
	Config *Config
	// Endpoint is the socket to dial from. nil: each connection has its own,
	// which closes with it.
	Endpoint *Endpoint

	// LocalAddr is where to dial from, a *net.UDPAddr or *net.TCPAddr whatever the network; nil for
	// any address and port. With Endpoint it is ignored.
	LocalAddr net.Addr
	// Timeout bounds a dial, all addresses of a name together; 0 for none. A negative one is over, as in package net.
	// Config.HandshakeTimeout bounds each address.
	Timeout time.Duration
	// Deadline is when a dial fails, if Timeout does not end it sooner. The zero time is none.
	Deadline time.Time

	// FallbackDelay is the wait for an address of a name before the next is tried beside it (RFC 8305 section 5). An address
	// that fails sooner is followed at once. The first connection is returned, the other attempts are aborted. 0 is
	// 300 ms, as of net.Dialer; negative: one after the other, each for its share of the time that is left.
	FallbackDelay time.Duration
	// DualStack does nothing: it is on.
	//
	// Deprecated: set FallbackDelay to a negative value to turn it off.
	DualStack bool

	// Fallback has the kernel's TCP tried beside Ebb, for networks that block UDP: see there. What is dialled is then Ebb's or
	// TCP's, as its type says. nil: Ebb or nothing.
	Fallback *Fallback

	// KeepAlive is the silence after which the peer is probed, in place of Config.KeepAlive or the Endpoint's. 0: that stays.
	// Negative: none.
	KeepAlive time.Duration
	// KeepAliveConfig is what Conn.SetKeepAliveConfig is called with if Enable is true; KeepAlive is ignored then.
	KeepAliveConfig net.KeepAliveConfig

	// Resolver looks names up; nil: net.DefaultResolver.
	Resolver *net.Resolver

	// Cancel ends a dial when it is closed.
	//
	// Deprecated: use DialContext.
	Cancel <-chan struct{}

	// Control is called with each socket before it is connected. The network is tcp4 or tcp6, or udp4 or udp6, as the dial's is
	// TCP's or UDP's; a socket of TCP, as a Fallback has them, always goes by tcp4 or tcp6. An error ends the attempt. It is not
	// called with the socket of Endpoint, which is bound.
	Control func(network, address string, c syscall.RawConn) error
	// ControlContext is Control with the dial's context. Control is ignored if it is not nil.
	ControlContext func(ctx context.Context, network, address string, c syscall.RawConn) error
}

// Dial connects to an address.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}

// DialContext connects to an address until the context is done. Several addresses of a name are tried as FallbackDelay says.
// ConnectStart and ConnectDone of an httptrace.ClientTrace in the context are called for each address, and not for
// the resolver's sockets.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	a, addrs, err := d.prepare(ctx, network, address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Source: d.LocalAddr, Err: err}
	}
	won, err := a.connect(ctx, addrs)
	switch {
	case err != nil:
		return nil, err
	case won.tcp != nil:
		return won.tcp, nil
	}
	h := won.ebb.handle()
	switch {
	case d.KeepAliveConfig.Enable:
		h.SetKeepAliveConfig(d.KeepAliveConfig)
	case d.KeepAlive > 0:
		h.SetKeepAlivePeriod(d.KeepAlive)
	case d.KeepAlive < 0:
		h.SetKeepAlive(false)
	}
	return h.netConn(), nil
}

// bounded is the context with the dialer's own ends.
func (d *Dialer) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline := d.Deadline
	if d.Timeout != 0 {
		if t := time.Now().Add(d.Timeout); deadline.IsZero() || t.Before(deadline) {
			deadline = t
		}
	}
	cancel := func() {}
	if !deadline.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, deadline)
	}
	if d.Cancel == nil {
		return ctx, cancel
	}
	ctx, cancelToo := context.WithCancel(ctx)
	over := make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-d.Cancel:
			cancelToo()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancelToo(); <-over; cancel() }
}

// attempts is what the attempts of a dial have in common.
type attempts struct {
	*Dialer
	network, udpNetwork string
	host                string // of the address, as it was given
	local               *net.UDPAddr
	cfg                 Config
	trace               *httptrace.ClientTrace // nil: nobody asks
	tcpTLS              *tls.Config            // of the attempts over TCP; nil: they are plain, or there are none
}

// prepare is what comes before the attempts: the addresses, at least one.
func (d *Dialer) prepare(ctx context.Context, network, address string) (a attempts, addrs []netip.AddrPort, err error) {
	a = attempts{Dialer: d, network: network, trace: httptrace.ContextClientTrace(ctx)}
	if a.udpNetwork, err = networkOf(network); err != nil {
		return a, nil, err
	}
	if d.Endpoint != nil {
		a.udpNetwork = d.Endpoint.reach(a.udpNetwork)
	}
	if a.cfg, err = d.Config.resolved(); err != nil {
		return a, nil, err
	}
	if a.local, err = d.localAddr(); err != nil {
		return a, nil, err
	}
	to := target{network: network, udpNetwork: a.udpNetwork, address: address, resolver: d.Resolver}
	if addrs, err = to.remotes(ctx, a.local); err != nil {
		return a, nil, err
	}
	if a.host, _, err = net.SplitHostPort(address); err != nil {
		return a, nil, err
	}
	if d.Fallback != nil && a.cfg.TLS != nil {
		a.tcpTLS, err = tlsdriver.ClientConfig(a.cfg.TLS, a.host)
	}
	return a, addrs, err
}

// connection is what an attempt has made: one of the two.
type connection struct {
	ebb *conn
	tcp net.Conn
}

// discard is for a connection that nobody wants any more.
func (c connection) discard() {
	if c.tcp != nil {
		c.tcp.Close()
		return
	}
	c.ebb.Abort()
}

// connect tries the addresses, over TCP too if there is a Fallback.
func (a *attempts) connect(ctx context.Context, addrs []netip.AddrPort) (connection, error) {
	if a.Fallback != nil {
		return a.connectEither(ctx, addrs)
	}
	return a.through(ctx, addrs, a.try)
}

// through tries the addresses one way.
func (a *attempts) through(ctx context.Context, addrs []netip.AddrPort, try tryAddr) (connection, error) {
	if a.FallbackDelay < 0 || len(addrs) == 1 {
		return serial(ctx, addrs, try)
	}
	return a.sideBySide(ctx, addrs, try)
}

// tryAddr tries one address.
type tryAddr func(ctx context.Context, remote netip.AddrPort) (connection, error)

// serial tries the addresses in turn, each for its share of the time that is left.
func serial(ctx context.Context, addrs []netip.AddrPort, try tryAddr) (c connection, first error) {
	for i, remote := range addrs {
		one, cancel := share(ctx, len(addrs)-i)
		c, err := try(one, remote)
		cancel()
		if err == nil {
			return c, nil
		}
		if first == nil {
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return connection{}, first
}

// share bounds one of n attempts that have to be made in the time left. Two
// seconds are tried in any case: a shorter attempt fails too often.
func share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok && n > 1 {
		return context.WithTimeout(ctx, max(time.Until(deadline)/time.Duration(n), 2*time.Second))
	}
	return ctx, func() {}
}

// try tries one address over Ebb.
func (a *attempts) try(ctx context.Context, remote netip.AddrPort) (made connection, err error) {
	if a.trace != nil && (a.trace.ConnectStart != nil || a.trace.ConnectDone != nil) {
		to := remote.String()
		if a.trace.ConnectStart != nil {
			a.trace.ConnectStart(a.network, to)
		}
		if a.trace.ConnectDone != nil {
			defer func() { a.trace.ConnectDone(a.network, to, err) }()
		}
	}
	failed := func(err error) error {
		return &net.OpError{Op: "dial", Net: a.network, Source: a.LocalAddr, Addr: nameOf(a.network).addr(remote), Err: err}
	}
	switch {
	case ctx.Err() != nil:
		return connection{}, failed(cancelled(ctx))
	case remote.Port() == 0: // where no TCP can listen either
		return connection{}, failed(os.NewSyscallError(callConnect, syscall.ECONNREFUSED))
	}
	e := a.shared()
	if e == nil {
		scope, err := a.cfg.openLimits("dial", 1)
		if err != nil {
			return connection{}, failed(err)
		}
		sock, err := udp.DialControl(a.udpNetwork, a.local, net.UDPAddrFromAddrPort(remote), a.control(ctx), a.cfg.socketOptions())
		if err != nil {
			scope.Release()
			return connection{}, failed(inner(err))
		}
		e = startEndpoint([]*udp.Socket{sock}, scope, a.network, a.cfg, true)
	}
	c, err := e.dial(ctx, a.network, a.host, remote)
	runtime.KeepAlive(a.Endpoint)
	if err != nil && a.Endpoint == nil {
		e.Close() // if it has not closed itself
		<-e.freed
		err = failed(inner(err)) // whose socket's address means nothing
	}
	return connection{ebb: c}, err
}

// control is what to call with a socket; nil: nothing.
func (a *attempts) control(ctx context.Context) udp.Control {
	switch {
	case a.ControlContext != nil:
		return underName(a.network, func(network, address string, c syscall.RawConn) error {
			return a.ControlContext(ctx, network, address, c)
		})
	case a.Control != nil:
		return underName(a.network, a.Control)
	}
	return nil
}

// underName has a socket of UDP passed on under the name of the network that was asked for.
func underName(network string, control udp.Control) udp.Control {
	return func(udpNetwork, address string, c syscall.RawConn) error {
		return control(network[:len("udp")]+udpNetwork[len("udp"):], address, c)
	}
}

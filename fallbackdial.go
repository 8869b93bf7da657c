package ebb

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"example.com/ebb/internal/protect/tlsdriver"
	"example.com/ebb/limits"
)

// connectEither is the race that Fallback describes, between two ways to the addresses, each of which tries them as a dial without a Fallback does.
func (a *attempts) connectEither(ctx context.Context, addrs []netip.AddrPort) (connection, error) {
	f := a.Fallback
	tried := new(triedAddrs)
	ways := []tryAddr{tried.noting(a.try), a.tryTCP}
	ebb, tcp := 0, 1
	if f.tcpFirst(time.Now(), limits.PeerOf(addrs[0].Addr())) {
		slices.Reverse(ways)
		ebb, tcp = tcp, ebb
	}
	won, winner, errs := race(ctx, len(ways), f.delay(), func(ctx context.Context, i int) (connection, error) {
		return a.through(ctx, addrs, ways[i])
	})
	switch now := time.Now(); {
	case winner < 0:
		return connection{}, eitherFailed(errs[ebb], errs[tcp])
	case winner == ebb:
		f.ebbWon(now, limits.PeerOf(won.ebb.driver.Conn.Remote().Addr()))
		won.ebb.watch(f)
	case ebb == 0: // where TCP began, it says nothing of Ebb that TCP has won
		for _, remote := range tried.all() {
			f.ebbLost(now, limits.PeerOf(remote.Addr()), false)
		}
	}
	return won, nil
}

// triedAddrs is the addresses that were tried one way.
type triedAddrs struct {
	mu    sync.Mutex
	addrs []netip.AddrPort
}

// noting is a way to an address that takes note of it.
func (t *triedAddrs) noting(try tryAddr) tryAddr {
	return func(ctx context.Context, remote netip.AddrPort) (connection, error) {
		t.mu.Lock()
		t.addrs = append(t.addrs, remote)
		t.mu.Unlock()
		return try(ctx, remote)
	}
}

func (t *triedAddrs) all() []netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addrs
}

// tryTCP tries one address over the kernel's TCP. While that goes on it is charged to Config.Limits, so that a dial that they
// refuse does not get round them; afterwards the connection is the kernel's.
func (a *attempts) tryTCP(ctx context.Context, remote netip.AddrPort) (connection, error) {
	failed := func(err error) (connection, error) {
		return connection{}, &net.OpError{Op: "dial", Net: a.network, Source: a.LocalAddr, Addr: net.TCPAddrFromAddrPort(remote), Err: err}
	}
	scope, err := a.cfg.openLimits("dial", 1)
	if err != nil {
		return failed(err)
	}
	defer scope.Release()
	charge, err := scope.Outbound(remote.Addr())
	if err != nil {
		return failed(err)
	}
	defer charge.Release()
	whole := ctx
	if a.cfg.HandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, a.cfg.HandshakeTimeout, errTCPHandshake)
		defer cancel()
	}
	d := net.Dialer{KeepAlive: a.KeepAlive, KeepAliveConfig: a.KeepAliveConfig, Control: a.Control, ControlContext: a.ControlContext}
	if a.local != nil && a.Endpoint == nil {
		d.LocalAddr = &net.TCPAddr{IP: a.local.IP, Port: a.local.Port, Zone: a.local.Zone}
	}
	c, err := d.DialContext(ctx, "tcp"+a.network[len("tcp"):], remote.String())
	if err != nil {
		err = inner(err)
	} else if a.tcpTLS != nil {
		c, err = a.secure(ctx, c)
	}
	switch {
	case err == nil:
		return connection{tcp: c}, nil
	case whole.Err() != nil:
		return failed(cancelled(whole))
	case ctx.Err() != nil:
		return failed(errTCPHandshake)
	}
	return failed(err)
}

var errTCPHandshake = os.NewSyscallError(callConnect, &fault{text: "handshake over TCP timed out", is: []error{ErrHandshakeTimeout, syscall.ETIMEDOUT}})

// secure makes the handshake of a connection over TCP, which it closes if that fails.
func (a *attempts) secure(ctx context.Context, c net.Conn) (net.Conn, error) {
	secure := tls.Client(c, a.tcpTLS)
	err := secure.HandshakeContext(ctx)
	if err == nil {
		err = tlsdriver.CheckProtocol(a.tcpTLS, secure.ConnectionState())
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return secure, nil
}

// eitherFailed is why a dial failed, from why it did over Ebb and over TCP; nil of one that did not begin. It is Ebb's error, which
// also matches TCP's if that is another.
func eitherFailed(ebb, tcp error) error {
	var op *net.OpError
	switch {
	case ebb == nil:
		return tcp
	case tcp == nil || !errors.As(ebb, &op) || errors.Is(tcp, context.Canceled) || errors.Is(tcp, os.ErrDeadlineExceeded):
		return ebb
	}
	of, with := inner(ebb), inner(tcp)
	if errno, ok := errors.AsType[syscall.Errno](of); ok && errors.Is(with, errno) {
		return ebb
	}
	both := *op
	both.Err = &fault{text: of.Error() + "; over TCP: " + with.Error(), is: []error{of, with}}
	return &both
}

package ebb

import (
	"net"
	"net/netip"
)

// portKey is what a socket is bound to.
type portKey struct {
	addr netip.AddrPort
	dual bool // the wildcard address of IPv6, and IPv4's with it
}

// portKeyOf is the key of a socket that is bound to a local address, any if it has no IP: package net then makes one for
// IPv4 and IPv6 if the network admits both.
func portKeyOf(udpNetwork string, local *net.UDPAddr) portKey {
	ap := unmapped(local.AddrPort())
	if ap.IsValid() && !ap.Addr().IsUnspecified() {
		return portKey{addr: ap}
	}
	if udpNetwork == "udp4" {
		return portKey{addr: netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(local.Port))}
	}
	return portKey{addr: netip.AddrPortFrom(netip.IPv6Unspecified(), uint16(local.Port)), dual: udpNetwork == "udp"}
}

// adopt makes an endpoint listen again whose listener was closed, with another Config for new connections. It returns nil
// if the endpoint listens, if it is closing, or if its sockets and books were not made as the Config wants them.
func (e *endpoint) adopt(network string, cfg Config) *listener {
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.settings.Load()
	if e.closing || e.listener != nil || old.Sockets != cfg.Sockets || old.socketOptions() != cfg.socketOptions() ||
		old.Limits != cfg.Limits || old.MaxHalfOpen != cfg.MaxHalfOpen {
		return nil
	}
	s := settingsFor(cfg, network, e.sockets[0].Info().GRO)
	e.settings.Store(s)
	e.books.SetBounds(s.bounds())
	e.books.SetProtected(s.TLS != nil)
	e.sweepAt(e.books.Sweep(e.now())) // it was idle, and about to close without a sweep
	return e.listen()
}

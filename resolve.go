package ebb

import (
	"context"
	"net"
	"net/http/httptrace"
	"net/netip"
	"strings"

	"example.com/ebb/internal/udp"
)

// target is an address that a caller names, and how it is to be looked up.
type target struct {
	network    string        // as the caller says it
	udpNetwork string        // to which addresses have to belong
	address    string        // host and port
	resolver   *net.Resolver // nil: net.DefaultResolver
}

// port is the number of a service. Names of services are those of the caller's network; the table of UDP has few of
// them, and what is known by TCP's names is meant for it.
func (t *target) port(ctx context.Context, service string) (int, error) {
	port, err := t.lookUpWith().LookupPort(ctx, t.network, service)
	if err != nil && !nameOf(t.network).isTCP() {
		if tcp, err := t.lookUpWith().LookupPort(ctx, "tcp", service); err == nil {
			return tcp, nil
		}
	}
	return port, err
}

func (t *target) lookUpWith() *net.Resolver {
	if t.resolver == nil {
		return net.DefaultResolver
	}
	return t.resolver
}

// hostPort is the two parts of the address.
func (t *target) hostPort(ctx context.Context) (host string, port int, err error) {
	host, service, err := net.SplitHostPort(t.address)
	if err == nil {
		port, err = t.port(ctx, service)
	}
	return host, port, err
}

// local is the address to listen on; no host means all of them.
func (t *target) local(ctx context.Context) (*net.UDPAddr, error) {
	host, port, err := t.hostPort(ctx)
	if err != nil {
		return nil, err
	}
	if host == "" {
		return &net.UDPAddr{Port: port}, nil
	}
	addrs, err := t.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	if a := addrs[0]; a == netip.IPv6Unspecified() { // both families
		return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port))), nil
	}
	for _, a := range addrs { // as net.Listen does, IPv4 if there is a choice
		if a.Is4() {
			return net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, uint16(port))), nil
		}
	}
	return net.UDPAddrFromAddrPort(netip.AddrPortFrom(addrs[0], uint16(port))), nil
}

// remotes is the addresses to dial, in the resolver's order, at least one. No host, or an
// unspecified one, means this machine.
func (t *target) remotes(ctx context.Context, local *net.UDPAddr) ([]netip.AddrPort, error) {
	ctx = withoutConnectTrace(ctx)
	host, port, err := t.hostPort(ctx)
	if err != nil {
		return nil, err
	}
	if host == "" {
		host = "127.0.0.1"
		if strings.HasSuffix(t.udpNetwork, "6") {
			host = "::1"
		}
	}
	addrs, err := t.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	var remotes []netip.AddrPort
	for _, a := range addrs {
		switch {
		case a == netip.IPv4Unspecified():
			a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		case a == netip.IPv6Unspecified():
			a = netip.IPv6Loopback()
		}
		if local == nil || local.IP == nil || local.IP.IsUnspecified() || a.Is4() == (local.IP.To4() != nil) {
			remotes = append(remotes, netip.AddrPortFrom(a, uint16(port)))
		}
	}
	if len(remotes) == 0 {
		return nil, &net.AddrError{Err: "no address of the family of Dialer.LocalAddr", Addr: t.address}
	}
	return remotes, nil
}

// lookUp is the addresses of a host that the network can reach, at least one.
func (t *target) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	found, err := t.lookUpWith().LookupIPAddr(ctx, host) // LookupNetIP would drop the zone
	if err != nil {
		return nil, err
	}
	if len(found) == 1 && found[0].IP.Equal(net.IPv6unspecified) { // as package net has it, this machine by either family
		found = append(found, net.IPAddr{IP: net.IPv4zero})
	}
	var addrs []netip.Addr
	for _, f := range found {
		a, ok := netip.AddrFromSlice(f.IP)
		if !ok {
			continue
		}
		a = udp.Canonical(netip.AddrPortFrom(a.Unmap().WithZone(f.Zone), 0)).Addr()
		if t.udpNetwork == "udp" || a.Is4() == strings.HasSuffix(t.udpNetwork, "4") {
			addrs = append(addrs, a)
		}
	}
	if len(addrs) == 0 {
		return nil, &net.AddrError{Err: "no suitable address for " + t.udpNetwork, Addr: host}
	}
	return addrs, nil
}

// withoutConnectTrace is the context for a look-up: the sockets of the resolver are not what ConnectStart and ConnectDone of
// package httptrace are about.
func withoutConnectTrace(ctx context.Context) context.Context {
	trace := httptrace.ContextClientTrace(ctx)
	if trace == nil || trace.ConnectStart == nil && trace.ConnectDone == nil {
		return ctx
	}
	lookUps := &httptrace.ClientTrace{DNSStart: trace.DNSStart, DNSDone: trace.DNSDone}
	if lookUps.DNSStart == nil { // package httptrace ignores a trace with no hook of package net's
		lookUps.DNSStart = func(httptrace.DNSStartInfo) {}
	}
	return shadowed{ctx, httptrace.WithClientTrace(context.Background(), lookUps)}
}

// shadowed is a context some of whose values are another's.
type shadowed struct {
	context.Context
	first context.Context
}

func (s shadowed) Value(key any) any {
	if v := s.first.Value(key); v != nil {
		return v
	}
	return s.Context.Value(key)
}

package simnet

import (
	"fmt"
	"net/netip"
	"time"
)

// NAT is an address translator of a Network, with a public address and hosts
// behind it. Hosts behind it reach each other directly by their inside addresses,
// and by hairpin through public ones. It takes no time and loses nothing of its
// own.
//
// The network's lock guards it.
type NAT struct {
	translator
	public *Host
	inside map[netip.Addr]*Host
}

// NAT makes a NAT with a public address, or one of each family, that no host
// has yet. It panics as Host does.
func (n *Network) NAT(cfg NATConfig, addrs ...string) *NAT {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range addrs {
		if addr := netip.MustParseAddr(s).Unmap(); n.hosts[addr] != nil {
			panic(fmt.Sprintf("simnet: %v is the address of another host", addr))
		}
	}
	t := &NAT{public: n.host(n.hosts, addrs), inside: make(map[netip.Addr]*Host)}
	t.translator = newTranslator(cfg, t.public.freePort)
	t.public.gateway = t
	return t
}

// Public is the NAT's own machine. Its sockets have precedence over bindings.
func (t *NAT) Public() *Host { return t.public }

// Host is the host behind the NAT with the given addresses, made if there is
// none yet. Other NATs may have hosts with the same ones. It panics as
// Network.Host does.
func (t *NAT) Host(addrs ...string) *Host {
	n := t.public.n
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.host(t.inside, addrs)
	h.nat = t
	return h
}

// Rebind forgets all bindings, as a restarted NAT does. The next datagram of
// each socket inside leaves from another port.
func (t *NAT) Rebind() {
	t.public.n.mu.Lock()
	defer t.public.n.mu.Unlock()
	t.rebind()
}

// Stats is what has happened so far.
func (t *NAT) Stats() NATStats {
	t.public.n.mu.Lock()
	defer t.public.n.mu.Unlock()
	return t.stats
}

// source is the source that a datagram from inside has outside. It is not
// valid if there is no such address or port.
func (t *NAT) source(now time.Duration, src, dst netip.AddrPort) netip.AddrPort {
	addr := t.public.source(unspecified, dst.Addr())
	if !addr.IsValid() {
		return netip.AddrPort{}
	}
	port := t.outbound(now, src, dst)
	if port == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, port)
}

var unspecified = netip.IPv6Unspecified()

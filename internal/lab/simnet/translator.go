package simnet

import (
	"net/netip"
	"time"
)

// DefaultBindingTimeout is how long a NAT keeps a binding that is not used.
// RFC 4787 REQ-5 asks for two minutes at least; what is in people's homes often
// keeps half a minute.
const DefaultBindingTimeout = 30 * time.Second

// Behavior says what of a peer's address counts for a NAT, in its mapping (RFC
// 4787 section 4.1) and in its filter (section 5).
type Behavior int

// The behaviors of RFC 4787.
const (
	// EndpointIndependent: nothing. An inside address and port has one public
	// port, whomever it speaks to; datagrams come in from anywhere.
	EndpointIndependent Behavior = iota
	// AddressDependent: the address. An inside address and port has a public
	// port for each address that it speaks to; datagrams come in from addresses
	// that it has sent to.
	AddressDependent
	// AddressAndPortDependent: address and port, the same way. A NAT that maps so
	// is called symmetric.
	AddressAndPortDependent
)

// of is what of a peer counts.
func (b Behavior) of(peer netip.AddrPort) netip.AddrPort {
	switch b {
	case EndpointIndependent:
		return netip.AddrPort{}
	case AddressDependent:
		return netip.AddrPortFrom(peer.Addr(), 0)
	}
	return peer
}

// NATConfig says how a NAT behaves.
type NATConfig struct {
	// BindingTimeout is how long a binding lives after the last datagram that
	// refreshed it. 0 or less: DefaultBindingTimeout.
	BindingTimeout time.Duration
	// RefreshInbound says that datagrams from outside that are let in refresh a
	// binding. Those from inside always do (RFC 4787 REQ-6 allows both).
	RefreshInbound bool
	// Mapping says which datagrams from inside share a binding, and Filter what
	// may come in through one.
	Mapping, Filter Behavior
}

// NATStats counts what a NAT has done. Datagrams are those from outside.
type NATStats struct {
	Bound    int // bindings made
	Expired  int // bindings found to have timed out
	Unknown  int // datagrams dropped: their port has no binding
	Filtered int // datagrams dropped: the filter does not know their source
}

// translator is what a NAT knows and does, in a Network and in a Sim. It is told the time and has no lock.
type translator struct {
	cfg      NATConfig
	free     func() uint16 // a public port that nobody has, or 0
	bindings map[session]*binding
	ports    map[uint16]*binding // by public port
	stats    NATStats
}

// session is what has a binding of its own: an inside address, and of the peer's what counts for the mapping.
type session struct{ inside, peer netip.AddrPort }

type binding struct {
	session
	port  uint16
	used  time.Duration               // when it was last refreshed
	peers map[netip.AddrPort]struct{} // what counts for the filter of those that the inside has sent to
}

func newTranslator(cfg NATConfig, free func() uint16) translator {
	if cfg.BindingTimeout <= 0 {
		cfg.BindingTimeout = DefaultBindingTimeout
	}
	return translator{cfg: cfg, free: free, bindings: make(map[session]*binding), ports: make(map[uint16]*binding)}
}

// outbound is the public port that a datagram from inside leaves from, or 0 if all are taken.
func (t *translator) outbound(now time.Duration, src, dst netip.AddrPort) uint16 {
	s := session{src, t.cfg.Mapping.of(dst)}
	b := t.live(now, t.bindings[s])
	if b == nil {
		port := t.freePort(now)
		if port == 0 {
			return 0
		}
		b = &binding{session: s, port: port, peers: make(map[netip.AddrPort]struct{})}
		t.bindings[s], t.ports[port] = b, b
		t.stats.Bound++
	}
	b.used = now
	b.peers[t.cfg.Filter.of(dst)] = struct{}{}
	return b.port
}

// inbound is where inside a datagram from outside to a public port goes. It is not valid if nowhere.
func (t *translator) inbound(now time.Duration, src netip.AddrPort, port uint16) netip.AddrPort {
	b := t.live(now, t.ports[port])
	if b == nil {
		t.stats.Unknown++
		return netip.AddrPort{}
	}
	if _, ok := b.peers[t.cfg.Filter.of(src)]; !ok {
		t.stats.Filtered++
		return netip.AddrPort{}
	}
	if t.cfg.RefreshInbound {
		b.used = now
	}
	return b.inside
}

// rebind forgets all bindings.
func (t *translator) rebind() {
	clear(t.bindings)
	clear(t.ports)
}

// live is b, or nil if its time is over.
func (t *translator) live(now time.Duration, b *binding) *binding {
	if b == nil || now-b.used < t.cfg.BindingTimeout {
		return b
	}
	delete(t.bindings, b.session)
	delete(t.ports, b.port)
	t.stats.Expired++
	return nil
}

// freePort is a public port for a new binding, or 0. When all are taken, those
// whose time is over are not.
func (t *translator) freePort(now time.Duration) uint16 {
	if port := t.free(); port != 0 {
		return port
	}
	for _, b := range t.ports {
		t.live(now, b)
	}
	return t.free()
}

// firstEphemeral is where ports for sockets that ask for none, and for bindings,
// begin (RFC 6335 section 6).
const firstEphemeral = 49152

// ephemeral hands out ephemeral ports in turn. It is the next one to try.
type ephemeral uint16

// take is the next port that is not taken, or 0.
func (e *ephemeral) take(taken func(port uint16) bool) uint16 {
	for range 1<<16 - firstEphemeral {
		port := uint16(*e)
		if *e++; *e < firstEphemeral { // wrapped
			*e = firstEphemeral
		}
		if !taken(port) {
			return port
		}
	}
	return 0
}

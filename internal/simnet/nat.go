package simnet

import (
	"fmt"
	"net/netip"
	"time"
)

// DefaultBindingTimeout is how long a NAT keeps a binding that is not used.
// RFC 4787 REQ-5 asks for two minutes at least; what is in people's homes often
// keeps half a minute.
const DefaultBindingTimeout = 30 * time.Second

// Filter says from where a NAT lets datagrams in (RFC 4787 section 5).
type Filter int

// The filters of RFC 4787.
const (
	EndpointIndependent     Filter = iota // from anywhere
	AddressDependent                      // from addresses that the inside has sent to
	AddressAndPortDependent               // from addresses and ports that the inside has sent to
)

// NATConfig says how a NAT behaves.
type NATConfig struct {
	// BindingTimeout is how long a binding lives after the last datagram from
	// inside; datagrams from outside do not refresh it, as RFC 4787 REQ-6
	// allows. 0 or less: DefaultBindingTimeout.
	BindingTimeout time.Duration
	// Filter says what may come in through a binding.
	Filter Filter
}

// NATStats counts what a NAT has done. Datagrams are those from outside.
type NATStats struct {
	Bound    int // bindings made
	Expired  int // bindings found to have timed out
	Unknown  int // datagrams dropped: their port has no binding
	Filtered int // datagrams dropped: the filter does not know their source
}

// NAT is an address translator with a public address and hosts behind it. Its
// mapping is endpoint-independent: an inside address and port has one public
// port, whomever it speaks to (RFC 4787 REQ-1). Hosts behind it reach each other
// directly by their inside addresses, and by hairpin through public ones. It
// takes no time and loses nothing of its own.
//
// The network's lock guards it.
type NAT struct {
	cfg      NATConfig
	public   *Host
	inside   map[netip.Addr]*Host
	bindings map[netip.AddrPort]*binding // by inside address
	ports    map[uint16]*binding         // by public port
	stats    NATStats
}

type binding struct {
	host   *Host
	inside netip.AddrPort
	port   uint16
	used   time.Duration               // last datagram from inside
	peers  map[netip.AddrPort]struct{} // what Filter lets in
}

// NAT makes a NAT with a public address, or one of each family, that no host
// has yet. It panics as Host does.
func (n *Network) NAT(cfg NATConfig, addrs ...string) *NAT {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cfg.BindingTimeout <= 0 {
		cfg.BindingTimeout = DefaultBindingTimeout
	}
	for _, s := range addrs {
		if addr := netip.MustParseAddr(s).Unmap(); n.hosts[addr] != nil {
			panic(fmt.Sprintf("simnet: %v is the address of another host", addr))
		}
	}
	t := &NAT{
		cfg:      cfg,
		public:   n.host(n.hosts, addrs),
		inside:   make(map[netip.Addr]*Host),
		bindings: make(map[netip.AddrPort]*binding),
		ports:    make(map[uint16]*binding),
	}
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
	clear(t.bindings)
	clear(t.ports)
}

// Stats is what has happened so far.
func (t *NAT) Stats() NATStats {
	t.public.n.mu.Lock()
	defer t.public.n.mu.Unlock()
	return t.stats
}

// outbound is the source that a datagram from inside has outside. It is not
// valid if there is no such address or port.
func (t *NAT) outbound(now time.Duration, host *Host, src, dst netip.AddrPort) netip.AddrPort {
	addr := t.public.source(unspecified, dst.Addr())
	b := t.live(now, t.bindings[src])
	if b == nil {
		port := t.freePort(now)
		if port == 0 || !addr.IsValid() {
			return netip.AddrPort{}
		}
		b = &binding{host: host, inside: src, port: port, peers: make(map[netip.AddrPort]struct{})}
		t.bindings[src], t.ports[port] = b, b
		t.stats.Bound++
	}
	b.used = now
	if t.cfg.Filter != EndpointIndependent {
		b.peers[t.cfg.Filter.key(dst)] = struct{}{}
	}
	return netip.AddrPortFrom(addr, b.port)
}

// inbound is where a datagram from outside goes inside; no host if nowhere.
func (t *NAT) inbound(now time.Duration, src, dst netip.AddrPort) (*Host, netip.AddrPort) {
	b := t.live(now, t.ports[dst.Port()])
	if b == nil {
		t.stats.Unknown++
		return nil, dst
	}
	if t.cfg.Filter != EndpointIndependent {
		if _, ok := b.peers[t.cfg.Filter.key(src)]; !ok {
			t.stats.Filtered++
			return nil, dst
		}
	}
	return b.host, b.inside
}

// live is b, or nil if its time is over.
func (t *NAT) live(now time.Duration, b *binding) *binding {
	if b == nil || now-b.used < t.cfg.BindingTimeout {
		return b
	}
	delete(t.bindings, b.inside)
	delete(t.ports, b.port)
	t.stats.Expired++
	return nil
}

// freePort is a public port for a new binding, or 0. When all are taken, those
// whose time is over are not.
func (t *NAT) freePort(now time.Duration) uint16 {
	if port := t.public.freePort(); port != 0 {
		return port
	}
	for _, b := range t.ports {
		t.live(now, b)
	}
	return t.public.freePort()
}

// key is what the filter remembers of a peer.
func (f Filter) key(peer netip.AddrPort) netip.AddrPort {
	if f == AddressDependent {
		return netip.AddrPortFrom(peer.Addr(), 0)
	}
	return peer
}

var unspecified = netip.IPv6Unspecified()

package simnet

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"time"
)

// Network is a set of hosts and the links between them. A Network made inside
// a testing/synctest bubble is used in that bubble only. Its methods, and those
// of what it makes, may be called by any number of goroutines; it starts none
// but for the moment in which datagrams arrive.
type Network struct {
	mu    sync.Mutex
	seed  uint64
	hosts map[netip.Addr]*Host
	links map[direction]*Link
	line  *timeline[event]
	icmp  bool
	stats NetworkStats
}

// NetworkStats counts datagrams since the network began. What links and NATs
// lose is counted there.
type NetworkStats struct {
	Sent      int // written by sockets
	Delivered int // put into a socket's receive buffer, copies included
	NoRoute   int // nobody has the address, or no link goes there
	Refused   int // the host has no socket on the port
	Overflow  int // the socket's receive buffer was full
}

type direction struct{ from, to *Host }

// event is a datagram that arrives at a host, or a report that comes back to the
// socket that sent one.
type event struct {
	datagram
	to     *Host
	report *Unreachable
}

type datagram struct {
	src, dst netip.AddrPort
	b        []byte
	from     *PacketConn
}

// NewNetwork makes an empty network. Its links derive their seeds from seed.
func NewNetwork(seed uint64) *Network {
	n := &Network{
		seed:  seed,
		hosts: make(map[netip.Addr]*Host),
		links: make(map[direction]*Link),
	}
	n.line = newTimeline[event](n.run)
	return n
}

// Host is the host with the given addresses, made if there is none yet. The
// first address of a family is the source of what its wildcard sockets send.
//
// Addresses are written by the author of a test: like netip.MustParseAddr,
// Host panics if one is malformed, or if they are those of different hosts.
func (n *Network) Host(addrs ...string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.host(n.hosts, addrs)
}

func (n *Network) host(realm map[netip.Addr]*Host, addrs []string) *Host {
	var h *Host
	var fresh []netip.Addr
	for _, s := range addrs {
		addr := netip.MustParseAddr(s).Unmap()
		switch known := realm[addr]; {
		case known == nil:
			fresh = append(fresh, addr)
		case h != nil && h != known:
			panic(fmt.Sprintf("simnet: %v is the address of another host", addr))
		default:
			h = known
		}
	}
	if h == nil {
		h = newHost(n)
	}
	for _, addr := range fresh {
		realm[addr] = h
		h.addrs = append(h.addrs, addr)
	}
	return h
}

// Connect joins two hosts by a link in each direction. A host that is behind a
// NAT stands for its NAT: all hosts behind it use the same two links.
func (n *Network) Connect(a, b *Host, ab, ba LinkConfig) {
	n.SetLink(a, b, ab)
	n.SetLink(b, a, ba)
}

// SetLink changes the link from one host to another as Link.SetConfig does, or
// makes it.
func (n *Network) SetLink(from, to *Host, cfg LinkConfig) {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := direction{from.outside(), to.outside()}
	if l := n.links[d]; l != nil {
		l.SetConfig(n.line.now(), cfg)
		return
	}
	n.links[d] = NewLink(cfg, dice{n.seed}.draw(rollSeed, len(n.links)))
}

// LinkStats is what has happened on the link from one host to another: nothing
// if there is none.
func (n *Network) LinkStats(from, to *Host) LinkStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.links[direction{from.outside(), to.outside()}]; l != nil {
		return l.Stats()
	}
	return LinkStats{}
}

// SetICMP says whether a datagram that is refused is reported to the socket
// that sent it, after the Delay of the way back. The socket's next read then
// fails with an *Unreachable that matches ECONNREFUSED, as an unconnected
// socket's does on Windows. A new network reports nothing of the kind; what the
// rules of its links report, ENETUNREACH or EHOSTUNREACH, it always does.
func (n *Network) SetICMP(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.icmp = on
}

// Stats is what has happened so far.
func (n *Network) Stats() NetworkStats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

// Close closes all sockets and forgets what is on the way.
func (n *Network) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line.close()
	for _, h := range n.hosts {
		h.close()
	}
	return nil
}

// run is the timeline's timer.
func (n *Network) run() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.line.fired()
	n.flush()
}

// flush delivers what is due and waits for the rest.
func (n *Network) flush() {
	now := n.line.now()
	for {
		at, e, ok := n.line.pop(now)
		if !ok {
			break
		}
		n.arrive(at, e)
	}
	n.line.arm()
}

// send puts a datagram of a socket of the host on its way. d.b is borrowed.
func (n *Network) send(from *Host, d datagram) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stats.Sent++
	now := n.line.now()
	if nat := from.nat; nat != nil {
		if peer := nat.inside[d.dst.Addr()]; peer != nil {
			n.push(event{datagram: d, to: peer}, Arrival{At: now})
			n.flush()
			return
		}
		d.src = nat.source(now, d.src, d.dst)
	}
	n.forward(now, from.outside(), d)
	n.flush()
}

// forward sends a datagram from one public host to another.
func (n *Network) forward(now time.Duration, from *Host, d datagram) {
	to := n.hosts[d.dst.Addr()]
	link := n.links[direction{from, to}]
	switch {
	case to == nil || !d.src.IsValid():
		n.stats.NoRoute++
	case from == to: // a hairpin, or the host to itself
		n.push(event{datagram: d, to: to}, Arrival{At: now})
	case link == nil:
		n.stats.NoRoute++
	default:
		f := link.pass(Packet{At: now, Payload: d.b})
		for _, a := range f.arrivals[:f.n] {
			n.push(event{datagram: d, to: to}, a)
		}
		if f.report != 0 {
			n.report(f.reportAt, f.report, d)
		}
	}
}

func (n *Network) push(e event, a Arrival) {
	e.b = bytes.Clone(e.b)
	a.Apply(e.b)
	n.line.push(a.At, e)
}

// arrive ends the way of a datagram.
func (n *Network) arrive(at time.Duration, e event) {
	if e.report != nil {
		e.from.tell(e.report)
		return
	}
	host, dst := e.to, e.dst
	pc := host.socket(dst)
	if pc == nil && host.gateway != nil {
		inside := host.gateway.inbound(at, e.src, dst.Port())
		if !inside.IsValid() {
			return // the NAT has counted it
		}
		pc = host.gateway.inside[inside.Addr()].socket(inside)
	}
	switch {
	case pc == nil:
		n.stats.Refused++
		n.refuse(at, e)
	case !pc.receive(e.src, e.b):
		n.stats.Overflow++
	default:
		n.stats.Delivered++
	}
}

// refuse reports that the host has no socket for a datagram.
func (n *Network) refuse(at time.Duration, e event) {
	if !n.icmp {
		return
	}
	if back := n.links[direction{e.to, e.from.host.outside()}]; back != nil {
		at += max(back.Config().Delay, 0)
	}
	n.report(at, PortUnreachable, e.datagram)
}

// report tells the socket that sent a datagram what became of it.
func (n *Network) report(at time.Duration, code ICMPCode, d datagram) {
	u := &Unreachable{Code: code, To: d.dst, Quoted: bytes.Clone(quote(d.b))}
	n.line.push(at, event{datagram: datagram{from: d.from}, report: u})
}

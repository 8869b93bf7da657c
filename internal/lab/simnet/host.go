package simnet

import (
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// Host is a machine on the network: addresses and sockets. The network's lock
// guards it.
type Host struct {
	n       *Network
	addrs   []netip.Addr
	nat     *NAT // the NAT the host is behind
	gateway *NAT // the NAT whose public side the host is
	sockets map[uint16][]*PacketConn
	port    ephemeral
}

func newHost(n *Network) *Host {
	return &Host{n: n, sockets: make(map[uint16][]*PacketConn), port: firstEphemeral}
}

// ListenPacket makes a socket on the host's first address; port 0 takes a free
// one. It fails as net.ListenPacket does.
func (h *Host) ListenPacket(port uint16) (*PacketConn, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if len(h.addrs) == 0 {
		return nil, listenError(netip.AddrPort{}, syscall.EADDRNOTAVAIL)
	}
	return h.listen(netip.AddrPortFrom(h.addrs[0], port))
}

// ListenPacketOn makes a socket on an address of the host, or on all of them
// if it is unspecified: 0.0.0.0 for IPv4, :: for both families. Port 0 takes a
// free one.
func (h *Host) ListenPacketOn(local netip.AddrPort) (*PacketConn, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	return h.listen(netip.AddrPortFrom(local.Addr().Unmap(), local.Port()))
}

func (h *Host) listen(local netip.AddrPort) (*PacketConn, error) {
	switch {
	case h.n.line.closed:
		return nil, listenError(local, net.ErrClosed)
	case !local.Addr().IsUnspecified() && !slices.Contains(h.addrs, local.Addr()):
		return nil, listenError(local, syscall.EADDRNOTAVAIL)
	}
	if local.Port() == 0 {
		port := h.freePort()
		if port == 0 {
			return nil, listenError(local, syscall.EADDRINUSE)
		}
		local = netip.AddrPortFrom(local.Addr(), port)
	}
	for _, pc := range h.sockets[local.Port()] {
		if overlap(pc.local.Addr(), local.Addr()) {
			return nil, listenError(local, syscall.EADDRINUSE)
		}
	}
	pc := newPacketConn(h, local)
	h.sockets[local.Port()] = append(h.sockets[local.Port()], pc)
	return pc, nil
}

func listenError(local netip.AddrPort, err error) error {
	return &net.OpError{Op: "listen", Net: "udp", Addr: net.UDPAddrFromAddrPort(local), Err: err}
}

// overlap says whether two local addresses can receive the same datagram.
func overlap(a, b netip.Addr) bool {
	if a == b {
		return true
	}
	covers := func(a, b netip.Addr) bool { return a.IsUnspecified() && (a.Is6() || b.Is4()) }
	return covers(a, b) || covers(b, a)
}

// freePort is the next ephemeral port that nobody has, or 0.
func (h *Host) freePort() uint16 {
	return h.port.take(func(port uint16) bool {
		return len(h.sockets[port]) > 0 || h.gateway != nil && h.gateway.ports[port] != nil
	})
}

// outside is where links end: the host, or the public side of its NAT.
func (h *Host) outside() *Host {
	if h.nat != nil {
		return h.nat.public
	}
	return h
}

// socket is the one that receives what is sent to dst, or nil.
func (h *Host) socket(dst netip.AddrPort) *PacketConn {
	var wildcard *PacketConn
	for _, pc := range h.sockets[dst.Port()] {
		if pc.local.Addr() == dst.Addr() {
			return pc
		}
		if overlap(pc.local.Addr(), dst.Addr()) {
			wildcard = pc
		}
	}
	return wildcard
}

// source is the address from which a socket on local speaks to a peer; it is
// not valid if there is none of the peer's family.
func (h *Host) source(local, peer netip.Addr) netip.Addr {
	if !local.IsUnspecified() {
		if local.Is4() == peer.Is4() {
			return local
		}
		return netip.Addr{}
	}
	for _, addr := range h.addrs {
		if addr.Is4() == peer.Is4() && overlap(local, addr) {
			return addr
		}
	}
	return netip.Addr{}
}

// forget takes a closed socket off its port.
func (h *Host) forget(pc *PacketConn) {
	port := pc.local.Port()
	left := slices.DeleteFunc(h.sockets[port], func(o *PacketConn) bool { return o == pc })
	if len(left) == 0 {
		delete(h.sockets, port)
		return
	}
	h.sockets[port] = left
}

// close closes the sockets of the host and of those behind it.
func (h *Host) close() {
	for _, sockets := range h.sockets {
		for _, pc := range sockets {
			pc.shut()
		}
	}
	clear(h.sockets)
	if h.gateway != nil {
		for _, inside := range h.gateway.inside {
			inside.close()
		}
	}
}

package ebb

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"example.com/ebb/internal/udp"
)

// networkName is a network in one byte: what a connection, a listener and their errors call it, and which kind of address
// they show. What asked for TCP sees TCP: programs take an address apart by its type, and a name by its network.
type networkName uint8

var networkNames = [...]string{"udp", "udp4", "udp6", "tcp", "tcp4", "tcp6"}

func nameOf(network string) networkName { return networkName(slices.Index(networkNames[:], network)) }

// isTCP reports whether addresses are shown as TCP's.
func (n networkName) isTCP() bool { return n >= 3 }

// networkOf is the UDP network that a network name means.
func networkOf(network string) (string, error) {
	switch network {
	case "udp", "udp4", "udp6":
		return network, nil
	case "tcp", "tcp4", "tcp6":
		return "udp" + network[len("tcp"):], nil
	}
	return "", net.UnknownNetworkError(network)
}

// addr is an address as the network shows it, a *net.TCPAddr or a *net.UDPAddr; nil if it is not valid.
func (n networkName) addr(a netip.AddrPort) net.Addr {
	switch {
	case !a.IsValid():
		return nil
	case n.isTCP():
		return net.TCPAddrFromAddrPort(a)
	}
	return net.UDPAddrFromAddrPort(a)
}

// addresses are those of a connection as its network shows them.
type addresses struct{ local, remote net.Addr }

// addresses makes them when they are first asked for: most connections of a busy endpoint never are.
func (c *conn) addresses() *addresses {
	if a := c.addrs.Load(); a != nil {
		return a
	}
	n := networkName(c.network.Load())
	a := &addresses{remote: n.addr(c.driver.Conn.Remote())} // which needs no lock
	if c.local == &c.endpoint.local {
		a.local = c.endpoint.addrOn(n)
	} else {
		a.local = n.addr(*c.local)
	}
	if !c.addrs.CompareAndSwap(nil, a) {
		return c.addrs.Load()
	}
	return a
}

// showAs gives the connection the network that it was asked for under: of two dials that cross, the peer's may have made it.
func (c *conn) showAs(network networkName) {
	if c.network.Swap(uint32(network)) != uint32(network) {
		c.addrs.Store(nil)
	}
}

// LocalAddr returns this side's address: a *net.TCPAddr if the network was tcp, tcp4 or tcp6, else a *net.UDPAddr.
// ConnInfo.Local is the same without regard to the network.
func (c *conn) LocalAddr() net.Addr { return c.addresses().local }

// RemoteAddr returns the peer's address, of the same type as LocalAddr. ConnInfo.Remote is the same without regard to
// the network.
func (c *conn) RemoteAddr() net.Addr { return c.addresses().remote }

// addrOn is the endpoint's address as a network shows it. Connections share it.
func (e *endpoint) addrOn(n networkName) net.Addr {
	shown := &e.shown[0]
	if n.isTCP() {
		shown = &e.shown[1]
	}
	if a := shown.Load(); a != nil {
		return *a
	}
	a := n.addr(e.local)
	shown.Store(&a)
	return a
}

// Addr returns the address of the socket: a *net.TCPAddr if the endpoint was made by Listen with the network tcp, tcp4 or
// tcp6, else a *net.UDPAddr.
func (e *endpoint) Addr() net.Addr { return e.addrOn(nameOf(e.network())) }

// addrPortOf is a *net.UDPAddr or *net.TCPAddr as package netip has it, an IPv4 one never in its
// IPv6-mapped form, and the network that shows such addresses.
func addrPortOf(a net.Addr) (ap netip.AddrPort, network string, err error) {
	switch a := a.(type) {
	case *net.UDPAddr:
		if a != nil {
			ap, network = a.AddrPort(), "udp"
		}
	case *net.TCPAddr:
		if a != nil {
			ap, network = a.AddrPort(), "tcp"
		}
	}
	if network == "" {
		return netip.AddrPort{}, "", errNotUDP
	}
	ap = udp.Canonical(unmapped(ap))
	if !ap.IsValid() || ap.Port() == 0 {
		return ap, network, errors.New("no address and port to connect to")
	}
	return ap, network, nil
}

var errNotUDP = errors.New("the address is neither a *net.UDPAddr nor a *net.TCPAddr")

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// udpAddrOf is where to bind, from a *net.UDPAddr or *net.TCPAddr; nil, or a nil pointer, is anywhere.
func udpAddrOf(a net.Addr) (addr *net.UDPAddr, ok bool) {
	switch a := a.(type) {
	case nil:
		return nil, true
	case *net.UDPAddr:
		return a, true
	case *net.TCPAddr:
		if a == nil {
			return nil, true
		}
		return &net.UDPAddr{IP: a.IP, Port: a.Port, Zone: a.Zone}, true
	}
	return nil, false
}

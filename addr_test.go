package ebb_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"example.com/ebb"
)

// addrPort is an address of whichever type as package netip has it.
func addrPort(a net.Addr) netip.AddrPort {
	return a.(interface{ AddrPort() netip.AddrPort }).AddrPort()
}

// What asked for TCP sees TCP, and what asked for UDP sees UDP; ConnInfo says the same of both.
func TestAddressesAreOfTheNetwork(t *testing.T) {
	leavesNothing(t)
	for _, network := range []string{"udp", "udp4", "tcp", "tcp4"} {
		l, err := ebb.Listen(network, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		a, err := ebb.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		of := net.Addr(&net.UDPAddr{})
		if network[:3] == "tcp" {
			of = &net.TCPAddr{}
		}
		for _, addr := range []net.Addr{a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr(), l.Addr(), l.(*ebb.Listener).Endpoint().Addr()} {
			if got, want := fmt.Sprintf("%T %s", addr, addr.Network()), fmt.Sprintf("%T %s", of, of.Network()); got != want {
				t.Errorf("%s: an address %v of type %s, want %s", network, addr, got, want)
			}
			if ap := addrPort(addr); !ap.Addr().Unmap().Is4() || ap.Port() == 0 || netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()).String() != addr.String() {
				t.Errorf("%s: %v as an AddrPort is %v", network, addr, ap)
			}
		}
		if a.RemoteAddr().String() != l.Addr().String() || b.LocalAddr().String() != l.Addr().String() ||
			a.LocalAddr().String() != b.RemoteAddr().String() {
			t.Errorf("%s: %v→%v and %v→%v, listening on %v", network, a.LocalAddr(), a.RemoteAddr(), b.LocalAddr(), b.RemoteAddr(), l.Addr())
		}
		for _, c := range []net.Conn{a, b} {
			info := c.(*ebb.Conn).Info()
			if c.LocalAddr().String() != info.Local.String() || c.RemoteAddr().String() != info.Remote.String() {
				t.Errorf("%s: %v→%v, and ConnInfo has %v→%v", network, c.LocalAddr(), c.RemoteAddr(), info.Local, info.Remote)
			}
		}
		if a.LocalAddr() != a.LocalAddr() || b.RemoteAddr() != b.RemoteAddr() {
			t.Errorf("%s: an address is made again for each call", network)
		}
		for _, c := range []interface{ Close() error }{a, b, l} {
			c.Close()
		}
	}
}

// An endpoint is of no network: each of its connections shows the addresses that it was asked for with.
func TestAddressesOfOneEndpoint(t *testing.T) {
	leavesNothing(t)
	l := listen(t, nil)
	e := endpoint(t, nil)
	at := netip.MustParseAddrPort(l.Addr().String())
	var wg sync.WaitGroup
	for range 4 {
		for _, of := range []net.Addr{net.TCPAddrFromAddrPort(at), net.UDPAddrFromAddrPort(at)} {
			wg.Go(func() {
				byAddr, err := e.DialAddr(context.Background(), of)
				if err != nil {
					t.Error(err)
					return
				}
				defer byAddr.Close()
				byName, err := e.Dial(of.Network(), at.String())
				if err != nil {
					t.Error(err)
					return
				}
				defer byName.Close()
				for _, c := range []net.Conn{byAddr, byName} {
					for _, addr := range []net.Addr{c.LocalAddr(), c.RemoteAddr()} {
						if got, want := fmt.Sprintf("%T", addr), fmt.Sprintf("%T", of); got != want {
							t.Errorf("dialled as %s, an address is a %s", want, got)
						}
					}
				}
			})
		}
	}
	wg.Wait()
	if _, err := e.DialAddr(context.Background(), &net.UnixAddr{Name: "x"}); err == nil {
		t.Error("an address of another kind is dialled")
	}
}

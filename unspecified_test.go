package ebb_test

import (
	"net"
	"testing"

	"example.com/ebb"
)

// TestUnspecifiedAddress: "::" names this machine by either family, as in package net: what a listener for both prints as its address can be
// dialled over IPv4, and IPv4 alone can be listened on by that name.
func TestUnspecifiedAddress(t *testing.T) {
	leavesNothing(t)
	for _, at := range []struct{ listen, address, dial, to string }{
		{"tcp4", "127.0.0.1:0", "tcp4", "::"},
		{"tcp4", "127.0.0.1:0", "tcp", "::"},
		{"tcp4", "[::]:0", "tcp4", "127.0.0.1"},
		{"tcp", "[::]:0", "tcp4", "::"},
		{"tcp", "[::]:0", "tcp6", "::"},
	} {
		l, err := ebb.Listen(at.listen, at.address)
		if err != nil {
			t.Errorf("%s, %s: %v", at.listen, at.address, err)
			continue
		}
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c, err := ebb.Dial(at.dial, net.JoinHostPort(at.to, port))
		if err != nil {
			t.Errorf("a listener on %s, %s: %v", at.listen, at.address, err)
		} else {
			c.Close()
		}
		l.Close()
	}
}

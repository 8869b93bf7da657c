package ebb_test

import (
	"net"
	"testing"

	"golang.org/x/net/nettest"

	"example.com/ebb"
)

// pipe is a connection over loopback, and what closes it all.
func pipe(network, address string) nettest.MakePipe {
	return func() (dialled, accepted net.Conn, stop func(), err error) {
		l, err := ebb.Listen(network, address)
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		if dialled, err = ebb.Dial(network, l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if accepted, err = l.Accept(); err != nil {
			dialled.Close()
			return nil, nil, nil, err
		}
		return dialled, accepted, func() { dialled.Close(); accepted.Close() }, nil
	}
}

func TestNettest(t *testing.T) {
	t.Run("udp4", func(t *testing.T) { nettest.TestConn(t, pipe("udp4", "127.0.0.1:0")) })
	t.Run("tcp6", func(t *testing.T) {
		if !nettest.SupportsIPv6() {
			t.Skip("no IPv6 here")
		}
		nettest.TestConn(t, pipe("tcp6", "[::1]:0"))
	})
}

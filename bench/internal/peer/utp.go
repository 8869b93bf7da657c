package peer

import (
	"context"
	"net"

	"github.com/anacrolix/utp"
)

func utpPeer() Peer {
	return Peer{
		Name: "utp", Module: "github.com/anacrolix/utp", Datagram: wholeDatagrams,
		Tuning: "defaults, a socket per dial",
		Open:   func() (Transport, error) { return utpTransport{}, nil },
	}
}

// utpTransport is uTP written in Go.
type utpTransport struct{}

func (utpTransport) Listen(address string) (net.Listener, error) {
	return utp.NewSocket("udp", address)
}

func (utpTransport) Dial(ctx context.Context, address string) (net.Conn, error) {
	return utp.DialContext(ctx, address)
}

func (utpTransport) Close() error { return nil }

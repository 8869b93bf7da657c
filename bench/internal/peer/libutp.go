//go:build libutp && cgo

package peer

import (
	"context"
	"net"

	utp "github.com/anacrolix/go-libutp"
)

func libutpPeers() []Peer {
	return []Peer{{
		Name: "libutp", Module: "github.com/anacrolix/go-libutp", Datagram: wholeDatagrams,
		Tuning: "BitTorrent's C++ through cgo, defaults, all dials from one socket",
		Open: func() (Transport, error) {
			socket, err := utp.NewSocket("udp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			return libutpTransport{socket}, nil
		},
	}}
}

// libutpTransport dials from one socket: its Close discards what its
// connections have not sent, so that one for each would cut them short.
type libutpTransport struct{ socket *utp.Socket }

func (libutpTransport) Listen(address string) (net.Listener, error) {
	return utp.NewSocket("udp", address)
}

func (t libutpTransport) Dial(ctx context.Context, address string) (net.Conn, error) {
	return t.socket.DialContext(ctx, "udp", address)
}

func (t libutpTransport) Close() error { return t.socket.Close() }

// Package torrentebb has clients of BitTorrent, those of github.com/anacrolix/torrent, meet their peers over Ebb:
//
//	s, err := torrentebb.Listen(":42069", nil)
//	…
//	defer s.Close()
//	s.Attach(client)
//
// What the client is told of a peer is its address, as ever; whether it is tried over TCP, uTP and Ebb or over some of them is what the
// client's configuration says: with DisableTCP and DisableUTP it is Ebb alone. The package is a module of its own, so that the client is no
// dependency of Ebb.
package torrentebb

import (
	"context"
	"net"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/dialer"

	"example.com/ebb"
)

// network is what peers' addresses look like: TCP's, because a client takes those of UDP for peers that speak uTP, and tells others so.
const network = "tcp"

// Socket dials peers and accepts their connections. Its methods may be called by any number of goroutines.
type Socket struct {
	net.Listener
	dialer dialer.WithContext
}

var (
	_ torrent.Dialer   = (*Socket)(nil)
	_ torrent.Listener = (*Socket)(nil)
)

// Listen makes a socket that listens on an address, HOST:PORT of UDP; port 0 is one that the system chooses. config may be nil: then a
// connection sends at most 10 MB/s, and yields to other traffic.
func Listen(address string, config *ebb.Config) (*Socket, error) {
	lc := ebb.ListenConfig{Config: config}
	l, err := lc.Listen(context.Background(), network, address)
	if err != nil {
		return nil, err
	}
	return New(l, &ebb.Dialer{Config: config}), nil
}

// New makes a socket of a listener and a dialer of Ebb's, for instance an *ebb.Dialer with an Endpoint that the program has for other
// things too.
func New(l net.Listener, d dialer.WithContext) *Socket { return &Socket{l, d} }

// Attach has a client dial and listen with the socket, beside what it has already. The client does not close it: Close does,
// after the client's own.
func (s *Socket) Attach(c *torrent.Client) {
	c.AddDialer(s)
	c.AddListener(s)
}

// Dial connects to a peer, HOST:PORT, until the context is done.
func (s *Socket) Dial(ctx context.Context, address string) (net.Conn, error) {
	return s.dialer.DialContext(ctx, network, address)
}

// DialerNetwork returns "tcp", by which a client does not take a peer for one that speaks uTP.
func (s *Socket) DialerNetwork() string { return network }

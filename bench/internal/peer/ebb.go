package peer

import (
	"context"
	"net"

	"example.com/ebb"
)

// ebbConfig is Ebb without its default limit of 10 MB/s. Packets stay at
// Ethernet's 1500 bytes, which is the default, also where loopback would
// carry 64 KiB.
var ebbConfig = &ebb.Config{BandwidthLimit: ebb.Unlimited}

// ebbBareConfig is Ebb with every offload off: batches of single datagrams.
var ebbBareConfig = &ebb.Config{BandwidthLimit: ebb.Unlimited, NoGSO: true, NoGRO: true}

// ebbLargeConfig is Ebb with packets as large as loopback's, 64 KiB, and UDP admit. No bar counts it.
var ebbLargeConfig = &ebb.Config{BandwidthLimit: ebb.Unlimited, MaxDatagramSize: 65_507}

// ebbSocketsConfig is Ebb with four sockets on the listener's port. No bar counts it.
var ebbSocketsConfig = &ebb.Config{BandwidthLimit: ebb.Unlimited, Sockets: 4}

const ebbTuning = "BandwidthLimit Unlimited, packets ≤ 1500 bytes"

func ebbPeer() Peer {
	return Peer{
		Name: "ebb", Module: "example.com/ebb", Datagram: mergedDatagrams, Many: 5000,
		Tuning: ebbTuning + ", a socket per dial",
		Open:   func() (Transport, error) { return ebbTransport{ebbConfig}, nil },
	}
}

func ebbBarePeer() Peer {
	return Peer{
		Name: "ebb-nooffload", Module: "example.com/ebb", Datagram: wholeDatagrams,
		Tuning: ebbTuning + ", a socket per dial, NoGSO, NoGRO",
		Open:   func() (Transport, error) { return ebbTransport{ebbBareConfig}, nil },
	}
}

func ebbLargePeer() Peer {
	return Peer{
		Name: "ebb-large", Module: "example.com/ebb", Datagram: mergedDatagrams,
		Tuning: "BandwidthLimit Unlimited, packets of up to 65,507 bytes, as loopback's MTU admits, a socket per dial",
		Open:   func() (Transport, error) { return ebbTransport{ebbLargeConfig}, nil },
	}
}

func ebbSocketsPeer() Peer {
	return Peer{
		Name: "ebb-sockets", Module: "example.com/ebb", Datagram: mergedDatagrams,
		Tuning: ebbTuning + ", a socket per dial, four for the listener",
		Open:   func() (Transport, error) { return ebbTransport{ebbSocketsConfig}, nil },
	}
}

// ebbTransport dials each connection from a socket of its own, as ebb.Dial does.
type ebbTransport struct{ config *ebb.Config }

func (t ebbTransport) Listen(address string) (net.Listener, error) {
	lc := ebb.ListenConfig{Config: t.config}
	return lc.Listen(context.Background(), "udp", address)
}

func (t ebbTransport) Dial(ctx context.Context, address string) (net.Conn, error) {
	d := ebb.Dialer{Config: t.config}
	return d.DialContext(ctx, "udp", address)
}

func (ebbTransport) Close() error { return nil }

func ebbEndpointPeer() Peer {
	return Peer{
		Name: "ebb-endpoint", Module: "example.com/ebb", Datagram: mergedDatagrams, Many: 10_000,
		Tuning: ebbTuning + ", all dials from one Endpoint",
		Open: func() (Transport, error) {
			socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				return nil, err
			}
			endpoint, err := ebb.NewEndpoint(socket, ebbConfig)
			if err != nil {
				return nil, err
			}
			return &ebbEndpoint{ebbTransport{ebbConfig}, endpoint}, nil
		},
	}
}

// ebbEndpoint dials all connections from one socket, as a program with
// thousands of them does.
type ebbEndpoint struct {
	ebbTransport
	endpoint *ebb.Endpoint
}

func (t *ebbEndpoint) Dial(ctx context.Context, address string) (net.Conn, error) {
	return t.endpoint.DialContext(ctx, "udp", address)
}

func (t *ebbEndpoint) Close() error { return t.endpoint.Close() }

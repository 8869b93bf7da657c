package peer

import (
	"context"
	"crypto/tls"
	"net"

	"example.com/ebb"
)

const ebbTLSTuning = "Config.TLS, ECDSA P-256 certificate, full handshakes, " + ebbTuning

// ebbTLSPeer is Ebb with protected connections, under the same configs as TLS over TCP.
func ebbTLSPeer() Peer {
	open := func(resume bool) func() (Transport, error) {
		return func() (Transport, error) { return newEbbTLSTransport(resume) }
	}
	return Peer{
		Name: "ebb-tls", Module: "example.com/ebb", Datagram: mergedDatagrams,
		Tuning: ebbTLSTuning + ", a socket per dial",
		Open:   open(false), Resume: open(true), TLS: stateOf,
	}
}

// ebbTLSEndpointPeer is the same with all dials from one socket.
func ebbTLSEndpointPeer() Peer {
	open := func(resume bool) func() (Transport, error) {
		return func() (Transport, error) {
			t, err := newEbbTLSTransport(resume)
			if err != nil {
				return nil, err
			}
			socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				return nil, err
			}
			endpoint, err := ebb.NewEndpoint(socket, t.client)
			if err != nil {
				return nil, err
			}
			return &ebbTLSEndpoint{t, endpoint}, nil
		}
	}
	return Peer{
		Name: "ebb-tls-endpoint", Module: "example.com/ebb", Datagram: mergedDatagrams, Many: 10_000,
		Tuning: ebbTLSTuning + ", all dials from one Endpoint",
		Open:   open(false), Resume: open(true), TLS: stateOf,
	}
}

// ebbTLSTransport has a config for each role: a listener's has the certificate.
type ebbTLSTransport struct{ server, client *ebb.Config }

func newEbbTLSTransport(resume bool) (ebbTLSTransport, error) {
	server, client, err := tlsConfigs(resume)
	config := func(c *tls.Config) *ebb.Config { return &ebb.Config{BandwidthLimit: ebb.Unlimited, TLS: c} }
	return ebbTLSTransport{config(server), config(client)}, err
}

func (t ebbTLSTransport) Listen(address string) (net.Listener, error) {
	return ebbTransport{t.server}.Listen(address)
}

func (t ebbTLSTransport) Dial(ctx context.Context, address string) (net.Conn, error) {
	return ebbTransport{t.client}.Dial(ctx, address)
}

func (ebbTLSTransport) Close() error { return nil }

// ebbTLSEndpoint dials all connections from one socket.
type ebbTLSEndpoint struct {
	ebbTLSTransport
	endpoint *ebb.Endpoint
}

func (t *ebbTLSEndpoint) Dial(ctx context.Context, address string) (net.Conn, error) {
	return t.endpoint.DialContext(ctx, "udp", address)
}

func (t *ebbTLSEndpoint) Close() error { return t.endpoint.Close() }

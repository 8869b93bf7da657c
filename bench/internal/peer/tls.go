package peer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"time"
)

func tlsPeer() Peer {
	open := func(resume bool) func() (Transport, error) {
		return func() (Transport, error) {
			server, client, err := tlsConfigs(resume)
			if err != nil {
				return nil, err
			}
			return tlsTransport{tcpTransport{"cubic"}, server, client}, nil
		}
	}
	return Peer{
		Name:   "tls",
		Tuning: "TLS 1.3 over TCP cubic, ECDSA P-256 certificate, full handshakes",
		Open:   open(false), Resume: open(true), TLS: stateOf,
	}
}

// stateOf is what TLS says of a connection that can tell.
func stateOf(c net.Conn) tls.ConnectionState {
	return c.(interface{ ConnectionState() tls.ConnectionState }).ConnectionState()
}

// tlsTransport is crypto/tls over the kernel's TCP.
type tlsTransport struct {
	tcpTransport
	server, client *tls.Config
}

func (t tlsTransport) Listen(address string) (net.Listener, error) {
	ln, err := t.tcpTransport.Listen(address)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(ln, t.server), nil
}

func (t tlsTransport) Dial(ctx context.Context, address string) (net.Conn, error) {
	c, err := t.tcpTransport.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(c, t.client)
	if err := secured.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return secured, nil
}

// tlsConfigs makes a certificate for this run. The two ends may be processes
// that share nothing, so the client does not verify it: what that leaves out
// of a handshake is one signature of the chain, not the key exchange. A client that does not resume keeps no tickets.
func tlsConfigs(resume bool) (server, client *tls.Config, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{"bench"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	server = &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		NextProtos:   []string{"bench"},
	}
	client = &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: "bench", NextProtos: []string{"bench"},
		InsecureSkipVerify: true,
	}
	if resume {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return server, client, nil
}

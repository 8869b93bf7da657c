package peerid

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"slices"
	"time"
)

// sessions is how many tickets a client's config keeps. They are of one peer, which may have several addresses.
const sessions = 4

var errKeySize = errors.New("peerid: not an Ed25519 private key")

// Client is the config of a client that has a key and dials the peer with an ID. If somebody else answers, the handshake ends
// with a *WrongPeerError at the client and the alert bad_certificate at the other. A key of the wrong size ends
// it too.
//
// The config resumes sessions if it is used again. The name of the host that is dialled says nothing of who answers, and is not
// compared with anything.
func Client(key ed25519.PrivateKey, id ID) *tls.Config {
	cert, err := certificate(key)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return cert, err
		},
		InsecureSkipVerify: true, // of names and authorities: VerifyConnection compares the key
		VerifyConnection:   Only(id),
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
	}
}

// Server is the config of a server that has a key, and asks every client for its key. Of says who has come. To admit
// certain clients only, set VerifyConnection to Only of them. A key of the wrong size ends every handshake.
func Server(key ed25519.PrivateKey) *tls.Config {
	cert, err := certificate(key)
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return cert, err
		},
		ClientAuth: tls.RequireAnyClientCert, // VerifyConnection looks at the key in it
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := Of(state)
			return err
		},
	}
}

// Only is a tls.Config.VerifyConnection that admits the peers with these IDs, and without any admits nobody. crypto/tls calls it
// for resumed sessions too. Its error is ErrNoKey or a *WrongPeerError.
func Only(ids ...ID) func(tls.ConnectionState) error {
	ids = slices.Clone(ids)
	return func(state tls.ConnectionState) error {
		got, err := Of(state)
		if err != nil {
			return err
		}
		if !slices.Contains(ids, got) {
			return &WrongPeerError{Got: got, Want: slices.Clone(ids)}
		}
		return nil
	}
}

// certificate is what TLS wants a key wrapped in. Nobody looks at anything but the key, so it has no name, and no date at which
// a clock could be wrong (RFC 5280 section 4.1.2.5 has the last one for such certificates).
func certificate(key ed25519.PrivateKey) (*tls.Certificate, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, errKeySize
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{},
		NotBefore:    time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

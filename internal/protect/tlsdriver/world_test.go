package tlsdriver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"testing"
	"time"

	"example.com/ebb/internal/protect"
)

// authority signs certificates for tests.
type authority struct {
	key  ed25519.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

var (
	testBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	testNow   = testBegin.Add(24 * time.Hour)
	testEnd   = testBegin.Add(48 * time.Hour)
)

func newAuthority(t testing.TB) *authority {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: testBegin, NotAfter: testEnd,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

// issue makes a certificate of a P-256 key for a name, with some extra names that make it longer.
func (a *authority) issue(t testing.TB, name string, extra ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: append([]string{name}, extra...),
		NotBefore: testBegin, NotAfter: testEnd, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

const testName = "server.test"

// configs are those of two sides that agree.
func configs(t testing.TB) (client, server *tls.Config) {
	t.Helper()
	a := newAuthority(t)
	now := func() time.Time { return testNow }
	return &tls.Config{RootCAs: a.pool, Time: now, ServerName: testName},
		&tls.Config{Certificates: []tls.Certificate{a.issue(t, testName)}, ClientCAs: a.pool, Time: now}
}

// end is one side of a handshake in a test.
type end struct {
	*Driver
	sent [3]bytes.Buffer  // by level
	seal [3]protect.Event // secrets
	open [3]protect.Event //
	peer []byte           // the peer's parameters
	done bool             //
	err  error            //
}

// take notes what has come of the work.
func (e *end) take() {
	for {
		switch v := e.Next(); v.Kind {
		case protect.EventNone:
			return
		case protect.EventSend:
			e.sent[v.Level].Write(v.Data)
		case protect.EventSealSecret:
			e.seal[v.Level] = v
		case protect.EventOpenSecret:
			e.open[v.Level] = v
		case protect.EventPeer:
			e.peer = v.Data
		case protect.EventDone:
			e.done = true
		case protect.EventFailed:
			e.err = v.Err
		}
	}
}

var (
	clientAddr = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1}
	serverAddr = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 2}
)

// ends are two drivers with the configs of an application.
func ends(t testing.TB, client, server *tls.Config) (c, s *end) {
	t.Helper()
	clientTLS, err := ClientConfig(client, testName)
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, err := ServerConfig(server)
	if err != nil {
		t.Fatal(err)
	}
	return endsOf(t, clientTLS, serverTLS)
}

func endsOf(t testing.TB, clientTLS, serverTLS *tls.Config) (c, s *end) {
	c = &end{Driver: New(context.Background(), Params{Client: true, TLS: clientTLS, Transport: []byte("client's")})}
	s = &end{Driver: New(context.Background(), Params{TLS: serverTLS, Transport: []byte("server's"), Local: serverAddr, Remote: clientAddr})}
	t.Cleanup(c.Close)
	t.Cleanup(s.Close)
	return c, s
}

// converse has two ends talk, in pieces of so many bytes, until neither has more to say. All work is done on this goroutine.
func converse(t testing.TB, c, s *end, piece int) {
	t.Helper()
	for _, e := range []*end{c, s} {
		if e.Start() {
			e.Work(e.take)
		}
	}
	for range 100 {
		quiet := true
		for _, d := range [][2]*end{{c, s}, {s, c}} {
			for l := range d[0].sent {
				for b := d[0].sent[l].Next(piece); len(b) > 0; b = d[0].sent[l].Next(piece) {
					quiet = false
					work, err := d[1].Receive(protect.Level(l), b)
					if err != nil {
						t.Fatal(err)
					}
					if work {
						d[1].Work(d[1].take)
					}
				}
			}
		}
		if quiet {
			return
		}
	}
	t.Fatal("the two sides talk for ever")
}

// agreed checks that both ends have come to the same.
func agreed(t testing.TB, c, s *end) {
	t.Helper()
	if c.err != nil || s.err != nil || !c.done || !s.done {
		t.Fatalf("client: done %v, %v; server: done %v, %v", c.done, c.err, s.done, s.err)
	}
	if string(c.peer) != "server's" || string(s.peer) != "client's" {
		t.Errorf("parameters %q and %q", c.peer, s.peer)
	}
	for _, l := range []protect.Level{protect.LevelHandshake, protect.LevelData} {
		for _, d := range [][2]*end{{c, s}, {s, c}} {
			out, in := d[0].seal[l], d[1].open[l]
			if len(out.Data) < 32 || !bytes.Equal(out.Data, in.Data) || out.Suite != in.Suite {
				t.Errorf("%v: sealed with %v %x, opened with %v %x", l, out.Suite, out.Data, in.Suite, in.Data)
			}
		}
		if bytes.Equal(c.seal[l].Data, s.seal[l].Data) {
			t.Errorf("%v: one secret for both directions", l)
		}
	}
	for _, e := range []*end{c, s} {
		if state, ok := e.State(); !ok || !state.HandshakeComplete || state.Version != tls.VersionTLS13 {
			t.Errorf("state %v, %+v", ok, state)
		}
	}
}

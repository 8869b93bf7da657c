package ebb_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"example.com/ebb"
	"example.com/ebb/peerid"
)

// issuer signs certificates.
type issuer struct {
	key  ed25519.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{pool: x509.NewCertPool()}
	i.cert, i.key = i.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour),
	})
	i.pool.AddCert(i.cert)
	return i
}

// sign makes a key and a certificate for it, which signs itself if there is no issuer yet.
func (i *issuer) sign(t *testing.T, template *x509.Certificate) (*x509.Certificate, ed25519.PrivateKey) {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, by := i.cert, i.key
	if parent == nil {
		parent, by = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// issue makes a certificate for a name, or for 127.0.0.1 too, that ends at a time.
func (i *issuer) issue(t *testing.T, name string, until time.Time) tls.Certificate {
	t.Helper()
	cert, key := i.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// secured are the configs of a client and a server that agree.
func secured(t *testing.T) (client, server *tls.Config) {
	t.Helper()
	i := newIssuer(t)
	return &tls.Config{RootCAs: i.pool}, &tls.Config{Certificates: []tls.Certificate{i.issue(t, "server.test", time.Now().Add(time.Hour))}, ClientCAs: i.pool}
}

// dialTLS dials a listener, and closes the connection with the test.
func dialTLS(t *testing.T, l *ebb.Listener, cfg *tls.Config) (net.Conn, error) {
	t.Helper()
	d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: cfg}), Timeout: patience}
	c, err := d.Dial("udp4", l.Addr().String())
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// meet returns both ends of a protected connection.
func meet(t *testing.T, l *ebb.Listener, cfg *tls.Config) (dialled, accepted *ebb.SecureConn) {
	t.Helper()
	c, err := dialTLS(t, l, cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.SetDeadline(time.Now().Add(patience))
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return c.(*ebb.SecureConn), s.(*ebb.SecureConn)
}

// ticketCache tells when a ticket has come.
type ticketCache struct {
	tls.ClientSessionCache
	came chan struct{}
}

func (c ticketCache) Put(key string, session *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, session)
	c.came <- struct{}{}
}

// TestTLS: a protected connection carries bytes, knows its peer's certificate by the host that was dialled, and resumes.
func TestTLS(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	client.NextProtos, server.NextProtos = []string{"b", "a"}, []string{"a"}
	tickets := ticketCache{tls.NewLRUClientSessionCache(1), make(chan struct{}, 10)}
	client.ClientSessionCache = tickets
	l := listen(t, &ebb.Config{TLS: server})
	for _, resumed := range []bool{false, true} {
		c, s := meet(t, l, client)
		for name, end := range map[string]*ebb.SecureConn{"client": c, "server": s} {
			state := end.ConnectionState()
			if !state.HandshakeComplete || state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "a" || state.DidResume != resumed {
				t.Errorf("%s: %+v", name, state)
			}
			if _, ok := end.TLS(); !ok {
				t.Errorf("%s: TLS says no", name)
			}
		}
		if got := c.ConnectionState().PeerCertificates[0].DNSNames[0]; got != "server.test" {
			t.Errorf("the peer is %q", got)
		}
		write(t, c, "question")
		reads(t, s, "question")
		write(t, s, "answer")
		reads(t, c, "answer")
		<-tickets.came
		c.Close()
		if err := readsError(t, s); err != io.EOF {
			t.Errorf("the end: %v", err)
		}
		s.Close()
	}
	plain, _ := pair(t, nil)
	if _, ok := plain.TLS(); ok {
		t.Error("TLS of a plain connection says yes")
	}
}

// TestTLSRefusals: who is not the peer that was meant, and who does not speak the other's protocol, is refused with the errors of crypto/tls.
func TestTLSRefusals(t *testing.T) {
	leavesNothing(t)
	i, other := newIssuer(t), newIssuer(t)
	fresh := time.Now().Add(time.Hour)
	good := []tls.Certificate{i.issue(t, "server.test", fresh)}
	is := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	alert := func(want tls.AlertError) func(error) bool {
		return func(err error) bool {
			var got tls.AlertError
			return errors.As(err, &got) && got == want
		}
	}
	for name, try := range map[string]struct {
		client, server *tls.Config
		want           func(error) bool
	}{
		"unknown authority": {&tls.Config{RootCAs: other.pool}, &tls.Config{Certificates: good}, is(new(x509.UnknownAuthorityError))},
		"other name":        {&tls.Config{RootCAs: i.pool, ServerName: "other.test"}, &tls.Config{Certificates: good}, is(new(x509.HostnameError))},
		"expired": {&tls.Config{RootCAs: i.pool}, &tls.Config{Certificates: []tls.Certificate{i.issue(t, "a", time.Now().Add(-time.Hour))}},
			is(new(x509.CertificateInvalidError))},
		"no protocol in common": {&tls.Config{RootCAs: i.pool, NextProtos: []string{"a"}}, &tls.Config{Certificates: good, NextProtos: []string{"b"}}, alert(120)},
		"no certificate for it": {&tls.Config{RootCAs: i.pool}, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, errors.New("none")
		}}, alert(80)},
	} {
		l := listen(t, &ebb.Config{TLS: try.server})
		began := time.Now()
		_, err := dialTLS(t, l, try.client)
		var op *net.OpError
		if !errors.As(err, &op) || op.Op != "dial" || !try.want(err) {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: after %v", name, took)
		}
		l.Close()
	}
}

// TestTLSClientCertificate: a client that is asked who it is says so, and one that does not learns it from its first Read, as with crypto/tls.
func TestTLSClientCertificate(t *testing.T) {
	leavesNothing(t)
	i := newIssuer(t)
	l := listen(t, &ebb.Config{TLS: &tls.Config{
		Certificates: []tls.Certificate{i.issue(t, "server.test", time.Now().Add(time.Hour))}, ClientCAs: i.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}})
	c, err := dialTLS(t, l, &tls.Config{RootCAs: i.pool})
	if err == nil {
		err = readsError(t, c)
	}
	var alert tls.AlertError
	if !errors.As(err, &alert) || alert != 116 {
		t.Errorf("without a certificate: %v", err)
	}
	_, s := meet(t, l, &tls.Config{RootCAs: i.pool, Certificates: []tls.Certificate{i.issue(t, "client.test", time.Now().Add(time.Hour))}})
	if got := s.ConnectionState().PeerCertificates[0].DNSNames[0]; got != "client.test" {
		t.Errorf("the client is %q", got)
	}
}

// logged is a log of what is not for debugging.
type logged chan slog.Record

func (logged) Enabled(_ context.Context, level slog.Level) bool     { return level > slog.LevelDebug }
func (l logged) Handle(_ context.Context, record slog.Record) error { l <- record; return nil }
func (l logged) WithAttrs([]slog.Attr) slog.Handler                 { return l }
func (l logged) WithGroup(string) slog.Handler                      { return l }

// TestTLSAndPlain: a side with TLS and one without say so.
func TestTLSAndPlain(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	logs := []logged{make(logged, 10), make(logged, 10)}
	secure, plain := listen(t, &ebb.Config{TLS: server, Logger: slog.New(logs[0])}), listen(t, &ebb.Config{Logger: slog.New(logs[1])})
	began := time.Now()
	for i, try := range []struct {
		l   *ebb.Listener
		cfg *tls.Config
		is  error
		say string
	}{{secure, nil, ebb.ErrProtected, "protected connections only"}, {plain, client, ebb.ErrPlain, "plain connections only"}} {
		_, err := dialTLS(t, try.l, try.cfg)
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, try.is) || !strings.Contains(err.Error(), try.say) {
			t.Errorf("%v, want one that says %q", err, try.say)
		}
		for range 3 {
			dialTLS(t, try.l, try.cfg)
		}
		record := <-logs[i]
		if record.Level != slog.LevelInfo || record.Message != "dial refused" || record.NumAttrs() != 3 {
			t.Errorf("the listener's log has %v", record)
		}
	}
	for i, log := range logs {
		if most := int(time.Since(began) / time.Second); len(log) > most {
			t.Errorf("log %d has %d lines more, and may have one a second", i, len(log))
		}
	}
}

// TestTLSConfigErrors: what cannot work is said at once.
func TestTLSConfigErrors(t *testing.T) {
	for name, cfg := range map[string]*tls.Config{"no certificate": {}, "too old": {MaxVersion: tls.VersionTLS12}} {
		var op *net.OpError
		if _, err := (&ebb.ListenConfig{Config: &ebb.Config{TLS: cfg}}).Listen(t.Context(), "udp4", "127.0.0.1:0"); !errors.As(err, &op) || op.Op != "listen" {
			t.Errorf("%s: Listen: %v", name, err)
		}
	}
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := ebb.NewEndpoint(pc, &ebb.Config{TLS: &tls.Config{MaxVersion: tls.VersionTLS12}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var op *net.OpError
	if _, err := e.Listen(); !errors.As(err, &op) || op.Op != "listen" {
		t.Errorf("Endpoint.Listen: %v", err)
	}
	if _, err := e.Dial("udp4", "127.0.0.1:9"); !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("Endpoint.Dial: %v", err)
	}
}

// TestDialByKey: a peer is dialled by its identity, and another at its address is found out by both.
func TestDialByKey(t *testing.T) {
	leavesNothing(t)
	client, server := peerid.NewKey(), peerid.NewKey()
	l := listen(t, &ebb.Config{TLS: peerid.Server(server)})
	_, s := meet(t, l, peerid.Client(client, peerid.IDOf(server)))
	if id, err := peerid.Of(s.ConnectionState()); err != nil || id != peerid.IDOf(client) {
		t.Errorf("the client is %v, %v", id, err)
	}
	want := peerid.IDOf(client)
	_, err := dialTLS(t, l, peerid.Client(client, want))
	var wrong *peerid.WrongPeerError
	if !errors.As(err, &wrong) || wrong.Got != peerid.IDOf(server) || wrong.Want[0] != want {
		t.Errorf("the wrong key: %v", err)
	}
}

// TestTLSRestart: with the key of before a restarted server ends its connections at once; without it they ask first.
func TestTLSRestart(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	for _, key := range []*[32]byte{{1, 2, 3}, nil} {
		cfg := &ebb.Config{TLS: server, ResetKey: key}
		l := listen(t, cfg)
		addr := l.Addr().String()
		c, s := meet(t, l, client)
		write(t, s, "x")
		reads(t, c, "x")
		eventually(t, "the reset token to be there", func() bool { return s.Info().InFlight == 0 })
		l.Endpoint().Vanish()
		again, err := (&ebb.ListenConfig{Config: inMode(cfg)}).Listen(t.Context(), "udp4", addr)
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, "are you there?")
		err = readsError(t, c)
		if believed := strings.Contains(err.Error(), "does not know the connection"); !errors.Is(err, syscall.ECONNRESET) || believed != (key != nil) {
			t.Errorf("with a key (%v): %v", key != nil, err)
		}
		again.Close()
	}
}

// TestNettestTLS is TestNettest over protected connections.
func TestNettestTLS(t *testing.T) {
	client, server := secured(t)
	leavesNothing(t)
	nettest.TestConn(t, func() (dialled, accepted net.Conn, stop func(), err error) {
		l, err := (&ebb.ListenConfig{Config: inMode(&ebb.Config{TLS: server})}).Listen(t.Context(), "udp4", "127.0.0.1:0")
		if err != nil {
			return nil, nil, nil, err
		}
		defer l.Close()
		d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: client})}
		if dialled, err = d.Dial("udp4", l.Addr().String()); err != nil {
			return nil, nil, nil, err
		}
		if accepted, err = l.Accept(); err != nil {
			dialled.Close()
			return nil, nil, nil, err
		}
		return dialled, accepted, func() { dialled.Close(); accepted.Close() }, nil
	})
}

package peerid

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
)

// outcome is what both sides of a connection know in the end.
type outcome struct {
	client, server       tls.ConnectionState
	clientErr, serverErr error
}

// meet makes a connection of crypto/tls over TCP. A byte goes each way, so that each side sees the other's verdict, and
// a ticket arrives.
func meet(t *testing.T, client, server *tls.Config) (o outcome) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error)
	var s *tls.Conn
	go func() {
		conn, err := l.Accept()
		if err == nil {
			defer conn.Close()
			s = tls.Server(conn, server)
			err = echo(s)
		}
		served <- err
	}()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(conn, client)
	if _, o.clientErr = c.Write([]byte{1}); o.clientErr == nil {
		_, o.clientErr = c.Read(make([]byte, 1))
	}
	conn.Close()
	o.serverErr = <-served
	o.client, o.server = c.ConnectionState(), s.ConnectionState()
	return o
}

// echo answers one byte.
func echo(c *tls.Conn) error {
	var b [1]byte
	if _, err := c.Read(b[:]); err != nil {
		return err
	}
	_, err := c.Write(b[:])
	return err
}

// TestMeet: two peers know each other by their keys.
func TestMeet(t *testing.T) {
	clientKey, serverKey := NewKey(), NewKey()
	o := meet(t, Client(clientKey, IDOf(serverKey)), Server(serverKey))
	if o.clientErr != nil || o.serverErr != nil {
		t.Fatalf("%v, %v", o.clientErr, o.serverErr)
	}
	if id, err := Of(o.client); id != IDOf(serverKey) || err != nil {
		t.Errorf("the client meets %v, %v", id, err)
	}
	if id, err := Of(o.server); id != IDOf(clientKey) || err != nil {
		t.Errorf("the server meets %v, %v", id, err)
	}
	if o.client.Version != tls.VersionTLS13 {
		t.Errorf("version %#x", o.client.Version)
	}
}

// TestWrongPeer: the client's error names who answered and who should have, and the server learns that it was not wanted.
func TestWrongPeer(t *testing.T) {
	want, got := IDOf(NewKey()), NewKey()
	o := meet(t, Client(NewKey(), want), Server(got))
	wrong, ok := errors.AsType[*WrongPeerError](o.clientErr)
	if !ok || wrong.Got != IDOf(got) || len(wrong.Want) != 1 || wrong.Want[0] != want {
		t.Fatalf("client: %v", o.clientErr)
	}
	if s := wrong.Error(); !strings.Contains(s, want.String()) || !strings.Contains(s, IDOf(got).String()) {
		t.Errorf("%q does not name both", s)
	}
	if o.serverErr == nil || !strings.Contains(o.serverErr.Error(), "bad certificate") {
		t.Errorf("server: %v", o.serverErr)
	}
}

// TestNobody: the zero ID is nobody's, not everybody's.
func TestNobody(t *testing.T) {
	if o := meet(t, Client(NewKey(), ID{}), Server(NewKey())); o.clientErr == nil {
		t.Error("a client without an ID takes anybody")
	}
	if err := Only()(tls.ConnectionState{}); !errors.Is(err, ErrNoKey) {
		t.Errorf("a connection without a peer: %v", err)
	}
}

// TestOnly: a server that admits some refuses others.
func TestOnly(t *testing.T) {
	serverKey, friend, stranger := NewKey(), NewKey(), NewKey()
	for _, c := range []struct {
		admitted []ID
		admits   bool
	}{{[]ID{IDOf(friend)}, true}, {[]ID{IDOf(stranger), IDOf(friend)}, true}, {[]ID{IDOf(stranger)}, false}, {nil, false}} {
		server := Server(serverKey)
		server.VerifyConnection = Only(c.admitted...)
		o := meet(t, Client(friend, IDOf(serverKey)), server)
		if (o.serverErr == nil) != c.admits || (o.clientErr == nil) != c.admits {
			t.Errorf("%v: %v, %v", c.admitted, o.clientErr, o.serverErr)
		}
		if _, ok := errors.AsType[*WrongPeerError](o.serverErr); ok == c.admits {
			t.Errorf("%v: %v", c.admitted, o.serverErr)
		}
	}
}

// TestNoKey: a server takes no client without a key, or with a key of another kind.
func TestNoKey(t *testing.T) {
	serverKey := NewKey()
	client := Client(NewKey(), IDOf(serverKey))
	client.GetClientCertificate = nil
	if o := meet(t, client, Server(serverKey)); o.serverErr == nil || o.clientErr == nil {
		t.Errorf("without a key: %v, %v", o.clientErr, o.serverErr)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	client.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	if o := meet(t, client, Server(serverKey)); !errors.Is(o.serverErr, ErrNoKey) || o.clientErr == nil {
		t.Errorf("with a key of P-256: %v, %v", o.clientErr, o.serverErr)
	}
	for _, bad := range []*tls.Config{Client(nil, IDOf(serverKey)), Client(serverKey[:32], IDOf(serverKey))} {
		if o := meet(t, bad, Server(serverKey)); !errors.Is(o.clientErr, errKeySize) {
			t.Errorf("a client's key of the wrong size: %v", o.clientErr)
		}
	}
	if o := meet(t, Client(NewKey(), IDOf(serverKey)), Server(nil)); !errors.Is(o.serverErr, errKeySize) {
		t.Errorf("a server's key of the wrong size: %v", o.serverErr)
	}
}

// TestResumed: a session that is resumed has a peer, who is compared again.
func TestResumed(t *testing.T) {
	clientKey, serverKey := NewKey(), NewKey()
	server := Server(serverKey)
	client := Client(clientKey, IDOf(serverKey))
	client.ServerName = "host.test"
	for i := range 3 {
		o := meet(t, client, server)
		if o.clientErr != nil || o.serverErr != nil || o.client.DidResume != (i > 0) {
			t.Fatalf("connection %d: resumed %v, %v, %v", i, o.client.DidResume, o.clientErr, o.serverErr)
		}
		for state, want := range map[*tls.ConnectionState]ID{&o.client: IDOf(serverKey), &o.server: IDOf(clientKey)} {
			if id, err := Of(*state); id != want || err != nil {
				t.Errorf("connection %d: %v, %v, want %v", i, id, err, want)
			}
		}
	}
	// The same tickets in the hands of a client that wants somebody else.
	other := Client(clientKey, IDOf(NewKey()))
	other.ServerName, other.ClientSessionCache = client.ServerName, client.ClientSessionCache
	o := meet(t, other, server)
	if _, ok := errors.AsType[*WrongPeerError](o.clientErr); !ok {
		t.Errorf("resumed with the wrong peer: %v", o.clientErr)
	}
	// And a server that does not admit the client any more.
	server.VerifyConnection = Only()
	o = meet(t, client, server)
	if _, ok := errors.AsType[*WrongPeerError](o.serverErr); !ok {
		t.Errorf("a client that is not admitted any more resumes: %v", o.serverErr)
	}
}

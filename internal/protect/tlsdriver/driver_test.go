package tlsdriver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// TestHandshake: two sides agree, whatever the pieces in which their bytes travel. A ClientHello with the key shares that
// Go sends by default does not fit into one packet.
func TestHandshake(t *testing.T) {
	for _, piece := range []int{1, 100, 1000, 1 << 20} {
		client, server := configs(t)
		c, s := ends(t, client, server)
		if !c.Start() {
			t.Fatal("a client has nothing to do")
		}
		c.Work(c.take)
		if n := c.sent[protect.LevelInitial].Len(); n <= wire.MinInitialSize {
			t.Errorf("a ClientHello of %d bytes", n)
		}
		converse(t, c, s, piece)
		agreed(t, c, s)
		state, _ := c.State()
		if state.CurveID != tls.X25519MLKEM768 || state.HelloRetryRequest || state.DidResume {
			t.Errorf("curve %v, retry %v, resumed %v", state.CurveID, state.HelloRetryRequest, state.DidResume)
		}
		if len(state.PeerCertificates) != 1 || state.PeerCertificates[0].Subject.CommonName != testName {
			t.Errorf("certificates %v", state.PeerCertificates)
		}
	}
}

// TestKeysOfHandshake: packets sealed with the secrets of one side open at the other.
func TestKeysOfHandshake(t *testing.T) {
	client, server := configs(t)
	c, s := ends(t, client, server)
	converse(t, c, s, 1200)
	agreed(t, c, s)
	for _, d := range [][2]*end{{c, s}, {s, c}} {
		out, err := protect.NewDataKeys(d[0].seal[protect.LevelData].Suite, protect.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		in, err := protect.NewDataKeys(d[1].open[protect.LevelData].Suite, protect.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(out.SetSend(d[0].seal[protect.LevelData].Data), in.SetRecv(d[1].open[protect.LevelData].Data)); err != nil {
			t.Fatal(err)
		}
		h := wire.Must(wire.AppendShort(nil, 1, 7, 3))
		packet := out.Seal(append(h, "frames"...), 0, len(h), 7)
		if number, frames, ok := in.Open(packet, wire.ShortHeaderLen(0), 0, false); !ok || number != 7 || string(frames) != "frames" {
			t.Errorf("opened as %d, %q, %v", number, frames, ok)
		}
	}
}

// TestHelloRetryRequest: a server that wants another group asks for it, and gets it.
func TestHelloRetryRequest(t *testing.T) {
	client, server := configs(t)
	client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
	server.CurvePreferences = []tls.CurveID{tls.CurveP256}
	c, s := ends(t, client, server)
	converse(t, c, s, 1000)
	agreed(t, c, s)
	if state, _ := c.State(); !state.HelloRetryRequest || state.CurveID != tls.CurveP256 {
		t.Errorf("retry %v, curve %v", state.HelloRetryRequest, state.CurveID)
	}
}

// TestClientCertificate: a server asks for one and learns whose it is.
func TestClientCertificate(t *testing.T) {
	a := newAuthority(t)
	client, server := configs(t)
	client.RootCAs, server.ClientCAs, server.ClientAuth = a.pool, a.pool, tls.RequireAndVerifyClientCert
	server.Certificates = []tls.Certificate{a.issue(t, testName)}
	client.Certificates = []tls.Certificate{a.issue(t, "client.test")}
	c, s := ends(t, client, server)
	converse(t, c, s, 1200)
	agreed(t, c, s)
	if state, _ := s.State(); len(state.PeerCertificates) != 1 || state.PeerCertificates[0].Subject.CommonName != "client.test" {
		t.Errorf("certificates %v", state.PeerCertificates)
	}
}

// TestResumption: the ticket of one handshake saves the certificate in the next, also if each handshake has its own copy of the
// server's config.
func TestResumption(t *testing.T) {
	for _, callback := range []bool{false, true} {
		client, server := configs(t)
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		if callback {
			only := server.Certificates[0]
			server.Certificates = nil
			server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &only, nil }
		}
		clientTLS, err := ClientConfig(client, testName)
		if err != nil {
			t.Fatal(err)
		}
		serverTLS, err := ServerConfig(server)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			c, s := endsOf(t, clientTLS, serverTLS)
			converse(t, c, s, 1200)
			agreed(t, c, s)
			ours, _ := c.State()
			theirs, _ := s.State()
			if ours.DidResume != (i > 0) || theirs.DidResume != (i > 0) {
				t.Errorf("callback %v, handshake %d: resumed %v and %v", callback, i, ours.DidResume, theirs.DidResume)
			}
			if c.conn != nil || s.conn != nil || c.ctx.Err() == nil || s.ctx.Err() == nil {
				t.Error("something is kept after the ticket")
			}
			if len(ours.VerifiedChains) == 0 {
				t.Error("a resumed connection without the chain of the first")
			}
		}
	}
}

// TestNoTicket: a client without a cache keeps nothing of the handshake, and takes a ticket in silence.
func TestNoTicket(t *testing.T) {
	client, server := configs(t)
	c, s := ends(t, client, server)
	converse(t, c, s, 7)
	agreed(t, c, s)
	if c.conn != nil || c.tickets.whole != 1 {
		t.Errorf("kept %v, after %d tickets", c.conn, c.tickets.whole)
	}
}

// TestAfterHandshake: what may not be said after a handshake ends the connection: TLS's key update, and whatever a client
// says.
func TestAfterHandshake(t *testing.T) {
	keyUpdate := []byte{24, 0, 0, 1, 0}
	for _, cache := range []tls.ClientSessionCache{nil, tls.NewLRUClientSessionCache(1)} {
		client, server := configs(t)
		client.ClientSessionCache = cache
		server.SessionTicketsDisabled = true
		c, s := ends(t, client, server)
		converse(t, c, s, 1200)
		agreed(t, c, s)
		for _, e := range []*end{c, s} {
			work, err := e.Receive(protect.LevelData, keyUpdate)
			if err != nil || !work {
				t.Fatalf("work %v, %v", work, err)
			}
			e.Work(e.take)
			if alert, ok := errors.AsType[tls.AlertError](e.err); !ok || alert != alertUnexpected {
				t.Errorf("with a cache: %v: %v", cache != nil, e.err)
			}
			if e.conn != nil {
				t.Error("something is kept after the end")
			}
		}
	}
}

// TestTicketReader: tickets in any pieces, none that is longer than they are.
func TestTicketReader(t *testing.T) {
	two := append([]byte{4, 0, 0, 3, 1, 2, 3}, 4, 0, 0, 0)
	for piece := 1; piece <= len(two); piece++ {
		var r ticketReader
		for b := two; len(b) > 0; b = b[min(piece, len(b)):] {
			if err := r.read(b[:min(piece, len(b))]); err != nil {
				t.Fatal(err)
			}
		}
		if r.whole != 2 {
			t.Errorf("%d tickets in pieces of %d bytes", r.whole, piece)
		}
	}
	var r ticketReader
	if err := r.read([]byte{4, 1, 0, 1}); err == nil {
		t.Error("a ticket of more than 64 KiB")
	}
}

// TestTooMuch: bytes that nobody reads are bounded.
func TestTooMuch(t *testing.T) {
	client, server := configs(t)
	_, s := ends(t, client, server)
	for i := 0; ; i += 1000 {
		_, err := s.Receive(protect.LevelInitial, make([]byte, 1000))
		if err != nil {
			if !errors.Is(err, ErrTooMuch) || i+1000 <= MaxWaiting {
				t.Errorf("after %d bytes: %v", i, err)
			}
			break
		}
	}
	s.Work(s.take)
	if s.err == nil || s.conn != nil {
		t.Error("zeros are a ClientHello")
	}
}

// TestGarbage: whatever comes instead of a handshake ends it with an alert, at each level.
func TestGarbage(t *testing.T) {
	for l := protect.LevelInitial; l <= protect.LevelData; l++ {
		client, server := configs(t)
		c, s := ends(t, client, server)
		for _, e := range []*end{c, s} {
			if e.Start() {
				e.Work(e.take)
			}
			if work, err := e.Receive(l, bytes.Repeat([]byte{0xff}, 100)); err != nil || !work {
				t.Fatalf("work %v, %v", work, err)
			}
			e.Work(e.take)
			failure, ok := errors.AsType[*Error](e.err)
			if !ok || failure.Alert == 0 || e.done {
				t.Errorf("%v: done %v, %v", l, e.done, e.err)
			}
			if work, err := e.Receive(l, []byte{1}); work || err != nil || e.Next().Kind != protect.EventNone {
				t.Errorf("%v: something comes after the end: %v, %v", l, work, err)
			}
		}
	}
}

// TestCallbackAddresses: what crypto/tls calls at the server sees the addresses of the connection, and the connection's context.
func TestCallbackAddresses(t *testing.T) {
	client, server := configs(t)
	only := server.Certificates[0]
	var seen []net.Addr
	look := func(info *tls.ClientHelloInfo) {
		seen = append(seen, info.Conn.LocalAddr(), info.Conn.RemoteAddr())
		if _, err := info.Conn.Read(nil); err == nil {
			t.Error("a callback may read")
		}
	}
	inner := &tls.Config{MinVersion: tls.VersionTLS12, Time: server.Time, GetCertificate: func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
		look(info)
		return &only, nil
	}}
	outer := &tls.Config{GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		look(info)
		return inner, nil
	}}
	c, s := ends(t, client, outer)
	converse(t, c, s, 1200)
	agreed(t, c, s)
	if len(seen) != 4 || seen[0] != net.Addr(serverAddr) || seen[1] != net.Addr(clientAddr) || seen[2] != seen[0] || seen[3] != seen[1] {
		t.Errorf("callbacks saw %v", seen)
	}
	if inner.MinVersion != tls.VersionTLS12 {
		t.Error("the application's config was changed")
	}
}

// TestClose: at each stage it leaves nothing, and no goroutine of crypto/tls's, for which the bubble would wait.
func TestClose(t *testing.T) {
	for stage := range 4 {
		synctest.Test(t, func(t *testing.T) { closeAt(t, stage) })
	}
}

func closeAt(t *testing.T, stage int) {
	client, server := configs(t)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	server.SessionTicketsDisabled = true
	c, s := ends(t, client, server)
	if stage >= 1 && c.Start() {
		c.Work(c.take)
	}
	if stage >= 2 {
		if work, err := s.Receive(protect.LevelInitial, c.sent[0].Next(100)); !work || err != nil {
			t.Fatalf("work %v, %v", work, err)
		}
		s.Work(s.take)
	}
	if stage >= 3 {
		converse(t, c, s, 1200)
		agreed(t, c, s)
	}
	for _, e := range []*end{c, s} {
		e.Close()
		e.Close()
		if e.conn != nil || e.Start() || e.Next().Kind != protect.EventNone {
			t.Errorf("stage %d: something is left", stage)
		}
	}
}

// TestContext: a handshake ends with its context, at the next occasion.
func TestContext(t *testing.T) {
	client, _ := configs(t)
	config, err := ClientConfig(client, testName)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c := &end{Driver: New(ctx, Params{Client: true, TLS: config})}
	defer c.Close()
	c.Start()
	c.Work(c.take)
	if !errors.Is(c.err, context.Canceled) {
		t.Errorf("%v, want %v", c.err, context.Canceled)
	}
}

// TestSharedTicketKeys: two listeners that were given the same config resume each other's sessions.
func TestSharedTicketKeys(t *testing.T) {
	client, server := configs(t)
	client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	for i := range 2 {
		c, s := ends(t, client, server)
		converse(t, c, s, 1200)
		agreed(t, c, s)
		if state, _ := s.State(); state.DidResume != (i > 0) {
			t.Errorf("listener %d: resumed %v", i, state.DidResume)
		}
	}
}

//go:build !race

package ebb_test

import (
	"crypto"
	"crypto/tls"
	"io"
	"sync/atomic"
	"testing"

	"example.com/ebb"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// countingSigner is a key that counts what is signed with it.
type countingSigner struct {
	crypto.Signer
	signed atomic.Int64
}

func (s *countingSigner) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s.signed.Add(1)
	return s.Signer.Sign(random, digest, opts)
}

// clientHello is what TLS says first, for a key exchange that fits into one packet.
func clientHello(t *testing.T) []byte {
	t.Helper()
	c := tls.QUICClient(&tls.QUICConfig{TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: "server.test", CurvePreferences: []tls.CurveID{tls.X25519},
	}})
	defer c.Close()
	c.SetTransportParameters(nil)
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		switch e := c.NextEvent(); e.Kind {
		case tls.QUICWriteData:
			return append([]byte(nil), e.Data...)
		case tls.QUICNoEvent:
			t.Fatal("TLS says nothing")
		}
	}
}

// helloFrom is a protected INITIAL of a client that says hello and nothing else.
func helloFrom(client wire.ID, hello []byte) []byte {
	h := wire.Header{Type: wire.Initial, Version: wire.VersionProtected, Dst: ^client, Src: client, NumberLen: 1}
	seal, _, err := protect.NewInitialKeys(h.Dst, true)
	if err != nil {
		panic("BUG: AES-128-GCM: " + err.Error())
	}
	b := wire.Must(wire.AppendHeader(nil, h))
	body := len(b)
	b = wire.Must(wire.AppendCrypto(b, 0, hello))
	return seal.Seal(wire.AppendPadding(b, wire.MinInitialSize-len(b)-protect.TagSize), 0, body, 0)
}

// TestTLSFlood [W243]: a flood of INITIALs in everybody's name, each with all that TLS needs to answer, costs a signature and a key exchange
// for each place below Config.RetryThreshold, and from there on none. A client that answers with a cookie gets in meanwhile. Without a
// threshold each of them costs both: what is counted is what there would be.
func TestTLSFlood(t *testing.T) {
	const threshold = 16
	n := 3000
	if *longTables {
		n = 200_000
	}
	hello := clientHello(t)
	initial := func(id wire.ID) []byte { return helloFrom(id, hello) }
	for _, c := range []struct {
		threshold, n, least, most int
	}{
		{threshold, n, threshold, threshold},
		{-1, 300, 50, 300}, // some may be lost in a small socket
	} {
		client, server := secured(t)
		key := &countingSigner{Signer: server.Certificates[0].PrivateKey.(crypto.Signer)}
		server.Certificates[0].PrivateKey = key
		var begun atomic.Int64
		server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			begun.Add(1)
			return nil, nil
		}
		l := listen(t, &ebb.Config{TLS: server, RetryThreshold: c.threshold, HandshakeTimeout: patience})
		forge(t, l.Addr().String(), c.n, nil, initial)
		least := int64(c.least)
		eventually(t, "the flood to be worked on", func() bool { return key.signed.Load() >= least })
		old, young := meet(t, l, client) // with a cookie, where there is a threshold
		write(t, old, "in")
		reads(t, young, "in")
		eventually(t, "each handshake that was begun to be signed", func() bool { return key.signed.Load() == begun.Load() })
		info := l.Endpoint().Info()
		if got := int(key.signed.Load()); got > c.most+1 {
			t.Errorf("threshold %d: %d signatures, for %d INITIALs", c.threshold, got, c.n)
		}
		in, out := info.Socket.BytesReceived, info.Socket.BytesSent
		t.Logf("threshold %d: %d bytes arrived, %d left; %d signatures, %d RETRYs", c.threshold, in, out, key.signed.Load(), info.Retries)
		if proved := info.Retries > 0; proved != (c.threshold > 0) {
			t.Errorf("threshold %d: %d RETRYs", c.threshold, info.Retries)
		}
		l.Endpoint().Close()
	}
}

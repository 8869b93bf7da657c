package suites

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"flag"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/lossy"
)

var loss = flag.Float64("loss", 0, "the part of the packets that is lost in each direction, 0 to 1")

// patience is how long what has to happen may take.
const patience = 2 * time.Minute

// over is the network of a test, with the loss that is asked for.
func over(t *testing.T, config *ebb.Config) *lossy.Network {
	t.Helper()
	return lossy.New(t, *loss, config)
}

// size is the number of bytes or things that a test moves: few for the gate.
func size(short, long int) int {
	if testing.Short() {
		return short
	}
	return long
}

// within is a context that ends when the test has taken too long.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// noise is n bytes that no compression makes fewer, the same for each seed.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	mathrand.NewChaCha8(key).Read(b)
	return b
}

// digest reads to the end and is what it read, in short.
func digest(r io.Reader) (sum [32]byte, n int64, err error) {
	h := sha256.New()
	n, err = io.Copy(h, r)
	return [32]byte(h.Sum(nil)), n, err
}

// bound ends a test, with a line that says so, that waits for what does not come: a call without a deadline of its own, after which it closes c.
func bound(t *testing.T, c io.Closer) {
	t.Helper()
	timer := time.AfterFunc(patience, func() {
		t.Errorf("%s have passed: closed", patience)
		c.Close()
	})
	t.Cleanup(func() { timer.Stop() })
}

// eachAccepted runs serve for each connection, and closes it afterwards. When the test ends it closes the listener, and those connections too that are
// still open, and waits.
func eachAccepted(t *testing.T, l net.Listener, serve func(net.Conn)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := make(map[net.Conn]bool)
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) { // x/crypto/ssh says EOF
					t.Errorf("Accept: %v", err)
				}
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				serve(c)
				c.Close()
				mu.Lock()
				delete(open, c)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// forward joins connections of Ebb with those of a server that listens elsewhere, until both directions have ended.
func forward(t *testing.T, l net.Listener, dial func() (net.Conn, error)) {
	eachAccepted(t, l, func(front net.Conn) {
		back, err := dial()
		if err != nil {
			t.Errorf("the server behind: %v", err)
			return
		}
		defer back.Close()
		join(front, back)
	})
}

// join copies in both directions, and passes on where one has ended. An error ends both.
func join(a, b net.Conn) {
	var wg sync.WaitGroup
	one := func(to, from net.Conn) {
		_, err := io.Copy(to, from)
		half, ok := to.(interface{ CloseWrite() error })
		if err != nil || !ok {
			to.Close()
			from.Close()
			return
		}
		half.CloseWrite()
	}
	wg.Go(func() { one(a, b) })
	wg.Go(func() { one(b, a) })
	wg.Wait()
}

// certified is the settings of a server called localhost, and of a client that trusts it and nobody else.
func certified(t *testing.T) (client, server *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	return &tls.Config{RootCAs: roots, ServerName: "localhost"},
		&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: cert}}}
}

//lint:file-ignore SA1019 net/http has HTTP/2 over a *tls.Conn only, and this is the way to have it over another connection

package ebb_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"example.com/ebb"
)

// TestHTTPOverTLS: net/http's client and server over protected connections. The server knows that they are.
func TestHTTPOverTLS(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	l := listen(t, &ebb.Config{TLS: server})
	srv := &http.Server{Handler: http.HandlerFunc(showTLS)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: client})}
	transport := &http.Transport{DialTLSContext: d.DialContext}
	got(t, transport, "https://"+l.Addr().String(), "HTTP/1.1 over TLS 1.3, protocol \"\"")
	transport.CloseIdleConnections()
	srv.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// TestHTTP2OverTLS: the same for HTTP/2, as golang.org/x/net/http2 has it.
func TestHTTP2OverTLS(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	client.NextProtos, server.NextProtos = []string{http2.NextProtoTLS}, []string{http2.NextProtoTLS}
	l := listen(t, &ebb.Config{TLS: server})
	served := make(chan struct{})
	go func() {
		defer close(served)
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		new(http2.Server).ServeConn(c, &http2.ServeConnOpts{Handler: http.HandlerFunc(showTLS)})
	}()
	d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: client})}
	transport := &http2.Transport{DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
		return d.DialContext(ctx, network, addr)
	}}
	got(t, transport, "https://"+l.Addr().String(), "HTTP/2.0 over TLS 1.3, protocol \"h2\"")
	transport.CloseIdleConnections()
	<-served
}

// showTLS says what a server knows of a request's connection.
func showTLS(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "%s over %s, protocol %q", r.Proto, tls.VersionName(r.TLS.Version), r.TLS.NegotiatedProtocol)
}

// got demands an answer.
func got(t *testing.T, transport http.RoundTripper, url, want string) {
	t.Helper()
	c := http.Client{Transport: transport, Timeout: patience}
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != want {
		t.Errorf("%q, %v, want %q", b, err, want)
	}
}

// TestTLSCallbackBlocks: an application that takes its time over one handshake holds up no other, and none is left when it ends.
func TestTLSCallbackBlocks(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	asked, let := make(chan struct{}, 100), make(chan struct{}, 1)
	slow := server.Clone()
	slow.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		if info.ServerName != "slow.test" {
			return nil, nil
		}
		asked <- struct{}{}
		select {
		case <-let:
			return nil, nil
		case <-info.Context().Done():
			return nil, info.Context().Err()
		}
	}
	l := listen(t, &ebb.Config{TLS: slow})
	late := client.Clone()
	late.ServerName, late.InsecureSkipVerify = "slow.test", true
	results := make(chan error, 10)
	for range cap(results) {
		go func() {
			_, err := dialTLS(t, l, late)
			results <- err
		}()
		<-asked
	}
	c, s := meet(t, l, client) // meanwhile
	write(t, c, "quick")
	reads(t, s, "quick")
	let <- struct{}{}
	if err := <-results; err != nil {
		t.Errorf("the one that was let go on: %v", err)
	}
	l.Endpoint().Close() // in the middle of the others
	for range cap(results) - 1 {
		if err := <-results; err == nil {
			t.Error("a dial succeeds that nobody has answered")
		}
	}
}

// TestTLSDialEnds: a dial that is given up while its own side takes its time leaves nothing.
func TestTLSDialEnds(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	asked := make(chan struct{})
	let := make(chan struct{})
	client.VerifyConnection = func(tls.ConnectionState) error {
		close(asked)
		<-let
		return nil
	}
	l := listen(t, &ebb.Config{TLS: server, HandshakeTimeout: time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: client})}
		_, err := d.DialContext(ctx, "udp4", l.Addr().String())
		result <- err
	}()
	<-asked
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("the dial: %v", err)
	}
	close(let)
}

// TestTLSWithoutName: a dial that crypto/tls refuses to begin fails with its reason, and sends nothing.
func TestTLSWithoutName(t *testing.T) {
	leavesNothing(t)
	l := listen(t, nil)
	d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: &tls.Config{}})}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var op *net.OpError
	if _, err := d.Dial("udp4", ":"+port); !errors.As(err, &op) || errors.Is(err, ebb.ErrHandshakeTimeout) {
		t.Errorf("%v", err)
	}
	if got := l.Endpoint().Info().Refusals; got != 0 {
		t.Errorf("%d dials were refused", got)
	}
}

//lint:file-ignore SA1019 net/http has HTTP/2 over a *tls.Conn only, and this is the way to have it over another connection

package suites

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"

	"example.com/ebb"
	"example.com/ebb/internal/lab/lossy"
)

// web is a server over Ebb and a client that dials it.
type web struct {
	client   *http.Client
	url      string
	accepted atomic.Int64 // connections
	dial     func(context.Context, string, string) (net.Conn, error)
}

// serveWeb has net/http speak over Ebb.
func serveWeb(t *testing.T, n *lossy.Network, handler http.Handler) *web {
	t.Helper()
	l := n.Listen()
	w := &web{url: "http://" + l.Addr().String(), dial: n.DialContext}
	server := &http.Server{Handler: handler, ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			w.accepted.Add(1)
		}
	}}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	transport := &http.Transport{DialContext: n.DialContext}
	w.client = &http.Client{Transport: transport, Timeout: patience}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return w
}

// echo sends a request's body back, as it comes.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	http.NewResponseController(w).EnableFullDuplex() // an error: the protocol has it anyway
	io.Copy(w, r.Body)
})

// stored sends a request's body back when it has all of it: a proxy reads no more of a body once the answer has begun.
var stored = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if b, err := io.ReadAll(r.Body); err == nil {
		w.Write(b)
	}
})

// echoed demands that a body comes back as it was sent. unknown hides its length, so that it is sent in chunks.
func echoed(t *testing.T, client *http.Client, url string, body []byte, unknown bool) {
	t.Helper()
	var r io.Reader = bytes.NewReader(body)
	if unknown {
		r = struct{ io.Reader }{r}
	}
	answer, err := client.Post(url, "application/octet-stream", r)
	if err != nil {
		t.Errorf("%d bytes: %v", len(body), err)
		return
	}
	defer answer.Body.Close()
	if sum, n, err := digest(answer.Body); err != nil || sum != sha256.Sum256(body) {
		t.Errorf("%d bytes: %d came back, not the same, %v", len(body), n, err)
	}
}

// TestHTTP1: net/http's client and server.
func TestHTTP1(t *testing.T) {
	t.Run("bodies", func(t *testing.T) {
		w := serveWeb(t, over(t, nil), echo)
		for _, n := range []int{0, 1, 1000, 1 << 16, size(2<<20, 32<<20)} {
			echoed(t, w.client, w.url, noise(1, n), false)
			echoed(t, w.client, w.url, noise(2, n), true)
		}
	})
	t.Run("keep-alive", func(t *testing.T) {
		w := serveWeb(t, over(t, nil), echo)
		for i := range size(50, 500) {
			echoed(t, w.client, w.url, noise(uint64(i), i), i%2 == 0)
		}
		if n := w.accepted.Load(); n != 1 {
			t.Errorf("%d connections for requests one after the other, want 1", n)
		}
	})
	t.Run("parallel", func(t *testing.T) {
		w := serveWeb(t, over(t, nil), echo)
		var wg sync.WaitGroup
		for i := range size(20, 100) {
			wg.Go(func() { echoed(t, w.client, w.url, noise(uint64(i), 100_000), false) })
		}
		wg.Wait()
	})
	t.Run("trailers", testTrailers)
	t.Run("expect", testExpect)
	t.Run("hijack", testHijack)
	t.Run("cancel", testCancel)
	t.Run("abort", testAbort)
}

func testTrailers(t *testing.T) {
	w := serveWeb(t, over(t, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Digest")
		sum, _, err := digest(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(w, r.Trailer.Get("Sent"))
		w.Header().Set("Digest", fmt.Sprintf("%x", sum))
	}))
	body := noise(1, 1<<20)
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.url, struct{ io.Reader }{bytes.NewReader(body)})
	if err != nil {
		t.Fatal(err)
	}
	r.Trailer = http.Header{"Sent": {"behind the body"}}
	answer, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, err := io.ReadAll(answer.Body); string(b) != "behind the body" || err != nil {
		t.Errorf("the server saw the trailer %q, %v", b, err)
	}
	if got, want := answer.Trailer.Get("Digest"), fmt.Sprintf("%x", sha256.Sum256(body)); got != want {
		t.Errorf("the client saw the trailer %q, want %q", got, want)
	}
}

// testExpect: a body that the server does not want is not sent.
func testExpect(t *testing.T) {
	w := serveWeb(t, over(t, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		echo(w, r)
	}))
	w.client.Transport.(*http.Transport).ExpectContinueTimeout = patience
	for _, path := range []string{"/yes", "/no"} {
		body := &counted{Reader: bytes.NewReader(noise(1, 1<<20))}
		r, err := http.NewRequestWithContext(t.Context(), "POST", w.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Expect", "100-continue")
		answer, err := w.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, n, err := digest(answer.Body)
		answer.Body.Close()
		want := int64(1 << 20)
		if path == "/no" {
			want = 0
		}
		if n != want || body.n.Load() != want || err != nil {
			t.Errorf("%s: %d bytes were sent and %d came back, want %d; %v", path, body.n.Load(), n, want, err)
		}
	}
}

// counted counts what is read.
type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// shout is a protocol that a connection is upgraded to: lines come back in upper case.
var shout = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "shout" {
		http.Error(w, "upgrade to shout", http.StatusUpgradeRequired)
		return
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer c.Close()
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\n")
	for {
		if rw.Flush() != nil {
			return
		}
		line, err := rw.ReadBytes('\n')
		if err != nil {
			return
		}
		rw.Write(bytes.ToUpper(line))
	}
})

// shouts upgrades a connection and exchanges lines on it.
func shouts(t *testing.T, client *http.Client, url string) {
	t.Helper()
	r, err := http.NewRequestWithContext(within(t), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "shout")
	answer, err := (&http.Client{Transport: client.Transport}).Do(r) // with a Timeout the body would not be the connection
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%s, want 101", answer.Status)
	}
	c := answer.Body.(io.ReadWriteCloser)
	defer c.Close()
	lines := bufio.NewReader(c)
	for i := range size(100, 1000) {
		fmt.Fprintf(c, "line %d\n", i)
		if got, err := lines.ReadString('\n'); got != fmt.Sprintf("LINE %d\n", i) || err != nil {
			t.Fatalf("line %d: %q, %v", i, got, err)
		}
	}
}

func testHijack(t *testing.T) {
	w := serveWeb(t, over(t, nil), shout)
	shouts(t, w.client, w.url)
}

// testCancel: a client that goes away in the middle of an answer, and a server that hears of it.
func testCancel(t *testing.T) {
	gone := make(chan struct{})
	w := serveWeb(t, over(t, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		w.Write(noise(1, 1<<16))
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	ctx, cancel := context.WithCancel(within(t))
	r, err := http.NewRequestWithContext(ctx, "GET", w.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := w.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.ReadFull(answer.Body, make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := answer.Body.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Read of a body that was cancelled: %v", err)
	}
	select {
	case <-gone:
	case <-within(t).Done():
		t.Error("the server does not hear of it")
	}
}

// testAbort: an answer that the server breaks off does not look as if it were whole.
func testAbort(t *testing.T) {
	w := serveWeb(t, over(t, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write(noise(1, 1<<16))
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	answer, err := w.client.Get(w.url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if _, n, err := digest(answer.Body); err == nil || n > 1<<16 {
		t.Errorf("an answer that was broken off after %d bytes: no error", n)
	}
}

// TestHTTP2: golang.org/x/net/http2 over connections that Ebb protects, with ALPN.
func TestHTTP2(t *testing.T) {
	client, server := certified(t)
	client.NextProtos, server.NextProtos = []string{http2.NextProtoTLS}, []string{http2.NextProtoTLS}
	n := over(t, &ebb.Config{TLS: server})
	l := n.Listen()
	handler := http.NewServeMux()
	handler.Handle("/echo", echo)
	handler.HandleFunc("/proto", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s over %s for %s", r.Proto, r.TLS.NegotiatedProtocol, r.TLS.ServerName)
	})
	var accepted atomic.Int64
	eachAccepted(t, l, func(c net.Conn) {
		accepted.Add(1)
		new(http2.Server).ServeConn(c, &http2.ServeConnOpts{Handler: handler})
	})
	d := n.Dialer(&ebb.Config{TLS: client})
	transport := &http2.Transport{DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
		return d.DialContext(ctx, network, address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	c, url := &http.Client{Transport: transport, Timeout: patience}, "https://"+l.Addr().String()
	t.Run("proto", func(t *testing.T) {
		answer, err := c.Get(url + "/proto")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		if b, err := io.ReadAll(answer.Body); string(b) != "HTTP/2.0 over h2 for localhost" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
	})
	t.Run("bodies", func(t *testing.T) {
		for _, n := range []int{0, 1, 1000, 1 << 16, size(2<<20, 32<<20)} {
			echoed(t, c, url+"/echo", noise(1, n), false)
		}
	})
	t.Run("parallel", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range size(50, 500) {
			wg.Go(func() { echoed(t, c, url+"/echo", noise(uint64(i), 20_000), true) })
		}
		wg.Wait()
	})
	if n := accepted.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestReverseProxy: httputil's proxy with Ebb on both of its sides.
func TestReverseProxy(t *testing.T) {
	n := over(t, nil)
	backend := http.NewServeMux()
	backend.Handle("/stored", stored)
	backend.Handle("/shout", shout)
	behind := serveWeb(t, n, backend)
	target, err := url.Parse(behind.url)
	if err != nil {
		t.Fatal(err)
	}
	front := serveWeb(t, n, &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: behind.client.Transport,
	})
	t.Run("requests", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range size(20, 200) {
			wg.Go(func() { echoed(t, front.client, front.url+"/stored", noise(uint64(i), 10_000*i), i%2 == 0) })
		}
		wg.Wait()
	})
	t.Run("upgrade", func(t *testing.T) { shouts(t, front.client, front.url+"/shout") })
}

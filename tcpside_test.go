package ebb_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/limits"
)

// overTCP is a connection to a listener over the kernel's TCP, with TLS if cfg is not nil.
func overTCP(t *testing.T, l net.Listener, cfg *tls.Config) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if cfg == nil {
		return c
	}
	cfg = cfg.Clone()
	cfg.ServerName = "server.test"
	return tls.Client(c, cfg)
}

// acceptAs accepts a connection of a kind.
func acceptAs(t *testing.T, l *ebb.Listener, kind string) net.Conn {
	t.Helper()
	l.SetDeadline(time.Now().Add(patience))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if got := fmt.Sprintf("%T", c); got != kind {
		t.Fatalf("a %s is accepted, want %s", got, kind)
	}
	return c
}

// One listener accepts both, on one port number, in turns.
func TestListenerOfBoth(t *testing.T) {
	leavesNothing(t)
	l := beside(t, nil)
	dialled := []net.Conn{overTCP(t, l, nil), overTCP(t, l, nil), dial(t, l, nil), dial(t, l, nil)}
	for _, c := range dialled {
		write(t, c, "hello")
	}
	kinds := make(map[string]int)
	l.SetDeadline(time.Now().Add(patience))
	for range dialled {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		reads(t, c, "hello")
		write(t, c, "hello yourself")
		kinds[fmt.Sprintf("%T %v", c, c.LocalAddr().Network())]++
	}
	if kinds[plainTCP+" tcp"] != 2 || kinds[plainEbb+" tcp"] != 2 {
		t.Errorf("accepted: %v", kinds)
	}
	for _, c := range dialled {
		reads(t, c, "hello yourself")
	}
	overTCP(t, l, nil)
	late := dial(t, l, nil)
	c, err := l.AcceptConn()
	if err != nil || c.RemoteAddr().String() != late.LocalAddr().String() {
		t.Errorf("AcceptConn: %v", err)
	}
	c.Close()
	acceptAs(t, l, plainTCP)
	l.SetDeadline(time.Now())
	if _, err := l.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after the deadline: %v", err)
	}
}

// Close ends both kinds, and what nobody has accepted; both numbers are free then.
func TestCloseOfBoth(t *testing.T) {
	leavesNothing(t)
	l := beside(t, nil)
	waiting := overTCP(t, l, nil)
	accepted := make(chan error)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				accepted <- err
				return
			}
			write(t, c, "x")
			defer c.Close()
		}
	}()
	reads(t, waiting, "x")
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the second Close: %v", err)
	}
	if c, err := net.Dial("tcp4", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a dial afterwards: %T, %v", c, err)
	}
}

// The port is listened on again while connections live that the listener before has accepted.
func TestListenAgainOnBoth(t *testing.T) {
	leavesNothing(t)
	first := beside(t, nil)
	address := first.Addr().String()
	first.Close()
	lc := ebb.ListenConfig{Config: inMode(nil), Fallback: true}
	again := func() *ebb.Listener {
		l, err := lc.Listen(t.Context(), "tcp4", address)
		if err != nil {
			t.Fatal(err)
		}
		return l.(*ebb.Listener)
	}
	l := again()
	tcpBefore := overTCP(t, l, nil)
	a := acceptAs(t, l, plainTCP)
	ebbBefore := dial(t, l, nil)
	b := accept(t, l)
	unaccepted := overTCP(t, l, nil)
	l.Close()
	unaccepted.SetReadDeadline(time.Now().Add(patience))
	if n, err := unaccepted.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("what nobody has accepted reads %d bytes, %v", n, err)
	}
	l = again()
	write(t, tcpBefore, "1")
	reads(t, a, "1")
	write(t, ebbBefore, "2")
	reads(t, b, "2")
	write(t, overTCP(t, l, nil), "3")
	reads(t, acceptAs(t, l, plainTCP), "3")
	l.Endpoint().Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept when the endpoint is closed: %v", err)
	}
	if c, err := net.Dial("tcp4", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a dial when the endpoint is closed: %T, %v", c, err)
	}
}

// listenWhereTCPIsFree takes a port of UDP whose port of TCP is nobody's, such as another program's end of a connection.
func listenWhereTCPIsFree(t *testing.T) net.PacketConn {
	t.Helper()
	for range 20 {
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if tcp, err := net.Listen("tcp4", pc.LocalAddr().String()); err == nil {
			tcp.Close()
			return pc
		}
		pc.Close()
	}
	t.Fatal("no port is free for both")
	return nil
}

// The error of one of the two sockets says which, and the other is closed.
func TestListenErrorsOfBoth(t *testing.T) {
	leavesNothing(t)
	lc := ebb.ListenConfig{Fallback: true}
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	pc := listenWhereTCPIsFree(t)
	for protocol, address := range map[string]string{"TCP": tcp.Addr().String(), "UDP": pc.LocalAddr().String()} {
		_, err := lc.Listen(t.Context(), "tcp4", address)
		op, ok := err.(*net.OpError)
		if !ok || !errors.Is(err, syscall.EADDRINUSE) || op.Addr.String() != address {
			t.Fatalf("the port is taken: %v", err)
		}
		if sys, ok := op.Err.(*os.SyscallError); !ok || sys.Syscall != "bind" || !strings.HasSuffix(err.Error(), "address already in use (by "+protocol+")") {
			t.Errorf("the port of %s is taken: %v", protocol, err)
		}
	}
	tcp.Close()
	pc.Close()
	for _, address := range []string{tcp.Addr().String(), pc.LocalAddr().String()} { // nothing was left there
		l, err := lc.Listen(t.Context(), "udp4", address)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	var got events
	forbidden := errors.New("forbidden")
	lc.Control = func(network, address string, c syscall.RawConn) error {
		if got.note(network); network == "udp4" {
			return forbidden
		}
		return nil
	}
	if _, err := lc.Listen(t.Context(), "udp4", "127.0.0.1:0"); !errors.Is(err, forbidden) || strings.Join(got.all, " ") != "tcp4 udp4" {
		t.Errorf("Control sees %q, and forbids the second: %v", got.all, err)
	}
}

// Over TCP there is TLS too, where there is. Handshakes that take long hold up nobody, end after HandshakeTimeout or with the
// listener, and leave nothing.
func TestListenerOfBothWithTLS(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	l := beside(t, &ebb.Config{TLS: server, HandshakeTimeout: time.Minute})
	for range 20 {
		overTCP(t, l, nil) // and says nothing
	}
	for range 3 {
		c := overTCP(t, l, client)
		go c.(*tls.Conn).Handshake()
		s := acceptAs(t, l, secureTCP)
		if state := s.(*tls.Conn).ConnectionState(); !state.HandshakeComplete || state.Version != tls.VersionTLS13 {
			t.Errorf("it is accepted as %s, complete: %v", tls.VersionName(state.Version), state.HandshakeComplete)
		}
		write(t, c, "hello")
		reads(t, s, "hello")
	}
	dialled, err := dialTLS(t, l, client)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dialled, "hello")
	reads(t, acceptAs(t, l, secureEbb), "hello")
	old := client.Clone()
	old.MaxVersion = tls.VersionTLS12
	if err := overTCP(t, l, old).(*tls.Conn).Handshake(); err == nil {
		t.Error("TLS 1.2 is accepted")
	}

	l = beside(t, &ebb.Config{TLS: server, HandshakeTimeout: 50 * time.Millisecond})
	c := overTCP(t, l, nil)
	c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who says nothing reads %d bytes, %v", n, err)
	}

	secondOnly := server.Clone()
	chosen := server.Clone()
	chosen.NextProtos = []string{"a"}
	secondOnly.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil }
	l = beside(t, &ebb.Config{TLS: secondOnly})
	if err := overTCP(t, l, client).(*tls.Conn).Handshake(); err == nil {
		t.Error("a client without a protocol is accepted by a server that has one")
	}
	with := client.Clone()
	with.NextProtos = []string{"a"}
	go overTCP(t, l, with).(*tls.Conn).Handshake()
	if got := acceptAs(t, l, secureTCP).(*tls.Conn).ConnectionState().NegotiatedProtocol; got != "a" {
		t.Errorf("the protocol is %q", got)
	}
}

// Who may not connect by Config.Admit or Config.Limits may not over TCP.
func TestListenerOfBothAdmits(t *testing.T) {
	leavesNothing(t)
	asked := make(chan ebb.Peer, 1)
	m := limitsOf(t, limits.Config{Peer: limits.Limits{HalfOpen: 1}})
	_, server := secured(t)
	refused := func(by string, l net.Listener) {
		c, err := net.Dial("tcp4", l.Addr().String())
		if err == nil {
			defer c.Close()
			c.SetReadDeadline(time.Now().Add(patience))
			_, err = c.Read(make([]byte, 1))
		}
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("who is not admitted by %s gets %v", by, err)
		}
	}
	l := beside(t, &ebb.Config{Admit: func(p ebb.Peer) error { asked <- p; return errors.New("no") }})
	refused("Config.Admit", l)
	if p := <-asked; !p.Proven || p.Addr.Addr().String() != "127.0.0.1" {
		t.Errorf("it was asked about %v", p)
	}
	l = beside(t, &ebb.Config{Limits: m, TLS: server, HandshakeTimeout: time.Minute})
	overTCP(t, l, nil)
	eventually(t, "the handshake to begin", func() bool { return m.Snapshot().Process.HalfOpen.Used == 1 })
	refused("the limits", l)
	l.Close()
	if left := m.Snapshot().Process.HalfOpen.Used; left != 0 {
		t.Errorf("%d half-open connections are left on the books", left)
	}
}

// A server of net/http has requests over both, with TLS.
func TestHTTPOverBoth(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	l := beside(t, &ebb.Config{TLS: server})
	srv := &http.Server{Handler: http.HandlerFunc(showTLS)}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	blocked := newRelay(t, l.Addr().String()) // lets no UDP pass
	for _, address := range []string{l.Addr().String(), blocked.address} {
		f := &ebb.Fallback{Delay: 10 * time.Second}
		if address == blocked.address {
			f.Delay = time.Millisecond
		}
		d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: client}), Fallback: f}
		over := ""
		transport := &http.Transport{DialTLSContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, addr)
			over = fmt.Sprintf("%T", c)
			return c, err
		}}
		got(t, transport, "https://"+address, "HTTP/1.1 over TLS 1.3, protocol \"\"")
		if want := map[bool]string{true: secureTCP, false: secureEbb}[address == blocked.address]; over != want {
			t.Errorf("it went over a %s, want %s", over, want)
		}
		transport.CloseIdleConnections()
	}
	srv.Close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// A listener of both that is dropped without Close is collected, and its ports are free.
func TestDroppedListenerOfBoth(t *testing.T) {
	leavesNothing(t)
	address := func() string {
		lc := ebb.ListenConfig{Config: inMode(nil), Fallback: true}
		l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := overTCP(t, l, nil)
		write(t, c, "x")
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		io.ReadFull(s, make([]byte, 1))
		return l.Addr().String()
	}()
	eventually(t, "nobody to listen", func() bool {
		runtime.GC()
		c, err := net.Dial("tcp4", address)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
}

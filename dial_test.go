package ebb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"example.com/ebb"
)

// unused is a UDP address of this machine where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	return pc.LocalAddr().String()
}

// silent is the address of a socket that reads nothing and answers nothing.
func silent(t *testing.T) net.Addr {
	t.Helper()
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc.LocalAddr()
}

func TestDialRefused(t *testing.T) {
	leavesNothing(t)
	t.Run("no socket there", func(t *testing.T) {
		// Another process may take a port between our closing it and the dial, and be
		// silent: then another port tells.
		var address string
		var err error
		took := time.Hour
		for try := 0; try < 3 && took > time.Second/2; try++ {
			address = unused(t)
			start := time.Now()
			_, err = ebb.Dial("tcp", address)
			took = time.Since(start)
		}
		if took > time.Second/2 {
			t.Errorf("it took %v", took)
		}
		var op *net.OpError
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) {
			t.Fatalf("Dial = %v", err)
		}
		if got, want := op.Err.Error(), "connect: connection refused"; got != want {
			t.Errorf("the error is %q, want %q", got, want)
		}
		if op.Op != "dial" || op.Net != "tcp" || op.Addr.String() != address || op.Timeout() {
			t.Errorf("op %q, net %q, addr %v, timeout %v", op.Op, op.Net, op.Addr, op.Timeout())
		}
	})
	t.Run("an endpoint that does not listen", func(t *testing.T) {
		e := endpoint(t, nil)
		if _, err := ebb.Dial("udp", e.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Dial = %v", err)
		}
		if n := e.Info().Refusals; n != 1 {
			t.Errorf("%d refusals", n)
		}
	})
	t.Run("from a shared socket", func(t *testing.T) {
		e := endpoint(t, nil)
		quiet := endpoint(t, nil)
		if _, err := e.DialAddr(t.Context(), quiet.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("DialContext = %v", err)
		}
		eventually(t, "the dial to be forgotten", func() bool { return e.Info().Connections == 0 })
	})
}

func TestDialGivesUp(t *testing.T) {
	leavesNothing(t)
	addr := silent(t)
	t.Run("timeout", func(t *testing.T) {
		_, err := ebb.DialTimeout("udp", addr.String(), 50*time.Millisecond)
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("Dial = %v", err)
		}
	})
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := ebb.DialContext(ctx, "udp", addr.String()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("DialContext = %v", err)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := ebb.DialContext(ctx, "udp", addr.String())
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), addr.String()) {
			t.Errorf("DialContext = %v", err)
		}
		if _, err := ebb.DialContext(ctx, "udp", addr.String()); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is done: %v", err)
		}
	})
	t.Run("handshake timeout", func(t *testing.T) {
		d := ebb.Dialer{Config: &ebb.Config{HandshakeTimeout: 100 * time.Millisecond}}
		_, err := d.Dial("udp", addr.String())
		var ne net.Error
		if !errors.Is(err, ebb.ErrHandshakeTimeout) || !errors.Is(err, syscall.ETIMEDOUT) || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("Dial = %v", err)
		}
	})
}

func TestDialErrors(t *testing.T) {
	for _, tt := range []struct{ network, address, want string }{
		{"unix", "127.0.0.1:1", "unknown network"},
		{"udp5", "127.0.0.1:1", "unknown network"},
		{"udp", "127.0.0.1", "missing port"},
		{"udp", "127.0.0.1:0", "connection refused"},
		{"udp4", "[::1]:9", "udp4"},
		{"udp", "127.0.0.1:no-such-service", "no-such-service"},
	} {
		for what, call := range map[string]func() error{
			"dial":   func() error { _, err := ebb.Dial(tt.network, tt.address); return err },
			"listen": func() error { _, err := ebb.Listen(tt.network, tt.address); return err },
		} {
			if what == "listen" && strings.HasSuffix(tt.address, ":0") {
				continue
			}
			err := call()
			var op *net.OpError
			if !errors.As(err, &op) || op.Op != what || op.Net != tt.network || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("%s %s %s: %v", what, tt.network, tt.address, err)
			}
		}
	}
	d := ebb.Dialer{LocalAddr: &net.UnixAddr{Name: "x"}}
	if _, err := d.Dial("udp", "127.0.0.1:9"); err == nil || !strings.Contains(err.Error(), "LocalAddr") {
		t.Errorf("a local address of another kind: %v", err)
	}
	d = ebb.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv6loopback}}
	if _, err := d.Dial("udp", "127.0.0.1:9"); err == nil || !strings.Contains(err.Error(), "LocalAddr") {
		t.Errorf("a local address of another family: %v", err)
	}
	l, err := ebb.Listen("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := ebb.Listen("udp4", l.Addr().String()); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a port in use: %v", err)
	}
}

func TestLocalAddr(t *testing.T) {
	leavesNothing(t)
	l := listen(t, nil)
	for _, local := range []net.Addr{&net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}, (*net.TCPAddr)(nil)} {
		d := ebb.Dialer{LocalAddr: local}
		c, err := d.Dial("tcp", l.Addr().String())
		if err != nil {
			if errors.Is(err, syscall.EADDRNOTAVAIL) {
				t.Skip("this system has one loopback address")
			}
			t.Fatal(err)
		}
		defer c.Close()
		got := addrPort(accept(t, l).RemoteAddr()).Addr().Unmap()
		if want := addrPort(c.LocalAddr()).Addr().Unmap(); got != want {
			t.Errorf("dialled from %v, seen as %v", want, got)
		}
	}
}

// TestDualStack dials one wildcard listener over both families, and an address
// of its own that is not the one its system would answer from.
func TestDualStack(t *testing.T) {
	if !nettest.SupportsIPv6() {
		t.Skip("no IPv6 here")
	}
	leavesNothing(t)
	l, err := ebb.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := addrPort(l.Addr()).Port()
	for _, host := range []string{"127.0.0.1", "[::1]", "127.0.0.2", "localhost", "", "0.0.0.0", "[::]"} {
		c, err := ebb.DialTimeout("tcp", fmt.Sprintf("%s:%d", host, port), patience)
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		write(t, c, "over "+host)
		reads(t, s, "over "+host)
		write(t, s, "back")
		reads(t, c, "back")
		if c.RemoteAddr().String() != s.LocalAddr().String() {
			t.Errorf("%q: dialled %v, accepted on %v", host, c.RemoteAddr(), s.LocalAddr())
		}
		c.Close()
		s.Close()
	}
}

// TestNextAddress: a name with two addresses, of which the first refuses.
func TestNextAddress(t *testing.T) {
	addrs, err := net.LookupHost("localhost")
	if err != nil || len(addrs) < 2 {
		t.Skipf("localhost is %v", addrs)
	}
	leavesNothing(t)
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := ebb.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		c, err := ebb.Dial("tcp", fmt.Sprintf("localhost:%d", addrPort(l.Addr()).Port()))
		if err != nil {
			t.Errorf("%s: %v", address, err)
		} else {
			c.Close()
		}
		l.Close()
	}
}

// TestDialToAnUnreachableAddressFailsAtOnce: as ebb.Dial does, and net.Dial, an endpoint says at once that there is no way.
func TestDialToAnUnreachableAddressFailsAtOnce(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EACCES, syscall.EADDRNOTAVAIL, syscall.EINVAL} {
		t.Run(errno.Error(), func(t *testing.T) {
			inBubble(t, delayed, delayed, func(b *bubble) {
				pc, err := b.client.ListenPacket(clientPort)
				if err != nil {
					t.Fatal(err)
				}
				e := b.endpointOver(&moody{PacketConn: pc, fails: func(int64) error { return errno }}, nil)
				start := time.Now()
				_, err = e.DialAddr(b.Context(), serverAddr)
				var op *net.OpError
				if !errors.Is(err, errno) || !errors.As(err, &op) || op.Op != "dial" || op.Addr.String() != serverAddr.String() {
					t.Errorf("DialAddr: %v", err)
				}
				if took := time.Since(start); took != 0 {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// TestDialFromLoopbackFailsAsDialDoes: a socket of loopback cannot send anywhere else, and an endpoint says so as Dial does.
func TestDialFromLoopbackFailsAsDialDoes(t *testing.T) {
	leavesNothing(t)
	e := endpoint(t, nil)
	to := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}
	d := ebb.Dialer{Config: inMode(nil), LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, Timeout: patience}
	_, want := d.Dial("udp4", to.String())
	var errno syscall.Errno
	if !errors.As(want, &errno) || errno == syscall.ETIMEDOUT {
		t.Fatalf("Dial: %v", want)
	}
	start := time.Now()
	_, err := e.DialAddr(t.Context(), to)
	var call *os.SyscallError
	if !errors.Is(err, errno) || !errors.As(err, &call) {
		t.Errorf("DialAddr: %v; Dial: %v", err, want)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

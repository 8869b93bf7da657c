package ebb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
)

// transport is one of the two that are compared.
type transport struct {
	name   string
	listen func(network, address string) (net.Listener, error)
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
}

var (
	kernelTCP = transport{"TCP", net.Listen, new(net.Dialer).DialContext}
	ebbAsTCP  = transport{"Ebb", ebb.Listen, ebb.DialContext}
)

// tcpConn is what programs use of a *net.TCPConn.
type tcpConn interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	SetLinger(sec int) error
}

// tcpEnds is a listener and a connection.
type tcpEnds struct {
	t    *testing.T
	l    net.Listener
	a, b tcpConn // dialled, accepted
}

func (tr transport) connect(t *testing.T) *tcpEnds {
	l, err := tr.listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a, err := tr.dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close(); l.Close() })
	for _, c := range []net.Conn{a, b} {
		c.SetDeadline(time.Now().Add(patience))
	}
	return &tcpEnds{t: t, l: l, a: a.(tcpConn), b: b.(tcpConn)}
}

// class is an error as programs look at it: types and values from the outside in, without texts and ports.
func class(err error) string {
	var b strings.Builder
	switch e := err.(type) {
	case nil:
		return "nil"
	case *net.OpError:
		fmt.Fprintf(&b, "OpError %s %s %T→%T: ", e.Op, e.Net, e.Source, e.Addr)
		if sys, ok := e.Err.(*os.SyscallError); ok {
			fmt.Fprintf(&b, "SyscallError %s: ", sys.Syscall)
			if errno, ok := sys.Err.(syscall.Errno); ok {
				fmt.Fprintf(&b, "errno %d, %v: ", int(errno), errno)
			}
		}
	}
	for _, is := range []error{io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, context.Canceled, syscall.ECONNREFUSED, syscall.ECONNRESET,
		syscall.EPIPE, syscall.EADDRINUSE, syscall.ETIMEDOUT, syscall.ENOTCONN} {
		if errors.Is(err, is) {
			fmt.Fprintf(&b, "%v; ", is)
		}
	}
	if _, ok := errors.AsType[*net.AddrError](err); ok {
		b.WriteString("AddrError; ")
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		b.WriteString("DNSError; ")
	}
	if e, ok := errors.AsType[net.UnknownNetworkError](err); ok {
		fmt.Fprintf(&b, "unknown network %v; ", string(e))
	}
	if e, ok := err.(net.Error); ok {
		fmt.Fprintf(&b, "timeout %v, temporary %v", e.Timeout(), err.(interface{ Temporary() bool }).Temporary())
	}
	return b.String()
}

// fails calls until there is an error.
func (e *tcpEnds) fails(call func() error) (err error) {
	eventually(e.t, "a call to fail", func() bool { err = call(); return err != nil })
	return err
}

func read(c net.Conn, n int) error {
	_, err := c.Read(make([]byte, n))
	return err
}

func writeTo(c net.Conn, s string) error {
	_, err := c.Write([]byte(s))
	return err
}

var past = time.Unix(1, 0)

// sameAsTCP are the calls that have to end as they do over the kernel's TCP.
var sameAsTCP = map[string]func(t *testing.T, tr transport) error{
	"read at the end": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.Close()
		return read(e.a, 1)
	},
	"read past the deadline": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.a.SetReadDeadline(past)
		return read(e.a, 1)
	},
	"read of nothing past the deadline": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.a.SetReadDeadline(past)
		return read(e.a, 0)
	},
	"read of nothing at the end": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.Close()
		read(e.a, 1)
		return read(e.a, 0)
	},
	"read of nothing of a closed connection": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.a.Close()
		return read(e.a, 0)
	},
	"write past the deadline": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.a.SetWriteDeadline(past)
		return writeTo(e.a, "x")
	},
	"write of nothing past the deadline": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.a.SetWriteDeadline(past)
		return writeTo(e.a, "")
	},
	"write of nothing": func(t *testing.T, tr transport) error { return writeTo(tr.connect(t).a, "") },
	"read of a reset": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.SetLinger(0)
		e.b.Close()
		return read(e.a, 1)
	},
	"write after a reset was read": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.SetLinger(0)
		e.b.Close()
		read(e.a, 1)
		return writeTo(e.a, "x")
	},
	"read of a peer that closed without reading": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		writeTo(e.a, "x")
		read(e.b, 0)
		eventually(t, "a byte to arrive", func() bool { return arrived(e.b) })
		e.b.Close()
		return read(e.a, 1)
	},
	"writes after CloseWrite": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.a.CloseWrite()
		return writeTo(e.a, "x")
	},
	"write of nothing after CloseWrite": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.a.CloseWrite()
		return writeTo(e.a, "")
	},
	"read after CloseRead": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.a.CloseRead()
		return read(e.a, 1)
	},
	"first write after the peer's Close": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.Close()
		read(e.a, 1)
		return writeTo(e.a, "x")
	},
	"a later write after the peer's Close": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.Close()
		read(e.a, 1)
		return e.fails(func() error { return writeTo(e.a, "x") })
	},
	"read of a closed connection":  func(t *testing.T, tr transport) error { e := closedEnds(t, tr); return read(e.a, 1) },
	"write to a closed connection": func(t *testing.T, tr transport) error { e := closedEnds(t, tr); return writeTo(e.a, "x") },
	"close twice":                  func(t *testing.T, tr transport) error { e := closedEnds(t, tr); return e.a.Close() },
	"CloseWrite of a closed one":   func(t *testing.T, tr transport) error { e := closedEnds(t, tr); return e.a.CloseWrite() },
	"CloseRead of a closed one":    func(t *testing.T, tr transport) error { e := closedEnds(t, tr); return e.a.CloseRead() },
	"SetLinger of a closed one":    func(t *testing.T, tr transport) error { e := closedEnds(t, tr); return e.a.SetLinger(1) },
	"SetDeadline of a closed one": func(t *testing.T, tr transport) error {
		e := closedEnds(t, tr)
		return e.a.SetDeadline(time.Time{})
	},
	"second read of a reset": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.SetLinger(0)
		e.b.Close()
		read(e.a, 1)
		return read(e.a, 1)
	},
	"CloseWrite after a reset": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.SetLinger(0)
		e.b.Close()
		read(e.a, 1)
		return e.a.CloseWrite()
	},
	"close after a reset": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.b.SetLinger(0)
		e.b.Close()
		read(e.a, 1)
		return e.a.Close()
	},

	"accept of a closed listener": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.l.Close()
		_, err := e.l.Accept()
		return err
	},
	"close a listener twice": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.l.Close()
		return e.l.Close()
	},
	"accept past the deadline": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.l.(interface{ SetDeadline(time.Time) error }).SetDeadline(past)
		_, err := e.l.Accept()
		return err
	},
	"SetDeadline of a closed listener": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.l.Close()
		return e.l.(interface{ SetDeadline(time.Time) error }).SetDeadline(past)
	},
	"listen on a port in use": func(t *testing.T, tr transport) error {
		_, err := tr.listen("tcp", tr.connect(t).l.Addr().String())
		return err
	},
	"listen again beside accepted connections": func(t *testing.T, tr transport) error {
		e := tr.connect(t)
		e.l.Close()
		l, err := tr.listen("tcp", e.l.Addr().String())
		if err == nil {
			l.Close()
		}
		return err
	},
	"listen on an unknown network":   listening("tcp5", "127.0.0.1:0"),
	"listen on an unknown service":   listening("tcp", "127.0.0.1:no-such-service"),
	"listen without a port":          listening("tcp", "127.0.0.1"),
	"listen on the other family":     listening("tcp6", "127.0.0.1:0"),
	"listen on an address elsewhere": listening("tcp", "192.0.2.1:0"),

	"dial where nobody listens": func(t *testing.T, tr transport) error {
		awaitOthers(t)
		e := tr.connect(t)
		e.l.Close()
		e.a.Close()
		e.b.Close()
		if err := drain(t); err != nil {
			t.Fatal(err)
		}
		return dialling(e.l.Addr().String())(t, tr)
	},
	"dial port 0":                dialling("127.0.0.1:0"),
	"dial no port":               dialling("127.0.0.1:"),
	"dial without a port":        dialling("127.0.0.1"),
	"dial an unknown service":    dialling("127.0.0.1:no-such-service"),
	"dial an unreachable family": func(t *testing.T, tr transport) error { return dialled(tr.dial(t.Context(), "tcp4", "[::1]:1")) },
	"dial an unknown network":    func(t *testing.T, tr transport) error { return dialled(tr.dial(t.Context(), "tcp5", "127.0.0.1:1")) },
	"dial too late": func(t *testing.T, tr transport) error {
		ctx, cancel := context.WithDeadline(t.Context(), past)
		defer cancel()
		return dialled(tr.dial(ctx, "tcp", "127.0.0.1:1"))
	},
	"dial within a cancelled context": func(t *testing.T, tr transport) error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return dialled(tr.dial(ctx, "tcp", "127.0.0.1:1"))
	},
}

// arrived reports whether a byte can be read of the connection, and leaves it there.
func arrived(c net.Conn) bool {
	if c, ok := c.(*ebb.Conn); ok {
		return c.Info().ReceiveBuffered > 0
	}
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	there := false
	raw.Read(func(fd uintptr) bool {
		n, _, _ := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
		there = n > 0
		return true
	})
	return there
}

func closedEnds(t *testing.T, tr transport) *tcpEnds {
	e := tr.connect(t)
	e.a.Close()
	return e
}

func listening(network, address string) func(*testing.T, transport) error {
	return func(_ *testing.T, tr transport) error {
		l, err := tr.listen(network, address)
		if err == nil {
			l.Close()
		}
		return err
	}
}

func dialling(address string) func(*testing.T, transport) error {
	return func(t *testing.T, tr transport) error { return dialled(tr.dial(t.Context(), "tcp", address)) }
}

func dialled(c net.Conn, err error) error {
	if err == nil {
		c.Close()
	}
	return err
}

// differsFromTCP are the calls of which docs/dropin.md says that they end otherwise, and why, with how they do.
var differsFromTCP = map[string]string{
	"dial too late":            "OpError dial tcp <nil>→*net.TCPAddr: i/o timeout; timeout true, temporary true",
	"second read of a reset":   "OpError read tcp *net.TCPAddr→*net.TCPAddr: SyscallError read: errno 104, connection reset by peer: connection reset by peer; timeout false, temporary false",
	"CloseWrite after a reset": "nil",
}

// TestErrorsAreOfTCPsShape runs the same calls over the kernel's TCP and over Ebb: their errors are of the same types and
// match the same values. It is Linux's TCP, because other systems' has other errors.
func TestErrorsAreOfTCPsShape(t *testing.T) {
	leavesNothing(t)
	for name, call := range sameAsTCP {
		t.Run(name, func(t *testing.T) {
			want, got := class(call(t, kernelTCP)), class(call(t, ebbAsTCP))
			if other, ok := differsFromTCP[name]; ok {
				if got != other || want == other {
					t.Errorf("over TCP: %s\nover Ebb: %s\n    want: %s, and another over TCP", want, got, other)
				}
			} else if got != want {
				t.Errorf("over TCP: %s\nover Ebb: %s", want, got)
			}
		})
	}
}

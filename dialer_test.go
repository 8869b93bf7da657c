package ebb_test

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"golang.org/x/net/dns/dnsmessage"
)

// Literals of package net's compile after the package's name is changed.
var (
	_ = ebb.Dialer{
		Timeout: time.Second, Deadline: time.Time{}, LocalAddr: &net.TCPAddr{}, DualStack: true, FallbackDelay: time.Second,
		KeepAlive: time.Second, KeepAliveConfig: net.KeepAliveConfig{}, Resolver: &net.Resolver{}, Cancel: nil,
		Control:        func(network, address string, c syscall.RawConn) error { return nil },
		ControlContext: func(ctx context.Context, network, address string, c syscall.RawConn) error { return nil },
	}
	_ = ebb.ListenConfig{
		Control:   func(network, address string, c syscall.RawConn) error { return nil },
		KeepAlive: time.Second, KeepAliveConfig: net.KeepAliveConfig{},
	}
)

// And so will those of a later Go: every exported field of package net's is there, with its type.
func TestFieldsOfPackageNet(t *testing.T) {
	for _, types := range [][2]reflect.Type{
		{reflect.TypeFor[net.Dialer](), reflect.TypeFor[ebb.Dialer]()},
		{reflect.TypeFor[net.ListenConfig](), reflect.TypeFor[ebb.ListenConfig]()},
	} {
		for _, want := range reflect.VisibleFields(types[0]) {
			if got, ok := types[1].FieldByName(want.Name); want.IsExported() && (!ok || got.Type != want.Type) {
				t.Errorf("%v has no %s of type %v", types[1], want.Name, want.Type)
			}
		}
	}
}

// Calls of package net's setter compile, and change nothing.
func TestSetMultipathTCP(t *testing.T) {
	type setter interface {
		MultipathTCP() bool
		SetMultipathTCP(use bool)
	}
	var _, _ setter = new(net.Dialer), new(net.ListenConfig)
	for _, s := range []setter{new(ebb.Dialer), new(ebb.ListenConfig)} {
		if s.SetMultipathTCP(true); s.MultipathTCP() {
			t.Errorf("%T has several paths", s)
		}
	}
}

// resolverOf is a resolver that knows one name, two.example, with addresses in an order.
func resolverOf(t *testing.T, addrs ...string) *net.Resolver {
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			for _, a := range addrs {
				ip := netip.MustParseAddr(a)
				h := dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60}
				switch {
				case m.Questions[0].Type == dnsmessage.TypeA && ip.Is4():
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: ip.As4()}})
				case m.Questions[0].Type == dnsmessage.TypeAAAA && ip.Is6():
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: ip.As16()}})
				}
			}
			if answer, err := m.Pack(); err == nil {
				pc.WriteTo(answer, from)
			}
		}
	})
	t.Cleanup(func() { pc.Close(); serving.Wait() })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, pc.LocalAddr().String())
	}}
}

// blackHole is a socket that takes what is sent to it, and answers nothing.
func blackHole(t *testing.T, address string) {
	pc, err := net.ListenPacket("udp4", address)
	if err != nil {
		t.Skip("this system has one loopback address: ", err)
	}
	t.Cleanup(func() { pc.Close() })
}

// events is what a trace is told.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) note(words ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, strings.Join(words, " "))
}

// A first address that answers nothing costs FallbackDelay and no share of the time; the trace is told of each address, and of
// no socket of the resolver.
func TestHappyEyeballs(t *testing.T) {
	leavesNothing(t)
	l := listen(t, nil)
	port := addrPort(l.Addr()).String()[len("127.0.0.1"):]
	blackHole(t, "127.0.0.3"+port)
	var got events
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		DNSStart:     func(i httptrace.DNSStartInfo) { got.note("look up", i.Host) },
		DNSDone:      func(httptrace.DNSDoneInfo) { got.note("looked up") },
		ConnectStart: func(network, addr string) { got.note("start", network, addr) },
		ConnectDone: func(network, addr string, err error) {
			if err == nil || errors.Is(err, context.Canceled) {
				got.note("done", network, addr, map[bool]string{true: "ok", false: "cancelled"}[err == nil])
			} else {
				t.Error(err)
			}
		},
	})
	const delay = 50 * time.Millisecond
	d := ebb.Dialer{Timeout: time.Minute, FallbackDelay: delay, Resolver: resolverOf(t, "127.0.0.3", "127.0.0.1")}
	start := time.Now()
	c, err := d.DialContext(ctx, "tcp", "two.example."+port)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if took := time.Since(start); took < delay || took > patience {
		t.Errorf("it took %v", took)
	}
	first, second := "tcp 127.0.0.3"+port, "tcp 127.0.0.1"+port
	want := []string{"look up two.example.", "looked up", "start " + first, "start " + second, "done " + second + " ok", "done " + first + " cancelled"}
	if !slices.Equal(got.all, want) {
		t.Errorf("the trace has\n%s\nwant\n%s", strings.Join(got.all, "\n"), strings.Join(want, "\n"))
	}
}

// An address that fails is followed at once by the next, and what is wrong with the first is the error if all fail.
func TestAnAddressThatFailsIsFollowedAtOnce(t *testing.T) {
	leavesNothing(t)
	l := listen(t, nil)
	port := addrPort(l.Addr()).String()[len("127.0.0.1"):]
	for _, delay := range []time.Duration{time.Hour, -1} {
		d := ebb.Dialer{FallbackDelay: delay, Timeout: patience, Resolver: resolverOf(t, "127.0.0.4", "127.0.0.5", "127.0.0.1")}
		c, err := d.Dial("tcp", "two.example."+port)
		if err != nil {
			t.Fatalf("FallbackDelay %v: %v", delay, err)
		}
		c.Close()
		d.Resolver = resolverOf(t, "127.0.0.4", "127.0.0.5")
		_, err = d.Dial("tcp", "two.example."+port)
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Addr == nil || op.Addr.String() != "127.0.0.4"+port || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("FallbackDelay %v, and nobody listens: %v", delay, err)
		}
	}
}

// Deadline, Cancel and a Timeout that is over end a dial that nobody answers.
func TestDialerEnds(t *testing.T) {
	leavesNothing(t)
	address := silent(t).String()
	d := ebb.Dialer{Timeout: time.Hour, Deadline: time.Now().Add(30 * time.Millisecond)}
	if _, err := d.Dial("tcp", address); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a deadline: %v", err)
	}
	if _, err := ebb.DialTimeout("udp", address, -1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with a negative timeout: %v", err)
	}
	cancel := make(chan struct{})
	d = ebb.Dialer{Cancel: cancel}
	time.AfterFunc(30*time.Millisecond, func() { close(cancel) })
	if _, err := d.Dial("tcp", address); !errors.Is(err, context.Canceled) {
		t.Errorf("with Cancel: %v", err)
	}
}

// Control sees each socket before it is used, under the caller's network, and may forbid it.
func TestControl(t *testing.T) {
	leavesNothing(t)
	var got events
	see := func(network, address string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { got.note(network, address) })
	}
	for _, network := range []string{"tcp", "udp"} {
		got.all = nil
		lc := ebb.ListenConfig{Control: see}
		l, err := lc.Listen(t.Context(), network, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		d := ebb.Dialer{Control: see}
		c, err := d.Dial(network, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if want := []string{network + "4 127.0.0.1:0", network + "4 " + l.Addr().String()}; !slices.Equal(got.all, want) {
			t.Errorf("Control is called with %q, want %q", got.all, want)
		}
		type key struct{}
		forbidden := errors.New("forbidden")
		d = ebb.Dialer{Control: see, ControlContext: func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
			if ctx.Value(key{}) == nil {
				t.Error("ControlContext is not given the dial's context")
			}
			return forbidden
		}}
		if _, err := d.DialContext(context.WithValue(t.Context(), key{}, 1), network, l.Addr().String()); !errors.Is(err, forbidden) {
			t.Errorf("a dial that ControlContext forbids: %v", err)
		}
		lc.Control = func(string, string, syscall.RawConn) error { return forbidden }
		if _, err := lc.Listen(t.Context(), network, "127.0.0.1:0"); !errors.Is(err, forbidden) {
			t.Errorf("a Listen that Control forbids: %v", err)
		}
		l.Close()
	}
}

// Names of services are those of TCP where the network is tcp, and also where UDP has none.
func TestServices(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the address is made, and nothing is sent
	for service, port := range map[string]string{
		"http": "80", "https": "443", "ssh": "22", "smtp": "25", "imaps": "993", "telnet": "23", "ftp": "21", "8080": "8080",
	} {
		for _, network := range []string{"tcp", "tcp4", "udp", "udp4"} {
			_, err := ebb.DialContext(ctx, network, "127.0.0.1:"+service)
			if op, ok := errors.AsType[*net.OpError](err); !ok || op.Addr == nil || op.Addr.String() != "127.0.0.1:"+port {
				t.Errorf("%s %s: %v, want the address with port %s", network, service, err, port)
			}
			l, err := ebb.Listen(network, "127.0.0.1:"+service)
			switch {
			case err == nil:
				l.Close()
			case !errors.Is(err, syscall.EACCES) && !errors.Is(err, syscall.EADDRINUSE):
				t.Errorf("listening on %s %s: %v", network, service, err)
			}
		}
	}
}

// A dialer's and a listener's keep-alive are those of their connections.
func TestKeepAliveOfDialerAndListener(t *testing.T) {
	leavesNothing(t)
	every := net.KeepAliveConfig{Enable: true, Idle: 20 * time.Millisecond, Interval: time.Minute, Count: 9}
	for _, test := range []struct {
		d ebb.Dialer
		l ebb.ListenConfig
	}{
		{d: ebb.Dialer{KeepAlive: 20 * time.Millisecond}},
		{d: ebb.Dialer{KeepAliveConfig: every}},
		{d: ebb.Dialer{KeepAlive: -1}, l: ebb.ListenConfig{KeepAlive: 20 * time.Millisecond}},
		{d: ebb.Dialer{KeepAlive: -1}, l: ebb.ListenConfig{KeepAliveConfig: every}},
	} {
		l, err := test.l.Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c, err := test.d.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		from := accepted
		if test.d.KeepAlive >= 0 {
			from = c
		}
		quiet := from.(*ebb.Conn).Info().PacketsSent
		eventually(t, "probes", func() bool { return from.(*ebb.Conn).Info().PacketsSent > quiet+5 })
		c.Close()
		accepted.Close()
		l.Close()
	}
}

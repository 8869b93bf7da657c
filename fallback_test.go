package ebb_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/limits"
)

// beside is a listener of both kinds on loopback that closes with the test, whose connections are echoed.
func beside(t *testing.T, cfg *ebb.Config) *ebb.Listener {
	t.Helper()
	lc := ebb.ListenConfig{Config: inMode(cfg), Fallback: true}
	l, err := lc.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*ebb.Listener)
}

// echoed serves a listener in the test's background.
func echoed(t *testing.T, l net.Listener) {
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				io.Copy(c, struct{ io.Reader }{c})
			})
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
}

// tcpOver is a listener of the kernel's TCP, echoed, on the number of a UDP socket that takes everything and answers nothing.
func tcpOver(t *testing.T, address string) string {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp4", address)
		if err != nil {
			t.Skip("this system has one loopback address: ", err)
		}
		pc, err := net.ListenPacket("udp4", l.Addr().String())
		if err != nil {
			l.Close()
			continue
		}
		t.Cleanup(func() { pc.Close() })
		echoed(t, l)
		return l.Addr().String()
	}
	t.Fatal("no port number is free for both")
	return ""
}

// uses demands that a connection is of a kind, and that it carries what is written.
func uses(t *testing.T, c net.Conn, err error, kind string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := fmt.Sprintf("%T", c); got != kind {
		t.Fatalf("the connection is a %s, want %s", got, kind)
	}
	write(t, c, "echo")
	reads(t, c, "echo")
}

const (
	plainEbb  = "*ebb.Conn"
	secureEbb = "*ebb.SecureConn"
	plainTCP  = "*net.TCPConn"
	secureTCP = "*tls.Conn"
)

// Where Ebb works a dial is one of Ebb's, and takes no longer than without a Fallback.
func TestFallbackWhereEbbWorks(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	for kind, cfgs := range map[string][2]*ebb.Config{plainEbb: {}, secureEbb: {{TLS: client}, {TLS: server}}} {
		l := beside(t, cfgs[1])
		echoed(t, l)
		for _, network := range []string{"tcp", "udp4"} {
			d := ebb.Dialer{Config: inMode(cfgs[0]), Timeout: patience, Fallback: &ebb.Fallback{Delay: time.Hour}}
			c, err := d.Dial(network, l.Addr().String())
			uses(t, c, err, kind)
		}
	}
	l := beside(t, nil)
	echoed(t, l)
	least := func(f *ebb.Fallback) time.Duration {
		best := time.Hour
		for range 30 {
			start := time.Now()
			d := ebb.Dialer{Config: inMode(nil), Timeout: patience, Fallback: f}
			c, err := d.Dial("tcp", l.Addr().String())
			best = min(best, time.Since(start))
			uses(t, c, err, plainEbb)
		}
		return best
	}
	if without, with := least(nil), least(new(ebb.Fallback)); with > without+5*time.Millisecond {
		t.Errorf("a dial takes %v at least, and %v without a Fallback", with, without)
	}
}

// Where UDP is dropped from the start, TCP connects 250 ms after the beginning, and at once when that is known.
func TestFallbackWhereUDPIsDropped(t *testing.T) {
	leavesNothing(t)
	address := tcpOver(t, "127.0.0.1:0")
	best := time.Hour
	for try := 0; try < 5 && best > 300*time.Millisecond; try++ { // the machine may be busy
		start := time.Now()
		f := new(ebb.Fallback)
		d := ebb.Dialer{Config: inMode(nil), Fallback: f}
		c, err := d.Dial("tcp", address)
		took := time.Since(start)
		uses(t, c, err, plainTCP)
		if took < 250*time.Millisecond {
			t.Fatalf("TCP has connected after %v: did Ebb have its time?", took)
		}
		best = min(best, took)
		f.Delay = time.Hour
		for _, d := range []ebb.Dialer{d, {Fallback: f}} { // the memory is the Fallback's, and not the dialer's
			c, err = d.Dial("udp", address)
			uses(t, c, err, plainTCP)
		}
	}
	if best > 300*time.Millisecond {
		t.Errorf("a dial takes %v at least, want 300 ms", best)
	}
}

// Where UDP is rejected, or a dialer's own Config keeps Ebb from beginning, TCP begins at once.
func TestFallbackWhereUDPIsRejected(t *testing.T) {
	leavesNothing(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	echoed(t, l)
	for range 2 {
		d := ebb.Dialer{Config: inMode(nil), Timeout: patience, Fallback: &ebb.Fallback{Delay: time.Hour}}
		c, err := d.Dial("tcp4", l.Addr().String())
		uses(t, c, err, plainTCP)
		d.Fallback.Delay = -1 // TCP begins, as it is known, and Ebb does not
		c, err = d.Dial("tcp4", l.Addr().String())
		uses(t, c, err, plainTCP)
	}
}

// relay passes UDP and TCP on from a port number of its own, and UDP only while it pleases.
type relay struct {
	address string
	pass    atomic.Int64 // how many datagrams it still passes on, in both directions together
}

// newRelay is a relay to an address that ends with the test.
func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	tcp, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp4", tcp.Addr().String())
	if err != nil {
		tcp.Close()
		return newRelay(t, to)
	}
	r := &relay{address: tcp.Addr().String()}
	var working sync.WaitGroup
	working.Go(func() { r.passTCP(&working, tcp, to) })
	working.Go(func() { r.passUDP(&working, udp, to) })
	t.Cleanup(func() { tcp.Close(); udp.Close(); working.Wait() })
	return r
}

func (r *relay) passTCP(working *sync.WaitGroup, l net.Listener, to string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		working.Go(func() {
			defer c.Close()
			out, err := net.Dial("tcp4", to)
			if err != nil {
				return
			}
			defer out.Close()
			working.Go(func() { io.Copy(c, out); c.Close() })
			io.Copy(out, c)
		})
	}
}

func (r *relay) passUDP(working *sync.WaitGroup, pc net.PacketConn, to string) {
	outs := make(map[string]net.Conn)
	defer func() {
		for _, out := range outs {
			out.Close()
		}
	}()
	b := make([]byte, 1<<16)
	for {
		n, from, err := pc.ReadFrom(b)
		if err != nil {
			return
		}
		out := outs[from.String()]
		if out == nil {
			if out, err = net.Dial("udp4", to); err != nil {
				return
			}
			outs[from.String()] = out
			working.Go(func() {
				b := make([]byte, 1<<16)
				for {
					n, err := out.Read(b)
					if errors.Is(err, net.ErrClosed) {
						return
					}
					if err == nil && r.pass.Add(-1) >= 0 {
						pc.WriteTo(b[:n], from)
					}
				}
			})
		}
		if r.pass.Add(-1) >= 0 {
			out.Write(b[:n])
		}
	}
}

// Where UDP works and then stops, the next dial is TCP's, and those that follow begin with it.
func TestFallbackLearns(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	l := beside(t, &ebb.Config{TLS: server, HandshakeTimeout: time.Second, LingerTimeout: time.Second, IdleTimeout: time.Second})
	echoed(t, l)
	for _, stop := range []struct {
		name  string
		after int64
	}{{"between two dials", 0}, {"after the first packet", 1}} {
		t.Run(stop.name, func(t *testing.T) {
			r := newRelay(t, l.Addr().String())
			r.pass.Store(1 << 40)
			d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: client}), Timeout: patience, Fallback: &ebb.Fallback{Delay: 10 * time.Second}}
			c, err := d.Dial("tcp", r.address)
			uses(t, c, err, secureEbb)
			awaitOthers(t)
			r.pass.Store(stop.after)
			d.Fallback.Delay = 50 * time.Millisecond
			c, err = d.Dial("tcp", r.address)
			uses(t, c, err, secureTCP)
			r.pass.Store(1 << 40) // for a while nobody asks
			d.Fallback.Delay = time.Hour
			c, err = d.Dial("tcp", r.address)
			uses(t, c, err, secureTCP)
		})
	}
}

// A connection that UDP's end cuts off tells the Fallback that dialled it, also if it came from an endpoint that others use.
func TestFallbackLearnsOfSilence(t *testing.T) {
	leavesNothing(t)
	l := beside(t, &ebb.Config{LingerTimeout: time.Second, IdleTimeout: time.Second})
	echoed(t, l)
	cfg := inMode(&ebb.Config{KeepAlive: 50 * time.Millisecond, IdleTimeout: 100 * time.Millisecond})
	shared := endpoint(t, cfg)
	for name, d := range map[string]ebb.Dialer{"own socket": {Config: cfg}, "shared socket": {Endpoint: shared}} {
		t.Run(name, func(t *testing.T) {
			r := newRelay(t, l.Addr().String())
			r.pass.Store(1 << 40)
			f := &ebb.Fallback{Delay: time.Hour}
			d.Fallback, d.Timeout = f, patience
			c, err := d.Dial("tcp", r.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			write(t, c, "echo")
			reads(t, c, "echo")
			r.pass.Store(0)
			if _, ok := c.(*ebb.Conn); !ok {
				t.Fatalf("the connection is a %T", c)
			}
			if err := readsError(t, c); !errors.Is(err, ebb.ErrIdleTimeout) {
				t.Fatal(err)
			}
			r.pass.Store(1 << 40)
			eventually(t, "a dial that begins with TCP", func() bool { // the news may take a moment more than the error
				c, err := d.Dial("tcp", r.address)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_, ok := c.(*net.TCPConn)
				return ok
			})
		})
	}
}

// Of several addresses the first that connects wins, over whatever it does, and the trace is told of each attempt.
func TestFallbackOverSeveralAddresses(t *testing.T) {
	leavesNothing(t)
	address := tcpOver(t, "127.0.0.1:0")
	port := address[strings.LastIndexByte(address, ':'):]
	blackHole(t, "127.0.0.3"+port) // nor does TCP answer there: it refuses
	var got events
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		ConnectStart: func(network, addr string) { got.note("start", network, addr) },
		ConnectDone: func(network, addr string, err error) {
			got.note("done", network, addr, map[bool]string{true: "ok", false: "failed"}[err == nil])
		},
	})
	for _, delay := range []time.Duration{30 * time.Millisecond, -1} { // of Happy Eyeballs
		got.all = nil
		f := &ebb.Fallback{Delay: 100 * time.Millisecond}
		d := ebb.Dialer{Timeout: patience, FallbackDelay: delay, Fallback: f, Resolver: resolverOf(t, "127.0.0.3", "127.0.0.1")}
		c, err := d.DialContext(ctx, "udp", "two.example."+port)
		uses(t, c, err, plainTCP)
		if got := c.RemoteAddr().String(); got != address {
			t.Errorf("FallbackDelay %v: it is connected to %s", delay, got)
		}
		want := []string{
			"start udp 127.0.0.3" + port, "done udp 127.0.0.3" + port + " failed",
			"start tcp 127.0.0.3" + port, "done tcp 127.0.0.3" + port + " failed",
			"start tcp 127.0.0.1" + port, "done tcp 127.0.0.1" + port + " ok",
		}
		if delay > 0 { // both are silent
			want = append(want, "start udp 127.0.0.1"+port, "done udp 127.0.0.1"+port+" failed")
		}
		slices.Sort(want)
		slices.Sort(got.all)
		if !slices.Equal(got.all, want) {
			t.Errorf("FallbackDelay %v: the trace has\n%s\nwant\n%s", delay, strings.Join(got.all, "\n"), strings.Join(want, "\n"))
		}
	}
}

// With Config.TLS there is TLS over TCP too, of the same kind, or the dial fails.
func TestFallbackIsNoDowngrade(t *testing.T) {
	leavesNothing(t)
	client, server := secured(t)
	with := func(c *tls.Config, change func(*tls.Config)) *tls.Config {
		c = c.Clone()
		change(c)
		return c
	}
	protocols := func(names ...string) func(*tls.Config) { return func(c *tls.Config) { c.NextProtos = names } }
	chosen := with(server, protocols("a"))
	for _, tt := range []struct {
		name           string
		client, server *tls.Config // server nil: one that does not speak TLS
		says           string      // ""; it succeeds
	}{
		{"the same configs", client, server, ""},
		{"a protocol in common", with(client, protocols("b", "a")), chosen, ""},
		{"a server without TLS", client, nil, "over TCP: tls: "},
		{"another name", with(client, func(c *tls.Config) { c.ServerName = "other.test" }), server, "x509: certificate is valid for server.test"},
		{"TLS 1.2", client, with(server, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), "tls: protocol version not supported"},
		{"no protocol in common", with(client, protocols("b")), chosen, "tls: no application protocol"},
		{"a server that has no protocol", with(client, protocols("b")), server, "no application protocol in common"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			address := tlsServer(t, tt.server)
			d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: tt.client}), Timeout: patience, Fallback: &ebb.Fallback{Delay: time.Hour}}
			c, err := d.Dial("tcp", address)
			if tt.says != "" {
				if err == nil || !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("it dials %T, %v; want %q", c, err, tt.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			state := c.(*tls.Conn).ConnectionState()
			if state.Version != tls.VersionTLS13 || !slices.Contains(append(tt.client.NextProtos, ""), state.NegotiatedProtocol) {
				t.Errorf("%s, protocol %q", tls.VersionName(state.Version), state.NegotiatedProtocol)
			}
		})
	}
	d := ebb.Dialer{Config: &ebb.Config{TLS: with(client, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })}, Fallback: new(ebb.Fallback)}
	if c, err := d.Dial("tcp", tlsServer(t, server)); err == nil {
		t.Errorf("a client of TLS 1.2 dials %T", c)
	}
}

// tlsServer is a listener of TCP where UDP is rejected, which makes handshakes as package tls's own does.
func tlsServer(t *testing.T, cfg *tls.Config) string {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if cfg != nil {
		echoed(t, tls.NewListener(l, cfg))
	} else {
		echoed(t, l)
	}
	return l.Addr().String()
}

// A dial ends with its context and its deadline whatever is going on, and leaves neither socket nor goroutine.
func TestFallbackEnds(t *testing.T) {
	leavesNothing(t)
	client, _ := secured(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0") // which accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	pc, err := net.ListenPacket("udp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	before := descriptors(t)
	began := func() chan struct{} { return make(chan struct{}, 2) }
	for _, delay := range []time.Duration{time.Millisecond, time.Hour} {
		begun := began()
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{ConnectStart: func(string, string) { begun <- struct{}{} }})
		d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: client}), Fallback: &ebb.Fallback{Delay: delay}, Deadline: time.Now().Add(50 * time.Millisecond)}
		if _, err := d.DialContext(ctx, "tcp", l.Addr().String()); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Delay %v, with a deadline: %v", delay, err)
		}
		begun = began()
		ctx, cancel := context.WithCancel(ctx)
		go func() {
			for range cap(begun) {
				if <-begun; delay == time.Hour {
					break
				}
			}
			cancel()
		}()
		d.Deadline = time.Time{}
		if _, err := d.DialContext(ctx, "tcp", l.Addr().String()); !errors.Is(err, context.Canceled) {
			t.Errorf("Delay %v, cancelled: %v", delay, err)
		}
	}
	d := ebb.Dialer{Config: inMode(&ebb.Config{TLS: client, HandshakeTimeout: 50 * time.Millisecond}), Fallback: &ebb.Fallback{Delay: time.Millisecond}}
	if _, err := d.Dial("tcp", l.Addr().String()); !errors.Is(err, ebb.ErrHandshakeTimeout) || !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("nobody answers: %v", err)
	}
	eventually(t, "all descriptors to be closed", func() bool { return descriptors(t) <= before })
}

// descriptors is how many files the process has open; 0 where that cannot be seen.
func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(files)
}

// If both fail, the error is Ebb's, and says what TCP's is if that is another.
func TestFallbackErrors(t *testing.T) {
	leavesNothing(t)
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	d := ebb.Dialer{Config: inMode(&ebb.Config{HandshakeTimeout: 100 * time.Millisecond}), Fallback: &ebb.Fallback{Delay: time.Millisecond}}
	_, err = d.Dial("tcp", pc.LocalAddr().String())
	if !errors.Is(err, ebb.ErrHandshakeTimeout) || !errors.Is(err, syscall.ECONNREFUSED) || !strings.Contains(err.Error(), "over TCP: connect: connection refused") {
		t.Errorf("UDP is dropped, and TCP refused: %v", err)
	}
	pc.Close()
	_, err = d.Dial("tcp", pc.LocalAddr().String())
	op, ok := err.(*net.OpError)
	if sys, is := op.Err.(*os.SyscallError); !ok || !is || sys.Err != syscall.ECONNREFUSED {
		t.Errorf("nobody listens: %v", err)
	}
	m := limitsOf(t, limits.Config{Process: limits.Limits{Outbound: 1}})
	l := beside(t, nil)
	echoed(t, l)
	d = ebb.Dialer{Config: inMode(&ebb.Config{Limits: m}), Timeout: patience, Fallback: &ebb.Fallback{Delay: time.Hour}}
	c, err := d.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if c, err := d.Dial("tcp", l.Addr().String()); !errors.Is(err, limits.ErrLimit) {
		t.Errorf("a dial that the limits refuse is a %T, %v", c, err)
	}
}

// A dial over TCP leaves from LocalAddr, and Control sees its socket.
func TestFallbackSocket(t *testing.T) {
	leavesNothing(t)
	address := tlsServer(t, nil)
	var got events
	d := ebb.Dialer{
		Fallback: &ebb.Fallback{Delay: time.Hour}, LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, Timeout: patience,
		Control: func(network, address string, c syscall.RawConn) error { got.note(network, address); return nil },
	}
	c, err := d.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if at := addrPort(c.LocalAddr()); at.Addr() != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("it leaves from %v", at)
	}
	if want := []string{"udp4 " + address, "tcp4 " + address}; !slices.Equal(got.all, want) {
		t.Errorf("Control sees %q, want %q", got.all, want)
	}
}

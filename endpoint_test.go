package ebb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"example.com/ebb"
	"example.com/ebb/congestion"
	"example.com/ebb/ledbat"
)

// endpoint is an endpoint on loopback that closes with the test.
func endpoint(t testing.TB, cfg *ebb.Config) *ebb.Endpoint {
	t.Helper()
	return endpointOn(t, "udp4", "127.0.0.1:0", cfg)
}

// endpointOn is an endpoint on an address that closes with the test.
func endpointOn(t testing.TB, network, address string, cfg *ebb.Config) *ebb.Endpoint {
	t.Helper()
	pc, err := net.ListenPacket(network, address)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ebb.NewEndpoint(pc, inMode(cfg))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// serves has an endpoint listen until the test ends, though nobody may have the listener any more, which would close it.
func serves(t *testing.T, e *ebb.Endpoint) *ebb.Listener {
	t.Helper()
	l, err := e.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { runtime.KeepAlive(l) })
	return l
}

func TestOneSocketDialsAndListens(t *testing.T) {
	leavesNothing(t)
	a, b := endpoint(t, nil), endpoint(t, nil)
	la, lb := serves(t, a), serves(t, b)
	there, err := a.DialAddr(t.Context(), b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	back, err := b.Dial("tcp", a.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	atB, atA := accept(t, lb), accept(t, la)
	write(t, there, "there")
	reads(t, atB, "there")
	write(t, back, "back")
	reads(t, atA, "back")
	if there.LocalAddr().String() != a.Addr().String() || atA.LocalAddr().String() != a.Addr().String() {
		t.Errorf("two sockets at %v: %v and %v", a.Addr(), there.LocalAddr(), atA.LocalAddr())
	}
	if udp, tcp := there.RemoteAddr().Network(), back.RemoteAddr().Network(); udp != "udp" || tcp != "tcp" {
		t.Errorf("RemoteAddr is of network %s where it was dialled by a UDP address, and %s where by tcp", udp, tcp)
	}
}

// TestEndpointsDialAsPackageNetDoes: by name, within a context, with net's errors, from the one socket.
func TestEndpointsDialAsPackageNetDoes(t *testing.T) {
	leavesNothing(t)
	e, l := endpoint(t, nil), listen(t, nil)
	transport := http.Transport{DialContext: e.DialContext}
	c, err := transport.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	write(t, c, "x")
	s := accept(t, l)
	reads(t, s, "x")
	if got, want := s.RemoteAddr().String(), e.Addr().String(); got != want {
		t.Errorf("the peer sees %s, want the endpoint's address %s", got, want)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	c, err = e.DialContext(cancelled, "udp", l.Addr().String())
	var op *net.OpError
	if c != nil || !errors.Is(err, context.Canceled) || !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("with a context that is over: %v, %v", c, err)
	}
	if c, err = e.Dial("unix", "/x"); c != nil || !errors.As(err, new(net.UnknownNetworkError)) {
		t.Errorf("of an unknown network: %v, %v", c, err)
	}
}

// TestCrossingDials: two endpoints that do not listen dial each other, and both
// get the one connection, or both are refused.
func TestCrossingDials(t *testing.T) {
	leavesNothing(t)
	for range 200 {
		a, b := endpoint(t, nil), endpoint(t, nil)
		var conns [2]*ebb.Conn
		var errs [2]error
		var group sync.WaitGroup
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		group.Go(func() { conns[0], errs[0] = a.DialAddr(ctx, b.Addr()) })
		group.Go(func() { conns[1], errs[1] = b.DialAddr(ctx, a.Addr()) })
		group.Wait()
		// The first may have come before the second was begun: refused, as a
		// SYN would be, and the second finds nobody either.
		if errors.Is(errs[0], syscall.ECONNREFUSED) && errors.Is(errs[1], syscall.ECONNREFUSED) {
			a.Close()
			b.Close()
			continue
		}
		if errs[0] != nil || errs[1] != nil {
			t.Fatal(errs)
		}
		write(t, conns[0], "from a")
		reads(t, conns[1], "from a")
		write(t, conns[1], "from b")
		reads(t, conns[0], "from b")
		if conns[0].Info().Dialled == conns[1].Info().Dialled {
			t.Error("two connections")
		}
		eventually(t, "the dial that lost to be forgotten", func() bool {
			return a.Info().Connections == 1 && b.Info().Connections == 1
		})
		a.Close()
		b.Close()
	}
}

func TestDialToItself(t *testing.T) {
	leavesNothing(t)
	e := endpoint(t, nil)
	l := serves(t, e)
	c, err := e.DialAddr(t.Context(), e.Addr())
	if err != nil {
		t.Fatal(err)
	}
	s := accept(t, l)
	write(t, c, "to myself")
	reads(t, s, "to myself")
}

func TestForeignDatagrams(t *testing.T) {
	leavesNothing(t)
	type datagram struct {
		b    string
		from string
	}
	got := make(chan datagram, 10)
	e := endpoint(t, &ebb.Config{Foreign: func(b []byte, from net.Addr) { got <- datagram{string(b), from.String()} }})
	pc, err := net.Dial("udp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	for _, s := range []string{"d1:ad2:id20:", "\x00\x01stun"} {
		pc.Write([]byte(s))
		if d := <-got; d.b != s || d.from != pc.LocalAddr().String() {
			t.Errorf("got %q from %s", d.b, d.from)
		}
	}
	if n := e.Info().Foreign; n != 2 {
		t.Errorf("%d foreign datagrams", n)
	}
	// And without a hook.
	quiet := endpoint(t, nil)
	pc2, err := net.Dial("udp", quiet.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer pc2.Close()
	pc2.Write([]byte("hello"))
	eventually(t, "it to be counted", func() bool { return quiet.Info().Foreign == 1 })
}

func TestEndpointClose(t *testing.T) {
	leavesNothing(t)
	e := endpoint(t, nil)
	l := serves(t, e)
	if _, err := e.Listen(); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second Listen: %v", err)
	}
	peer := dial(t, l, nil)
	c := accept(t, l)
	waiting := dial(t, l, nil)
	eventually(t, "the queue", func() bool { return e.Info().Queued == 1 })
	read := make(chan error, 1)
	go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
	dialling := make(chan error, 1)
	go func() { _, err := e.DialAddr(t.Context(), silent(t)); dialling <- err }()
	eventually(t, "the dial to begin", func() bool { return e.Info().Connections == 3 })

	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read = %v", err)
	}
	if err := <-dialling; !errors.Is(err, net.ErrClosed) {
		t.Errorf("DialContext = %v", err)
	}
	for _, c := range []*ebb.Conn{peer, waiting} { // the peers are told
		if err := readsError(t, c); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a peer reads %v", err)
		}
	}
	if err := e.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
	if _, err := e.Listen(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Listen: %v", err)
	}
	if _, err := e.DialAddr(t.Context(), peer.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("DialContext: %v", err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: %v", err)
	}
	if n := e.Info().Connections; n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestListenAgain(t *testing.T) {
	leavesNothing(t)
	e := endpoint(t, nil)
	serves(t, e).Close()
	l := serves(t, e)
	c := dial(t, l, nil)
	write(t, c, "x")
	reads(t, accept(t, l), "x")
}

func TestBadConfig(t *testing.T) {
	for _, cfg := range []*ebb.Config{
		{SendBuffer: -1}, {ReceiveBuffer: -1}, {MaxDatagramSize: 1199}, {MaxDatagramSize: 65528},
		{PoolWeight: -1}, {PoolWeight: 257}, {Sockets: -1}, {Sockets: 65}, {DSCP: 64},
		{Congestion: ledbat.Factory(ledbat.Config{Mode: 99})}, {Congestion: ledbat.Factory(ledbat.Config{MaxDatagramSize: 1})},
		{Congestion: func(congestion.Params) congestion.Controller { return nil }},
	} {
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ebb.NewEndpoint(pc, cfg); err == nil {
			t.Errorf("NewEndpoint takes %+v", cfg)
		}
		if err := pc.Close(); err != nil {
			t.Errorf("a socket that was not taken is closed: %v", err)
		}
		if _, err := (&ebb.Dialer{Config: cfg}).Dial("udp", "127.0.0.1:9"); err == nil {
			t.Errorf("Dial takes %+v", cfg)
		}
		if _, err := (&ebb.ListenConfig{Config: cfg}).Listen(t.Context(), "udp", "127.0.0.1:0"); err == nil {
			t.Errorf("Listen takes %+v", cfg)
		}
	}
	e := endpoint(t, &ebb.Config{BandwidthLimit: -5, KeepAlive: -1, IdleTimeout: -1, UserTimeout: -1, HandshakeTimeout: -1,
		LingerTimeout: -1, DSCP: -1, MaxDatagramSize: -1, Backlog: -1, RetryThreshold: -1})
	l := serves(t, e)
	c := dial(t, l, nil)
	write(t, c, "without any bound")
	s := accept(t, l)
	reads(t, s, "without any bound")
	if got := s.Info().BandwidthLimit; got != ebb.Unlimited {
		t.Errorf("BandwidthLimit -5 became %d, want none as any negative number", got)
	}
	if _, err := e.DialAddr(t.Context(), &net.TCPAddr{}); err == nil {
		t.Error("DialAddr takes a TCP address")
	}
}

// TestConfigIsCopied: what a Config becomes after it was given has no effect.
func TestConfigIsCopied(t *testing.T) {
	cfg := &ebb.Config{BandwidthLimit: 1e6}
	e := endpoint(t, cfg)
	cfg.BandwidthLimit = 5
	l := serves(t, e)
	c := dial(t, l, nil)
	write(t, c, "x")
	s := accept(t, l)
	if got := s.Info().BandwidthLimit; got != 1e6 {
		t.Errorf("BandwidthLimit = %d", got)
	}
	if err := s.SetBandwidthLimit(ebb.Unlimited); err != nil || s.Info().BandwidthLimit != ebb.Unlimited {
		t.Errorf("SetBandwidthLimit: %v, %d", err, s.Info().BandwidthLimit)
	}
	if got := c.Info().BandwidthLimit; got != ebb.DefaultBandwidthLimit {
		t.Errorf("the default is %d", got)
	}
	if err := s.SetBandwidthLimit(-7); err != nil || s.Info().BandwidthLimit != ebb.Unlimited {
		t.Errorf("SetBandwidthLimit(-7): %v, %d, want none as in Config", err, s.Info().BandwidthLimit)
	}
	if err := s.SetBandwidthLimit(0); err != nil || s.Info().BandwidthLimit != ebb.DefaultBandwidthLimit {
		t.Errorf("SetBandwidthLimit(0): %v, %d, want the default as in Config", err, s.Info().BandwidthLimit)
	}
}

// TestLargeDatagrams: a path that carries more than Ethernet is used in full.
func TestLargeDatagrams(t *testing.T) {
	leavesNothing(t)
	cfg := &ebb.Config{BandwidthLimit: ebb.Unlimited, MaxDatagramSize: 16 << 10}
	a, b := pair(t, cfg)
	delivers(t, a, b, 8<<20)
	if got := a.Info().PacketSize; got < 8<<10 {
		t.Errorf("packets have %d bytes", got)
	}
	small, other := pair(t, &ebb.Config{BandwidthLimit: ebb.Unlimited, MaxDatagramSize: -1})
	delivers(t, small, other, 1<<20)
	if got := small.Info().PacketSize; got != 1200 {
		t.Errorf("without a search, packets have %d bytes", got)
	}
}

// TestEndpointsFamily: an endpoint of IPv4 does not waste a dial's time on IPv6.
func TestEndpointsFamily(t *testing.T) {
	leavesNothing(t)
	e := endpoint(t, nil)
	l := listen(t, nil)
	d := ebb.Dialer{Endpoint: e, Timeout: patience}
	c, err := d.Dial("tcp", fmt.Sprintf("localhost:%d", addrPort(l.Addr()).Port()))
	if err != nil {
		t.Fatal(err)
	}
	write(t, c, "x")
	reads(t, accept(t, l), "x")
	if _, err := d.Dial("tcp", "[::1]:9"); err == nil {
		t.Error("an IPv6 address was dialled")
	}
}

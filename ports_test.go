package ebb_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
)

// TestPortIsFreeWhenListenerCloseReturns: the next Listen on the address works, whatever the closed listener was doing.
func TestPortIsFreeWhenListenerCloseReturns(t *testing.T) {
	leavesNothing(t)
	l := listen(t, nil)
	address := l.Addr().String()
	for i := range 500 {
		if i%10 == 0 { // one that waits for Accept
			dial(t, l, nil)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		// By the system's own call: another process would have to be able to.
		c, err := net.ListenPacket("udp4", address)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		c.Close()
		next, err := (&ebb.ListenConfig{Config: inMode(nil)}).Listen(t.Context(), "udp4", address)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		l = next.(*ebb.Listener)
	}
	l.Close()
}

// TestServerRestartsOnItsAddress: http.Server.Shutdown, and a server on the same address, as after a change of settings.
func TestServerRestartsOnItsAddress(t *testing.T) {
	leavesNothing(t)
	address := "127.0.0.1:0"
	for i := range 60 {
		l, err := (&ebb.ListenConfig{Config: inMode(nil)}).Listen(t.Context(), "tcp4", address)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		address = l.Addr().String()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		transport := &http.Transport{DialContext: (&ebb.Dialer{Config: inMode(nil)}).DialContext}
		answer, err := (&http.Client{Transport: transport, Timeout: patience}).Get("http://" + address)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if b, err := io.ReadAll(answer.Body); string(b) != "hello" {
			t.Errorf("round %d: %q, %v", i, b, err)
		}
		answer.Body.Close()
		if err := server.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-served
		transport.CloseIdleConnections()
	}
}

// TestLocalPortIsFreeAfterDrain: a dial from the port that a drained connection had.
func TestLocalPortIsFreeAfterDrain(t *testing.T) {
	leavesNothing(t)
	l := sinkFor(t, nil)
	var local net.Addr
	for i := range 300 {
		c, err := (&ebb.Dialer{Config: inMode(nil), LocalAddr: local, Timeout: patience}).Dial("udp4", l.Addr().String())
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		local = c.LocalAddr()
		write(t, c, "hello")
		c.Close()
		if err := drain(t); err != nil {
			t.Fatal(err)
		}
	}
}

// TestListenTakesOverLivingConnections: accepted connections outlive their listener, and do not stand in the way of the next
// one on its address, whose Config is that of new connections.
func TestListenTakesOverLivingConnections(t *testing.T) {
	leavesNothing(t)
	old := listen(t, &ebb.Config{BandwidthLimit: 1e6})
	address := old.Addr().String()
	a := dial(t, old, nil)
	b := accept(t, old)
	if _, err := listenAgain(t, address, nil); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("beside a listener: %v", err)
	}
	old.Close()
	if offload.name == "all" {
		if _, err := listenAgain(t, address, &ebb.Config{NoGRO: true}); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("with another socket option: %v", err)
		}
		if _, err := listenAgain(t, address, &ebb.Config{Sockets: 2}); !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("with another number of sockets: %v", err)
		}
	}
	l, err := listenAgain(t, address, &ebb.Config{BandwidthLimit: 2e6, MaxDatagramSize: 9000, Backlog: 1})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, l, nil)
	d := accept(t, l)
	if got := d.Info().BandwidthLimit; got != 2e6 {
		t.Errorf("a new connection's limit is %d", got)
	}
	if got := b.Info().BandwidthLimit; got != 1e6 {
		t.Errorf("an old connection's limit is %d", got)
	}
	if l.Addr().String() != address || l.Endpoint().Info().Connections != 2 {
		t.Errorf("at %v, %d connections", l.Addr(), l.Endpoint().Info().Connections)
	}
	for _, p := range [][2]*ebb.Conn{{a, b}, {c, d}} {
		write(t, p[0], "to")
		reads(t, p[1], "to")
		write(t, p[1], "fro")
		reads(t, p[0], "fro")
	}
	// The second is closed as the first was, and the port is free once the last connection is over.
	l.Close()
	for _, c := range []*ebb.Conn{a, b, c, d} {
		c.Close()
	}
	if err := drain(t); err != nil {
		t.Error(err)
	}
	pc, err := net.ListenPacket("udp4", address)
	if err != nil {
		t.Fatal(err)
	}
	pc.Close()
}

func listenAgain(t *testing.T, address string, cfg *ebb.Config) (*ebb.Listener, error) {
	l, err := (&ebb.ListenConfig{Config: inMode(cfg)}).Listen(t.Context(), "tcp", address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { l.Close() })
	return l.(*ebb.Listener), nil
}

// hook is a slog.Handler that calls a function with each message.
type hook struct {
	slog.Handler
	call func(message string)
}

func (h hook) Enabled(context.Context, slog.Level) bool { return true }

func (h hook) Handle(_ context.Context, r slog.Record) error {
	h.call(r.Message)
	return nil
}

// callback is a call of the application's by the library, in which it does something once.
type callback struct {
	do   chan func()
	done chan struct{}
}

func newCallback() *callback { return &callback{make(chan func(), 1), make(chan struct{})} }

func (c *callback) called() {
	select {
	case f := <-c.do:
		f()
		close(c.done)
	default:
	}
}

// TestCloseFromCallback: what the library calls may close what it was called for, or wait for another goroutine that does.
func TestCloseFromCallback(t *testing.T) {
	leavesNothing(t)
	foreign := func(c *callback) *ebb.Config { return &ebb.Config{Foreign: func([]byte, net.Addr) { c.called() }} }
	logged := func(message string) func(c *callback) *ebb.Config {
		return func(c *callback) *ebb.Config {
			return &ebb.Config{Logger: slog.New(hook{slog.DiscardHandler, func(m string) {
				if m == message {
					c.called()
				}
			}})}
		}
	}
	listenerOf := func(e *ebb.Endpoint, l *ebb.Listener) io.Closer { return l }
	endpointOf := func(e *ebb.Endpoint, l *ebb.Listener) io.Closer { return e }
	for _, tt := range []struct {
		name   string
		config func(*callback) *ebb.Config
		closes func(*ebb.Endpoint, *ebb.Listener) io.Closer
	}{
		{"listener, Foreign", foreign, listenerOf},
		{"listener, established", logged("connection established"), listenerOf},
		{"listener, over", logged("connection over"), listenerOf},
		{"endpoint, Foreign", foreign, endpointOf},
		{"endpoint, established", logged("connection established"), endpointOf},
		{"endpoint, over", logged("connection over"), endpointOf},
	} {
		t.Run(tt.name, func(t *testing.T) { closesFromCallback(t, tt.config, tt.closes, func(f func()) { f() }) })
		t.Run(tt.name+", elsewhere", func(t *testing.T) {
			closesFromCallback(t, tt.config, tt.closes, func(f func()) {
				done := make(chan struct{})
				go func() { defer close(done); f() }()
				<-done
			})
		})
	}
}

func closesFromCallback(t *testing.T, config func(*callback) *ebb.Config, closes func(*ebb.Endpoint, *ebb.Listener) io.Closer, in func(func())) {
	cb := newCallback()
	e := endpoint(t, config(cb))
	l := serves(t, e)
	c := closes(e, l)
	cb.do <- func() { in(func() { c.Close() }) }
	pc, err := net.Dial("udp4", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	pc.Write([]byte("not ours"))
	d := ebb.Dialer{Config: inMode(nil), Timeout: patience}
	if c, err := d.Dial("udp4", e.Addr().String()); err == nil {
		c := c.(*ebb.Conn)
		c.Write([]byte{1})
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		limit := time.Now().Add(patience)
		for i := c.Info(); i.SendBuffered > 0 && i.State == ebb.StateEstablished && time.Now().Before(limit); i = c.Info() {
			<-tick.C // until its peer is complete, too: an abort is said once
		}
		c.Abort()
	}
	select {
	case <-cb.done:
	case <-time.After(patience):
		t.Fatal("Close waits for itself")
	}
}

// TestPortIsFreeWhenClosedFromCallback: also then.
func TestPortIsFreeWhenClosedFromCallback(t *testing.T) {
	leavesNothing(t)
	cb := newCallback()
	l := listen(t, &ebb.Config{Foreign: func([]byte, net.Addr) { cb.called() }})
	cb.do <- func() {
		l.Close()
		pc, err := net.ListenPacket("udp4", l.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		pc.Close()
	}
	pc, err := net.Dial("udp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	pc.Write([]byte("not ours"))
	<-cb.done
}

// TestEndpointCloseWaitsForCallback: when Close returns, the application is not being called any more.
func TestEndpointCloseWaitsForCallback(t *testing.T) {
	leavesNothing(t)
	entered, leave := make(chan struct{}), make(chan struct{})
	var left atomic.Bool
	e := endpoint(t, &ebb.Config{Foreign: func([]byte, net.Addr) {
		close(entered)
		<-leave
		left.Store(true)
	}})
	pc, err := net.Dial("udp4", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	pc.Write([]byte("not ours"))
	<-entered
	go func() {
		for _, err := e.Listen(); !errors.Is(err, net.ErrClosed); _, err = e.Listen() { // until Close has begun
			runtime.Gosched()
		}
		close(leave)
	}()
	e.Close()
	if !left.Load() {
		t.Error("Close has returned, and Foreign has not")
	}
}

package ebb_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ebb"
)

// opaque is a socket of which only the net.PacketConn is seen.
type opaque struct{ net.PacketConn }

// TestSocketClosedBySomebodyElse: whoever waits on the endpoint is told, by net.ErrClosed, and the log is.
func TestSocketClosedBySomebodyElse(t *testing.T) {
	for _, tt := range []struct {
		name string
		over func(net.PacketConn) (_ net.PacketConn, end func())
	}{
		{"system's", func(pc net.PacketConn) (net.PacketConn, func()) { return pc, func() { pc.Close() } }},
		{"any", func(pc net.PacketConn) (net.PacketConn, func()) { return opaque{pc}, func() { pc.Close() } }},
		{"writes", func(pc net.PacketConn) (net.PacketConn, func()) {
			var dead atomic.Bool
			return &moody{PacketConn: pc, fails: func(int64) error {
				if dead.Load() {
					return net.ErrClosed
				}
				return nil
			}}, func() { dead.Store(true) }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leavesNothing(t)
			pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			under, end := tt.over(pc)
			endsWithItsSocket(t, under, end)
		})
	}
}

func endsWithItsSocket(t *testing.T, pc net.PacketConn, end func()) {
	warned := make(chan string, 10)
	e, err := ebb.NewEndpoint(pc, inMode(&ebb.Config{Logger: slog.New(warnings{slog.DiscardHandler, warned})}))
	if err != nil {
		t.Fatal(err)
	}
	l := serves(t, e)
	c, err := e.DialAddr(t.Context(), listen(t, nil).Addr())
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"Accept": func() error { _, err := l.Accept(); return err },
		"Read":   func() error { _, err := c.Read(make([]byte, 1)); return err },
		"Write": func() error {
			for {
				if _, err := c.Write(make([]byte, 1<<20)); err != nil {
					return err
				}
			}
		},
		"DialAddr": func() error { _, err := e.DialAddr(t.Context(), silent(t)); return err },
	}
	type outcome struct {
		what string
		err  error
	}
	outcomes := make(chan outcome, len(calls))
	for what, call := range calls {
		go func() { outcomes <- outcome{what, call()} }()
	}
	eventually(t, "the dial to begin", func() bool { return e.Info().Connections == 2 })
	end()
	limit := time.After(patience)
	for range calls {
		select {
		case o := <-outcomes:
			var op *net.OpError
			if !errors.Is(o.err, net.ErrClosed) || !errors.As(o.err, &op) {
				t.Errorf("%s: %v", o.what, o.err)
			}
		case <-limit:
			t.Fatal("somebody is not told")
		}
	}
	if _, err := e.DialAddr(t.Context(), silent(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a later DialAddr: %v", err)
	}
	if m := <-warned; m != "somebody else has closed the socket: the endpoint is over" {
		t.Errorf("the log has %q", m)
	}
	// A connection that somebody was sending for is entered as ended by whoever that was.
	eventually(t, "no connection to be left", func() bool { return e.Info().Connections == 0 })
}

// warnings is a slog.Handler that hands on what is logged at level Warn.
type warnings struct {
	slog.Handler
	to chan<- string
}

func (h warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (h warnings) Handle(_ context.Context, r slog.Record) error {
	h.to <- r.Message
	return nil
}

// stuck is a socket whose writes wait until it is closed.
type stuck struct {
	net.PacketConn
	closed chan struct{}
}

func (s stuck) WriteTo([]byte, net.Addr) (int, error) {
	<-s.closed
	return 0, net.ErrClosed
}

func (s stuck) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return s.PacketConn.Close()
}

// TestDialKeepsToItsContextWhileWritesWait: a PacketConn that does not return from WriteTo costs a dial no more than its time.
func TestDialKeepsToItsContextWhileWritesWait(t *testing.T) {
	leavesNothing(t)
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e, err := ebb.NewEndpoint(stuck{pc, make(chan struct{})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	to := silent(t)
	for range 2 { // the second finds the first one's write waiting
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		failed := make(chan error, 1)
		go func() { _, err := e.DialAddr(ctx, to); failed <- err }()
		select {
		case err := <-failed:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("DialContext: %v", err)
			}
		case <-time.After(patience):
			t.Fatal("DialAddr forgets its context")
		}
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

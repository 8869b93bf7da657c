package ebb_test

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
)

// patience bounds the wait for what must happen. It decides how long a failing
// test takes, never if a good one passes.
const patience = 20 * time.Second

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatalf("waited %v for: %s", patience, what)
		}
	}
}

// leavesNothing fails the test if goroutines that it started are there after
// its end. Connections that are still delivering get their time.
func leavesNothing(t *testing.T) {
	t.Helper()
	awaitOthers(t)
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for limit := time.Now().Add(patience); runtime.NumGoroutine() > before; <-tick.C {
			if time.Now().After(limit) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
		}
	})
}

// awaitOthers waits for the connections that earlier tests have closed: Drain is the
// process's, and one whose peer went away without a word lingers for half a minute.
func awaitOthers(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := ebb.Drain(ctx); errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("connections of earlier tests do not end: %v", err)
	}
}

// listen is a listener on loopback that closes with the test.
func listen(t *testing.T, cfg *ebb.Config) *ebb.Listener {
	t.Helper()
	l, err := (&ebb.ListenConfig{Config: inMode(cfg)}).Listen(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*ebb.Listener)
}

// dial is a connection to a listener that closes with the test.
func dial(t *testing.T, l net.Listener, cfg *ebb.Config) *ebb.Conn {
	t.Helper()
	d := ebb.Dialer{Config: inMode(cfg), Timeout: patience}
	c, err := d.Dial("udp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*ebb.Conn)
}

func accept(t *testing.T, l *ebb.Listener) *ebb.Conn {
	t.Helper()
	l.SetDeadline(time.Now().Add(patience))
	c, err := l.AcceptConn()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// pair is both ends of a connection over loopback.
func pair(t *testing.T, cfg *ebb.Config) (dialled, accepted *ebb.Conn) {
	t.Helper()
	l := listen(t, cfg)
	dialled = dial(t, l, cfg)
	return dialled, accept(t, l)
}

func write(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if n, err := io.WriteString(c, s); n != len(s) || err != nil {
		t.Fatalf("Write(%q) = %d, %v", s, n, err)
	}
}

// reads demands that exactly these bytes come next.
func reads(t *testing.T, c net.Conn, want string) {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	defer c.SetReadDeadline(time.Time{})
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// readsError demands that a Read fails, and returns the error.
func readsError(t *testing.T, c net.Conn) error {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(patience))
	n, err := c.Read(make([]byte, 100))
	if n != 0 || err == nil {
		t.Fatalf("Read = %d, %v; want an error", n, err)
	}
	return err
}

// TestNettestOverALossyPath: in real time, with loss, delay and packets out of
// order.
func TestNettestOverALossyPath(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as loss makes it")
	}
	path := simnet.LinkConfig{Delay: 2 * time.Millisecond, Jitter: time.Millisecond, Loss: 0.01, Reorder: 0.02, Duplicate: 0.01}
	seed := uint64(0)
	over := func() (*ebb.Endpoint, error) {
		pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		seed++
		return ebb.NewEndpoint(simnet.Wrap(pc, path, seed), inMode(fast))
	}
	leavesNothing(t)
	nettest.TestConn(t, func() (dialled, accepted net.Conn, stop func(), err error) {
		server, err := over()
		if err != nil {
			return nil, nil, nil, err
		}
		l, err := server.Listen()
		if err != nil {
			return nil, nil, nil, err
		}
		client, err := over()
		if err != nil {
			return nil, nil, nil, err
		}
		if dialled, err = client.DialAddr(t.Context(), server.Addr()); err != nil {
			return nil, nil, nil, err
		}
		if accepted, err = l.Accept(); err != nil {
			return nil, nil, nil, err
		}
		return dialled, accepted, func() {
			client.Close()
			server.Close()
			runtime.KeepAlive(dialled) // some tests use one end alone, and the other would be collected
			runtime.KeepAlive(accepted)
		}, nil
	})
}

func TestNettest(t *testing.T) {
	pipe := func(network, address string) nettest.MakePipe {
		return func() (dialled, accepted net.Conn, stop func(), err error) {
			lc, d := ebb.ListenConfig{Config: inMode(nil)}, ebb.Dialer{Config: inMode(nil)}
			l, err := lc.Listen(context.Background(), network, address)
			if err != nil {
				return nil, nil, nil, err
			}
			defer l.Close()
			if dialled, err = d.Dial(network, l.Addr().String()); err != nil {
				return nil, nil, nil, err
			}
			if accepted, err = l.Accept(); err != nil {
				dialled.Close()
				return nil, nil, nil, err
			}
			return dialled, accepted, func() { dialled.Close(); accepted.Close() }, nil
		}
	}
	leavesNothing(t)
	t.Run("udp4", func(t *testing.T) { nettest.TestConn(t, pipe("udp4", "127.0.0.1:0")) })
	t.Run("tcp6", func(t *testing.T) {
		if !nettest.SupportsIPv6() {
			t.Skip("no IPv6 here")
		}
		nettest.TestConn(t, pipe("tcp6", "[::1]:0"))
	})
}

package ebb_test

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
)

// warm is a pair of connections that have found their packet size.
func warm(t *testing.T) (a, b *ebb.Conn) {
	a, b = pair(t, nil)
	for range 10 {
		if a.Info().PacketSize > 1400 {
			break
		}
		go a.Write(make([]byte, 1<<20))
		if _, err := io.ReadFull(b, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "all to be acknowledged", func() bool { return a.Info().SendBuffered == 0 })
	return a, b
}

func link(delay time.Duration) simnet.LinkConfig { return simnet.LinkConfig{Delay: delay} }

// With Nagle's algorithm at most one small packet is unacknowledged: bytes that are written meanwhile leave together.
func TestSetNoDelay(t *testing.T) {
	inBubble(t, link(50*time.Millisecond), link(50*time.Millisecond), func(b *bubble) {
		dialled, accepted := b.connect(nil, nil)
		for _, test := range []struct {
			noDelay     bool
			least, most uint64 // packets of data
		}{{true, 10, 12}, {false, 2, 4}} {
			if err := dialled.SetNoDelay(test.noDelay); err != nil {
				t.Fatal(err)
			}
			before := dialled.Info()
			for range 10 { // 5 ms apart: within a round trip, and far from at once
				if _, err := dialled.Write([]byte("0123456789")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(5 * time.Millisecond)
			}
			if _, err := io.ReadFull(accepted, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			if n := dialled.Info().PacketsSent - before.PacketsSent; n < test.least || n > test.most {
				t.Errorf("SetNoDelay(%v): 10 small writes take %d packets, want %d to %d", test.noDelay, n, test.least, test.most)
			}
		}
	})
}

// A small write leaves at once, also the first of many, and all of it has left soon after the last of them, whatever Nagle waits
// for, when the stream ends.
func TestASmallWriteLeavesAtOnce(t *testing.T) {
	inBubble(t, link(50*time.Millisecond), link(50*time.Millisecond), func(b *bubble) {
		dialled, accepted := b.connect(nil, nil)
		for _, pieces := range []int{1, 2, 500} {
			start := time.Now()
			for range pieces {
				if _, err := dialled.Write([]byte("0123456789")); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.ReadFull(accepted, make([]byte, 10*pieces)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > 53*time.Millisecond {
				t.Errorf("%d small writes are there after %v, half a round trip is 50 ms", pieces, took)
			}
			time.Sleep(time.Second)
		}
		dialled.SetNoDelay(false)
		start := time.Now()
		dialled.Write([]byte("first"))
		dialled.Write([]byte(" last"))
		dialled.CloseWrite()
		if got, err := io.ReadAll(accepted); string(got) != "first last" || err != nil || time.Since(start) > 53*time.Millisecond {
			t.Errorf("Nagle's algorithm delays the end: %q, %v after %v", got, err, time.Since(start))
		}
	})
}

// SetKeepAliveConfig says when a silent peer is probed, by whichever side, and when it is given up.
func TestSetKeepAlive(t *testing.T) {
	var dead atomic.Bool
	lossy := simnet.LinkConfig{Delay: 10 * time.Millisecond, Drop: func(int, []byte) bool { return dead.Load() }}
	inBubble(t, lossy, lossy, func(b *bubble) {
		long := &ebb.Config{KeepAlive: time.Hour, IdleTimeout: 2 * time.Hour}
		dialled, accepted := b.connect(long, long)
		for _, c := range []*ebb.Conn{dialled, accepted} {
			time.Sleep(10 * time.Second)
			quiet := c.Info().PacketsSent
			time.Sleep(time.Minute)
			if n := c.Info().PacketsSent - quiet; n > 1 {
				t.Errorf("%d packets in a quiet minute", n)
			}
			if err := c.SetKeepAlivePeriod(5 * time.Second); err != nil {
				t.Fatal(err)
			}
			quiet = c.Info().PacketsSent
			time.Sleep(time.Minute)
			if n := c.Info().PacketsSent - quiet; n < 10 || n > 13 {
				t.Errorf("%d packets in a minute with a period of 5 s", n)
			}
			if err := c.SetKeepAlive(false); err != nil {
				t.Fatal(err)
			}
		}
		err := dialled.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 3 * time.Second, Interval: 2 * time.Second, Count: 3})
		if err != nil {
			t.Fatal(err)
		}
		write(b.T, accepted, "alive")
		reads(b.T, dialled, "alive")
		time.Sleep(time.Second) // of the three of silence
		dead.Store(true)
		start := time.Now()
		_, err = dialled.Read(make([]byte, 1))
		if took := time.Since(start); !errors.Is(err, ebb.ErrIdleTimeout) || took < 8*time.Second || took > 9*time.Second {
			t.Errorf("a dead peer is found after %v, with %v; 2 s more of silence and 3 times 2 s of probes are 8 s", took, err)
		}
	})
}

// The methods that programs reach for by interface are there, and fail as TCP's once the connection is closed.
func TestMethodsOfTCP(t *testing.T) {
	leavesNothing(t)
	type tcp interface { // all of *net.TCPConn but File, which is the kernel's
		net.Conn
		syscall.Conn
		io.ReaderFrom
		io.WriterTo
		CloseRead() error
		CloseWrite() error
		SetKeepAlive(bool) error
		SetKeepAliveConfig(net.KeepAliveConfig) error
		SetKeepAlivePeriod(time.Duration) error
		SetLinger(int) error
		SetNoDelay(bool) error
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
		MultipathTCP() (bool, error)
	}
	var _ tcp = (*net.TCPConn)(nil)
	l := listen(t, nil)
	dialled := dial(t, l, nil)
	var c tcp = dialled
	if multipath, err := c.MultipathTCP(); multipath || err != nil {
		t.Error(multipath, err)
	}
	calls := map[string]func() error{
		"SetKeepAlive":       func() error { return c.SetKeepAlive(true) },
		"SetKeepAliveConfig": func() error { return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) },
		"SetKeepAlivePeriod": func() error { return c.SetKeepAlivePeriod(time.Second) },
		"SetNoDelay":         func() error { return c.SetNoDelay(true) },
		"SetReadBuffer":      func() error { return c.SetReadBuffer(1 << 20) },
		"SetWriteBuffer":     func() error { return c.SetWriteBuffer(1 << 20) },
	}
	for name, call := range calls {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	raws := rawConns(t, c, l)
	c.Close()
	l.Close()
	for name, raw := range raws {
		if err := raw.Control(func(uintptr) { t.Errorf("a closed %s has a descriptor", name) }); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Control of a closed %s: %v", name, err)
		}
	}
	for name, call := range calls {
		if err := call(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s of a closed connection: %v", name, err)
		}
	}
}

// rawConns is what SyscallConn returns of both, which is good for Control and nothing else.
func rawConns(t *testing.T, c, l syscall.Conn) map[string]syscall.RawConn {
	t.Helper()
	raws := make(map[string]syscall.RawConn)
	for name, of := range map[string]syscall.Conn{"connection": c, "listener": l} {
		raw, err := of.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raws[name] = raw
		called := false
		if err := raw.Control(func(fd uintptr) { called = fd > 0 }); err != nil || !called {
			t.Errorf("Control of a %s: %v, called: %v", name, err, called)
		}
		for what, io := range map[string]func(func(uintptr) bool) error{"Read": raw.Read, "Write": raw.Write} {
			if err := io(func(uintptr) bool { return true }); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("%s of a raw %s: %v", what, name, err)
			}
		}
	}
	return raws
}

// SetWriteBuffer and SetReadBuffer bound what the two sides hold while nobody reads.
func TestSetBuffers(t *testing.T) {
	inBubble(t, link(10*time.Millisecond), link(10*time.Millisecond), func(b *bubble) {
		dialled, accepted := b.connect(&ebb.Config{BandwidthLimit: ebb.Unlimited}, nil)
		dialled.SetWriteBuffer(100 << 10)
		accepted.SetReadBuffer(200 << 10)
		dialled.SetWriteDeadline(time.Now().Add(10 * time.Second))
		n, err := dialled.Write(make([]byte, 8<<20))
		if most := 300 << 10; n > most || n < 100<<10 {
			t.Errorf("with buffers of 100 and 200 KiB, %d bytes are written until nobody reads (%v)", n, err)
		}
	})
}

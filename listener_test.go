package ebb_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
)

func TestListenerClose(t *testing.T) {
	leavesNothing(t)
	l := listen(t, nil)
	a := dial(t, l, nil)
	b := accept(t, l)
	waiting := dial(t, l, nil)
	eventually(t, "a connection to wait for Accept", func() bool { return l.Endpoint().Info().Queued == 1 })
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	// One that nobody has accepted is aborted.
	if err := readsError(t, waiting); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("what waited for Accept reads %v", err)
	}
	// What was accepted lives on.
	write(t, a, "still")
	reads(t, b, "still")
	write(t, b, "there")
	reads(t, a, "there")
	if _, err := ebb.DialTimeout("udp", l.Addr().String(), patience); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("Dial = %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a second Close = %v", err)
	}
	if err := l.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("SetDeadline = %v", err)
	}
	// The socket goes with the last connection, and its port is free.
	a.Close()
	b.Close()
	eventually(t, "the port to be free", func() bool {
		again, err := ebb.Listen("udp4", l.Addr().String())
		if err != nil {
			return false
		}
		again.Close()
		return true
	})
}

func TestAcceptWakes(t *testing.T) {
	leavesNothing(t)
	l := listen(t, nil)
	l.SetDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := l.Accept()
	var ne net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("past the deadline: %v", err)
	}
	l.SetDeadline(time.Time{})
	failed := make(chan error, 3)
	for range cap(failed) {
		go func() { _, err := l.Accept(); failed <- err }()
	}
	l.Close()
	for range cap(failed) {
		var op *net.OpError
		if err := <-failed; !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) || op.Op != "accept" {
			t.Errorf("Accept of a closed listener: %v", err)
		}
	}
}

func TestBacklog(t *testing.T) {
	leavesNothing(t)
	l := listen(t, &ebb.Config{Backlog: 2})
	for range 2 {
		dial(t, l, nil)
	}
	eventually(t, "the queue to fill", func() bool { return l.Endpoint().Info().Queued == 2 })
	// The third is ignored until there is room, and then let in.
	third := make(chan error, 1)
	go func() {
		c, err := ebb.DialTimeout("udp", l.Addr().String(), patience)
		if err == nil {
			defer c.Close()
		}
		third <- err
	}()
	eventually(t, "the third to be ignored", func() bool { return l.Endpoint().Info().Dropped["backlog full"] > 0 })
	for range 3 {
		accept(t, l)
	}
	if err := <-third; err != nil {
		t.Errorf("the third dial: %v", err)
	}
}

// TestThousandConnections opens more connections than may be half-open without
// proof, over two shared sockets, and counts goroutines: none is a
// connection's own.
func TestThousandConnections(t *testing.T) {
	const n = 1000
	leavesNothing(t)
	l := listen(t, &ebb.Config{RetryThreshold: 16})
	e := endpoint(t, nil)
	before := runtime.NumGoroutine()

	dialled, accepted := connectMany(t, e, l, n)
	eventually(t, "goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
	if info := l.Endpoint().Info(); info.Connections != n || info.HalfOpen != 0 {
		t.Errorf("the listener has %d connections, %d half-open", info.Connections, info.HalfOpen)
	}
	if got := greetings(t, accepted); got != n {
		t.Errorf("%d different greetings", got)
	}
	for i, c := range dialled {
		reads(t, c, fmt.Sprintf("%08d", i))
		c.Close()
	}
	for _, c := range accepted {
		c.Close()
	}
	if err := drain(t); err != nil {
		t.Errorf("Drain: %v", err)
	}
	eventually(t, "the connections to end", func() bool { return e.Info().Connections == 0 && l.Endpoint().Info().Connections == 0 })
}

// connectMany makes connections, a hundred at a time, and says on each which it is.
func connectMany(t *testing.T, e *ebb.Endpoint, l *ebb.Listener, n int) (dialled, accepted []*ebb.Conn) {
	dialled, accepted = make([]*ebb.Conn, n), make([]*ebb.Conn, n)
	var group sync.WaitGroup
	group.Go(func() {
		for i := range accepted {
			c, err := l.AcceptConn()
			if err != nil {
				t.Error(err)
				return
			}
			accepted[i] = c
		}
	})
	tickets := make(chan struct{}, 100)
	for i := range dialled {
		tickets <- struct{}{}
		group.Go(func() {
			defer func() { <-tickets }()
			c, err := e.DialAddr(t.Context(), l.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			dialled[i] = c
			fmt.Fprintf(c, "%08d", i)
		})
	}
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return dialled, accepted
}

// greetings reads the greeting of each connection, echoes it, and returns how many
// different ones there are.
func greetings(t *testing.T, conns []*ebb.Conn) int {
	seen := make(map[string]bool)
	for _, c := range conns {
		c.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 8)
		if _, err := io.ReadFull(c, b); err != nil {
			t.Fatal(err)
		}
		seen[string(b)] = true
		c.Write(b)
	}
	return len(seen)
}

package ebb_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/lab/simnet"
)

func TestHalfClose(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, nil)
	write(t, a, "question")
	if err := a.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	reads(t, b, "question")
	if err := readsError(t, b); err != io.EOF {
		t.Errorf("behind CloseWrite: %v", err)
	}
	write(t, b, "answer")
	reads(t, a, "answer")
	if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Write after CloseWrite: %v", err)
	}
	b.Close()
	if err := readsError(t, a); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestCloseRead(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, nil)
	write(t, b, "never read")
	if err := a.CloseRead(); err != nil {
		t.Fatal(err)
	}
	if err := readsError(t, a); err != io.EOF {
		t.Errorf("Read after CloseRead: %v", err)
	}
	write(t, b, "nor this")
	write(t, a, "still there")
	reads(t, b, "still there")
}

func TestClosedConn(t *testing.T) {
	leavesNothing(t)
	a, peer := pair(t, nil)
	defer runtime.KeepAlive(peer) // or it is collected, and resets
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	_, read := a.Read(make([]byte, 1))
	_, wrote := a.Write(make([]byte, 1))
	for what, err := range map[string]error{
		"Read": read, "Write": wrote, "Close": a.Close(), "CloseWrite": a.CloseWrite(), "CloseRead": a.CloseRead(),
		"SetDeadline": a.SetDeadline(time.Now()), "SetLinger": a.SetLinger(1), "SetBandwidthLimit": a.SetBandwidthLimit(1e6),
	} {
		var op *net.OpError
		if !errors.Is(err, net.ErrClosed) || !errors.As(err, &op) {
			t.Errorf("%s on a closed connection: %v", what, err)
		}
	}
	if a.LocalAddr() == nil || a.RemoteAddr() == nil || a.Info().State == "" {
		t.Error("a closed connection has no address or state")
	}
}

func TestCloseWakesWaiters(t *testing.T) {
	leavesNothing(t)
	a, peer := pair(t, &ebb.Config{SendBuffer: 64 << 10})
	defer runtime.KeepAlive(peer) // or it is collected, and resets
	failed := make(chan error, 3)
	for range 2 { // one waits in Read, the other for its turn
		go func() { _, err := a.Read(make([]byte, 1)); failed <- err }()
	}
	go func() { _, err := a.Write(make([]byte, 100<<20)); failed <- err }()
	eventually(t, "the send buffer to fill", func() bool { return a.Info().SendBuffered >= 48<<10 })
	a.SetLinger(0)
	a.Close()
	for range 3 {
		if err := <-failed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("woke with %v", err)
		}
	}
}

// TestCloseDelivers closes right behind a write larger than any window, and
// Drain waits until the peer has all of it.
func TestCloseDelivers(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, &ebb.Config{BandwidthLimit: ebb.Unlimited})
	sent := bytes.Repeat([]byte("0123456789abcdef"), 3<<20/16)
	received := make(chan []byte, 1)
	go func() {
		got, _ := io.ReadAll(b)
		received <- got
		b.Close()
	}()
	if _, err := a.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := drain(t); err != nil {
		t.Fatalf("Drain: %v", err)
	}
	if got := <-received; !bytes.Equal(got, sent) {
		t.Errorf("%d bytes arrived, %d were sent", len(got), len(sent))
	}
}

func drain(t *testing.T) error {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return ebb.Drain(ctx)
}

// TestWriteToAClosedPeer: the first Write succeeds, as over TCP, and its bytes are lost. The next says so, and so does Drain.
func TestWriteToAClosedPeer(t *testing.T) {
	leavesNothing(t)
	for _, again := range []bool{false, true} {
		a, b := pair(t, nil)
		b.Close()
		if err := readsError(t, a); err != io.EOF {
			t.Errorf("Read = %v", err)
		}
		big := make([]byte, 100<<10) // one piece under the lock
		if n, err := a.Write(big); n != len(big) || err != nil {
			t.Errorf("the first Write = %d, %v", n, err)
		}
		if again {
			if _, err := a.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
				t.Errorf("the second Write = %v", err)
			}
		}
		if err := readsError(t, a); err != io.EOF {
			t.Errorf("Read after a Write = %v", err)
		}
		a.Close()
		if err := drain(t); !errors.Is(err, ebb.ErrNotDelivered) {
			t.Errorf("Drain = %v", err)
		}
	}
}

func TestDrainTellsWhatGaveUp(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, nil)
	write(t, a, strings.Repeat("x", 100<<10)) // more than b takes unread
	a.Close()
	gone := make(chan error, 1)
	go func() { gone <- drain(t) }()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(io.ErrNoProgress)
	if err := ebb.Drain(ctx); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Drain with a context that is done: %v", err)
	}
	b.Abort()
	err := <-gone
	if !errors.Is(err, syscall.ECONNRESET) || !strings.Contains(err.Error(), b.LocalAddr().String()) {
		t.Errorf("Drain = %v", err)
	}
	if err := drain(t); err != nil {
		t.Errorf("with nothing left: %v", err)
	}
}

// TestDataToAClosedSide: pending bytes may be read, then ECONNRESET, and later
// writes are EPIPE.
func TestDataToAClosedSide(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, nil)
	write(t, b, "pending")
	eventually(t, "the bytes to arrive", func() bool { return a.Info().ReceiveBuffered > 0 })
	b.Close()
	eventually(t, "a write to fail", func() bool { _, err := a.Write([]byte("to nobody")); return err != nil })
	reads(t, a, "pending")
	// What failed may have been told to stop, with the reset yet to come; that is told to one call.
	_, err := a.Write([]byte("x"))
	if errors.Is(err, syscall.ECONNRESET) {
		_, err = a.Write([]byte("x"))
	}
	if !errors.Is(err, syscall.EPIPE) {
		t.Errorf("a later write: %v", err)
	}
}

func TestAbort(t *testing.T) {
	leavesNothing(t)
	a, b := pair(t, nil)
	if err := a.Abort(); err != nil {
		t.Fatal(err)
	}
	err := readsError(t, b)
	var op *net.OpError
	if !errors.Is(err, syscall.ECONNRESET) || !errors.As(err, &op) || op.Op != "read" || op.Timeout() {
		t.Errorf("the peer reads %v", err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("the peer writes: %v", err)
	}
	if err := drain(t); err != nil {
		t.Errorf("Drain waits for an aborted connection: %v", err)
	}
}

func TestLinger(t *testing.T) {
	leavesNothing(t)
	t.Run("0 discards", func(t *testing.T) {
		a, b := pair(t, nil)
		a.SetLinger(0)
		a.Close()
		if err := readsError(t, b); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer reads %v", err)
		}
	})
	t.Run("n waits for delivery", func(t *testing.T) {
		a, b := pair(t, nil)
		write(t, a, strings.Repeat("x", 100<<10))
		a.SetLinger(int(patience / time.Second))
		closed := make(chan error, 1)
		go func() { closed <- a.Close() }()
		eventually(t, "Close to begin", func() bool { return errors.Is(a.SetDeadline(time.Time{}), net.ErrClosed) })
		select {
		case <-closed:
			t.Fatal("Close returned before the peer read")
		default:
		}
		io.Copy(io.Discard, b)
		if err := <-closed; err != nil {
			t.Errorf("Close = %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ebb.Drain(ctx); err != nil {
			t.Errorf("after a lingering Close, Drain = %v", err)
		}
	})
	t.Run("n gives up", func(t *testing.T) {
		a, b := pair(t, nil)
		write(t, a, strings.Repeat("x", 100<<10))
		a.SetLinger(1)
		start := time.Now()
		a.Close()
		if took := time.Since(start); took < time.Second {
			t.Errorf("Close returned after %v", took)
		}
		if n, err := io.Copy(io.Discard, b); n != 100<<10 || err != nil {
			t.Errorf("the background delivered %d bytes, %v", n, err)
		}
	})
	t.Run("negative is the default", func(t *testing.T) {
		a, b := pair(t, nil)
		a.SetLinger(0)
		a.SetLinger(-1)
		write(t, a, "x")
		a.Close()
		reads(t, b, "x")
	})
}

func TestDeadlines(t *testing.T) {
	leavesNothing(t)
	a, peer := pair(t, &ebb.Config{SendBuffer: 64 << 10})
	defer runtime.KeepAlive(peer) // or it is collected, and resets
	isTimeout := func(what string, err error) {
		t.Helper()
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("%s: %v", what, err)
		}
	}
	a.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := a.Read(make([]byte, 1))
	isTimeout("a deadline to come", err)
	_, err = a.Read(make([]byte, 1))
	isTimeout("once passed", err)

	a.SetReadDeadline(time.Time{})
	read := make(chan error, 1)
	go func() { _, err := a.Read(make([]byte, 1)); read <- err }()
	a.SetReadDeadline(time.Now().Add(time.Hour))
	a.SetReadDeadline(time.Unix(1, 0))
	isTimeout("set while a read waits", <-read)

	more := make([]byte, 8<<20) // than the buffers hold; made before the clock runs
	a.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := a.Write(more)
	isTimeout("write", err)
	if n == 0 || n == len(more) {
		t.Errorf("%d bytes were written", n)
	}
	if _, err := a.Write(nil); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an empty write past the deadline: %v", err)
	}
	a.SetDeadline(time.Time{})
	if n, err := a.Read(nil); n != 0 || err != nil {
		t.Errorf("an empty read = %d, %v", n, err)
	}
	a.SetLinger(0)
}

// TestDrainTellsWhatFailedBefore: a delivery that was given up before Drain is called is an error of the next Drain, and
// of no other, and a warning in the log. A connection whose end its user was told of, and that lost nothing, is none.
func TestDrainTellsWhatFailedBefore(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		var log bytes.Buffer
		logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
		e := b.endpoint(b.client, clientPort, &ebb.Config{LingerTimeout: time.Second, UserTimeout: 3 * time.Second, Logger: logger})
		serves(b.T, b.endpoint(b.server, serverPort, nil))
		dial := func() *ebb.Conn {
			c, err := e.DialAddr(b.Context(), serverAddr)
			if err != nil {
				b.Fatal(err)
			}
			return c
		}
		const many = 80
		var conns [many]*ebb.Conn
		for i := range conns {
			conns[i] = dial()
		}
		closedLate, silent := dial(), dial()
		time.Sleep(time.Second)
		b.SetLink(b.client, b.server, simnet.LinkConfig{Loss: 1})
		for _, c := range conns {
			write(b.T, c, "into the void")
			c.Close()
		}
		write(b.T, closedLate, "lost before it is closed")
		time.Sleep(2 * time.Minute)
		closedLate.Close()
		silent.Close()

		err := ebb.Drain(b.Context())
		if !errors.Is(err, ebb.ErrNotDelivered) || !errors.Is(err, ebb.ErrUserTimeout) {
			b.Errorf("Drain = %v", err)
		}
		if told := strings.Count(fmt.Sprint(err), "->"); told != 64 || !strings.Contains(err.Error(), "17 closed connections more") {
			b.Errorf("it tells of %d, want 64 and that there were 17 more: %v", told, err)
		}
		if err := ebb.Drain(b.Context()); err != nil {
			b.Errorf("and again: %v", err)
		}
		if n := strings.Count(log.String(), "level=WARN"); n != many+1 {
			b.Errorf("%d warnings, want %d:\n%s", n, many+1, log.String())
		}
	})
}

// TestADrainThatIsCutShortLeavesTheRest: the next one tells of what it did not wait for.
func TestADrainThatIsCutShortLeavesTheRest(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, peer := b.connect(&ebb.Config{LingerTimeout: 10 * time.Second}, nil)
		defer runtime.KeepAlive(peer) // or it is collected, and resets
		b.SetLink(b.client, b.server, simnet.LinkConfig{Loss: 1})
		write(b.T, c, "into the void")
		c.Close()
		ctx, cancel := context.WithTimeout(b.Context(), time.Second)
		defer cancel()
		if err := ebb.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ebb.ErrNotDelivered) {
			b.Errorf("within a second: %v", err)
		}
		time.Sleep(time.Minute)
		if err := ebb.Drain(b.Context()); !errors.Is(err, ebb.ErrNotDelivered) {
			b.Errorf("a minute later: %v", err)
		}
	})
}

// TestAnEndInOrderIsNoFailure: a connection whose peer has read everything, and closed, is over before it is closed itself.
func TestAnEndInOrderIsNoFailure(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(nil, nil)
		write(b.T, s, "all is well")
		c.CloseWrite()
		reads(b.T, c, "all is well")
		c.Close()
		time.Sleep(time.Second)
		if got := s.Info().State; got != "done" {
			b.Fatalf("the peer is %s", got)
		}
		s.Close()
		if err := ebb.Drain(b.Context()); err != nil {
			b.Error(err)
		}
	})
}

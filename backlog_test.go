package ebb_test

import (
	"errors"
	"io"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb"
)

// settles waits until nothing more happens on a network without loss.
func settles() {
	time.Sleep(10 * oneWay)
	synctest.Wait()
}

// heapInUse is the memory that is reachable, in bytes.
func heapInUse() int64 {
	var m runtime.MemStats
	for range 3 { // what a sync.Pool holds goes with the second
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// many does something n times, a hundred at a time.
func many(n int, do func(i int)) {
	var group sync.WaitGroup
	tickets := make(chan struct{}, 100)
	for i := range n {
		tickets <- struct{}{}
		group.Go(func() {
			do(i)
			<-tickets
		})
	}
	group.Wait()
}

// TestDeadConnectionsDoNotFillMemory: connections that end while they wait for Accept cost no more than a full
// queue does, however many they are.
func TestDeadConnectionsDoNotFillMemory(t *testing.T) {
	const backlog, conns = 1024, 5000
	for _, tt := range []struct {
		name   string
		data   int // bytes that each sends before it is reset
		queued int // at the end
		most   int64
	}{
		{"without data", 0, 0, 1 << 20},
		{"with data", 1300, backlog, backlog * (64<<10 + 8<<10)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, delayed, delayed, func(b *bubble) {
				server := b.endpoint(b.server, serverPort, &ebb.Config{Backlog: backlog})
				l := serves(b.T, server)
				before := heapInUse()
				client := b.endpoint(b.client, clientPort, &ebb.Config{HandshakeTimeout: time.Second})
				dead := 0
				var mu sync.Mutex
				many(conns, func(int) {
					c, err := client.DialAddr(b.Context(), serverAddr)
					if err != nil {
						if !errors.Is(err, ebb.ErrHandshakeTimeout) {
							b.Error(err)
						}
						return
					}
					write(b.T, c, string(make([]byte, tt.data)))
					time.Sleep(time.Second) // until it is in the queue
					c.Abort()
					mu.Lock()
					dead++
					mu.Unlock()
				})
				client.Close()
				settles()
				time.Sleep(time.Minute) // the tombstones' time
				if got := server.Info().Queued; got != tt.queued {
					b.Errorf("%d connections are queued, want %d", got, tt.queued)
				}
				grown := heapInUse() - before
				b.Logf("%d connections have died in the queue, and hold %d KiB", dead, grown>>10)
				if grown > tt.most {
					b.Errorf("the heap has grown by %d bytes, a full queue may hold %d", grown, tt.most)
				}
				for range tt.queued {
					c := accept(b.T, l)
					if n, err := io.ReadFull(c, make([]byte, tt.data)); err != nil {
						b.Fatalf("%d bytes, %v", n, err)
					}
					if err := readsError(b.T, c); !errors.Is(err, syscall.ECONNRESET) {
						b.Fatalf("behind the data: %v", err)
					}
					c.Close()
				}
			})
		})
	}
}

// TestDialsAtOnceNeverOverfillTheQueue: with Backlog 1 one connection waits for Accept. The others, whose
// dials have been answered, get in as it is emptied, with what they have written. Who is unlucky tries again after twice the time, so
// it may take long.
func TestDialsAtOnceNeverOverfillTheQueue(t *testing.T) {
	const dials = 1100
	inBubble(t, delayed, delayed, func(b *bubble) {
		server := b.endpoint(b.server, serverPort, &ebb.Config{Backlog: 1, RetryThreshold: -1, HandshakeTimeout: time.Hour})
		l := serves(b.T, server)
		var group sync.WaitGroup
		conns := make([]*ebb.Conn, dials) // who has none any more closes it, and gives up in the end
		for i := range dials {
			e := b.endpoint(b.client, uint16(clientPort+i), &ebb.Config{IdleTimeout: time.Hour})
			group.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Microsecond) // the server's socket has a buffer for 170
				c, err := e.DialAddr(b.Context(), serverAddr)
				if err != nil {
					b.Error(err)
					return
				}
				conns[i] = c
				write(b.T, c, "hello")
			})
		}
		group.Wait()
		settles()
		queued := server.Info().Queued
		b.Logf("%d queued", queued)
		if queued != 1 {
			b.Errorf("%d connections are queued, want 1", queued)
		}
		for i := range dials {
			l.SetDeadline(time.Now().Add(10 * time.Minute))
			s, err := l.AcceptConn()
			if err != nil {
				for j, c := range conns {
					if info := c.Info(); info.Err != nil || info.SendBuffered > 0 {
						b.Logf("dial %d: %+v", j, info)
					}
				}
				b.Fatalf("after %d: %v, %+v", i, err, server.Info())
			}
			reads(b.T, s, "hello")
			if n := server.Info().Queued; n > 1 {
				b.Fatalf("%d connections are queued", n)
			}
		}
	})
}

// TestDialIsNotToldThatAFullQueueTookItsBytes: a dial that was answered when the queue turned out to be full goes on
// trying. If it gets no place in time, it is reset, and what it wrote was not delivered.
// Of docs/wire.md: [W84] [W85].
func TestDialIsNotToldThatAFullQueueTookItsBytes(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		server := b.endpoint(b.server, serverPort, &ebb.Config{Backlog: 1})
		l := serves(b.T, server)
		client := b.endpoint(b.client, clientPort, nil)
		start := time.Now()
		conns := make([]*ebb.Conn, 3)
		var group sync.WaitGroup
		for i := range conns {
			group.Go(func() {
				c, err := client.DialAddr(b.Context(), serverAddr)
				if err != nil {
					b.Error(err)
					return
				}
				write(b.T, c, "payment")
				conns[i] = c
			})
		}
		group.Wait()
		settles()
		first := accept(b.T, l)
		for _, c := range conns {
			c.Close()
		}
		reads(b.T, first, "payment")
		if err := ebb.Drain(b.Context()); !errors.Is(err, syscall.ECONNRESET) {
			b.Errorf("Drain = %v, want the reset of the one that got no place", err)
		}
		if took := time.Since(start); took < 9*time.Second || took > 15*time.Second {
			b.Errorf("it was given up after %v", took)
		}
		second := accept(b.T, l)
		reads(b.T, second, "payment")
		if n := server.Info().Queued; n != 0 {
			b.Errorf("%d connections are queued", n)
		}
	})
}

// TestQueueKeepsWhatAnAcceptIsGoodFor: of the connections that have ended before Accept, those are handed out that
// ended in order or hold bytes.
func TestQueueKeepsWhatAnAcceptIsGoodFor(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		server := b.endpoint(b.server, serverPort, nil)
		l := serves(b.T, server)
		client := b.endpoint(b.client, clientPort, nil)
		open := func(text string) *ebb.Conn {
			c, err := client.DialAddr(b.Context(), serverAddr)
			if err != nil {
				b.Fatal(err)
			}
			write(b.T, c, text)
			settles()
			return c
		}
		open("").Abort()
		open("some").Abort()
		open("").Close()
		open("all").Close()
		settles()
		if got := server.Info(); got.Queued != 3 {
			b.Errorf("%d connections are queued, want 3", got.Queued)
		}
		for _, want := range []struct {
			text string
			end  error
		}{{"some", syscall.ECONNRESET}, {"", io.EOF}, {"all", io.EOF}} {
			c := accept(b.T, l)
			got, err := io.ReadAll(c)
			if err == nil {
				err = io.EOF
			}
			if string(got) != want.text || !errors.Is(err, want.end) {
				b.Errorf("read %q, %v, want %q, %v", got, err, want.text, want.end)
			}
			c.Close()
		}
		l.SetDeadline(time.Now().Add(time.Second))
		if _, err := l.Accept(); err == nil {
			b.Error("a connection that was reset is handed out")
		}
	})
}

// TestQueueIsEmptyBehindClose: what has died in the queue goes with the listener.
func TestQueueIsEmptyBehindClose(t *testing.T) {
	inBubble(t, delayed, delayed, func(b *bubble) {
		server := b.endpoint(b.server, serverPort, nil)
		l := serves(b.T, server)
		client := b.endpoint(b.client, clientPort, nil)
		for i := range 4 {
			c, err := client.DialAddr(b.Context(), serverAddr)
			if err != nil {
				b.Fatal(err)
			}
			write(b.T, c, "x")
			settles()
			if i%2 == 0 {
				c.Abort()
			}
		}
		settles()
		if n := server.Info().Queued; n != 4 {
			b.Fatalf("%d connections are queued, want 4", n)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		settles()
		if got := server.Info(); got.Queued != 0 || got.Connections != 0 {
			b.Errorf("%d connections are queued, %d alive", got.Queued, got.Connections)
		}
		if err := ebb.Drain(b.Context()); err != nil {
			b.Error(err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			b.Errorf("Accept = %v", err)
		}
	})
}

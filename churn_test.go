package ebb_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/ebb"
)

// payload is the bytes of connection i: its number, and as many as that says, up to some 20 KB.
func payload(i uint64) []byte {
	r := rand.New(rand.NewPCG(i, 1))
	b := make([]byte, 8+r.IntN(20_000))
	binary.BigEndian.PutUint64(b, i)
	for j := 8; j < len(b); j++ {
		b[j] = byte(i) + byte(j)
	}
	return b
}

// TestManyShortConnections opens, uses and closes 50,000 connections, or 1500 without -long, at 200 at a time. Either side closes as soon as it has
// written: every byte arrives all the same, in both directions, and nothing is left of any.
func TestManyShortConnections(t *testing.T) {
	n := uint64(1500)
	if *longTables {
		n = 50_000
	}
	awaitOthers(t)
	before := held(t)
	var delivered atomic.Int64
	func() {
		e := newEnds(t, nil)
		l := e.listen()
		defer l.Close()
		var working sync.WaitGroup
		working.Go(func() {
			for range n {
				c, err := l.Accept()
				if err != nil {
					t.Error(err)
					return
				}
				working.Go(func() { serveShort(t, c, &delivered) })
			}
		})
		var next atomic.Uint64
		for range 200 {
			working.Go(func() {
				for i := next.Add(1); i <= n && !t.Failed(); i = next.Add(1) {
					useShort(t, e.d, l.Addr().String(), i)
				}
				if t.Failed() {
					l.Close()
				}
			})
		}
		working.Wait()
		drain(t)
	}()
	if got := delivered.Load(); got != int64(n) && !t.Failed() {
		t.Errorf("the bytes of %d connections of %d are delivered", got, n)
	}
	backToStart(t, before, 8<<20)
}

// serveShort reads what a client has written, to the end, and gives it back where the client waits for that. It closes at once.
func serveShort(t *testing.T, c net.Conn, delivered *atomic.Int64) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	got, err := io.ReadAll(c)
	if err != nil || len(got) < 8 {
		t.Errorf("the server reads %d bytes, %v", len(got), err)
		return
	}
	i := binary.BigEndian.Uint64(got)
	if want := payload(i); !bytes.Equal(got, want) {
		t.Errorf("connection %d: %d bytes of %d arrive, or others", i, len(got), len(want))
		return
	}
	if i%2 == 0 {
		if n, err := c.Write(got); err != nil {
			t.Errorf("connection %d: the server writes %d bytes, %v", i, n, err)
			return
		}
	}
	delivered.Add(1)
}

// useShort writes to a connection of its own. Of an even number it waits for the same bytes to come back, and otherwise it closes at once.
func useShort(t *testing.T, d ebb.Dialer, address string, i uint64) {
	c, err := d.Dial("udp4", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	b := payload(i)
	if n, err := c.Write(b); err != nil {
		t.Errorf("connection %d: the client writes %d bytes, %v", i, n, err)
		return
	}
	if i%2 == 1 {
		return
	}
	c.(*ebb.Conn).CloseWrite()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, b) {
		t.Errorf("connection %d: %d bytes of %d come back, or others: %v", i, len(got), len(b), err)
	}
}

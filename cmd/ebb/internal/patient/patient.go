// Package patient bounds how long one waits for a peer: for a message as a whole, or for content at a least rate.
package patient

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"example.com/ebb/cmd/ebb/internal/ends"
)

// LastWords is how long a receiver that ends a session waits for the sender to
// notice, so that its reason is not lost with the connection.
const LastWords = 5 * time.Second

// rateWindow is how long a sender may be slower than the least rate.
const rateWindow = time.Minute

// Conn bounds how long each Read and Write may wait. What it expects of the peer depends on what is
// read: a whole message by a time, or content at a rate. One goroutine reads, and says what it expects.
type Conn struct {
	net.Conn
	timeout time.Duration // of each Write, and of a Read where nothing else bounds it; 0: none
	until   time.Time     // Reads end then; zero: they do not

	mu          sync.Mutex
	interrupted bool

	// While content is read. Only the time spent in Read counts: a disk of ours that is slow is not the peer.
	minRate int64         // bytes per second; 0: any
	waited  time.Duration // in this window
	got     int64         // in this window
}

// New returns a connection each of whose Writes takes at most timeout, and each of whose Reads where nothing else is
// expected; 0 is for ever.
func New(conn net.Conn, timeout time.Duration) *Conn { return &Conn{Conn: conn, timeout: timeout} }

// parting is how long the Writes of an interrupted connection may take.
const parting = 2 * time.Second

// Interrupt ends the Read that waits, and all that follow, with os.ErrDeadlineExceeded. Writes go on for a short time,
// for a last message. Any goroutine may call it.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted = true
	c.Conn.SetReadDeadline(time.Unix(1, 0))
	c.Conn.SetWriteDeadline(time.Now().Add(parting))
}

// readUntil sets the deadline of the next Read.
func (c *Conn) readUntil(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.interrupted {
		c.Conn.SetReadDeadline(t)
	}
}

// ExpectWithin lets Reads go on for d from now on, however many they are; 0 is for ever.
func (c *Conn) ExpectWithin(d time.Duration) {
	c.until, c.minRate = time.Time{}, 0
	if d > 0 {
		c.until = time.Now().Add(d)
	}
}

// ExpectRate lets Reads go on as long as they bring so many bytes per second; 0 is any number.
func (c *Conn) ExpectRate(rate int64) {
	c.until, c.minRate = time.Time{}, rate
	c.waited, c.got = 0, 0
}

// Credit counts n bytes as if they had come: content that the peer need not send because it is here already.
func (c *Conn) Credit(n int64) { c.got += n }

// Read implements io.Reader.
func (c *Conn) Read(b []byte) (int, error) {
	if c.minRate > 0 {
		return c.readAtRate(b)
	}
	deadline := c.until
	if deadline.IsZero() && c.timeout > 0 {
		deadline = time.Now().Add(c.timeout)
	}
	c.readUntil(deadline)
	return c.Conn.Read(b)
}

// readAtRate is Read where a window of time has to bring as much as the least rate does.
func (c *Conn) readAtRate(b []byte) (int, error) {
	for {
		began := time.Now()
		c.readUntil(began.Add(rateWindow - c.waited))
		n, err := c.Conn.Read(b)
		c.waited += time.Since(began)
		c.got += int64(n)
		if c.waited < rateWindow && !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if c.got < c.minRate*int64(rateWindow/time.Second) {
			return n, &SlowError{c.got}
		}
		c.waited, c.got = 0, 0
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// SlowError ends a session whose sender is slower than the least rate.
type SlowError struct{ got int64 }

func (e *SlowError) Error() string {
	return fmt.Sprintf("the sender is too slow: %d bytes in %v", e.got, rateWindow)
}

// Timeout reports that this is the end of a time, as package net's errors do.
func (e *SlowError) Timeout() bool { return true }

// Write implements io.Writer.
func (c *Conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.timeout > 0 && !c.interrupted {
		c.SetWriteDeadline(time.Now().Add(c.timeout))
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// LastWords ends our direction and discards the other until the peer is gone.
func (c *Conn) LastWords() {
	ends.CloseWrite(c.Conn)
	c.Conn.SetReadDeadline(time.Now().Add(LastWords))
	io.Copy(io.Discard, c.Conn)
}

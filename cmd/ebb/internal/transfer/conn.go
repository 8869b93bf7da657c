package transfer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"example.com/ebb/cmd/ebb/internal/ends"
)

// lastWords is how long a receiver that ends a session waits for the sender to
// notice, so that its reason is not lost with the connection.
const lastWords = 5 * time.Second

// rateWindow is how long a sender may be slower than the least rate.
const rateWindow = time.Minute

// patientConn bounds how long each Read and Write may wait. What it expects of the peer depends on what is
// read: a whole message by a time, or content at a rate.
type patientConn struct {
	net.Conn
	timeout time.Duration // of each Write, and of a Read where nothing else bounds it; 0: none
	until   time.Time     // Reads end then; zero: they do not

	// While content is read. Only the time spent in Read counts: a disk of ours that is slow is not the peer.
	minRate int64         // bytes per second; 0: any
	waited  time.Duration // in this window
	got     int64         // in this window
}

// expectWithin lets Reads go on for d from now on, however many they are; 0 is for ever.
func (c *patientConn) expectWithin(d time.Duration) {
	c.until, c.minRate = time.Time{}, 0
	if d > 0 {
		c.until = time.Now().Add(d)
	}
}

// expectRate lets Reads go on as long as they bring so many bytes per second; 0 is any number.
func (c *patientConn) expectRate(rate int64) {
	c.until, c.minRate = time.Time{}, rate
	c.waited, c.got = 0, 0
}

// Read implements io.Reader.
func (c *patientConn) Read(b []byte) (int, error) {
	if c.minRate > 0 {
		return c.readAtRate(b)
	}
	deadline := c.until
	if deadline.IsZero() && c.timeout > 0 {
		deadline = time.Now().Add(c.timeout)
	}
	c.SetReadDeadline(deadline)
	return c.Conn.Read(b)
}

// readAtRate is Read where a window of time has to bring as much as the least rate does.
func (c *patientConn) readAtRate(b []byte) (int, error) {
	for {
		began := time.Now()
		c.SetReadDeadline(began.Add(rateWindow - c.waited))
		n, err := c.Conn.Read(b)
		c.waited += time.Since(began)
		c.got += int64(n)
		if c.waited < rateWindow && !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if c.got < c.minRate*int64(rateWindow/time.Second) {
			return n, &slowError{c.got}
		}
		c.waited, c.got = 0, 0
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// slowError ends a session whose sender is slower than the least rate.
type slowError struct{ got int64 }

func (e *slowError) Error() string {
	return fmt.Sprintf("the sender is too slow: %d bytes in %v", e.got, rateWindow)
}

// Timeout reports that this is the end of a time, as package net's errors do.
func (e *slowError) Timeout() bool { return true }

// Write implements io.Writer.
func (c *patientConn) Write(b []byte) (int, error) {
	if c.timeout > 0 {
		c.SetWriteDeadline(time.Now().Add(c.timeout))
	}
	return c.Conn.Write(b)
}

// lastWords ends our direction and discards the other until the peer is gone.
func (c *patientConn) lastWords() {
	ends.CloseWrite(c.Conn)
	c.Conn.SetReadDeadline(time.Now().Add(lastWords))
	io.Copy(io.Discard, c.Conn)
}

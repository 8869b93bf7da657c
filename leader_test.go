package ebb

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// loopbackPair is a connection over loopback, from a socket of its own to a listener's.
func loopbackPair(t *testing.T) (dialled, accepted *Conn) {
	t.Helper()
	l, err := Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	c, err := Dial("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	for _, c := range []net.Conn{c, s} {
		l := &c.(*Conn).sock.leadership
		l.mu.Lock()
		l.prompt = 10 * time.Second // on a busy machine everybody is late
		l.mu.Unlock()
		if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	return c.(*Conn), s.(*Conn)
}

// leaderOf is who reads a connection's socket.
func leaderOf(c *Conn) readerKind {
	l := &c.sock.leadership
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.by
}

// eventually waits for a condition, which the scheduler may delay.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.After(10 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not after 10 s: %s", what)
		}
	}
}

// converse has messages go to and fro until the dialling end's callers read the socket, one waiting in Read.
// The returned channel has that Read's outcome.
func converse(t *testing.T, c, s *Conn) <-chan error {
	t.Helper()
	go io.Copy(struct{ io.Writer }{s}, struct{ io.Reader }{s})
	message := make([]byte, 64)
	for i := 0; leaderOf(c) == endpointReads; i++ {
		if i == 1000 {
			t.Fatal("1000 messages, and the keeper still reads")
		}
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, message); err != nil {
			t.Fatal(err)
		}
	}
	read := make(chan error, 1)
	go func() {
		_, err := c.Read(message)
		read <- err
	}()
	eventually(t, "a caller waits", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.read.waiting
	})
	return read
}

func TestDeadlineEndsAReadThatLeads(t *testing.T) {
	c, s := loopbackPair(t)
	read := converse(t, c, s)
	if err := c.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read = %v, want a deadline exceeded", err)
	}
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 8)); n != 1 || err != nil {
		t.Fatalf("the next Read = %d, %v, want 1 byte", n, err)
	}
}

func TestCloseEndsAReadThatLeads(t *testing.T) {
	c, s := loopbackPair(t)
	read := converse(t, c, s)
	c.Close()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("Read = %v, want closed", err)
	}
	eventually(t, "the peer's end of the stream is read", func() bool {
		return leaderOf(c) == endpointReads
	})
}

func TestEndpointClosesUnderAReadThatLeads(t *testing.T) {
	c, s := loopbackPair(t)
	read := converse(t, c, s)
	if err := c.endpoint.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("Read = %v, want closed", err)
	}
}

// TestCallerWhoStaysAway leaves a socket to a caller who does not come back: the peer's bytes are
// acknowledged all the same.
func TestCallerWhoStaysAway(t *testing.T) {
	c, s := loopbackPair(t)
	read := converse(t, c, s)
	if _, err := s.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	if _, err := s.Write(make([]byte, 32<<10)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything is acknowledged", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.driver.Conn.Quiet()
	})
	if by := leaderOf(c); by != endpointReads {
		t.Errorf("leader = %d, want the keeper", by)
	}
}

// TestWriterBesideAReadThatLeads sends more than any buffer holds while the other direction's caller reads
// the socket, and goes on when that has its message and nobody reads.
func TestWriterBesideAReadThatLeads(t *testing.T) {
	c, s := loopbackPair(t)
	message := make([]byte, 64)
	echo := func() {
		if _, err := io.ReadFull(s, message); err != nil {
			t.Error(err)
		}
		if _, err := s.Write(message); err != nil {
			t.Error(err)
		}
	}
	for i := 0; i < 1000 && leaderOf(c) == endpointReads; i++ {
		go echo()
		if _, err := c.Write(make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 64)); err != nil {
			t.Fatal(err)
		}
	}
	if leaderOf(c) == endpointReads {
		t.Fatal("1000 messages, and the keeper still reads")
	}
	const size = 8 << 20
	done := make(chan error, 2)
	go func() {
		_, err := io.CopyN(io.Discard, struct{ io.Reader }{s}, size/2)
		if err == nil {
			_, err = s.Write([]byte("half"))
		}
		if err == nil {
			_, err = io.CopyN(io.Discard, struct{ io.Reader }{s}, size/2)
		}
		done <- err
	}()
	go func() {
		_, err := io.ReadFull(c, make([]byte, 4))
		done <- err
	}()
	if _, err := c.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestOneOfManyDoesNotLead has two connections of one socket converse in turn: neither may keep the
// other waiting.
func TestOneOfManyDoesNotLead(t *testing.T) {
	l, err := Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEndpoint(socket, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	e.sockets[0].leadership.prompt = 10 * time.Second // so that nobody is too late to lead
	var conns [2]*Conn
	for i := range conns {
		if conns[i], err = e.DialAddr(t.Context(), l.Addr()); err != nil {
			t.Fatal(err)
		}
		s, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(struct{ io.Writer }{s}, struct{ io.Reader }{s})
	}
	message := make([]byte, 64)
	for i := range 500 {
		c := conns[i%2]
		if _, err := c.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, message); err != nil {
			t.Fatal(err)
		}
		if by := leaderOf(c); by != endpointReads {
			t.Fatalf("after message %d the leader is %d, want the keeper", i, by)
		}
	}
}

package perf

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"net"
	"sync"
	"time"
)

// Server takes tests, one at a time, of all listeners together.
type Server struct {
	MaxSeconds float64 // of a test
	MaxStreams int     // data connections in each direction
	Look       Look
	Log        func(line string) // is told of tests; calls may overlap

	mu   sync.Mutex
	test *serverTest // nil: there is none
}

// serverTest is the test that is on.
type serverTest struct {
	Request
	token   string
	host    string // that the client is on, whose data connections alone are taken
	streams chan *stream
	until   time.Time // when it is over at the latest
}

// maxGreeting bounds the connections that have not said what they are for.
const maxGreeting = 64

// Serve takes connections until the context is done. It waits for the test that is on.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	var group sync.WaitGroup
	defer group.Wait()
	places := make(chan struct{}, maxGreeting)
	for {
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		select {
		case places <- struct{}{}:
			group.Go(func() { s.take(ctx, conn, places) })
		default:
			conn.Close()
		}
	}
}

// take deals with a connection. A place is given back when the connection has said what it is for.
func (s *Server) take(ctx context.Context, conn net.Conn, places <-chan struct{}) {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReaderSize(conn, maxMessage)
	var o opening
	err := readMessage(in, &o)
	<-places
	switch {
	case err != nil:
		conn.Close()
	case o.Test != nil:
		s.control(ctx, conn, in, o.Test)
	case o.Data != nil:
		s.join(conn, in, o.Data)
	default:
		conn.Close()
	}
}

// join adds a data connection to the test that is on.
func (s *Server) join(conn net.Conn, in *bufio.Reader, g *greeting) {
	s.mu.Lock()
	t := s.test
	s.mu.Unlock()
	if t == nil || t.token != g.Token || hostOf(conn) != t.host || g.Index < 0 || g.Index >= max(t.Up, t.Down) {
		conn.Close()
		return
	}
	select {
	case t.streams <- &stream{conn: conn, in: in, down: g.Down, index: g.Index, sender: g.Down}:
	default: // more than were asked for
		conn.Close()
	}
}

// hostOf is the address of the other side, without its port.
func hostOf(conn net.Conn) string {
	host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
	return host
}

// admit begins a test, or says why not.
func (s *Server) admit(conn net.Conn, q *Request) (*serverTest, error) {
	switch {
	case q.Up < 0 || q.Down < 0 || q.Up+q.Down == 0 || q.Up > s.MaxStreams || q.Down > s.MaxStreams:
		return nil, fmt.Errorf("up to %d connections in each direction are admitted", s.MaxStreams)
	case !(q.Seconds > 0 && q.Seconds <= s.MaxSeconds):
		return nil, fmt.Errorf("up to %v seconds are admitted", s.MaxSeconds)
	case q.Bytes < 0:
		return nil, errors.New("a negative number of bytes")
	}
	t := &serverTest{Request: *q, token: rand.Text(), host: hostOf(conn), streams: make(chan *stream, q.Up+q.Down),
		until: time.Now().Add(time.Duration(q.Seconds*float64(time.Second)) + 3*patience)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.test != nil {
		left := max(time.Until(s.test.until), 0).Seconds()
		return nil, fmt.Errorf("another test is on, for at most %.0f s more: one runs at a time", math.Ceil(left))
	}
	s.test = t
	return t, nil
}

// control runs a test.
func (s *Server) control(ctx context.Context, conn net.Conn, in *bufio.Reader, q *Request) {
	defer conn.Close()
	t, err := s.admit(conn, q)
	if err != nil {
		s.Log(fmt.Sprintf("%s: refused: %v", hostOf(conn), err))
		writeMessage(conn, answer{Error: err.Error()})
		return
	}
	if writeMessage(conn, answer{Token: t.token}) != nil {
		s.end(t)
		return
	}
	// The client says no more on this connection: its end ends the test.
	ctx, cancel := context.WithDeadline(ctx, t.until)
	defer cancel()
	conn.SetDeadline(time.Time{})
	var group sync.WaitGroup
	group.Go(func() {
		defer cancel()
		in.ReadByte()
	})
	beating, stopBeating := context.WithCancel(ctx)
	var beats sync.WaitGroup
	beats.Go(func() {
		if beat(beating, conn) != nil {
			cancel()
		}
	})
	results := t.run(ctx, s.Look)
	stopBeating()
	beats.Wait()
	s.end(t) // before the client knows, which may ask for its next at once
	conn.SetDeadline(time.Now().Add(patience))
	writeMessage(conn, results)
	conn.Close()
	group.Wait()
	s.Log(summary(t.host, results))
}

// beat says something to the client until the context ends, or it cannot be said. A host answers for a process that was killed only if
// something comes for it, and while the client sends all that it hears are acknowledgements, of which the last may be on its way before it
// is gone.
func beat(ctx context.Context, conn net.Conn) error {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			conn.SetWriteDeadline(time.Now().Add(patience))
			if _, err := conn.Write([]byte{' '}); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// end lets the next test begin.
func (s *Server) end(t *serverTest) {
	s.mu.Lock()
	s.test = nil
	s.mu.Unlock()
	for {
		select {
		case late := <-t.streams:
			late.conn.Close()
		default:
			return
		}
	}
}

// run runs the data connections as they come.
func (t *serverTest) run(ctx context.Context, look Look) []Result {
	results := make([]Result, t.Up+t.Down)
	var group sync.WaitGroup
	defer group.Wait()
	late, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for i := range results {
		select {
		case s := <-t.streams:
			group.Go(func() { results[i] = s.run(ctx, &t.Request, look) })
		case <-late.Done():
			results[i].Error = "the connection was not made"
		}
	}
	group.Wait()
	return results
}

// summary is a line about a test.
func summary(host string, results []Result) string {
	var up, down int64
	for _, r := range results {
		if r.Down {
			down += r.Bytes
		} else {
			up += r.Bytes
		}
	}
	return fmt.Sprintf("%s: received %d bytes, sent %d", host, up, down)
}

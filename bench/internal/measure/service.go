package measure

import (
	"errors"
	"io"
	"net"
	"sync"
)

// The first byte of a connection says what the client wants of it. The client
// is the one that closes first, except where it never does.
const (
	wantSink  = 'B' // blocks, each answered by nothing but the last
	wantEcho  = 'P' // messages of messageSize, each sent back
	wantOne   = 'E' // this very byte back
	wantQuiet = 'I' // this very byte back, and then nothing happens
)

const (
	// blockSize is what the bulk runs write at a time, in bytes. A block's
	// first byte says whether it is the last.
	blockSize   = 128 << 10
	blockMore   = 0
	blockLast   = 1
	messageSize = 64
)

// service is the far end of every measurement.
type service struct {
	listener net.Listener

	mu     sync.Mutex
	open   map[net.Conn]struct{}
	closed bool
	served sync.WaitGroup
}

// serve answers on a listener, which it owns from here on, until close.
func serve(ln net.Listener) *service {
	s := &service{listener: ln, open: make(map[net.Conn]struct{})}
	s.served.Add(1)
	go s.accept()
	return s
}

// close ends the listener and all connections, and waits for what serves them.
func (s *service) close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.open {
		c.Close()
	}
	s.mu.Unlock()
	err := s.listener.Close()
	s.served.Wait()
	return err
}

func (s *service) accept() {
	defer s.served.Done()
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		if !s.enter(c) {
			c.Close()
			return
		}
		go s.converse(c)
	}
}

// enter notes a connection, unless the service has ended.
func (s *service) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open[c] = struct{}{}
	s.served.Add(1)
	return true
}

func (s *service) leave(c net.Conn) {
	s.mu.Lock()
	delete(s.open, c)
	s.mu.Unlock()
	c.Close()
}

func (s *service) converse(c net.Conn) {
	defer s.served.Done()
	var want [1]byte
	if _, err := io.ReadFull(c, want[:]); err != nil {
		s.leave(c)
		return
	}
	var err error
	switch want[0] {
	case wantSink:
		err = sink(c)
	case wantEcho:
		err = echo(c)
	case wantOne:
		_, err = c.Write(want[:])
	case wantQuiet:
		if _, err := c.Write(want[:]); err == nil {
			return // stays open with nobody waiting, until close
		}
	default:
		err = errors.New("unknown request")
	}
	if err == nil {
		c.Read(want[:]) // until the client has closed
	}
	s.leave(c)
}

func sink(c net.Conn) error {
	block := make([]byte, blockSize)
	for {
		if _, err := io.ReadFull(c, block); err != nil {
			return err
		}
		if block[0] == blockLast {
			_, err := c.Write(block[:1])
			return err
		}
	}
}

func echo(c net.Conn) error {
	message := make([]byte, messageSize)
	for {
		if _, err := io.ReadFull(c, message); err != nil {
			return err
		}
		if _, err := c.Write(message); err != nil {
			return err
		}
	}
}

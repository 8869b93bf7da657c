package tlsdriver

import (
	"sync/atomic"

	"example.com/ebb/internal/protect"
)

// Session is a Driver as a connection sees it, which is stepped with a lock held and has no goroutine: it notes that there is
// work, and the connection's owner, when the lock is released, has that done.
type Session struct {
	*Driver
	wanted atomic.Bool
}

var _ protect.Handshake = (*Session)(nil)

// NewSession makes a session. The driver is to be started by it.
func NewSession(d *Driver) *Session { return &Session{Driver: d} }

// Start begins.
func (s *Session) Start() {
	if s.Driver.Start() {
		s.wanted.Store(true)
	}
}

// Receive takes bytes of the peer's.
func (s *Session) Receive(l protect.Level, b []byte) error {
	work, err := s.Driver.Receive(l, b)
	if work {
		s.wanted.Store(true)
	}
	return err
}

// TakeWork reports whether Work has to be called, which its caller takes upon itself.
func (s *Session) TakeWork() bool { return s.wanted.Swap(false) }

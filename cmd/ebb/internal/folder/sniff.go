package folder

import (
	"io"
	"net"
	"time"

	"example.com/ebb/cmd/ebb/internal/ends"
)

// Sniff waits for the first bytes of a sender and reports whether it speaks of folders. The connection that it returns is
// conn with those bytes in front; if they do not come in time, its reads say so.
func Sniff(conn net.Conn, wait time.Duration) (folders bool, whole net.Conn) {
	conn.SetReadDeadline(time.Now().Add(wait))
	defer conn.SetReadDeadline(time.Time{})
	first := make([]byte, len(magic))
	n, err := io.ReadFull(conn, first)
	if n > 0 && err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return string(first[:n]) == magic, &sniffed{Conn: conn, first: first[:n], err: err}
}

// sniffed is a connection of which something was read.
type sniffed struct {
	net.Conn
	first []byte
	err   error // behind it; nil: there is more
}

// Read implements io.Reader.
func (s *sniffed) Read(b []byte) (int, error) {
	if len(s.first) > 0 {
		n := copy(b, s.first)
		s.first = s.first[n:]
		return n, nil
	}
	if s.err != nil {
		return 0, s.err
	}
	return s.Conn.Read(b)
}

// CloseWrite is conn's.
func (s *sniffed) CloseWrite() error { return ends.CloseWrite(s.Conn) }

// SetLinger is conn's, if it has one.
func (s *sniffed) SetLinger(seconds int) error {
	if c, ok := s.Conn.(interface{ SetLinger(seconds int) error }); ok {
		return c.SetLinger(seconds)
	}
	return nil
}

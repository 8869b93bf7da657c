package tlsdriver

import (
	"crypto/tls"
	"errors"
	"fmt"
)

const (
	typeNewSessionTicket = 4       // a handshake message of TLS (RFC 8446 section 4)
	maxTicket            = 1 << 16 // bytes of such a message. Ours have some hundreds, and those with a client's certificates more
	alertUnexpected      = 10
)

// errUnexpected says that the peer has said something that is not said after a handshake, such as TLS's own key update (RFC
// 9001 section 6).
var errUnexpected = fmt.Errorf("%w%.0w", errors.New("tls: unexpected message after the handshake"), tls.AlertError(alertUnexpected))

// ticketReader looks at what a server says after the handshake. Nothing but tickets is allowed. They may come when nobody
// has a use for them, so this is done without crypto/tls.
type ticketReader struct {
	header [4]byte // type and length
	have   int     // bytes in header
	left   int     // bytes of the message that are to come
	whole  int     // messages that have come
}

func (r *ticketReader) read(b []byte) error {
	for len(b) > 0 {
		if r.have < len(r.header) {
			n := copy(r.header[r.have:], b)
			r.have, b = r.have+n, b[n:]
			if r.header[0] != typeNewSessionTicket {
				return errUnexpected
			}
			if r.have < len(r.header) {
				return nil
			}
			if r.left = int(r.header[1])<<16 | int(r.header[2])<<8 | int(r.header[3]); r.left > maxTicket {
				return errUnexpected
			}
		}
		n := min(r.left, len(b))
		r.left, b = r.left-n, b[n:]
		if r.left == 0 {
			r.have = 0
			r.whole++
		}
	}
	return nil
}

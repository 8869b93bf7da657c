// Package ends has the two ways to end a connection that net.Conn has no method for: one direction of it, and all of
// it at once. TCP's and Ebb's connections have both.
package ends

import (
	"errors"
	"net"
)

// ErrOneDirection is returned by CloseWrite for a connection that cannot be closed in one direction.
var ErrOneDirection = errors.New("the connection cannot be closed in one direction")

// CloseWrite ends our direction of conn; the peer reads what was written, and then the end.
func CloseWrite(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return ErrOneDirection
	}
	return half.CloseWrite()
}

// Abort closes conn and drops what it has not delivered. The peer's calls fail, if conn has a way to tell it.
func Abort(conn net.Conn) {
	if c, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		c.SetLinger(0)
	}
	conn.Close()
}

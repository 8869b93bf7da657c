package engine

import (
	"time"

	"example.com/ebb/wire"
)

// blockedFrame is BLOCKED: the sender has bytes that the receiver's window holds back (RFC 9000 section 19.12). Of the
// two sides each repeats what the other may lack, so that a lost WINDOW is mended by whichever is first.
type blockedFrame struct{}

// blockedRoom is the most that a BLOCKED takes.
const blockedRoom = 16

// handle takes the limit that the peer knows of. One that was raised, without a word that this has arrived, is repeated.
func (blockedFrame) handle(c *Conn, _ time.Duration, f wire.Frame) (bool, error) {
	if f.Limit < c.recv.Limit() && c.windowUnknown() {
		c.due.add(wire.FrameWindow)
	}
	return false, nil
}

func (blockedFrame) append(c *Conn, _ time.Duration, b []byte, room int) ([]byte, uint64, bool) {
	if room < blockedRoom {
		return b, 0, true
	}
	limit := c.send.Next()
	return wire.AppendBlocked(b, limit), limit, false
}

func (blockedFrame) acked(*Conn, uint64) {}

// lost has it said again if the limit is still what holds the stream back.
func (blockedFrame) lost(c *Conn, limit uint64) {
	if c.blockedAt == limit+1 {
		c.blockedAt = 0
	}
}

// sayBlocked tells the peer, of a stream that its window holds back, at which limit: once for each, and only with nothing
// in flight. Otherwise a WINDOW may well be on its way, with the ACKs that are.
func (c *Conn) sayBlocked() {
	if limit := c.send.Next(); c.sent.inFlight == 0 && c.blockedAt != limit+1 {
		c.blockedAt = limit + 1
		c.due.add(wire.FrameBlocked)
	}
}

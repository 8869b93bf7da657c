package engine

import (
	"time"

	"example.com/ebb/wire"
)

// windowFrame is WINDOW: the offset up to which the receiver takes bytes.
type windowFrame struct{}

// windowRoom is the most that a WINDOW takes.
const windowRoom = 16

func (windowFrame) handle(c *Conn, _ time.Duration, f wire.Frame) (bool, error) {
	c.send.Admit(f.Limit)
	return false, nil
}

func (windowFrame) append(c *Conn, now time.Duration, b []byte, room int) ([]byte, bool) {
	if room < windowRoom {
		return b, true
	}
	if c.opening == nil {
		c.recv.Renew(now, c.path.rtt.smoothed)
	}
	return wire.AppendWindow(b, c.recv.Limit()), false
}

func (windowFrame) acked(*Conn) {}

func (windowFrame) lost(c *Conn) {
	if c.recv.Bounded() {
		c.due.add(wire.FrameWindow)
	}
}

package engine

import (
	"time"

	"example.com/ebb/wire"
)

// windowFrame is WINDOW: the offset up to which the receiver takes bytes.
type windowFrame struct{}

// windowRoom is the most that a WINDOW takes.
const windowRoom = 16

func (windowFrame) handle(c *Conn, now time.Duration, f wire.Frame) (bool, error) {
	c.admit(now, f.Limit)
	return false, nil
}

// windowOffer is the window that the peer offered last.
type windowOffer struct {
	size uint64        // bytes, from the first that it had not acknowledged then
	at   time.Duration // when
}

// admit takes the offset up to which the peer takes bytes.
func (c *Conn) admit(now time.Duration, limit uint64) {
	if limit > c.send.Next()+c.send.Credit() {
		c.offer = windowOffer{size: limit - c.send.Base(), at: now}
	}
	c.send.Admit(limit)
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

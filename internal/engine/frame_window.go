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

func (windowFrame) append(c *Conn, now time.Duration, b []byte, room int) ([]byte, uint64, bool) {
	if room < windowRoom {
		return b, 0, true
	}
	if c.opening == nil && c.recv.Renewable() {
		c.recv.Renew(now, c.path.rtt.smoothed)
	}
	if limit := c.recv.Limit(); c.window.wanted < limit {
		c.window.wanted, c.window.since = limit, now
	}
	c.window.acks = 0
	return wire.AppendWindow(b, c.recv.Limit()), c.recv.Limit(), false
}

// acked learns which limit the peer knows.
func (windowFrame) acked(c *Conn, limit uint64) { c.window.known = max(c.window.known, limit) }

func (windowFrame) lost(c *Conn, _ uint64) {
	c.window.eager = true
	if c.windowUnknown() {
		c.due.add(wire.FrameWindow)
	}
}

// windowEvery is how many ACKs pass until one repeats a limit that the peer may not know.
const windowEvery = 4

// windowState is what the peer knows of the limit. A sender that runs into an old one has nothing to say, and neither has the
// receiver then: so a limit that has grown is repeated with ACKs until it is acknowledged.
type windowState struct {
	wanted uint64        // the limit that the peer has to know
	known  uint64        // the limit that it knows
	since  time.Duration // when it was first told of wanted
	acks   uint8         // ACKs that left since the last WINDOW
	eager  bool          // a WINDOW was lost: the next may be too
}

// windowUnknown reports whether the peer may not know how far it may send.
func (c *Conn) windowUnknown() bool { return c.window.known < c.window.wanted && c.recv.Bounded() }

// repeatWindow has the ACK that is about to leave repeat the limit, once the answer to the first WINDOW is late, or at once
// where one was lost before: every fourth ACK, and each if the peer is about to be held back by the limit that it knows.
func (c *Conn) repeatWindow(now time.Duration) {
	rtt := &c.path.rtt
	if !c.windowUnknown() || !c.window.eager && rtt.smoothed > 0 && now-c.window.since < rtt.pto(c.peerAckDelay) {
		return
	}
	c.window.acks++
	if c.window.acks >= windowEvery || c.recv.Highest()+c.recv.Window()/4 > c.window.known {
		c.due.add(wire.FrameWindow)
	}
}

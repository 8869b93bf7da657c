package engine

import (
	"math/bits"
	"time"

	"example.com/ebb/wire"
)

// DATA and ACK are in nearly every packet and have paths of their own (frame_data.go, frame_ack.go). Every other
// frame is a controlFrame: a type without fields in a file of its own, frame_NAME.go, and a line in
// controlFrames. How it is encoded is package wire's part.

// controlFrame is one kind of frame, from both ends of it.
type controlFrame interface {
	// handle does what a frame of the peer's asks for. urgent has it acknowledged at once.
	handle(c *Conn, now time.Duration, f wire.Frame) (urgent bool, err error)
	// append appends the frame, which is due, to b if it fits into room bytes, and reports if more of its
	// kind are due. The same b back: it did not fit. value is what acked or lost will be told of this copy.
	append(c *Conn, now time.Duration, b []byte, room int) (_ []byte, value uint64, more bool)
	// acked learns that the peer has a packet that carried the frame.
	acked(c *Conn, value uint64)
	// lost learns that a packet that carried the frame was declared lost: a reliable one is due again,
	// unless another copy was acknowledged.
	lost(c *Conn, value uint64)
}

// controlFrames is all of them, by their type on the wire. They are sent in this order.
var controlFrames = [...]controlFrame{
	wire.FramePadding:       paddingFrame{},
	wire.FramePing:          pingFrame{},
	wire.FrameWindow:        windowFrame{},
	wire.FrameReset:         resetFrame{},
	wire.FrameStop:          stopFrame{},
	wire.FrameClose:         closeFrame{},
	wire.FramePathChallenge: pathChallengeFrame{},
	wire.FramePathResponse:  pathResponseFrame{},
	wire.FrameResetToken:    tokenFrame{},
	wire.FrameBlocked:       blockedFrame{},
	wire.FrameCrypto:        cryptoFrame{},
}

// controlFrameOf is the kind of a frame that arrived, or nil.
func controlFrameOf(t wire.FrameType) controlFrame {
	if int(t) < len(controlFrames) {
		return controlFrames[t]
	}
	return nil
}

// received is embedded by frames that are only received: they are never due.
type received struct{}

func (received) append(_ *Conn, _ time.Duration, b []byte, _ int) ([]byte, uint64, bool) {
	return b, 0, false
}

// unreliable is embedded by frames that are sent once: it does not matter what became of them.
type unreliable struct{}

func (unreliable) acked(*Conn, uint64) {}
func (unreliable) lost(*Conn, uint64)  {}

// frameSet is a set of control frames, by their type on the wire.
type frameSet uint32

func (s *frameSet) add(t wire.FrameType)     { *s |= 1 << t }
func (s *frameSet) remove(t wire.FrameType)  { *s &^= 1 << t }
func (s frameSet) has(t wire.FrameType) bool { return s&(1<<t) != 0 }

// controlRoom is how many bytes of packets may be in flight beyond the window for control frames to be sent. They are
// few and small, and no window holds them back, unless the peer asks for them and never acknowledges any.
const controlRoom = 12 << 10

// controlAllowed reports whether control frames are due and may leave.
func (c *Conn) controlAllowed() bool {
	return c.due != 0 && c.sent.inFlight < c.path.cc.Window()+controlRoom
}

// appendControl appends the ACK, if one is owed, and, if they may leave, the control frames that are due. PING comes
// later, and only if nothing else has made the packet ack-eliciting.
func (c *Conn) appendControl(now time.Duration, p *packet, allowed bool) {
	// A STOP makes the peer throw away what it has no ACK for, and would report as lost.
	if c.acks.owed > 0 || c.acks.due <= now || c.due.has(wire.FrameStop) && c.recv.Highest() > 0 {
		c.appendAck(now, p)
		c.repeatWindow(now)
	}
	if !allowed {
		return
	}
	for due := c.due &^ (1 << wire.FramePing); due != 0; due &= due - 1 {
		t := wire.FrameType(bits.TrailingZeros32(uint32(due)))
		for more := true; more; {
			before := len(p.b)
			var value uint64
			if p.b, value, more = controlFrames[t].append(c, now, p.b, p.room()); len(p.b) == before {
				break
			}
			c.sent.carry(p.record, sentFrame{kind: t, offset: value})
			p.record.flags |= eliciting
			if !more {
				c.due.remove(t)
			}
		}
	}
}

// sentFrame is a frame in a packet that was sent, as far as it matters what became of it.
type sentFrame struct {
	offset uint64 // DATA: of its first byte. ACK: the largest number that it named. Others: the value of this copy
	length uint32 // DATA: its bytes
	kind   wire.FrameType
	fin    bool // DATA: the end of the stream is behind it
}

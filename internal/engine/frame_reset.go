package engine

import (
	"time"

	"example.com/ebb/wire"
)

// resetFrame is RESET: the sender's stream ends abnormally.
type resetFrame struct{}

// resetRoom is the most that a RESET takes.
const resetRoom = 24

// handle takes an abnormal end of the peer's stream. The bytes up to it are still delivered.
func (resetFrame) handle(c *Conn, _ time.Duration, f wire.Frame) (bool, error) {
	if !c.recv.End(f.Final, true) {
		return false, &Error{Kind: KindProtocol, Code: wire.CodeFinalSize, Reason: "the stream was reset at an impossible offset"}
	}
	return true, nil
}

func (resetFrame) append(c *Conn, _ time.Duration, b []byte, room int) ([]byte, uint64, bool) {
	if room < resetRoom {
		return b, 0, true
	}
	return wire.Must(wire.AppendReset(b, c.reset.code, c.send.End())), 0, false
}

func (resetFrame) acked(c *Conn, _ uint64) { c.reset.acked, c.waitsSince = true, Never }

func (resetFrame) lost(c *Conn, _ uint64) {
	if !c.reset.acked {
		c.due.add(wire.FrameReset)
	}
}

// resetStream makes our end an abnormal one: the peer learns that it wrote to
// nobody. What was written is still delivered before it.
func (c *Conn) resetStream() {
	if !c.reset.wanted {
		c.reset = streamSignal{wanted: true, code: wire.CodeReset}
		c.due.add(wire.FrameReset)
	}
	if c.stop.code != wire.CodeReset {
		c.stopStream(wire.CodeReset)
	}
}

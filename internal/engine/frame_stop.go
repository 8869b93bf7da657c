package engine

import (
	"time"

	"example.com/ebb/wire"
)

// stopFrame is STOP: its sender throws away what it gets of the stream.
type stopFrame struct{}

// stopRoom is the most that a STOP takes.
const stopRoom = 16

func (stopFrame) handle(c *Conn, _ time.Duration, f wire.Frame) (bool, error) {
	if !c.send.Stopped() || f.Code == wire.CodeReset {
		c.stopCode = f.Code
	}
	if !c.send.Done() {
		c.send.Stop()
	}
	return false, nil
}

func (stopFrame) append(c *Conn, _ time.Duration, b []byte, room int) ([]byte, uint64, bool) {
	if room < stopRoom {
		return b, 0, true
	}
	return wire.AppendStop(b, c.stop.code), 0, false
}

func (stopFrame) acked(c *Conn, _ uint64) { c.stop.acked, c.waitsSince = true, Never }

func (stopFrame) lost(c *Conn, _ uint64) {
	if !c.stop.acked {
		c.due.add(wire.FrameStop)
	}
}

// stopStream asks the peer to send no more of its stream.
func (c *Conn) stopStream(code wire.Code) {
	c.stop = streamSignal{wanted: true, code: code}
	c.due.add(wire.FrameStop)
}

package engine

import (
	"example.com/ebb/wire"
)

// handleData takes bytes of the peer's stream.
func (c *Conn) handleData(offset uint64, data []byte, fin bool, e *packetEffect) error {
	end := offset + uint64(len(data))
	if end > c.recv.limit {
		return &Error{Kind: KindProtocol, Code: wire.CodeFlowControl, Reason: "bytes beyond the window"}
	}
	if c.recv.hasFinal && (end > c.recv.final || fin && end != c.recv.final) || fin && end < c.recv.highest() {
		return &Error{Kind: KindProtocol, Code: wire.CodeFinalSize, Reason: "the stream ended twice, at different offsets, or goes on behind its end"}
	}
	before := c.recv.highest() + c.recv.ready
	if !c.recv.receive(offset, data) {
		e.dropped = true
		return nil
	}
	if fin {
		c.recv.final, c.recv.hasFinal = end, true
		e.urgent = true
	}
	news := c.recv.highest()+c.recv.ready != before
	if news && c.end.closed && !c.resetFrame.wanted {
		c.resetStream() // nobody will read this
	}
	if c.recv.discard && !c.end.closed {
		c.renewWindow()
	}
	return nil
}

// handleReset takes an abnormal end of the peer's stream. The bytes up to it
// are still delivered.
func (c *Conn) handleReset(f *wire.Frame, e *packetEffect) error {
	if f.Final < c.recv.highest() || c.recv.hasFinal && f.Final != c.recv.final {
		return &Error{Kind: KindProtocol, Code: wire.CodeFinalSize, Reason: "the stream was reset at an impossible offset"}
	}
	c.recv.final, c.recv.hasFinal, c.recv.reset = f.Final, true, true
	e.urgent = true
	return nil
}

// handleStop ends our direction: the peer throws away what it gets.
func (c *Conn) handleStop(code wire.Code) {
	if !c.send.stopped || code == wire.CodeReset {
		c.end.stopCode = code
	}
	if !c.send.done() {
		c.send.stop()
	}
}

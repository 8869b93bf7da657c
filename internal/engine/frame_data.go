package engine

import (
	"slices"

	"example.com/ebb/wire"
)

// minDataPacket is the room below which no data is put behind other frames.
const minDataPacket = 64

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
	if news && c.end.closed && !c.reset.wanted {
		c.resetStream() // nobody will read this
	}
	if c.recv.discard && !c.end.closed {
		c.renewWindow()
	}
	return nil
}

// appendData fills the packet with stream bytes.
func (c *Conn) appendData(p *packet) {
	offset, n, fin := c.send.sendable(p.room())
	if n == 0 && !fin || p.room() < minDataPacket && n > p.room() {
		return
	}
	toEnd := true
	for n > 0 && wire.DataHeaderLen(offset, n, toEnd)+n > p.room() {
		n = p.room() - wire.DataHeaderLen(offset, n, toEnd)
		fin = false
	}
	if n < 0 || n == 0 && !fin {
		return
	}
	p.b = wire.AppendDataHeader(p.b, offset, n, fin, toEnd)
	at := len(p.b)
	p.b = slices.Grow(p.b, n)[:at+n]
	if n > 0 {
		c.send.chunks.read(offset, p.b[at:])
	}
	if offset < c.send.next {
		c.stats.BytesRetransmitted += uint64(n)
	}
	c.send.markSent(offset, n, fin)
	c.sent.carry(p.record, sentFrame{kind: wire.FrameData, offset: offset, length: uint32(n), fin: fin})
	p.record.flags |= eliciting
	c.stats.StreamBytesSent += uint64(n)
}

// ackData learns that the peer has the bytes of a frame. Frames that follow each other are most often one piece of the
// stream, which is marked once: by flushData.
func (c *Conn) ackData(f *sentFrame, r *ackResult) {
	if f.offset != r.data.end || r.fin {
		c.flushData(r)
		r.data = span{f.offset, f.offset}
	}
	r.data.end += uint64(f.length)
	r.fin = f.fin
}

// flushData marks the bytes that ackData has gathered.
func (c *Conn) flushData(r *ackResult) {
	if r.fin || r.data.len() > 0 {
		r.fresh += c.send.markAcked(r.data.start, int(r.data.len()), r.fin)
	}
	r.data, r.fin = span{}, false
}

// loseData queues the bytes of a frame to be sent again.
func (c *Conn) loseData(f *sentFrame) { c.send.markLost(f.offset, int(f.length), f.fin) }

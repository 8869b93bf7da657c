package engine

import (
	"slices"

	"example.com/ebb/internal/stream"
	"example.com/ebb/wire"
)

// minDataPacket is the room below which no data is put behind other frames.
const minDataPacket = 64

// handleData takes bytes of the peer's stream.
func (c *Conn) handleData(offset uint64, data []byte, fin bool, e *packetEffect) error {
	end := offset + uint64(len(data))
	if end > c.recv.Limit() {
		return &Error{Kind: KindProtocol, Code: wire.CodeFlowControl, Reason: "bytes beyond the window"}
	}
	if !c.recv.Admits(end) || fin && !c.recv.End(end, false) {
		return &Error{Kind: KindProtocol, Code: wire.CodeFinalSize, Reason: "the stream ended twice, at different offsets, or goes on behind its end"}
	}
	before := c.recv.Progress()
	if !c.recv.Receive(offset, data) {
		e.dropped = true
		return nil
	}
	e.urgent = e.urgent || fin
	news := c.recv.Progress() != before
	if news && c.rare != nil {
		c.rare.use(c.noticed)
	}
	if news && c.end.closed && !c.reset.wanted {
		c.resetStream() // nobody will read this
	}
	if c.recv.Discards() && !c.end.closed {
		c.renewWindow()
	}
	return nil
}

// appendData fills the packet with stream bytes.
func (c *Conn) appendData(p *packet) {
	offset, n, fin := c.send.Sendable(p.room())
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
	p.b = wire.Must(wire.AppendDataHeader(p.b, offset, n, fin, toEnd))
	at := len(p.b)
	p.b = slices.Grow(p.b, n)[:at+n]
	if n > 0 {
		c.send.Read(offset, p.b[at:])
	}
	if offset < c.send.Next() {
		c.stats.BytesRetransmitted += uint64(n)
	}
	c.send.MarkSent(offset, n, fin)
	c.sent.carry(p.record, sentFrame{kind: wire.FrameData, offset: offset, length: uint32(n), fin: fin})
	p.record.flags |= eliciting | carriesData
	c.stats.StreamBytesSent += uint64(n)
}

// ackData learns that the peer has the bytes of a frame. Frames that follow each other are most often one piece of the
// stream, which is marked once: by flushData.
func (c *Conn) ackData(f *sentFrame, r *ackResult) {
	if f.offset != r.data.End || r.fin {
		c.flushData(r)
		r.data = stream.Span{Start: f.offset, End: f.offset}
	}
	r.data.End += uint64(f.length)
	r.fin = f.fin
}

// flushData marks the bytes that ackData has gathered.
func (c *Conn) flushData(r *ackResult) {
	if r.fin || r.data.Len() > 0 {
		r.fresh += c.send.MarkAcked(r.data.Start, int(r.data.Len()), r.fin)
	}
	r.data, r.fin = stream.Span{}, false
}

// loseData queues the bytes of a frame to be sent again.
func (c *Conn) loseData(f *sentFrame) { c.send.MarkLost(f.offset, int(f.length), f.fin) }

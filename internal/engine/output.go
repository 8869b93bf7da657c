package engine

import (
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/wire"
)

// dataOverhead is what a short packet of data spends on everything else, at most.
func (c *Conn) dataOverhead() uint64 {
	return uint64(wire.ShortOverhead - wire.TrailerSize + c.overhead() + 1 + 8)
}

// AppendSegments appends to dst what is to be sent now: at most room bytes of
// packets of one size, the last of which may be shorter. Its caller sends them and
// calls again until nothing is appended. room must hold a full packet.
func (c *Conn) AppendSegments(now time.Duration, dst []byte, room int) ([]byte, Train) {
	train := Train{Path: c.path.Path}
	start := len(dst)
	if c.state == stateDone {
		return dst, train
	}
	c.notice(now)
	if c.state == stateEstablished {
		c.refreshRate(now)
		c.spendKeys(now)
	}
	if c.idle(now) {
		c.path.mtu.finish(now)
		c.maySend(now) // which notes that the application has nothing
		c.endFlush(now)
		return dst, train
	}
	c.beginTrain(now)
	first, full := c.sent.next, c.packetSize()
	limit := min(room, c.trainLimit(), c.trainPackets(now)*full)
	for {
		room := limit - (len(dst) - start)
		if full > room && len(dst) > start {
			break
		}
		before := len(dst)
		if n := c.bulk(now, room); n > 0 {
			dst = c.appendBulk(now, dst, n)
			train.SegmentSize = full
			continue
		}
		dst = c.appendPacket(now, dst)
		n := len(dst) - before
		if train.SegmentSize == 0 {
			train.SegmentSize = n
		}
		if n != full || c.state != stateEstablished {
			break
		}
	}
	if n := len(dst) - start; n > train.SegmentSize {
		n = (n + train.SegmentSize - 1) / train.SegmentSize
		c.sent.noteTrain(first, n)
		c.path.trains.sent(n, first, c.sent.next)
	}
	c.endFlush(now)
	train.ECN = c.path.ecn.codepoint()
	if c.path.service.marking {
		train.DSCP = c.path.dscp
	}
	return dst, train
}

// idle reports whether there is nothing to send now, whatever the limits say: so it is at the end of every flush, and after most of
// what arrives.
func (c *Conn) idle(now time.Duration) bool {
	return c.state == stateEstablished && c.due == 0 && c.acks.due > now && c.loss.probes == 0 && c.hs == nil &&
		!c.suspects() && !c.hasWork() && !c.send.Blocked()
}

// endFlush notes what the connection waits for when a train was built, or nothing may leave.
func (c *Conn) endFlush(now time.Duration) {
	c.noteWait(now)
	if c.trace != nil {
		c.traceChanges(now)
	}
}

// unmarked reports whether the next train must carry neither ECT(0) nor a DSCP. What opens a connection, keeps it alive or follows a
// timeout decides if it lives, and what tests a size must be lost for that only: not for its mark.
func (c *Conn) unmarked(now time.Duration) bool {
	return c.state != stateEstablished || c.loss.ptoCount > 0 || c.due.has(wire.FramePing) || c.confirms || c.suspects() || c.sizeProbe(now) > 0
}

// appendPacket appends the next packet, if one is to be sent.
func (c *Conn) appendPacket(now time.Duration, dst []byte) []byte {
	switch c.state {
	case stateHandshake:
		return c.appendHandshake(now, dst)
	case stateClosing:
		return c.appendLast(now, dst)
	case stateDone:
		return dst
	}
	if c.hs != nil { // of a protected connection that is not confirmed
		if b := c.appendHandshake(now, dst); len(b) > len(dst) {
			return b
		}
	}
	if c.suspects() {
		return c.appendSuspicionProbe(now, dst)
	}
	if size := c.sizeProbe(now); size > 0 {
		return c.appendSizeProbe(now, dst, size)
	}
	c.path.mtu.finish(now)
	data := c.maySend(now)
	control := c.controlAllowed()
	if !data && c.loss.probes == 0 && c.acks.due > now && !control {
		return dst
	}
	p := c.beginPacket(now, dst, c.packetSize())
	c.appendControl(now, &p, control)
	if data || c.loss.probes > 0 {
		c.appendData(&p)
	}
	if c.pingWanted(now, &p, control) {
		p.b = wire.AppendPing(p.b)
		p.record.flags |= eliciting
		c.due.remove(wire.FramePing)
	}
	return c.endPacket(now, &p)
}

// pingWanted reports whether the packet must be made eliciting: it is a probe, or
// asks for news of our own ACKs.
func (c *Conn) pingWanted(now time.Duration, p *packet, allowed bool) bool {
	if p.record.has(eliciting) {
		c.due.remove(wire.FramePing)
		c.confirms = false
		return false
	}
	if allowed && c.due.has(wire.FramePing) || c.loss.probes > 0 {
		return true
	}
	if p.acks && len(c.acks.ranges) > elicitAbove && now-c.sent.ackPings >= c.path.rtt.smoothed && c.sent.outstanding < maxAckPings {
		c.sent.ackPings = now
		return true
	}
	return false
}

// packet is a short packet under construction.
type packet struct {
	b      []byte      // everything so far, what was there before included
	start  int         // where the packet begins
	body   int         // where its frames begin
	limit  int         // len(b) must not exceed this: the trailer follows
	record *sentPacket // the next number's; it counts once it is pushed
	acks   bool        // it has an ACK
}

func (p *packet) room() int { return p.limit - len(p.b) }

// pad puts n bytes of PADDING before the frames: what is last may reach to the end
// of the packet.
func (p *packet) pad(n int) {
	p.b = wire.AppendPadding(p.b, n)
	copy(p.b[p.body+n:], p.b[p.body:])
	clear(p.b[p.body : p.body+n])
}

func (c *Conn) beginPacket(now time.Duration, dst []byte, size int) packet {
	c.sent.skipNumber(now, c.hastens())
	p := packet{start: len(dst), limit: len(dst) + size - c.overhead(), record: c.sent.reserve(now)}
	p.b = wire.Must(wire.AppendShort(dst, c.peerID, c.sent.next, wire.NumberLen(c.sent.next, c.sent.largestAcked, c.sent.anyAcked)))
	p.body = len(p.b)
	return p
}

// hastens reports whether the next packet is one of the two that follow a second timeout in a row. Each is to be acknowledged by itself
// and at once (RFC 9002 section 6.2.4): where ACKs are lost, one for both would be half as likely to arrive.
func (c *Conn) hastens() bool { return c.loss.ptoCount > 1 && c.loss.probes > 0 }

// endPacket closes the packet and notes it, or drops it if it stayed empty.
func (c *Conn) endPacket(now time.Duration, p *packet) []byte {
	if len(p.b) == p.body {
		return p.b[:p.start]
	}
	r := p.record
	if short := c.minShort() - c.overhead() - (len(p.b) - p.start); short > 0 && r.has(eliciting) {
		p.pad(short)
	}
	if c.trace != nil {
		c.traceSent(now, wire.Short, c.sent.next, len(p.b)-p.start+c.overhead(), p.b[p.body:], r)
	}
	p.b = c.sealShort(p.b, p.start, p.body, c.sent.next)
	if p.acks {
		c.acks.sent()
		c.stats.AcksSent++
	}
	r.size = uint16(len(p.b) - p.start)
	c.spend(now, 1, int(r.size))
	c.markPacket(r)
	if !r.has(eliciting) {
		c.sent.push(r)
		return p.b
	}
	c.noteEliciting(now, r)
	c.reportSent(now, r, c.hasWork())
	return p.b
}

// reportSent tells the controller of the packet of a record, which was pushed. more says that the stream has more.
func (c *Conn) reportSent(now time.Duration, r *sentPacket, more bool) {
	c.path.prr.sent(int(r.size))
	c.path.cc.OnSend(now, congestion.SendEvent{Number: r.number, Bytes: int(r.size), InFlight: c.sent.inFlight, AppLimited: !more})
}

// spend counts packets that leave.
func (c *Conn) spend(now time.Duration, packets, bytes int) {
	c.path.bucket.Spend(now, bytes)
	c.budget.credit -= bytes
	c.stats.PacketsSent += uint64(packets)
	c.stats.BytesSent += uint64(bytes)
}

// noteEliciting fills in what ACK processing will want to know of the packet, and pushes its record.
func (c *Conn) noteEliciting(now time.Duration, r *sentPacket) {
	if c.sent.inFlight == 0 {
		c.path.delivery.firstSentAt, c.path.delivery.deliveredAt = now, now
	}
	r.delivered, r.deliveredAt, r.firstSentAt = c.path.delivery.delivered, c.path.delivery.deliveredAt, c.path.delivery.firstSentAt
	r.lostBefore, r.inFlight = c.path.delivery.lost, uint32(c.sent.inFlight)
	if c.path.delivery.delivered < c.path.delivery.limitedUntil {
		r.flags |= whileLimited
	}
	if c.unanswered == Never {
		c.unanswered = now
	}
	if c.loss.probes > 0 {
		c.loss.probes--
	}
	c.sent.push(r)
}

// sizeProbe is the packet size to probe now, or 0: while all that there is to send fits
// one packet, a larger one would gain nothing.
func (c *Conn) sizeProbe(now time.Duration) int {
	if c.path.mtu.resting(now) || c.confirms || c.loss.ptoCount > 0 || c.path.prr.active || c.backlog() <= uint64(c.path.mtu.size) {
		return 0
	}
	size := c.path.mtu.due(now)
	if allowed, _, _ := c.allowance(now); allowed < size {
		return 0 // it is in no hurry
	}
	return size
}

// appendSizeProbe appends a packet that tests whether the path carries its size.
func (c *Conn) appendSizeProbe(now time.Duration, dst []byte, size int) []byte {
	p := c.beginPacket(now, dst, size)
	p.b = wire.AppendPing(p.b)
	p.b = wire.AppendPadding(p.b, p.room())
	p.record.flags |= eliciting | isProbe
	c.path.mtu.probing = size
	return c.endPacket(now, &p)
}

// appendLast appends the last packet. Before it there is another one with the same, of an older level, if the peer of a protected
// connection may not have the keys of the newest (RFC 9000 section 10.2.3).
func (c *Conn) appendLast(now time.Duration, dst []byte) []byte {
	if s := c.olderSpace(); s != nil && !c.end.older {
		c.end.older = true
		if b := c.appendHandshakeClose(now, dst, s); len(b) > len(dst) {
			return b
		}
	}
	if c.hs != nil && !c.hs.done { // or else the peer may have completed the handshake
		dst = c.appendHandshakeClose(now, dst, c.hs.newest())
	} else {
		dst = c.appendClose(now, dst)
	}
	c.finish(c.err)
	return dst
}

// appendClose appends the last packet of a connection.
func (c *Conn) appendClose(now time.Duration, dst []byte) []byte {
	p := c.beginPacket(now, dst, basePacket)
	if len(c.acks.ranges) > 0 {
		p.b = c.acks.append(now, p.b, p.room()-(wire.MaxReason+32), c.ackFrame())
	}
	if c.end.unconfirmed {
		p.b = wire.Must(wire.AppendDataHeader(p.b, c.send.End(), 0, true, false))
		if c.stop.pending() {
			p.b = wire.AppendStop(p.b, wire.CodeNone)
		}
	}
	p.b = wire.AppendClose(p.b, c.end.code, c.closeReason())
	return c.endPacket(now, &p)
}

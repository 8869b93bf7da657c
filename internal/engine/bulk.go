package engine

import (
	"slices"
	"time"

	"example.com/ebb/wire"
)

// bulk is how many full packets of nothing but new bytes of the stream, with more behind them, may
// leave now within room bytes. 0 leaves the next packet to appendPacket.
func (c *Conn) bulk(now time.Duration, room int) int {
	switch {
	case c.state != stateEstablished, c.acks.owed > 0, c.acks.due <= now, c.due != 0, c.confirms, c.suspects():
		return 0
	case c.loss.ptoCount > 0, c.path.prr.active, c.send.Losses(), c.send.Stopped(), !c.path.mtu.resting(now):
		return 0
	}
	allowed, _, _ := c.allowance(now)
	room = min(room, allowed)
	backlog := min(c.send.Unsent(), c.send.Credit())
	if room < c.path.mtu.size || backlog <= uint64(c.path.mtu.size) || c.sent.next >= c.sent.skip.at {
		return 0
	}
	n := min(room, int(backlog-1)) / c.path.mtu.size
	return int(min(uint64(n), c.sent.skip.at-c.sent.next))
}

// appendBulk appends n of the packets that bulk has counted, or fewer if the controller's window shrinks
// meanwhile. The trailer of each comes when the next has its bytes: just behind the copy it would wait for the
// processor to have them stored.
func (c *Conn) appendBulk(now time.Duration, dst []byte, n int) []byte {
	c.pacedUntil, c.appLimited = Never, false
	size := c.path.mtu.size
	dst = slices.Grow(dst, n*size)
	sent := 0
	for sent < n {
		r := c.sent.reserve(now)
		start, offset := len(dst), c.send.Next()
		dst = wire.Must(wire.AppendShort(dst, c.peerID, c.sent.next, wire.NumberLen(c.sent.next, c.sent.largestAcked, c.sent.anyAcked)))
		length := size - c.overhead() - (len(dst) - start) - wire.DataHeaderLen(offset, 0, true)
		dst = c.appendNext(now, dst, start, length, r)
		if c.secure == nil && sent > 0 {
			c.protection.End(dst[:start-wire.TrailerSize], start-size)
		}
		dst = dst[:start+size]
		c.sent.carry(r, sentFrame{kind: wire.FrameData, offset: offset, length: uint32(length)})
		r.flags, r.size = eliciting|carriesData, uint16(size)
		c.stats.StreamBytesSent += uint64(length)
		c.markPacket(r)
		c.noteEliciting(now, r)
		sent++
		c.reportSent(now, r, sent < n || c.hasWork())
		if c.windowRoom() < size {
			break
		}
	}
	c.spend(now, sent, sent*size)
	if c.secure != nil {
		return dst
	}
	return c.protection.End(dst[:len(dst)-wire.TrailerSize], len(dst)-size)
}

// appendNext appends to the header dst[start:] a DATA frame of the next length bytes of the stream, to the end of the packet, which it seals
// on a protected connection.
func (c *Conn) appendNext(now time.Duration, dst []byte, start, length int, r *sentPacket) []byte {
	if c.secure != nil && c.trace == nil { // which is told of the frames in clear
		if b, ok := c.sealNext(dst, start, length); ok {
			return b
		}
	}
	body := len(dst)
	dst = wire.Must(wire.AppendDataHeader(dst, c.send.Next(), length, false, true))
	dst = dst[:len(dst)+length]
	c.send.SendNew(dst[len(dst)-length:])
	if c.trace != nil {
		c.traceSent(now, wire.Short, c.sent.next, len(dst)-start+c.overhead(), dst[body:], r)
	}
	if c.secure != nil {
		dst = c.secure.keys.Seal(dst, start, body, c.sent.next)
	}
	return dst
}

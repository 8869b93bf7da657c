package engine

import (
	"time"

	"example.com/ebb/wire"
)

// What an ACK of the peer's does is in recovery.go.

// appendAck appends an ACK of what was received.
func (c *Conn) appendAck(now time.Duration, p *packet) {
	before := len(p.b)
	p.b = c.acks.append(now, p.b, p.room(), c.ackFrame())
	if len(p.b) > before {
		p.acks = true
		c.sent.carry(p.record, sentFrame{kind: wire.FrameAck, offset: c.acks.largest})
	}
}

// ackFrame is the part of an ACK that does not depend on numbers.
func (c *Conn) ackFrame() wire.Ack {
	return wire.Ack{
		Received: c.stamp(c.acks.largestAt),
		HasECN:   c.ecnSeen[ECT0]|c.ecnSeen[ECT1]|c.ecnSeen[CE] != 0,
		ECT0:     c.ecnSeen[ECT0], ECT1: c.ecnSeen[ECT1], CE: c.ecnSeen[CE],
	}
}

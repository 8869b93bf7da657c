package engine

import (
	"time"

	"example.com/ebb/wire"
)

// This file asks a peer whose host seems to say that nobody listens. Anyone may forge that, so a living peer must have
// the time to answer, and who cannot see our packets must not be able to answer for it.

const (
	// suspicionProbes is how many probes have to be answered by a hint of their own.
	suspicionProbes = 3
	// maxSuspicionProbes bounds the probes of one suspicion. One that nothing answers says nothing: it, or the report of it,
	// was lost, or the host limits its reports (Linux: six, then one a second). Another follows.
	maxSuspicionProbes = 10
	// minSuspicion is the least time over which the probes are spread.
	minSuspicion = time.Second
)

// suspicion is the doubt whether the peer lives. Most connections never have any.
type suspicion struct {
	again    time.Duration // another one does not begin before
	next     time.Duration // when the next probe is due, if the last has left
	probe    uint64        // number of the last probe
	asked    uint8         // probes so far, with one that is due; 0: there is no suspicion
	answered uint8         // those with a hint of their own
	due      bool          // a probe is to be sent
	open     bool          // the last probe has no answer yet
}

// suspect takes the hint that nobody listens. The first begins a suspicion, at most one in a timeout: that is all that a
// forger can make us send. From then on a hint counts if it is the answer to a probe: it quotes the probe, or quotes
// nothing, and is the first since.
func (c *Conn) suspect(now time.Duration, h Hint) {
	s := c.suspicion
	if s == nil {
		s = new(suspicion)
		c.suspicion = s
	}
	if s.asked == 0 {
		if now >= s.again {
			*s = suspicion{again: now + c.path.rtt.pto(c.peerAckDelay), asked: 1, due: true}
		}
		return
	}
	if !s.open || h.Known && (h.Long || h.near(c.sent.next) != s.probe) {
		return
	}
	s.open = false
	if s.answered++; s.answered < suspicionProbes {
		return
	}
	if c.onlyEndMissing() {
		c.leaveEnd()
	} else {
		c.fail(now, &Error{Kind: KindReset, Code: wire.CodeReset, Reason: "the host of the peer says that nobody listens there any more"})
	}
}

// believe ends a suspicion: the peer has said something.
func (c *Conn) believe() {
	if c.suspicion != nil {
		*c.suspicion = suspicion{again: c.suspicion.again}
	}
}

// suspects reports whether a probe is to be sent because of a suspicion.
func (c *Conn) suspects() bool { return c.suspicion != nil && c.suspicion.due }

// suspicionTime is when the next probe is due.
func (c *Conn) suspicionTime() time.Duration {
	if s := c.suspicion; s != nil && s.asked > 0 && !s.due {
		return s.next
	}
	return Never
}

func (c *Conn) advanceSuspicion(now time.Duration) {
	s := c.suspicion
	switch {
	case now < c.suspicionTime():
	case s.asked == maxSuspicionProbes:
		c.believe()
	default:
		s.asked++
		s.due = true
	}
}

// appendSuspicionProbe appends a packet that a living peer answers at once. It is a packet of its own, because its
// number is what counts.
func (c *Conn) appendSuspicionProbe(now time.Duration, dst []byte) []byte {
	s := c.suspicion
	p := c.beginPacket(now, dst, basePacket)
	s.probe, s.due, s.open = c.sent.next, false, true
	s.next = now + max(3*c.path.rtt.pto(c.peerAckDelay), minSuspicion)/(suspicionProbes-1)
	p.b = wire.AppendPing(p.b)
	p.record.flags |= eliciting
	c.stats.Probes++
	return c.endPacket(now, &p)
}

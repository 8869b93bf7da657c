package engine

import "time"

// A connection may ask routers for another service than best effort, by a DSCP (RFC 2474): one that yields for
// less, LE (RFC 8622). Where routers have a queue for LE the connection uses what others leave and no more, even where
// its own delays do not show them.
//
// Some paths drop what has an unusual DSCP, and a queue for LE may starve for as long as others are busy. So packets on which
// the life of the connection may depend carry none. Where the others get lost while those arrive, none carries one
// for some time: markState. All data carry it from the beginning, or a short transfer would never yield; a path that has dropped
// it before is tested with a few packets, as for ECN.

// beginTrain decides what the train that is about to be built is marked with.
func (c *Conn) beginTrain(now time.Duration) {
	p, next, vital := &c.path, c.sent.next, c.unmarked(now)
	p.ecn.begin(now, next, vital)
	p.service.begin(now, next, vital || p.service.again && p.ecn.undecided()) // or a test of the one would be of both
}

// markPacket notes what the packet of a train is marked with. One without data, which is the first then, is not (RFC 3168 section
// 6.1.4): it is not what congestion is about, and where marks are dropped or starve, its ACK and window must not.
func (c *Conn) markPacket(r *sentPacket) {
	data := r.has(carriesData)
	if c.path.ecn.mark(data, true) {
		r.flags |= isMarked
		c.path.ecn.sent++
	}
	if c.path.service.mark(data, c.path.service.again) {
		r.flags |= hasDSCP
	}
}

// deliverMarks notes the ACK of packet n.
func (c *Conn) deliverMarks(n uint64, p *sentPacket) {
	if p.has(isMarked) {
		c.path.ecn.acked++
	}
	if !c.path.ecn.settled() {
		c.path.ecn.deliver(n, p.size, p.has(isMarked))
	}
	if c.path.service.settled() {
		return
	}
	c.path.service.deliver(n, p.size, p.has(hasDSCP))
	if c.path.service.undecided() {
		c.path.service.pass()
	}
}

// loseMarks notes the loss of packet n.
func (c *Conn) loseMarks(n uint64, p *sentPacket) {
	if p.has(isMarked) {
		c.path.ecn.lose(n, p.size)
	}
	if p.has(hasDSCP) {
		c.path.service.lose(n, p.size)
	}
}

// judgeMarks reports whether losses have turned out to be of what is marked. Of a DSCP that is so only if none ever arrived
// with it: otherwise they may be what congestion has done to its service.
func (c *Conn) judgeMarks(now time.Duration, newest *sentPacket) bool {
	ecn := c.path.ecn.judge(now, newest.has(isMarked), c.sent.next)
	service := c.path.service.judge(now, newest.has(hasDSCP), c.sent.next)
	if ecn && service {
		c.path.ecn.test(c.sent.next) // it may have been the DSCP alone
		c.path.ecn.beginCounts()
	}
	return ecn || service && !c.path.service.worked
}

// triesMarks reports whether a packet is marked to see if the path has changed.
func (c *Conn) triesMarks(p *sentPacket) bool {
	return c.path.ecn.tries(p.has(isMarked)) || c.path.service.tries(p.has(hasDSCP))
}

// marksUnanswered reports whether a test waits for its answer.
func (c *Conn) marksUnanswered() bool {
	return c.path.ecn.phase == marksUnknown || c.path.service.phase == marksUnknown
}

// retestMarks begins the tests anew.
func (c *Conn) retestMarks() {
	c.path.ecn.retest(c.sent.next)
	c.path.service.retest(c.sent.next)
}

// dscp is what packets of data carry now, or 0.
func (c *Conn) dscp() uint8 {
	if c.path.service.phase == marksFailed {
		return 0
	}
	return c.path.dscp
}

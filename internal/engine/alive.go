package engine

import (
	"time"

	"example.com/ebb/wire"
)

// This file knows whose fault a wait is. What lets a connection end is time in which the peer could have answered: not
// time in which our own process was not running.

const (
	// maxTimerDelay is how late a timer may be without a meaning. A later one says that the process was not running (it
	// was stopped, or its machine was starved), and that what the peer has said meanwhile lies in the socket.
	maxTimerDelay = 20 * time.Millisecond
	// minGrace is the least time for which the answer to a probe is awaited after that.
	minGrace = time.Second
)

// notice compares the time with that for which a timer was set. Whatever enters the connection begins with it, as
// a process that goes on may find datagrams first, a late timer, or its application. Nothing is asked where something has happened to the
// connection a moment ago: its process was running.
func (c *Conn) notice(now time.Duration) {
	before := c.noticed
	c.noticed = now
	if now-before <= maxTimerDelay {
		return
	}
	if late := now - c.NextTimeout(); late > maxTimerDelay {
		c.excuse(now, late)
	}
}

// excuse takes the time in which the process was not running off every wait that ends the connection. A wait that
// would be over goes on until a probe can have been answered.
func (c *Conn) excuse(now, late time.Duration) {
	grace := max(3*c.path.rtt.pto(c.peerAckDelay), minGrace)
	if c.state == stateHandshake {
		if c.hs.deadline != Never {
			c.hs.deadline = max(c.hs.deadline+late, now+grace)
		}
		return
	}
	if c.state != stateEstablished {
		return
	}
	c.believe() // what it has said may lie in the socket
	shift := func(since *time.Duration, limit time.Duration) {
		if *since+limit <= now {
			c.due.add(wire.FramePing)
		}
		*since = max(min(*since+late, now), now+grace-limit)
	}
	if c.unanswered != Never && c.params.IdleTimeout > 0 {
		shift(&c.unanswered, c.params.IdleTimeout)
	}
	if c.waitsSince != Never && c.params.UserTimeout > 0 {
		shift(&c.waitsSince, c.params.UserTimeout)
	}
	if r := c.rare; r != nil && r.asked != Never && c.params.IdleTimeout > 0 {
		shift(&r.asked, c.params.IdleTimeout)
	}
	if c.end.lingerUntil != Never {
		shift(&c.lastProgress, c.params.LingerTimeout)
	}
}

// noteProgress notes that the peer has acknowledged something, with fresh bytes that it was not known to have. oldest was
// the first byte that it lacked.
func (c *Conn) noteProgress(now time.Duration, fresh, oldest uint64) {
	c.lastAcked = now
	if fresh > 0 && c.enough() {
		c.lastProgress = now
	}
	if c.rare != nil {
		c.rare.answered(now, fresh > 0)
	}
	if c.send.Base() > oldest {
		c.waitsSince = Never // for something later, from the next flush on
	}
}

// noteWait notes at the end of a flush what the connection waits for. What our own limit or the budget holds back is not
// the peer's to acknowledge: the waits for its progress stand still as long as the oldest byte that it lacks is here.
func (c *Conn) noteWait(now time.Duration) {
	held := c.limit.throttled() && c.pacedUntil != Never && c.send.OldestWaits()
	switch {
	case held && c.heldSince == Never:
		c.heldSince = now
	case !held && c.heldSince != Never:
		if c.waitsSince != Never {
			c.waitsSince = min(c.waitsSince+now-c.heldSince, now)
		}
		c.lastProgress = min(c.lastProgress+now-c.heldSince, now)
		c.heldSince = Never
	}
	if c.send.Blocked() {
		c.rarely().noteBlocked(c.send.Base())
	}
	if c.rare != nil {
		c.rare.note(now, c.send.End())
	}
	waits := c.send.Unacked() || c.reset.pending() || c.stop.pending()
	if !waits {
		c.waitsSince = Never
	} else if c.waitsSince == Never {
		c.waitsSince = now
	}
}

// userTime is when the oldest thing that was sent will have been unacknowledged for too long (RFC 5482), though the peer
// be heard. If it is not, and is to be given up for that anyway, the silence is the better name.
func (c *Conn) userTime() time.Duration {
	switch {
	case c.waitsSince == Never || c.params.UserTimeout <= 0 || c.heldSince != Never:
		return Never
	case c.silent() && c.params.IdleTimeout > 0 && c.params.UserTimeout >= c.params.IdleTimeout:
		return Never
	}
	return c.waitsSince + c.params.UserTimeout
}

// silent reports whether nothing was heard since the oldest unacknowledged thing was sent, but what was on its way then.
func (c *Conn) silent() bool {
	return c.unanswered != Never && (c.waitsSince == Never || c.lastReceived <= c.waitsSince+c.path.rtt.pto(c.peerAckDelay))
}

func (c *Conn) advanceUser(now time.Duration) {
	if c.state != stateEstablished || now < c.userTime() {
		return
	}
	c.fail(now, &Error{Kind: KindUserTimeout, Code: codeTimeout, Reason: "what was sent has not been acknowledged for " + c.params.UserTimeout.String()})
}

// lingerTime is when the background delivery is to be looked at: see advanceLinger.
func (c *Conn) lingerTime() time.Duration {
	switch {
	case c.heldSince != Never:
		return Never
	case c.onlyEndMissing():
		return min(c.end.lingerUntil, c.lastProgress+endTimeout)
	}
	return c.end.lingerUntil
}

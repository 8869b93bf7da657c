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
// a process that goes on may find datagrams first, a late timer, or its application.
func (c *Conn) notice(now time.Duration) {
	if now == c.noticed {
		return
	}
	c.noticed = now
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
	shift := func(since *time.Duration, limit time.Duration) {
		if *since+limit <= now {
			c.due.add(wire.FramePing)
		}
		*since = max(min(*since+late, now), now+grace-limit)
	}
	if c.unanswered != Never && c.params.IdleTimeout > 0 {
		shift(&c.unanswered, c.params.IdleTimeout)
	}
	if c.end.lingerUntil != Never {
		shift(&c.lastProgress, c.params.LingerTimeout)
	}
}

package engine

import (
	"fmt"
	"time"

	"example.com/ebb/wire"
)

// NextTimeout is when Advance wants to be called, if nothing else happens
// first; Never if at no time.
func (c *Conn) NextTimeout() time.Duration {
	switch c.state {
	case stateDone, stateClosing:
		return Never
	case stateHandshake:
		return c.handshakeTimeout()
	}
	t := min(c.acks.due, c.pacedUntil, c.windowDueAt(), c.idleTime(), c.userTime(), c.lingerTime(), c.slackUntil(), c.suspicionTime(), c.keysTime(), c.confirmTime())
	if c.rare != nil {
		t = min(t, c.rareTime())
	}
	if c.loss.due != Never {
		return min(t, c.loss.due)
	}
	return min(t, c.ptoTime())
}

// Advance handles what is due by now. Packets may be ready afterwards.
func (c *Conn) Advance(now time.Duration) {
	c.notice(now)
	switch c.state {
	case stateDone, stateClosing:
		return
	case stateHandshake:
		c.advanceHandshake(now)
		return
	}
	if c.secure != nil {
		c.secure.keys.Advance(now, c.path.rtt.pto(c.peerAckDelay))
	}
	c.lossTimer(now)
	if now >= c.confirmTime() {
		c.Confirm()
	}
	c.advanceIdle(now)
	c.advanceUser(now)
	c.advanceLinger(now)
	c.advanceSuspicion(now)
	c.advanceRare(now)
	if now >= c.slackUntil() {
		c.shrink()
	}
}

// idleTime is when silence calls for a probe or has lasted too long. A
// connection whose probes are answered lives for ever.
func (c *Conn) idleTime() time.Duration {
	if c.unanswered != Never {
		if c.params.IdleTimeout <= 0 {
			return Never
		}
		return c.unanswered + c.params.IdleTimeout
	}
	if quiet := c.quietLimit(); quiet > 0 {
		return c.lastReceived + quiet
	}
	return Never
}

// quietLimit is the silence after which a probe is sent: the client keeps the
// path's bindings open, the server only asks whether the client is still there.
func (c *Conn) quietLimit() time.Duration {
	if (c.params.Client || c.keepsAlive) && c.params.KeepAlive > 0 {
		return c.params.KeepAlive
	}
	return c.params.IdleTimeout
}

func (c *Conn) advanceIdle(now time.Duration) {
	if c.state != stateEstablished || now < c.idleTime() {
		return
	}
	if c.unanswered == Never {
		c.due.add(wire.FramePing)
		c.shrink()
		return
	}
	c.stats.IdleTimeouts++
	c.fail(now, &Error{Kind: KindIdleTimeout, Code: codeTimeout, Reason: c.silence(now)})
}

// silence says for how long nothing has come, and whether the peer was asked for an answer.
func (c *Conn) silence(now time.Duration) string {
	said := "nothing came from the peer for " + (now - c.lastReceived).Round(time.Millisecond).String()
	if n := c.loss.ptoCount; n > 0 {
		said += fmt.Sprintf(", despite %d probes", n)
	}
	return said
}

// keepSlack is how long a table that has grown outlives its use: a busy connection, whose flight is often
// nothing for a moment, would make it anew each time.
const keepSlack = time.Second

// slackUntil is when the records of packets, of which none is in use, are worth their memory no more.
func (c *Conn) slackUntil() time.Duration {
	if c.sent.slack() {
		return c.lastReceived + keepSlack
	}
	return Never
}

// shrink lets go of tables that have grown in busier times.
func (c *Conn) shrink() {
	c.sent.shrink()
	c.send.Shrink()
	c.recv.Shrink()
}

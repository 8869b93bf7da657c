package engine

import (
	"time"

	"example.com/ebb/wire"
)

// rare is the part of a connection that few have, or only near the end: a connection without it has none of what it bounds.
type rare struct {
	starved    bool          // Write was refused memory, and nothing has changed since
	writeAgain time.Duration // when it is worth asking again; Never

	blocked     bool   // the peer's window has held everything back
	blockedBase uint64 // what it had then, for the last time

	healthCheck time.Duration // see Params; 0: none
	used        time.Duration // when the application's bytes last moved, or the peer was last found in health
	asked       time.Duration // when the peer was asked; Never: no answer is awaited
	end         uint64        // of what was written by then

	maxAge time.Duration // see Params; 0: none
	ends   time.Duration // when the connection is as old; Never
}

// rarely is c.rare, made if need be.
func (c *Conn) rarely() *rare {
	if c.rare == nil {
		c.rare = &rare{writeAgain: Never, asked: Never, ends: Never, used: c.noticed}
	}
	return c.rare
}

// memoryWait is how long a writer that was refused memory waits where no acknowledgement is due to free any.
const memoryWait = 50 * time.Millisecond

// AwaitMemory is for a caller that waits to write. If that is for want of memory, it is when Writable is to be asked again at the
// latest, else Never.
func (c *Conn) AwaitMemory(now time.Duration) time.Duration {
	if !c.starved() {
		return Never
	}
	c.rare.writeAgain = now + memoryWait
	return c.rare.writeAgain
}

// noteBlocked notes that the peer's window holds everything back. base is the offset below which it has everything.
func (r *rare) noteBlocked(base uint64) { r.blocked, r.blockedBase = true, base }

// leftOfBlocked is what is left of blockedSendBuffer when the peer has everything below base.
func (r *rare) leftOfBlocked(base uint64) int {
	if !r.blocked {
		return 0
	}
	return blockedSendBuffer - int(min((base-r.blockedBase)/2, blockedSendBuffer))
}

func (c *Conn) starved() bool { return c.rare != nil && c.rare.starved }

// feed has a writer ask for memory again.
func (r *rare) feed() { r.starved, r.writeAgain = false, Never }

// establish begins what is counted from the end of the handshake.
func (r *rare) establish(now time.Duration) {
	r.used = now
	if r.maxAge > 0 {
		r.ends = now + r.maxAge
	}
}

// use notes that bytes of the application's have moved.
func (r *rare) use(now time.Duration) { r.used, r.asked = now, Never }

// note notes at the end of a flush up to where the application has written.
func (r *rare) note(now time.Duration, end uint64) {
	if r.end != end {
		r.end = end
		r.use(now)
	}
	if r.starved && r.writeAgain == Never {
		r.writeAgain = now + memoryWait
	}
}

// answered notes that the peer has acknowledged something, and if these were bytes, which are given back.
func (r *rare) answered(now time.Duration, bytes bool) {
	if r.asked != Never {
		r.use(now)
	}
	if bytes {
		r.feed()
	}
}

// rareTime is when advanceRare has something to do.
func (c *Conn) rareTime() time.Duration { return min(c.rare.writeAgain, c.rare.ends, c.healthTime()) }

// healthTime is when the peer is to be asked for an answer, or has not given it. That it sends is not an answer: it has to have
// received the question.
func (c *Conn) healthTime() time.Duration {
	r := c.rare
	switch {
	case r.healthCheck <= 0 || c.end.closed:
		return Never
	case r.asked == Never:
		return r.used + r.healthCheck
	case c.params.IdleTimeout <= 0:
		return Never
	}
	return r.asked + c.params.IdleTimeout
}

func (c *Conn) advanceRare(now time.Duration) {
	r := c.rare
	if r == nil || c.state != stateEstablished {
		return
	}
	if now >= r.writeAgain {
		r.feed()
	}
	switch {
	case now >= r.ends:
		c.fail(now, &Error{Kind: KindAge, Code: codeTimeout, Reason: "it was open for " + r.maxAge.String()})
	case now < c.healthTime():
	case r.asked == Never:
		r.asked = now
		c.due.add(wire.FramePing)
	default:
		c.stats.IdleTimeouts++
		c.fail(now, &Error{Kind: KindIdleTimeout, Code: codeTimeout, Reason: "the peer has acknowledged nothing since it was asked, for " + c.params.IdleTimeout.String()})
	}
}

// lingerProgress is how many bytes the peer of a closed connection has to take within the linger time, unless there are
// no more: with a byte now and then it could keep the connection for ever.
const lingerProgress = 4 << 10

// enough reports whether what the peer has taken is progress.
func (c *Conn) enough() bool {
	base := c.send.Base()
	if !c.end.closed || base >= c.end.mark+lingerProgress || base == c.send.End() {
		c.end.mark = base
		return true
	}
	return false
}

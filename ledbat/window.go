package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

// allowedIncrease is how many packets the window may be above the flight that
// it was seen to allow (ALLOWED_INCREASE of RFC 6817 section 2.5). It is two:
// one for the packet that grows, one for the rest of a window that is not a
// whole number of packets.
const allowedIncrease = 2

// initialSlowStart adds GAIN of what was acknowledged until there is a queue of
// three quarters of the target (L4).
func (c *plusPlus) initialSlowStart(e *congestion.AckEvent) {
	if c.delay.queue() > exitAt {
		c.leaveSlowStart()
		return
	}
	if !c.mayGrow(e) {
		return
	}
	// Doubling means that the window is at most twice what has been in flight.
	c.growTo(2*c.most(), c.share(int64(e.Bytes), 1))
}

// leaveSlowStart remembers what the window was when a queue showed: the one
// measurement of the path that later floors can use.
func (c *plusPlus) leaveSlowStart() {
	c.exit = exitPoint{window: c.window, base: c.base}
	c.setSSThresh(c.window)
	c.phase = avoidance
	c.scheduleSlowdown()
}

// avoid moves the window by the queue: up by GAIN packets in a round trip below
// the target, whatever the distance (L5); above it down in proportion to the
// window and the excess, by half at most, once in a round trip (L6).
func (c *plusPlus) avoid(e *congestion.AckEvent) {
	excess := c.delay.queue() - target
	if excess > 0 && e.LargestAcked >= c.decreaseEnd {
		c.decreaseEnd = c.nextNumber
		if step := c.excessStep(excess); step < 0 {
			c.setWindow(c.window + step)
		} else if c.mayGrow(e) {
			c.growTo(c.most()+allowedIncrease*c.datagramSize, step)
		}
		return
	}
	if excess > 0 || !c.mayGrow(e) {
		return
	}
	step := c.share(int64(e.Bytes)*c.datagramSize, c.window)
	c.growTo(c.most()+allowedIncrease*c.datagramSize, step)
}

// excessStep is the step of one round trip, in bytes, with a queue that is
// above the target by excess > 0 (L6).
func (c *plusPlus) excessStep(excess time.Duration) int64 {
	half := -c.window / 2
	if excess >= target {
		return half // and no overflow below
	}
	gain := c.datagramSize / c.delay.divisor()
	return max(gain-c.window*int64(excess)/int64(target), half)
}

// rampUp goes back to ssthresh. Up to the window there was before, the path is
// known to carry it and the window doubles. What a floor asks for beyond that
// is new ground: there the window grows as in the initial slow start, by GAIN and only
// while there is no queue. The flight is no cap here. With one, a sender with little
// data would stay at the least window for as long as that lasts.
func (c *plusPlus) rampUp(e *congestion.AckEvent) {
	if e.LargestAcked < c.cut.end {
		return
	}
	acked := int64(e.Bytes)
	if known := min(c.resume, c.ssthresh); c.window < known {
		step := min(acked, known-c.window)
		c.setWindow(c.window + step)
		acked -= step
	}
	if c.window >= c.ssthresh {
		c.endRamp()
		return
	}
	if acked == 0 {
		return
	}
	if c.delay.queue() > exitAt {
		c.endRamp()
		return
	}
	c.setWindow(min(c.window+c.share(acked, 1), c.ssthresh))
	if c.window >= c.ssthresh {
		c.endRamp()
	}
}

// mayGrow says whether this ACK is evidence that a larger window would be used
// and carried. It is none if the sender has nothing to send, or if it is for
// packets sent before the last reduction (RFC 9002 section 7.3.2).
func (c *plusPlus) mayGrow(e *congestion.AckEvent) bool {
	return !e.AppLimited && e.LargestAcked >= c.cut.end
}

// share is GAIN·n/d in bytes. What is left of a byte is kept for the next call.
// It is in units of that call's divisor, so whoever changes between kinds of
// growth clears it.
func (c *plusPlus) share(n, d int64) int64 {
	d *= c.delay.divisor()
	c.fraction += n
	whole := c.fraction / d
	c.fraction -= whole * d
	return whole
}

// growTo adds step to the window, but not beyond a limit that follows from the
// flight. The limit only ever withholds growth: it takes nothing from a window
// that is above it already, as the clamp of RFC 6817 section 2.4.2 would. So a flow
// that its pacer or its receiver stops for a moment keeps what it had.
func (c *plusPlus) growTo(limit, step int64) {
	if c.window < limit {
		c.setWindow(min(c.window+step, limit))
	}
}

package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

const (
	// crowdSamples is how many samples in a row must show a queue to end a slow
	// start: the first flight alone is a queue of ten packets for a moment, and
	// an ACK comes for two.
	crowdSamples = 8
	// crowdTime is how long they must at least take, so that what a stalled machine
	// does at once is not taken for a queue.
	crowdTime = time.Millisecond

	// A slow start or a probe ends with a round that has lost more than both of
	// these.
	exitLosses    = 4  // packets
	exitLossShare = 10 // one of so many bytes
)

// exitAt is the queue that ends a slow start or a probe.
func (c *adaptive) exitAt() time.Duration {
	most := min(c.maxTarget(), c.buffer.size)
	if c.stage == probing {
		return most / 2
	}
	return most
}

// ackHoldTime is how long ACKs are held back to come together, if that is worth notice: a flow
// meets its own queue only from one clump of them to the next, and fills the path only with
// a window that covers the wait.
func (c *adaptive) ackHoldTime() time.Duration {
	if h := c.delay.ackHolding.spread(); h > reverseMargin {
		return h
	}
	return 0
}

// grow is a slow start or a probe, until there is a queue.
func (c *adaptive) grow(e *congestion.AckEvent) {
	if c.queueStreak.samples >= crowdSamples && c.now-c.queueStreak.since >= max(crowdTime, c.ackHoldTime()) {
		c.hold(false)
		return
	}
	if e.AppLimited || e.LargestAcked < c.cut.end {
		return
	}
	switch c.stage {
	case probing:
		c.growBy(int64(e.Bytes) / probeShare)
	case starting:
		c.growBy(int64(e.Bytes))
	case recovering:
		// No cap by the flight holds up to ssthresh: a sender that is short of
		// data would stay at its least window for as long as it is short.
		c.setWindow(min(c.window+int64(e.Bytes), max(c.window, c.ssthresh)))
		if c.window >= c.ssthresh {
			c.recovered()
		}
	}
}

// recovered is the end of the slow start after a timeout. Where none has found what the
// path holds, ssthresh is half of a window that says nothing about it, and slow start goes
// on until there is a queue, as the first would have: unless the floor is configured, or
// configured to be none, which makes ssthresh exact.
func (c *adaptive) recovered() {
	if c.minSSThresh == 0 && c.exit.window == 0 {
		c.enter(starting)
		return
	}
	c.enter(steady)
}

// growBy adds to the window what twice the flight of the last rounds allows. The cap
// only withholds growth.
func (c *adaptive) growBy(n int64) {
	limit := 2 * max(c.flights.max, c.round.flight)
	if c.window < limit {
		c.setWindow(min(c.window+n, limit))
	}
}

// hold keeps the window for a round, to see what the path delivers with it.
func (c *adaptive) hold(byLoss bool) {
	c.began = c.stage != probing
	c.byLoss = byLoss
	if byLoss {
		c.waitLonger()
	} else {
		c.idle.wait = 0
	}
	c.enter(holding)
	c.startRound()
}

// waitLonger doubles how long it must be quiet before the next probe.
func (c *adaptive) waitLonger() {
	c.idle.wait = min(2*max(c.idle.wait, quietTime), maxWait)
}

// leaveHold sets the window to what the path has delivered in a round trip without our
// queue, and to a part of the target more; a queue on the ACKs' path is part of the round trip. On a path shorter than its target it is
// what was delivered in half of the target.
func (c *adaptive) leaveHold(r *round) {
	if r.rate > 0 {
		delay := max(r.rtt-r.least, c.maxTarget()/2)
		if r.rtt-r.least-c.delay.base > reverseMargin {
			delay = max(delay, c.srtt-r.least)
		}
		delay += c.ackHoldTime()
		if !c.byLoss {
			// As much queue as is the most for a probe: a window that leaves none is too
			// small wherever delays vary, and would be probed beyond again and again.
			delay += c.target(r.rtt) / quietShare
		}
		w := scale(r.rate, int64(delay), int64(time.Second))
		if r.limited > 0 {
			// The flight was not the window for some of the time, and the rate not
			// the path's: the round trip tells more.
			w = max(w, scale(c.window, int64(delay), int64(max(r.rtt, delay))))
		}
		c.setWindow(min(c.window, w))
	}
	c.enter(steady)
	if !c.began {
		return
	}
	if !c.byLoss {
		c.exit = exitPoint{window: c.window, base: c.base}
	}
	c.setSSThresh(c.window)
	// What was the base in the first moments may have been a queue of others, so
	// that the first look at it comes soon.
	c.baseProbe.at = c.now - c.stale()*17/20
}

// avoid is a round of congestion avoidance.
func (c *adaptive) avoid(r *round) {
	worst, congested := c.loss.add(r.acked, r.lost)
	if r.samples == 0 {
		if congested {
			c.reduce(worst, r.lostCount)
		}
		return
	}
	target := c.target(r.rtt)
	if r.lost > 0 && r.reverse {
		// Only the peer's clock says that there is less of a queue. It is believed as
		// long as nothing is lost: no peer gets more by it than TCP gives.
		r.least = r.rtt - c.delay.base
	}
	if congested {
		c.reduce(worst, r.lostCount)
		return
	}
	if c.quietEnough(r, target) {
		c.enter(probing)
		return
	}
	c.step(r, target)
	if r.appLimited() || r.wasThrottled() || c.resumed {
		c.lookWithoutDrain()
	} else if c.now-c.baseProbe.at > c.stale() {
		c.beginDrain()
	}
}

// step moves the window towards the target.
func (c *adaptive) step(r *round, target time.Duration) {
	rtt := int64(max(r.rtt+c.ackHoldTime(), 1))
	if r.least <= target {
		if !r.appLimited() {
			up := scale(c.window, int64(target-r.least), rtt)
			c.growBy(min(up, r.trips*c.datagramSize/growthShare))
		}
		return
	}
	down := scale(c.window, int64(r.least-target), rtt)
	c.setWindow(c.window - min(down, c.window/2))
}

// quietEnough says whether there has been no queue for so long that the path has room
// for more than steps would take in a reasonable time.
func (c *adaptive) quietEnough(r *round, target time.Duration) bool {
	q := &c.idle
	if r.appLimited() || r.least >= target/quietShare {
		q.rounds = 0
		return false
	}
	if q.rounds == 0 {
		q.since = r.began
	}
	q.rounds++
	return q.rounds >= quietRounds && c.now-q.since >= max(quietTime, q.wait)
}

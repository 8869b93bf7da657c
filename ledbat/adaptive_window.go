package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

const (
	// streakSamples is how many samples in a row must show a queue to end a slow
	// start (A3): the first flight alone is a queue of ten packets for a moment, and
	// an ACK comes for two packets.
	streakSamples = 8
	// streakTime is how long these samples must take at least (A3), so that what a
	// stalled machine does at once is not taken for a queue.
	streakTime = time.Millisecond

	// A slow start or a probe ends with a round that has lost more than both of
	// these (A3).
	exitLosses    = 4  // packets
	exitLossShare = 10 // one of so many bytes
)

// exitQueue is the queue that ends a slow start (A3) or a probe (A9), besides what is allowed for the path's jitter.
func (c *adaptive) exitQueue() time.Duration {
	most := min(c.maxTarget(), c.buffer.size)
	if c.stage == probing && !c.noise.noisy() {
		most /= 2
	}
	return most
}

// streakAt is the queue that ends a slow start (A3) or a probe (A9) when a few samples in a row show it. In a probe among clumps
// it is more than any sample of the rounds without a queue had: there samples in a row have more than J allows at any window, but
// none of a round has less only if there is a queue. Where ACKs are held back for a round trip, such a round may not come; and
// where a round has no more samples than that, a few are as good.
func (c *adaptive) streakAt() time.Duration {
	exit := c.exitQueue() + c.jitterTime()
	long := c.window >= 2*streakSamples*c.datagramSize // an ACK is for two packets
	if c.stage == probing && long && c.noise.rise(&c.round) > 0 && c.ackHoldTime() < c.delay.base {
		return max(exit, c.idle.most)
	}
	return exit
}

// ackHoldTime is H (A16): how long ACKs are delayed to come together, or 0 if that is
// little. With such ACKs a flow sees its own queue only from one group to the next, and
// fills the path only with a window that covers the wait.
func (c *adaptive) ackHoldTime() time.Duration {
	if h := c.delay.ackHolding.spread(); h > reverseMargin {
		return h
	}
	return 0
}

// streakTime is how long samples must show a queue: longer than a clump of packets or of
// ACKs (A16, A19).
func (c *adaptive) streakTime() time.Duration {
	return max(streakTime, c.ackHoldTime(), c.noise.rise(&c.round)*5/4)
}

// grow is a slow start (A3) or a probe (A9), until there is a queue.
func (c *adaptive) grow(e *congestion.AckEvent) {
	if c.queueStreak.samples >= streakSamples && c.now-c.queueStreak.since >= c.streakTime() {
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
		// A15: up to ssthresh A14's cap does not apply. With it, a sender with
		// little data would stay at its least window for as long as that lasts.
		c.setWindow(min(c.window+int64(e.Bytes), max(c.window, c.ssthresh)))
		if c.window >= c.ssthresh {
			c.recovered()
		}
	}
}

// recovered is the end of the slow start after a timeout (A15). Where no slow start has found
// a queue yet, ssthresh is half of a window that says nothing about the path. Then slow start
// goes on until there is a queue, as the first would have. Where MinSSThresh is set, even to
// none, ssthresh is exact.
func (c *adaptive) recovered() {
	if c.minSSThresh == 0 && c.exit.window == 0 {
		c.enter(starting)
		return
	}
	c.enter(steady)
}

// growBy adds to the window, up to twice the largest flight of the last rounds (A14). The
// cap only withholds growth.
func (c *adaptive) growBy(n int64) {
	limit := 2 * max(c.flights.max, c.round.flight)
	if c.window < limit {
		c.setWindow(min(c.window+n, limit))
	}
}

// hold keeps the window for a round, to see what the path delivers with it (A4).
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

// waitLonger doubles the time without a queue before the next probe (A9).
func (c *adaptive) waitLonger() {
	c.idle.wait = min(2*max(c.idle.wait, minProbeWait), maxProbeWait)
}

// leaveHold sets the window to what the path has delivered in a round trip without our
// queue, and a part of the target more (A4). A queue on the ACKs' path is part of the round
// trip. On a path shorter than half of T0 it is what was delivered in half of T0.
func (c *adaptive) leaveHold(r *round) {
	if r.rate > 0 {
		delay := max(r.rtt-r.least, c.maxTarget()/2)
		if r.rtt-r.least-c.delay.base > reverseMargin {
			delay = max(delay, c.srtt-r.least)
		}
		delay += c.ackHoldTime() + c.noise.rise(r) + c.leftQueue(r)
		w := scale(r.rate, int64(delay), int64(time.Second))
		if r.limited > 0 {
			// For some of the time the sender had nothing to send, so the rate is not the
			// path's. The round trip says more.
			w = max(w, scale(c.window, int64(delay), int64(max(r.rtt, delay))))
		}
		c.setWindow(min(c.window, w))
	}
	c.idle.reached = max(c.window, c.idle.reached-c.idle.reached/reachedShare)
	c.enter(steady)
	c.held = true
	if !c.began {
		if !c.byLoss && c.tooMuchLost(r) { // what the end of the probe has sent
			c.waitLonger()
		}
		return
	}
	if !c.byLoss {
		c.exit = exitPoint{window: c.window, base: c.base}
	}
	c.setSSThresh(c.window)
	// What looked like the base in the first moments may have been a queue of others:
	// the first drain comes soon.
	c.baseProbe.at = c.now - c.stale()*17/20
}

// leftQueue is the queue that A4 leaves: that with which A9 does not probe. A window that leaves none is too small wherever delays
// vary, and would be probed beyond again and again. There the delay of most packets is above the least by more than that, so as much
// of the part that is the same for all flows is left once more, unless P says by how much (A19).
func (c *adaptive) leftQueue(r *round) time.Duration {
	switch left := c.target(r.rtt) / noQueueShare; {
	case c.byLoss:
		return 0
	case c.noise.unclumped(r):
		return left + (c.maxTarget()+c.jitterTime())/noQueueShare
	default:
		return left
	}
}

// avoid is a round of congestion avoidance (A5).
func (c *adaptive) avoid(r *round) {
	held := c.held
	c.held = false
	worst, congested := c.loss.add(r.acked, r.lost, c.datagramSize)
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
	if c.probeDue(r, target) {
		c.enter(probing)
		return
	}
	// A competitor's queue is seldom so short that it could be J and no more, but does not change for rounds at times. So J counts in full here.
	longer := target + c.jitterTime() - c.allowance(c.maxTarget()) + c.maxTarget()
	if c.plateau.add(r, longer, c.maxTarget()/plateauShare, c.window) {
		c.longerPath()
		return
	}
	c.step(r, target, held)
	if r.appLimited() || r.wasThrottled() || c.resumed {
		c.probeWithoutDrain()
	} else if c.now-c.baseProbe.at > c.stale() {
		c.beginDrain()
	}
}

// step moves the window towards the target (A5). The packets of the round after A4 were sent before the window fell. On a noisy
// path, which is probed often, what they show does not lower it once more; but where A4 has left P, it does.
func (c *adaptive) step(r *round, target time.Duration, held bool) {
	rtt := int64(max(r.rtt+c.ackHoldTime(), 1))
	if r.least <= target {
		if !r.appLimited() {
			up := scale(c.window, int64(target-r.least), rtt)
			most := r.trips*c.datagramSize/growthShare + scale(c.window, int64(c.jitterTime()), growthShare*rtt)
			c.growBy(min(up, most))
		}
		return
	}
	if held && c.noise.unclumped(r) {
		return
	}
	if above := c.above(r, target); above > 0 {
		c.setWindow(c.window - min(scale(c.window, int64(above), rtt), c.window/2))
	}
}

// probeDue says whether there has been no queue for so long that a probe should find out
// how much more the path carries (A9). Steps of A5 would take too long.
func (c *adaptive) probeDue(r *round, target time.Duration) bool {
	q := &c.idle
	if r.appLimited() {
		q.rounds, q.samples = 0, 0
		return false
	}
	if q.rounds == 0 {
		q.since, q.most = r.began, 0
	}
	if q.rounds > 0 || c.noise.noisy() { // the first round may have begun with a queue
		q.most = max(q.most, r.most)
	}
	q.samples += r.samples
	if r.least >= target/noQueueShare {
		if q.samples >= probeSamples || !c.noise.noisy() {
			q.rounds, q.samples = 0, 0
		}
		return false
	}
	q.rounds++
	q.samples = 0
	return q.rounds >= probeRounds && c.now-q.since >= max(c.probeWait(), q.wait)
}

// probeWait is how long there must have been no queue (A9). Where delays vary it is short: a window that another flow has squeezed
// needs the link again soon. But clumps are without a queue now and then at any window, and one that is as large as A4 left it needs no
// more (A23).
func (c *adaptive) probeWait() time.Duration {
	if c.jitterTime() == 0 || c.clumped() && 4*c.window >= 3*c.idle.reached {
		return minProbeWait
	}
	return minProbeWait / noisyShare
}

package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

// adaptiveCut is the last reduction that losses or marks caused, and what there was
// before.
type adaptiveCut struct {
	end      uint64 // packets below this number were sent before it
	start    uint64 // and those below this one before the reduction before it
	at       time.Duration
	unproven int // packets lost, not counting those that arrived after all
	undoable bool

	stage    stage
	window   int64
	ssthresh int64
	wait     time.Duration // of the idle rounds
}

func (c *adaptive) beginCut(unproven int) {
	c.cut = adaptiveCut{
		start: c.cut.end, end: c.nextNumber, at: c.now, unproven: unproven, undoable: unproven > 0,
		stage: c.stage, window: c.window, ssthresh: c.ssthresh, wait: c.idle.wait,
	}
}

// OnLoss counts the losses of the round, and ends a slow start or a probe with too many
// (A3). Losses of packets sent before the last cut were answered by it.
func (c *adaptive) OnLoss(now time.Duration, e congestion.LossEvent) {
	c.advance(now, e.LargestSent)
	if e.Packets <= 0 {
		return
	}
	if e.Largest < c.cut.end {
		if e.Largest >= c.cut.start {
			c.cut.unproven += e.Packets
		}
		return
	}
	packets, bytes := e.Packets, int64(max(e.Bytes, 0))
	if fresh := e.Largest - max(e.Smallest, c.cut.end) + 1; e.Smallest < c.cut.end && fresh < uint64(packets) {
		bytes = scale(bytes, int64(fresh), int64(packets))
		packets = int(fresh)
	}
	r := &c.round
	if r.lostCount == 0 || c.delay.queue < r.atLoss {
		r.atLoss = c.delay.queue
	}
	r.lost += bytes
	r.lostCount += packets
	switch c.stage {
	case starting, probing, recovering:
		if c.tooMuchLost(r) {
			c.beginCut(r.lostCount)
			c.hold(true)
		}
	}
}

// tooMuchLost says whether a round has lost so much that a slow start or a probe ends (A3): more than a few packets, and more
// than a part that is larger than the path's own (A21).
func (c *adaptive) tooMuchLost(r *round) bool {
	own := scale(r.acked, 2*c.loss.base(), fullRate)
	return r.lostCount > exitLosses && (r.lost-own)*exitLossShare > r.acked
}

// reduce answers a loss rate that is congestion (A10). rate is in parts of fullRate. The
// window falls by twice the rate, by half at most, and not below a configured MinSSThresh,
// because the window after a loss is ssthresh (RFC 5681 section 3.2).
func (c *adaptive) reduce(rate int64, packets int) {
	c.beginCut(packets)
	w := scale(c.window, fullRate-min(2*rate, fullRate/2), fullRate)
	c.setWindow(max(w, min(c.window, c.minSSThresh)))
	c.setSSThresh(c.window)
	c.loss.mean = 0
	c.idle.rounds = 0
}

// onMark answers a mark as TCP does (RFC 3168 section 6.1.2): half of the window, once
// for all packets in flight (A11). A queue that marks is shared with others.
func (c *adaptive) onMark(largest uint64) {
	if largest < c.cut.end {
		c.cut.undoable = false
		return
	}
	c.round.marked = true
	c.reduce(fullRate, 0)
	switch c.stage {
	case starting, probing, recovering, holding:
		c.waitLonger()
		c.enter(steady)
	}
}

// OnSpuriousLoss takes losses back. When all packets that the last cut answered have
// arrived, it is undone, and a slow start or a probe that it ended goes on.
func (c *adaptive) OnSpuriousLoss(now time.Duration, e congestion.LossEvent) {
	c.advance(now, e.LargestSent)
	if e.Packets <= 0 {
		return
	}
	if e.Largest >= c.cut.end {
		r := &c.round
		r.lost = max(0, r.lost-int64(max(e.Bytes, 0)))
		r.lostCount = max(0, r.lostCount-e.Packets)
		return
	}
	k := &c.cut
	if !k.undoable || e.Largest < k.start {
		return
	}
	if k.unproven -= e.Packets; k.unproven > 0 {
		return
	}
	k.undoable = false
	k.end = k.start // a loss from now on is answered again
	c.setWindow(max(c.window, k.window))
	c.setSSThresh(k.ssthresh)
	c.idle.wait = k.wait
	switch k.stage {
	case starting, probing, recovering:
		if c.stage != draining {
			c.enter(k.stage)
		}
	}
}

// onTimeout starts over with what is known (A15): ssthresh is half of the window, the
// window is at its least or at a quarter of a configured floor.
func (c *adaptive) onTimeout() {
	c.timeouts++
	before := c.window
	if c.cut.window > 0 && c.cut.at == c.now {
		before = c.cut.window // the timeout is made of the losses reported just now
	}
	c.setSSThresh(before / 2)
	c.setWindow(max(c.minSSThresh, 0) / 4)
	c.cut = adaptiveCut{start: c.nextNumber, end: c.nextNumber}
	c.loss = lossRate{}
	c.enter(recovering)
	c.startRound()
}

package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

// cut is the last reduction that losses or marks caused.
type cut struct {
	end      uint64 // packets below this number were sent before it
	start    uint64 // and those below this one before the reduction before it
	at       time.Duration
	unproven int // packets lost, not counting those that arrived after all
	undoable bool

	// What there was before.
	phase    phase
	window   int64
	ssthresh int64
	resume   int64
	reduced  bool
}

// onLoss answers a loss of packets sent since the last reduction (L9). Others were
// answered by that one.
func (c *plusPlus) onLoss(e congestion.LossEvent) {
	if e.Packets <= 0 {
		return
	}
	if e.Largest < c.cut.end {
		if e.Largest >= c.cut.start {
			c.cut.unproven += e.Packets
		}
		return
	}
	c.beginCut()
	c.cut.unproven = e.Packets
	c.cut.undoable = true
	c.reduce()
}

// onMark answers a mark as a loss (L9; RFC 6817 section 1.3, RFC 3168). A mark is
// never found to be spurious.
func (c *plusPlus) onMark(largest uint64) {
	if largest < c.cut.end {
		c.cut.undoable = false
		return
	}
	c.beginCut()
	c.reduce()
}

func (c *plusPlus) beginCut() {
	c.cut = cut{
		start: c.cut.end, end: c.nextNumber, at: c.now,
		phase: c.phase, window: c.window, ssthresh: c.ssthresh,
		resume: c.resume, reduced: c.slowdown.reduced,
	}
	// The queue that packets from before saw says nothing about the window
	// from here on.
	c.decreaseEnd = c.nextNumber
}

// reduce halves the window, but not below a configured MinSSThresh (after a loss the window
// is ssthresh, RFC 5681 section 3.2), and ends slow start (L9). In a slowdown the window is
// not what caused the loss: the window that the slowdown would go back to is halved, once.
// A second loss on the way back ends the slowdown where it is.
func (c *plusPlus) reduce() {
	c.setWindow(max(c.window/2, min(c.window, c.minSSThresh)))
	if c.slowing() {
		switch {
		case !c.slowdown.reduced:
			c.slowdown.reduced = true
			c.resume = max(c.resume/2, c.minWindow)
			c.setSSThresh(c.resume)
		case c.phase == ramp:
			c.endRamp()
		}
		return
	}
	c.setSSThresh(c.window)
	if c.phase != avoidance {
		c.scheduleSlowdown()
	}
	c.phase = avoidance
	c.fraction = 0
}

// onSpuriousLoss undoes the last reduction once every packet it was for has
// turned up. What has changed for other reasons in the meantime stays: a
// slowdown goes on, but goes back further.
func (c *plusPlus) onSpuriousLoss(e congestion.LossEvent) {
	k := &c.cut
	if !k.undoable || e.Packets <= 0 || e.Largest >= k.end || e.Largest < k.start {
		return
	}
	if k.unproven -= e.Packets; k.unproven > 0 {
		return
	}
	k.end = k.start // a loss from now on is answered again
	switch {
	case c.slowing() && (k.phase == hold || k.phase == ramp):
		c.resume = max(c.resume, k.resume)
		c.slowdown.reduced = k.reduced
		c.setSSThresh(max(c.ssthresh, k.ssthresh))
		if c.phase == ramp {
			c.setWindow(max(c.window, k.window))
		}
	case c.slowing():
		c.resume = max(c.resume, k.window)
		c.setSSThresh(max(c.ssthresh, c.resume))
	default:
		c.setSSThresh(k.ssthresh)
		c.setWindow(max(c.window, k.window))
		c.resumeSlowStart(k)
	}
}

// resumeSlowStart goes on with the slow start that a reduction ended, if it did.
func (c *plusPlus) resumeSlowStart(k *cut) {
	if k.phase == avoidance {
		return
	}
	c.phase = k.phase
	if k.phase == hold || k.phase == ramp {
		c.phase = ramp // the hold is over
		c.slowdown.beganAt = c.now
	}
	c.resume = k.resume
	c.slowdown.reduced = k.reduced
	c.slowdown.scheduled = false
	c.fraction = 0
}

// onTimeout starts over with what is known: ssthresh is half of the window, the
// window at its least or at a quarter of a configured floor.
func (c *plusPlus) onTimeout() {
	c.timeouts++
	c.resume = c.windowBeforeTimeout() / 2
	c.setSSThresh(c.resume)
	c.setWindow(max(c.minSSThresh, 0) / 4)
	c.fraction = 0
	c.phase = recovery
	c.slowdown.scheduled = false
	c.cut = cut{start: c.nextNumber, end: c.nextNumber}
	c.decreaseEnd = c.nextNumber
}

// windowBeforeTimeout is the window that caused a timeout: in a slowdown the one that it
// goes back to, and where the losses of which the timeout is made were reported just now,
// the one before they were answered.
func (c *plusPlus) windowBeforeTimeout() int64 {
	p, window, resume := c.phase, c.window, c.resume
	if c.cut.window > 0 && c.cut.at == c.now {
		p, window, resume = c.cut.phase, c.cut.window, c.cut.resume
	}
	if p == hold || p == ramp {
		return max(window, resume)
	}
	return window
}

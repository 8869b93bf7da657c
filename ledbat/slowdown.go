package ledbat

import "time"

const (
	slowdownDelay    = 2 // round trips from the end of slow start to the first slowdown, L7
	slowdownHold     = 2 // round trips at the least window, L7
	slowdownInterval = 9 // times the duration of the last, L8

	// A slowdown of a few microseconds would come a thousand times a second.
	minIntervalRoundTrips = 18
	minInterval           = time.Second
)

// slowdown is the schedule of the slowdowns (L7, L8), in which the window is
// given up for two round trips so that every flow sees the path without this
// one's queue.
type slowdown struct {
	scheduled bool
	at        time.Duration // when the next is due
	earliest  time.Duration // no slowdown before this time, whatever was rescheduled since
	begun     int
	beganAt   time.Duration
	holdUntil time.Duration
	reduced   bool // this one has met a loss
}

// slowing says whether a slowdown is under way.
func (c *plusPlus) slowing() bool { return c.phase == hold || c.phase == ramp }

// scheduleSlowdown sets the first slowdown after a slow start (L7).
func (c *plusPlus) scheduleSlowdown() {
	c.slowdown.scheduled = true
	c.slowdown.at = max(c.now+slowdownDelay*c.srtt, c.slowdown.earliest)
}

// slowdownDue says whether a slowdown should begin. One that has nothing to give
// up is skipped: the window is at its least, or the application or a bandwidth limit
// limits the flow, so that it has no queue of its own. The caller then goes on with
// congestion avoidance.
func (c *plusPlus) slowdownDue(limited bool) bool {
	s := &c.slowdown
	if !s.scheduled || c.now < s.at {
		return false
	}
	if limited || c.window <= c.minWindow {
		s.earliest = c.now + c.leastInterval()
		s.at = s.earliest
		return false
	}
	return true
}

func (c *plusPlus) beginSlowdown() {
	s := &c.slowdown
	s.scheduled = false
	s.begun++
	s.reduced = false
	s.beganAt = c.now
	s.holdUntil = c.now + slowdownHold*c.srtt
	s.earliest = c.now + c.leastInterval() // in case a loss or a timeout ends this one
	c.resume = c.window
	c.setSSThresh(c.window)
	c.setWindow(0)
	c.fraction = 0
	c.phase = hold
}

func (c *plusPlus) holdSlowdown() {
	if c.now >= c.slowdown.holdUntil {
		c.phase = ramp
	}
}

// endRamp is the end of a slow start after a slowdown or a timeout.
func (c *plusPlus) endRamp() {
	if c.phase == ramp {
		c.endSlowdown()
	}
	c.phase = avoidance
	c.fraction = 0
	if !c.slowdown.scheduled {
		c.scheduleSlowdown()
	}
}

// endSlowdown schedules the next at nine times the duration of this one, so
// that slowdowns take a tenth of the time at most (L8).
func (c *plusPlus) endSlowdown() {
	s := &c.slowdown
	s.earliest = c.now + max(slowdownInterval*(c.now-s.beganAt), c.leastInterval())
	s.at = s.earliest
	s.scheduled = true
}

func (c *plusPlus) leastInterval() time.Duration {
	return max(minIntervalRoundTrips*c.srtt, minInterval)
}

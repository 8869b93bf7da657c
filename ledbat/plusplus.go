package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

// plusPlus is LEDBAT++ as drafted.
type plusPlus struct {
	flow
	usage
	delay delayFilter

	phase    phase
	resume   int64 // how far a ramp doubles: the window there was before it
	fraction int64 // growth not yet worth a byte; its unit is the divisor of grow

	decreaseEnd uint64 // the queue may shrink the window again from this number on
	cut         cut
	slowdown    slowdown
}

// phase is what the window is doing.
type phase uint8

const (
	slowStart phase = iota // the initial one
	avoidance
	hold     // in a slowdown: the least window
	ramp     // in a slowdown: back to ssthresh
	recovery // slow start after a timeout
)

func (p phase) String() string {
	switch p {
	case slowStart:
		return "slow start"
	case avoidance:
		return "congestion avoidance"
	case hold:
		return "slowdown"
	case ramp:
		return "ramp after slowdown"
	case recovery:
		return "slow start after timeout"
	}
	panic("BUG: ledbat: unknown phase")
}

func newPlusPlus(config Config) *plusPlus {
	c := &plusPlus{flow: newFlow(config), delay: newDelayFilter()}
	c.setWindow(initialWindow(config, c.datagramSize))
	return c
}

// OnSend reports one packet that was just sent.
func (c *plusPlus) OnSend(now time.Duration, e congestion.SendEvent) {
	c.advance(now, e.Number)
}

// OnAck reports one ACK: a delay sample, and bytes that let the window move.
func (c *plusPlus) OnAck(now time.Duration, e congestion.AckEvent) {
	c.advance(now, e.LargestSent)
	c.track(&e, c.nextNumber)
	if e.SmoothedRTT > 0 {
		c.srtt = min(e.SmoothedRTT, maxDelay)
	}
	c.delay.add(c.now, e.RTT, c.srtt)
	c.base = c.delay.base()
	if e.CE > 0 {
		c.onMark(e.LargestAcked)
	}

	switch c.phase {
	case slowStart:
		c.initialSlowStart(&e)
	case avoidance:
		if c.slowdownDue(e.AppLimited || e.Throttled) {
			c.beginSlowdown()
		} else {
			c.avoid(&e)
		}
	case hold:
		c.holdSlowdown()
	case ramp, recovery:
		c.rampUp(&e)
	}
}

// OnLoss reports packets declared lost together: the window is halved, at most
// once for all packets that were in flight then.
func (c *plusPlus) OnLoss(now time.Duration, e congestion.LossEvent) {
	c.advance(now, e.LargestSent)
	c.onLoss(e)
}

// OnSpuriousLoss reports that packets declared lost have arrived. When all that
// the last reduction answered have, it is undone.
func (c *plusPlus) OnSpuriousLoss(now time.Duration, e congestion.LossEvent) {
	c.advance(now, e.LargestSent)
	c.onSpuriousLoss(e)
}

// OnTimeout reports persistent congestion: the window falls to its least, or to
// a quarter of MinSSThresh, and slow start begins again. What is known of the
// path stays known.
func (c *plusPlus) OnTimeout(now time.Duration) {
	c.advanceTime(now)
	c.onTimeout()
}

// PacingRate is the window per smoothed round trip, times two while the window
// doubles and 1.25 otherwise, in bytes per second: enough for the window to be
// used although the pacer stalls, and for its growth to be seen. It is 0 before
// there is a round trip.
func (c *plusPlus) PacingRate(srtt time.Duration) int64 {
	switch c.phase {
	case slowStart, ramp, recovery:
		return paced(c.window, srtt, fastPace)
	}
	return paced(c.window, srtt, steadyPace)
}

// Stats describes the controller.
func (c *plusPlus) Stats() congestion.Stats {
	s := c.stats(PlusPlus, c.phase.String(), c.slowdown.begun)
	s.QueueDelay = c.delay.queue()
	return s
}

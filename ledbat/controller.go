package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

// Controller is the congestion controller of one connection: a
// congestion.Controller. Packet numbers in its events are of one number space.
type Controller struct {
	minSSThresh    int64 // as configured: 0 for the remembered floor, negative for none
	configuredMin  int64 // as configured
	minWindow      int64
	datagramSize   int64
	delay          delayFilter
	srtt           time.Duration
	now            time.Duration // never goes back
	nextNumber     uint64        // one above the largest number sent
	roundEnd       uint64        // the round ends when this number is acknowledged
	flight         int64         // the most bytes in flight in this round
	previousFlight int64         // and in the one before

	phase    phase
	window   int64 // [minWindow, maxWindow]
	ssthresh int64 // maxWindow until something sets it
	resume   int64 // how far a ramp doubles: the window there was before it
	fraction int64 // growth not yet worth a byte; its unit is the divisor of grow
	exit     exitPoint

	decreaseEnd uint64 // the queue may shrink the window again from this number on
	cut         cut
	slowdown    slowdown
	timeouts    int
}

var _ congestion.Controller = (*Controller)(nil)

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

// New returns a controller at the start of a connection, or what Validate has
// against the Config.
func New(config Config) (*Controller, error) {
	if err := config.Validate(); err != nil {
		return nil, err
	}
	c := &Controller{
		minSSThresh:   int64(config.MinSSThresh),
		configuredMin: int64(config.MinWindow),
		delay:         newDelayFilter(),
		ssthresh:      maxWindow,
	}
	size := config.MaxDatagramSize
	if size == 0 {
		size = defaultDatagramSize
	}
	c.setDatagramSize(int64(size))
	initial := int64(config.InitialWindow)
	if initial == 0 {
		initial = min(initialPackets*c.datagramSize, initialBytes)
	}
	c.setWindow(initial)
	return c, nil
}

// OnSend reports one packet that was just sent.
func (c *Controller) OnSend(now time.Duration, e congestion.SendEvent) {
	c.advance(now)
	c.nextNumber = max(c.nextNumber, e.Number+1)
}

// OnAck reports one ACK: a delay sample, and bytes that let the window move.
func (c *Controller) OnAck(now time.Duration, e congestion.AckEvent) {
	c.advance(now)
	c.nextNumber = max(c.nextNumber, e.LargestSent+1)
	c.trackFlight(&e)
	if e.SmoothedRTT > 0 {
		c.srtt = min(e.SmoothedRTT, maxDelay)
	}
	c.delay.add(c.now, e.RTT, c.srtt)
	if e.CE > 0 {
		c.onMark(e.LargestAcked)
	}

	switch c.phase {
	case slowStart:
		c.initialSlowStart(&e)
	case avoidance:
		if c.slowdownDue(e.AppLimited) {
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
// once for all packets that were in flight then (L9).
func (c *Controller) OnLoss(now time.Duration, e congestion.LossEvent) {
	c.advance(now)
	c.nextNumber = max(c.nextNumber, e.LargestSent+1)
	c.onLoss(e)
}

// OnSpuriousLoss reports that packets declared lost have arrived. When all that
// the last reduction answered have, it is undone.
func (c *Controller) OnSpuriousLoss(now time.Duration, e congestion.LossEvent) {
	c.advance(now)
	c.onSpuriousLoss(e)
}

// OnTimeout reports persistent congestion: the window falls to its least, or to
// a quarter of MinSSThresh, and slow start begins again. What is known of the
// path stays known.
func (c *Controller) OnTimeout(now time.Duration) {
	c.advance(now)
	c.onTimeout()
}

// OnMaxDatagramSize reports the size of a full packet from now on. A size that
// no packet has, below 1 or above 65527, changes nothing.
func (c *Controller) OnMaxDatagramSize(size int) {
	if size < 1 || size > maxDatagramSize {
		return
	}
	c.setDatagramSize(int64(size))
	c.setWindow(c.window)
}

// Window is the number of bytes that may be in flight, between the minimum
// window and 1e9.
func (c *Controller) Window() int { return int(c.window) }

// PacingRate is the window per smoothed round trip, times two while the window
// doubles and 1.25 otherwise, in bytes per second: enough for the window to be
// used although the pacer stalls, and for its growth to be seen. It is 0 before
// there is a round trip.
func (c *Controller) PacingRate(srtt time.Duration) int64 {
	if srtt <= 0 {
		return 0
	}
	quarters := int64(5)
	switch c.phase {
	case slowStart, ramp, recovery:
		quarters = 8
	}
	return max(1, c.window*int64(time.Second)/int64(srtt)*quarters/4)
}

// Stats describes the controller. SSThresh is 1e9 as long as nothing has set
// it.
func (c *Controller) Stats() congestion.Stats {
	return congestion.Stats{
		Name:        PlusPlus.String(),
		State:       c.phase.String(),
		Window:      int(c.window),
		SSThresh:    int(c.ssthresh),
		MinSSThresh: int(c.floor()),
		BaseDelay:   c.delay.base(),
		QueueDelay:  c.delay.queue(),
		Slowdowns:   c.slowdown.begun,
		Timeouts:    c.timeouts,
	}
}

func (c *Controller) advance(now time.Duration) { c.now = max(c.now, now) }

func (c *Controller) setDatagramSize(size int64) {
	c.datagramSize = size
	c.minWindow = max(c.configuredMin, minPackets*size)
}

// trackFlight keeps the most bytes in flight by round. A round ends when a
// packet sent after its start is acknowledged. Looking when ACKs come is enough:
// between two of them the flight only grows.
func (c *Controller) trackFlight(e *congestion.AckEvent) {
	if e.LargestAcked >= c.roundEnd {
		c.roundEnd = c.nextNumber
		c.previousFlight, c.flight = c.flight, 0
	}
	c.flight = max(c.flight, int64(e.PriorInFlight))
}

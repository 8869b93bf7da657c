package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

const (
	initialCTO = time.Second      // RFC 6817 section 2.4.2
	maxCTO     = 60 * time.Second // the least bound that it allows

	// allowedIncreaseRFC is ALLOWED_INCREASE of RFC 6817 section 2.5, in packets.
	allowedIncreaseRFC = 1

	// zeroDelay is what the first one-way delay is taken for. Only differences mean
	// anything, and the delay filter takes positive ones.
	zeroDelay = maxDelay / 2

	partBits = 16 // growth is counted in units of 2^-16 bytes
)

// rfc6817 is LEDBAT: TARGET 60 ms, GAIN 1, ALLOWED_INCREASE 1, MIN_CWND 2.
type rfc6817 struct {
	flow
	usage
	delay     delayFilter // one-way delays if the peer reports them, else round trips
	trips     delayFilter // round trips, for the floor under ssthresh
	hasOneWay bool
	origin    time.Duration // the first one-way delay

	slowStart bool // RFC 5681 section 3.1, at the start and after a timeout
	initial   bool // it is the first
	part      int64
	cut       rfcCut
	cto       congestionTimeout
}

// rfcCut is the last reduction that losses or marks caused.
type rfcCut struct {
	end      uint64 // packets below this number were sent before it
	start    uint64 // and those below this one before the reduction before it
	at       time.Duration
	unproven int // packets lost, not counting those that arrived after all; 0: not to be undone

	window, ssthresh   int64
	slowStart, initial bool
}

// congestionTimeout is the CTO of RFC 6817 section 2.4.2, computed as the timeout of
// RFC 6298.
type congestionTimeout struct {
	after    time.Duration // 0 before the first sample: initialCTO
	mean     time.Duration
	variance time.Duration
	since    time.Duration // the last ACK, or the first packet in flight
	expired  bool          // no ACK has come since it expired
}

func newRFC6817(config Config) *rfc6817 {
	c := &rfc6817{
		flow: newFlow(config), delay: newDelayFilter(), trips: newDelayFilter(),
		slowStart: true, initial: true, cto: congestionTimeout{after: initialCTO},
	}
	c.setWindow(initialWindow(config, c.datagramSize))
	return c
}

// OnSend reports one packet that was just sent.
func (c *rfc6817) OnSend(now time.Duration, e congestion.SendEvent) {
	c.advance(now, e.Number)
	if e.InFlight <= e.Bytes {
		c.cto.since = c.now
		return
	}
	c.expire()
}

// OnAck reports one ACK.
func (c *rfc6817) OnAck(now time.Duration, e congestion.AckEvent) {
	c.advance(now, e.LargestSent)
	c.expire()
	c.track(&e, c.nextNumber)
	if e.SmoothedRTT > 0 {
		c.srtt = min(e.SmoothedRTT, maxDelay)
	}
	c.sample(&e)
	c.cto.update(c.now, e.RTT)
	if e.CE > 0 && e.LargestAcked >= c.cut.end {
		c.reduce(0)
	} else if e.CE > 0 {
		c.cut.unproven = 0 // a mark is never found to be spurious
	}
	if e.LargestAcked < c.cut.end {
		return
	}
	if c.slowStart {
		c.startSlowly(&e)
		return
	}
	c.avoid(&e)
}

// OnLoss halves the window, at most once for all packets in flight then
// (RFC 6817 section 2.4.2).
func (c *rfc6817) OnLoss(now time.Duration, e congestion.LossEvent) {
	c.advance(now, e.LargestSent)
	switch {
	case e.Packets <= 0:
	case e.Largest >= c.cut.end:
		c.reduce(e.Packets)
	case e.Largest >= c.cut.start && c.cut.unproven > 0:
		c.cut.unproven += e.Packets
	}
}

// OnSpuriousLoss undoes the last reduction when all packets that it answered have arrived.
func (c *rfc6817) OnSpuriousLoss(now time.Duration, e congestion.LossEvent) {
	c.advance(now, e.LargestSent)
	k := &c.cut
	if k.unproven == 0 || e.Packets <= 0 || e.Largest >= k.end || e.Largest < k.start {
		return
	}
	if k.unproven = max(0, k.unproven-e.Packets); k.unproven > 0 {
		return
	}
	k.end = k.start // a loss from now on is answered again
	c.setWindow(max(c.window, k.window))
	c.setSSThresh(k.ssthresh)
	c.slowStart, c.initial = k.slowStart, k.initial
}

// OnTimeout reports persistent congestion.
func (c *rfc6817) OnTimeout(now time.Duration) {
	c.advanceTime(now)
	if c.cto.expired {
		return // answered already
	}
	c.collapse()
}

// PacingRate is twice the window per smoothed round trip in slow start, and 1.25
// times otherwise.
func (c *rfc6817) PacingRate(srtt time.Duration) int64 {
	if c.slowStart {
		return paced(c.window, srtt, fastPace)
	}
	return paced(c.window, srtt, steadyPace)
}

// Stats describes the controller.
func (c *rfc6817) Stats() congestion.Stats {
	state := "congestion avoidance"
	if c.slowStart {
		state = "slow start"
	}
	s := c.stats(RFC6817, state, 0)
	s.QueueDelay = c.delay.queue()
	return s
}

func (c *rfc6817) sample(e *congestion.AckEvent) {
	c.trips.add(c.now, e.RTT, c.srtt)
	c.base = c.trips.base()
	if e.RTT <= 0 {
		return
	}
	if !e.HasOneWay {
		if !c.hasOneWay {
			c.delay.add(c.now, e.RTT, c.srtt)
		}
		return
	}
	oneWay := min(max(e.OneWay, -maxOneWay), maxOneWay)
	if !c.hasOneWay {
		c.hasOneWay, c.origin, c.delay = true, oneWay, newDelayFilter()
	}
	c.delay.add(c.now, max(1, oneWay-c.origin+zeroDelay), c.srtt)
}

// startSlowly is slow start, up to ssthresh or a queue of three quarters of the
// target.
func (c *rfc6817) startSlowly(e *congestion.AckEvent) {
	if c.delay.queue() > exitAt {
		c.slowStart = false
		if c.initial {
			c.exit = exitPoint{window: c.window, base: c.base}
			c.setSSThresh(c.window)
		}
		return
	}
	if e.AppLimited || e.Throttled && c.window >= 2*c.most() {
		return
	}
	c.setWindow(min(c.window+int64(e.Bytes), max(c.window, c.ssthresh)))
	if c.window >= c.ssthresh {
		c.slowStart = false
	}
}

// avoid adds GAIN · off_target · bytes_newly_acked · MSS / cwnd, and clamps the result to
// the flight (RFC 6817 section 2.4.2). A bandwidth limit is not inactivity: it takes
// nothing.
func (c *rfc6817) avoid(e *congestion.AckEvent) {
	offTarget := int64((target - c.delay.queue()) / time.Microsecond)
	grown := int64(min(max(e.Bytes, 0), maxWindow)) * c.datagramSize << partBits
	step := scale(grown, max(offTarget, -offTarget), int64(target/time.Microsecond)*c.window)
	if offTarget < 0 {
		step = -min(step, c.window<<partBits)
	}
	c.part += step
	whole := c.part >> partBits
	c.part -= whole << partBits
	allowed := c.most() + allowedIncreaseRFC*c.datagramSize
	if e.Throttled {
		allowed = max(allowed, c.window)
	}
	c.setWindow(min(c.window+whole, allowed))
}

// reduce halves the window, but not below a configured MinSSThresh. packets is how many
// were lost, 0 for a mark.
func (c *rfc6817) reduce(packets int) {
	c.cut = rfcCut{
		start: c.cut.end, end: c.nextNumber, at: c.now, unproven: packets,
		window: c.window, ssthresh: c.ssthresh, slowStart: c.slowStart, initial: c.initial,
	}
	c.setWindow(max(c.window/2, min(c.window, c.minSSThresh)))
	c.setSSThresh(c.window)
	c.slowStart, c.initial, c.part = false, false, 0
}

// expire is the CTO (RFC 6817 section 2.4.2): when no ACK has come for that long, the window
// falls to its least, once, and the timeout doubles each time.
func (c *rfc6817) expire() {
	t := &c.cto
	if c.now-t.since < t.after {
		return
	}
	t.since = c.now
	t.after = min(2*t.after, maxCTO)
	if !t.expired {
		t.expired = true
		c.collapse()
	}
}

// collapse starts over with what is known: ssthresh is half of the window, the window
// at its least or at a quarter of a configured floor.
func (c *rfc6817) collapse() {
	c.timeouts++
	c.cto.since = c.now
	before := c.window
	if c.cut.window > 0 && c.cut.at == c.now {
		before = c.cut.window // the timeout is made of the losses reported just now
	}
	c.setSSThresh(before / 2)
	c.setWindow(max(c.minSSThresh, 0) / 4)
	c.cut = rfcCut{start: c.nextNumber, end: c.nextNumber}
	c.slowStart, c.initial, c.part = true, false, 0
}

// update takes the round trip of an ACK (RFC 6298 section 2); 0 is an ACK without one.
func (t *congestionTimeout) update(now, rtt time.Duration) {
	t.since = now
	t.expired = false
	if rtt <= 0 {
		return
	}
	rtt = min(rtt, maxDelay)
	if t.mean == 0 {
		t.mean, t.variance = rtt, rtt/2
	} else {
		off := t.mean - rtt
		t.variance += (max(off, -off) - t.variance) / 4
		t.mean -= off / 8
	}
	t.after = min(max(t.mean+4*t.variance, initialCTO), maxCTO)
}

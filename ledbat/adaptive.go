package ledbat

import (
	"time"

	"example.com/ebb/congestion"
)

const (
	maxTarget = 5 * time.Millisecond // of queue; T0, A6
	minTarget = time.Millisecond
	// targetShare is how many base delays of queue are allowed where that is less
	// than maxTarget: a path inside a machine needs no 5 ms.
	targetShare = 4
	// packetShare is the part of a packet's time that the target always has where the buffer overflows (A6). The
	// time of a packet grows as others make the flow slower: with all of it, and a quarter of the buffer,
	// a flow beside CUBIC in ten packets of buffer kept a third of the link.
	packetShare = 8

	growthShare = 8 // of a packet: the most that congestion avoidance grows in a round trip, A5
	probeShare  = 4 // of what is acknowledged: the growth of a probe, A9

	noQueueShare = 4                // of the target: a queue of less counts as none, A9
	probeRounds  = 4                // without a queue before a probe, A9
	probeSamples = 8                // with a queue that end these rounds on a noisy path, A9
	minProbeWait = time.Second      // likewise, in time
	noisyShare   = 4                // of that time: what is waited where there is jitter, A9
	maxProbeWait = 32 * time.Second // the same after probes that ended with loss

	// forgetPath is the silence after which nothing is known of the path: as long
	// as the base history of RFC 6817 section 2.5.
	forgetPath = 10 * time.Minute
)

// adaptive is Ebb's own mode. It holds a queue that is small and the same for all
// flows, plus the time one of its own packets takes at its rate, so that flows with
// equal delays have equal rates whatever their round trips and ages.
type adaptive struct {
	flow
	delay       delaySignal
	round       round
	flights     flights
	loss        lossRate
	buffer      buffer
	noise       noise
	initial     int64         // the window to begin with
	heard       time.Duration // when something was last sent or acknowledged
	before      time.Duration // the largest queue of the round before
	leastBefore time.Duration // the least, of the last round with samples
	plateau     plateau

	stage           stage
	began           bool  // holding follows a slow start
	byLoss          bool  // holding follows a loss
	held            bool  // the round before was holding
	overtook        bool  // the last sample was of a packet that overtook others
	resumed         bool  // the first flight after an idle time is on its way
	throttledRounds int32 // rounds in a row in which a bandwidth limit throttled the sender
	queueStreak     queueStreak
	idle            idleRounds

	baseProbe baseProbe
	cut       adaptiveCut
}

// stage is what the window is doing.
type stage uint8

const (
	starting   stage = iota // slow start
	probing                 // a slower one, from a window that leaves no queue
	holding                 // one round after either, to see what the path delivers
	steady                  // congestion avoidance
	draining                // half of the window, to see the base delay
	recovering              // slow start after a timeout, to ssthresh
)

func (s stage) String() string {
	return [...]string{
		"slow start", "probe", "hold", "congestion avoidance", "drain", "slow start after timeout",
	}[s]
}

// queueStreak counts samples in a row with a queue.
type queueStreak struct {
	samples int
	since   time.Duration
}

// idleRounds counts rounds in a row in which the bottleneck had no queue.
type idleRounds struct {
	rounds  int32
	samples int32 // since one without a queue, if there is no telling from so few
	since   time.Duration
	most    time.Duration // the largest queue in them
	wait    time.Duration // how long there must be no queue, after a probe that ended with loss
	reached int64         // the most that A4 has left of the window; an eighth less each time (A23)
}

func newAdaptive(config Config) *adaptive {
	c := &adaptive{flow: newFlow(config), buffer: newBuffer(), noise: newNoise()}
	c.initial = initialWindow(config, c.datagramSize)
	c.setWindow(c.initial)
	return c
}

// OnSend reports one packet that was just sent.
func (c *adaptive) OnSend(now time.Duration, e congestion.SendEvent) {
	c.advance(now, e.Number)
	if e.InFlight <= e.Bytes && c.now-c.heard > c.srtt {
		c.resume()
	}
	c.heard = c.now
	if c.stage == draining {
		c.baseProbe.sent(c.now, c.srtt, e.Number)
	}
}

// OnAck reports one ACK.
func (c *adaptive) OnAck(now time.Duration, e congestion.AckEvent) {
	c.advance(now, e.LargestSent)
	c.heard = c.now
	if e.SmoothedRTT > 0 {
		c.srtt = min(e.SmoothedRTT, maxDelay)
	}
	if e.RTT > 0 {
		c.sample(&e)
	}
	c.round.ack(&e, c.delay.base)
	if e.CE > 0 {
		c.onMark(e.LargestAcked)
	}
	switch c.stage {
	case starting, probing, recovering:
		c.grow(&e)
	case draining:
		if c.baseProbe.over(e.LargestAcked) {
			c.endDrain()
		}
	}
	c.trackRound(&e)
}

// OnTimeout reports persistent congestion.
func (c *adaptive) OnTimeout(now time.Duration) {
	c.advanceTime(now)
	c.onTimeout()
}

// Window is the window, and half of it in a drain (A12).
func (c *adaptive) Window() int {
	if c.stage == draining {
		return int(max(c.window/2, c.minWindow))
	}
	return int(c.window)
}

// PacingRate is twice the window per smoothed round trip while it doubles (A3), and
// 1.25 times otherwise.
func (c *adaptive) PacingRate(srtt time.Duration) int64 {
	switch c.stage {
	case starting, recovering:
		return paced(c.window, srtt, fastPace)
	}
	return paced(int64(c.Window()), srtt, steadyPace)
}

// Stats describes the controller.
func (c *adaptive) Stats() congestion.Stats {
	s := c.stats(Adaptive, c.stage.String(), int(c.baseProbe.drains))
	s.Window = c.Window()
	s.QueueDelay = c.delay.queue
	return s
}

// maxTarget is T0: the most queue to have on this path, without the time of a packet (A6).
func (c *adaptive) maxTarget() time.Duration {
	return min(max(targetShare*c.delay.base, minTarget), maxTarget)
}

// target is T, the queue to have, with a round trip as given: a part that is the same
// for every flow of a path, and the time that one packet takes at the flow's own rate, as far as the buffer has room (A6), or more
// of them (A22).
func (c *adaptive) target(rtt time.Duration) time.Duration {
	packet := min(time.Duration(scale(c.datagramSize, int64(rtt), c.window)), maxBufferDelay)
	if !c.buffer.known() {
		if c.noise.others == 0 {
			packet += c.evening(packet)
		}
		return c.maxTarget() + c.allowance(c.maxTarget()) + packet
	}
	room := c.buffer.room(c.delay.base)
	t := min(c.maxTarget()+c.allowance(c.maxTarget()), room)
	return t + max(packet/packetShare, min(packet, room-t))
}

// jitterTime is J, the queue that is allowed for jitter (A8).
func (c *adaptive) jitterTime() time.Duration { return c.noise.jitter.allowed(c.maxTarget()) }

// sample takes the delays of one packet.
func (c *adaptive) sample(e *congestion.AckEvent) {
	s := sample{e.RTT, e.OneWay, e.HasOneWay}
	before := c.delay.queue
	if c.delay.doubts != settled {
		c.delay.thin = heldBy(&e.Delivery, c.delay.base) < c.initial/2
	}
	c.delay.add(s, e.Overtook, c.noise.noisy())
	c.followBase()
	queue := c.delay.queue
	rise := queue - before
	if c.delay.local() || e.Overtook || c.overtook {
		rise = 0
	}
	c.overtook = e.Overtook
	c.round.sample(&c.delay, e.RTT, rise, e.Overtook)
	if c.noise.nearBase(queue <= c.maxTarget()/8, e.Overtook) { // A12: the base is in sight
		c.baseProbe.found(c.now, c.window)
	}
	if !e.Overtook && (c.stage == draining && c.baseProbe.began(e.LargestAcked) ||
		int64(e.Delivery.TxInFlight) <= max(c.window/2, c.minWindow)) {
		c.baseProbe.seen.add(queue, s)
	}
	if queue > c.streakAt() { // A3, A9
		if c.queueStreak.samples == 0 {
			c.queueStreak.since = c.now
		}
		c.queueStreak.samples++
	} else if !e.Overtook {
		c.queueStreak.samples = 0
	}
}

// followBase takes the base of the delays. Where that is lower than before, every queue was longer than it seemed: that of the
// buffer, and those at which probes ended with loss.
func (c *adaptive) followBase() {
	if fall := c.base - c.delay.base; fall > 0 {
		c.buffer.deepen(fall)
		if fall > c.maxTarget() {
			c.idle.wait = 0
		}
	}
	c.base = c.delay.base
}

// trackRound ends the round if this ACK does.
func (c *adaptive) trackRound(e *congestion.AckEvent) {
	if c.round.throttled > 0 && !e.Throttled && c.throttledRounds >= flightRounds {
		// A limit was lifted: measure from here on.
		c.startRound()
		return
	}
	if e.LargestAcked < c.round.end {
		return
	}
	if c.now-c.round.began < minRound {
		c.round.trips++
		c.round.end = c.nextNumber
		return
	}
	c.endRound()
}

func (c *adaptive) startRound() {
	c.round = round{began: c.now, end: c.nextNumber, trips: 1}
	c.delay.ackHolding.endRound()
}

func (c *adaptive) endRound() {
	r := c.round
	c.delay.lower(&r)
	c.followBase()
	c.flights.add(r.flight)
	c.buffer.add(c.now, &r, c.before)
	c.before = r.most
	c.noise.lookForOthers(&r, c.maxTarget())
	if c.stage == steady {
		if c.delay.local() {
			c.noise = newNoise()
		} else if !c.squeezed() { // A8: a squeezed window's bursts see less of the jitter
			c.noise.endRound(&r, c.leastBefore, c.maxTarget())
		}
	}
	switch {
	case c.released(&r):
		c.enter(starting)
	case c.stage == holding:
		c.leaveHold(&r)
	case c.stage == probing && r.samples > 0 && r.least > c.exitQueue()+c.allowance(c.exitQueue()): // A9
		c.hold(false)
	case c.stage == steady:
		c.avoid(&r)
	case c.stage != draining && (r.appLimited() || r.wasThrottled() || c.resumed):
		c.probeWithoutDrain()
	}
	if r.samples > 0 {
		c.leastBefore = r.least
	}
	c.resumed = false
	c.noise.riseBefore = r.rise
	c.startRound()
}

// released says whether slow start should resume: a bandwidth limit throttled the sender
// for so long that the window could not grow beyond twice the little in flight, it does so
// no more, and a round without the limit has left no queue.
func (c *adaptive) released(r *round) bool {
	if r.wasThrottled() {
		c.throttledRounds++
		return false
	}
	was := c.throttledRounds
	if r.acked > 0 && !r.appLimited() {
		c.throttledRounds = 0
	}
	return c.throttledRounds == 0 && was >= flightRounds && (c.stage == steady || c.stage == probing) &&
		r.samples > 0 && r.lost == 0 && r.least < c.target(r.rtt)/noQueueShare
}

func (c *adaptive) enter(s stage) {
	c.stage = s
	c.queueStreak = queueStreak{}
	c.idle.rounds = 0
}

// resume deals with the first packet after an idle time. The flow's own queue is gone,
// so its first flight sees the path as a drain would. After a very long time the path
// may be another.
func (c *adaptive) resume() {
	if c.now-c.heard > forgetPath && c.delay.base > 0 {
		c.delay, c.base = delaySignal{}, 0
		c.buffer, c.loss, c.exit = newBuffer(), lossRate{}, exitPoint{}
		c.setWindow(min(c.window, c.initial))
		c.enter(starting)
	}
	c.baseProbe.seen = look{}
	c.resumed = true
	c.idle.rounds = 0
	c.queueStreak = queueStreak{}
	c.startRound()
}

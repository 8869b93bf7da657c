package engine

import (
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/stream"
	"example.com/ebb/wire"
)

const (
	// packetThreshold is how many newer packets must have arrived for one to be
	// lost, as long as no reordering was seen (RFC 9002 section 6.1.1, RFC 8985
	// section 6.2).
	packetThreshold = 3
	// shortlyBefore is how many numbers before one are looked at to say whether it came ahead of others.
	shortlyBefore = 8
	// persistentPTOs is the length of persistent congestion (RFC 9002 section 7.6.1).
	persistentPTOs = 3
	// reorderResets is the number of recoveries without a false one after which
	// the tolerance for reordering returns to its start (RFC 8985 section 6.2).
	reorderResets = 16
)

// lossState is what loss detection remembers.
type lossState struct {
	due        time.Duration // when the next packet will have waited long enough; Never
	ptoCount   int32         // probes since the last ACK of something new
	multiplier int32         // of min RTT/4, for the reordering window
	clean      int32         // recoveries since the last false loss
	probes     int16         // packets to send whatever the window says

	reordered  bool   // a packet was overtaken once: counting packets proves nothing
	large      bool   // the losses being gathered include a large packet
	recovery   uint64 // losses of packets below belong to the recovery in progress
	raised     uint64 // the window was widened for losses below this number
	persistent uint64 // persistent congestion was reported for packets below
}

// deliveryState counts for the delivery-rate samples (BBR draft, section 4.1.2).
type deliveryState struct {
	delivered    int64
	deliveredAt  time.Duration
	firstSentAt  time.Duration
	lost         int64
	limitedUntil int64 // samples up to this count were taken while application-limited
}

// ackResult gathers what one ACK frame newly says.
type ackResult struct {
	bytes    int
	news     bool        // it acknowledges a number for the first time
	newest   *sentPacket // the newest packet newly acknowledged; nil: none that has a record
	spurious congestion.LossEvent
	data     stream.Span // stream bytes that are delivered, and not marked yet
	fin      bool        // with the end of the stream behind them
	fresh    uint64      // stream bytes newly delivered
	invented bool        // it names a number that was never sent
}

// handleAck processes an ACK of the data space that arrived at a time, in the packet of a number.
func (c *Conn) handleAck(now, at time.Duration, f *wire.Ack, number uint64) error {
	if f.Largest >= c.sent.next {
		c.stats.BadAcks++
		return protocolError("ACK of a packet that was never sent")
	}
	prior, oldest, lost := c.sent.inFlight, c.send.Base(), c.stats.PacketsLost
	silent := c.loss.ptoCount > 0 || c.ptoTime() <= at
	var r ackResult
	for s := range f.Ranges() {
		c.ackRange(at, s, &r)
	}
	c.flushData(&r)
	if r.invented {
		c.stats.BadAcks++
		return protocolError("ACK of a packet number that was left out")
	}
	newest := !c.sent.anyAcked || f.Largest > c.sent.largestAcked
	if !newest && !r.news {
		return nil
	}
	if newest {
		c.sent.largestAcked, c.sent.anyAcked = f.Largest, true
	}
	c.loss.ptoCount = 0
	c.loss.probes = 0
	c.path.prr.exitIfAcked(c.sent.largestAcked)
	e := congestion.AckEvent{
		Bytes: r.bytes, LargestAcked: c.sent.largestAcked, LargestSent: c.sent.next - 1,
		PriorInFlight: prior, AppLimited: c.appLimited, Throttled: c.limit.throttled(),
	}
	if r.newest != nil && r.newest.number == f.Largest && c.measures(at, r.newest, silent) {
		e.Overtook = c.overtook() || c.acks.overtakes(number)
		c.sampleDelay(at, f, &r, &e)
	}
	if newest {
		e.CE = c.path.ecn.validate(now, f)
		c.stats.PacketsMarked += uint64(e.CE)
	}
	e.Delivery = c.sampleRate(at, r.newest)
	c.reportSpurious(now, r.spurious)
	c.detectLosses(now, at, prior, 0)
	e.SmoothedRTT, e.MinRTT, e.InFlight = c.path.rtt.smoothed, c.path.rtt.min, c.sent.inFlight
	c.reportAck(now, e)
	if c.path.prr.active {
		safe := c.send.Base() > oldest && c.stats.PacketsLost == lost
		c.path.prr.deliver(r.bytes, c.sent.inFlight, c.path.cc.Window(), c.path.mtu.size, safe)
	}
	c.sent.trim(now - 2*c.path.rtt.pto(c.peerAckDelay))
	c.noteProgress(now, r.fresh, oldest)
	c.confirmed = true
	if c.trace != nil {
		c.traceMetrics(now, c.stats.PacketsLost != lost)
	}
	return nil
}

// reportAck tells the controller of an ACK.
func (c *Conn) reportAck(now time.Duration, e congestion.AckEvent) {
	window := c.path.cc.Window()
	if c.path.ecn.jams(now, &e, window, c.path.mtu.size) {
		c.restart(now)
		return
	}
	c.path.cc.OnAck(now, e)
	if e.CE > 0 {
		c.noteReduction(window, e.PriorInFlight, 0)
	}
}

// ackRange marks one range of an ACK that arrived at a time.
func (c *Conn) ackRange(at time.Duration, s wire.Range, r *ackResult) {
	from, end := max(s.First, c.sent.base()), s.Last+1
	for from < end {
		gap := c.sent.acked.NextMissing(from, end)
		for i := c.sent.from(gap.Start); i != c.sent.records.next; i++ {
			p := c.sent.records.at(i)
			if p.number >= gap.End {
				break
			}
			c.ackPacket(at, p, r)
		}
		r.news = r.news || gap.Len() > 0
		c.sent.acked.Add(gap.Start, gap.End)
		c.sent.resolved.Add(gap.Start, gap.End)
		from = gap.End
	}
}

func (c *Conn) ackPacket(at time.Duration, p *sentPacket, r *ackResult) {
	n := p.number
	if p.has(neverSent) {
		r.invented = true
		return
	}
	if p.has(isLost) {
		if c.trace != nil {
			c.traceSpurious(p)
		}
		if p.has(eliciting) && !p.has(isProbe) {
			if r.spurious.Packets == 0 || n < r.spurious.Smallest {
				r.spurious.Smallest = n
			}
			r.spurious.Bytes += int(p.size)
			r.spurious.Packets++
			r.spurious.Largest = max(r.spurious.Largest, n)
			r.spurious.SentAt = max(r.spurious.SentAt, p.sentAt)
		}
	} else if p.has(eliciting) {
		r.bytes += int(p.size)
		// A packet that was overtaken (RFC 8985 section 6.2, step 1). Its ACK may be late, but
		// then a newer one had named it.
		c.loss.reordered = c.loss.reordered || c.sent.anyAcked && n < c.sent.largestAcked
	}
	c.sent.removeFromFlight(p)
	p.flags |= isAcked
	c.path.trains.deliver(n, p)
	c.deliverMarks(n, p)
	if p.has(eliciting) {
		c.path.delivery.delivered += int64(p.size)
		c.path.delivery.deliveredAt = at
	}
	if r.newest == nil || n > r.newest.number {
		r.newest = p
	}
	for i := range uint32(p.frames) {
		switch f := c.sent.frames.at(p.first + i); f.kind {
		case wire.FrameData:
			c.ackData(f, r)
		case wire.FrameAck:
			c.acks.forget(f.offset)
		default:
			controlFrames[f.kind].acked(c, f.offset)
		}
	}
	if p.size > basePacket {
		c.path.mtu.signs = 0
	}
	if p.has(isProbe) {
		c.mtuAcked(int(p.size))
	}
}

// measures reports whether the round trip of a packet says something of the path. After a silence that a
// timeout has ended, or should have, it may say how long one side was not running: a process that was stopped, on
// either side, handles old packets when it goes on. So the first packet that is sent after such a silence decides. If the
// path has become that long it says so too, and is believed.
func (c *Conn) measures(at time.Duration, p *sentPacket, silent bool) bool {
	rtt := &c.path.rtt
	if silent && rtt.silence == 0 && at-p.sentAt > 2*rtt.pto(c.peerAckDelay) {
		rtt.silence = c.sent.next
	}
	if p.number < rtt.silence {
		return false
	}
	rtt.silence = 0
	return true
}

// sampleDelay takes the round trip and the one-way delay of the newest packet, whose ACK arrived at a time.
func (c *Conn) sampleDelay(at time.Duration, f *wire.Ack, r *ackResult, e *congestion.AckEvent) {
	sample, delay := at-r.newest.sentAt, min(f.Delay, c.peerAckDelay)
	e.RTT = c.path.rtt.update(sample, delay)
	if f.Delay > delay {
		// The peer was later than it had declared. Timeouts have to allow for that, but it is no queue.
		e.RTT = max(sample-f.Delay, c.path.rtt.min)
	}
	e.OneWay = c.path.oneWay.update(c.stamp(r.newest.sentAt), f.Received)
	e.HasOneWay = true
}

// overtook reports whether some of the packets sent shortly before the newest one acknowledged were neither
// acknowledged nor declared lost.
func (c *Conn) overtook() bool {
	newest := c.sent.largestAcked
	from := max(c.sent.base(), newest-min(newest, shortlyBefore))
	return from < newest && c.sent.resolved.NextMissing(from, newest).Len() > 0
}

// sampleRate computes the delivery rate over the life of the newest packet, if it has a record.
func (c *Conn) sampleRate(at time.Duration, p *sentPacket) congestion.Delivery {
	if p == nil {
		return congestion.Delivery{Delivered: c.path.delivery.delivered}
	}
	d := congestion.Delivery{
		Delivered: c.path.delivery.delivered, PriorDelivered: p.delivered,
		TxInFlight: int(p.inFlight), Lost: c.path.delivery.lost - p.lostBefore,
		AppLimited: p.has(whileLimited),
	}
	c.path.delivery.firstSentAt = p.sentAt
	d.Interval = max(p.sentAt-p.firstSentAt, at-p.deliveredAt)
	if d.Interval < c.path.rtt.min {
		d.Interval = 0
	}
	return d
}

// reportSpurious tells the controller of losses that were none, and widens the
// reordering window once a round trip (RFC 8985 section 6.2).
func (c *Conn) reportSpurious(now time.Duration, e congestion.LossEvent) {
	if e.Packets == 0 {
		return
	}
	c.stats.SpuriousLosses += uint64(e.Packets)
	c.loss.reordered = true
	c.loss.clean = 0
	if e.Largest >= c.loss.raised {
		c.loss.multiplier = min(c.loss.multiplier+1, 64)
		c.loss.raised = c.sent.next
	}
	e.LargestSent, e.InFlight = c.sent.next-1, c.sent.inFlight
	window := c.path.cc.Window()
	c.path.cc.OnSpuriousLoss(now, e)
	if c.path.cc.Window() > window {
		c.path.prr.active = false // undone: there was nothing to recover from
	}
}

// lossDelay is how long after its sending a packet is lost if a later one was
// acknowledged (RFC 9002 section 6.1.2, widened as in RFC 8985 section 6.2).
func (c *Conn) lossDelay() time.Duration {
	rtt := max(c.path.rtt.smoothed, c.path.rtt.latest)
	wait := rtt / 8
	if c.loss.reordered {
		wait = max(wait, min(time.Duration(c.loss.multiplier)*c.path.rtt.min/4, c.path.rtt.smoothed))
	}
	return rtt + max(wait, granularity)
}

// detectLosses declares lost what newer ACKs prove to be, and sets the time at
// which to look again. at is up to when all that arrived was looked at: ACKs that a late reader has not come to are no sign of
// a loss. prior is the flight before the event that it looks at, and credit
// what a rate reduction that begins here lets go at once.
func (c *Conn) detectLosses(now, at time.Duration, prior, credit int) {
	c.loss.due = Never
	if !c.sent.anyAcked {
		return
	}
	delay := c.lossDelay()
	var lost congestion.LossEvent
	found := false
	from, end := c.sent.base(), c.sent.largestAcked
	for from < end && c.loss.due == Never {
		gap := c.sent.resolved.NextMissing(from, end)
		for i := c.sent.from(gap.Start); i != c.sent.records.next; i++ {
			p := c.sent.records.at(i)
			if p.number >= gap.End {
				break
			}
			counted := !c.loss.reordered && c.sent.largestAcked-p.number >= packetThreshold
			if !counted && p.sentAt+delay > at {
				c.loss.due = max(p.sentAt+delay, now)
				gap.End = p.number // later packets were sent later
				break
			}
			if c.trace != nil {
				c.traceLost(now, wire.Short, p, counted)
			}
			c.losePacket(p, &lost)
			found = true
		}
		c.sent.resolved.Add(gap.Start, gap.End)
		from = gap.End
	}
	if found || c.marksUnanswered() {
		c.judgeLosses(now)
	}
	if lost.Packets > 0 {
		c.reportLoss(now, lost, prior, credit)
	}
}

// losePacket queues again what a lost packet carried.
func (c *Conn) losePacket(p *sentPacket, lost *congestion.LossEvent) {
	n := p.number
	c.sent.removeFromFlight(p)
	p.flags |= isLost
	for i := range uint32(p.frames) {
		switch f := c.sent.frames.at(p.first + i); f.kind {
		case wire.FrameData:
			c.loseData(f)
		case wire.FrameAck: // the next says it all again
		default:
			controlFrames[f.kind].lost(c, f.offset)
		}
	}
	c.loseMarks(n, p)
	if p.has(isProbe) {
		c.mtuLost(int(p.size))
		return
	}
	if p.size > basePacket {
		c.loss.large = true
	}
	if c.path.trains.lose(n, p); c.path.trains.trying(n) || c.triesMarks(p) {
		c.stats.PacketsLost++
		return
	}
	if p.has(eliciting) {
		if lost.Packets == 0 {
			lost.Smallest = n
		}
		lost.Bytes += int(p.size)
		lost.Packets++
		lost.Largest = n
		lost.SentAt = p.sentAt
	}
}

func (c *Conn) reportLoss(now time.Duration, lost congestion.LossEvent, prior, credit int) {
	c.stats.PacketsLost += uint64(lost.Packets)
	c.path.delivery.lost += int64(lost.Bytes)
	if lost.Largest >= c.loss.recovery {
		c.loss.recovery = c.sent.next
		c.loss.clean++
		if c.loss.clean > reorderResets {
			c.loss.multiplier, c.loss.clean = 1, 0
		}
	}
	if c.loss.large {
		c.loss.large = false
		c.mtuSuspect()
	}
	if lost.Largest < c.path.since {
		return
	}
	lost.LargestSent, lost.InFlight = c.sent.next-1, c.sent.inFlight
	window := c.path.cc.Window()
	c.path.cc.OnLoss(now, lost)
	c.noteReduction(window, prior, credit)
	if c.persistentCongestion() {
		c.path.prr.active = false // slow start, from the least window
		c.retestMarks()
		c.loss.persistent = c.sent.next
		c.stats.PersistentCongestion++
		c.path.cc.OnTimeout(now)
	}
}

// persistentCongestion reports whether the packets lost include two that left
// more than three timeouts apart with nothing acknowledged between them (RFC 9002
// section 7.6), and were not part of an episode reported before.
func (c *Conn) persistentCongestion() bool {
	if c.path.rtt.smoothed == 0 {
		return false
	}
	period := persistentPTOs * c.path.rtt.pto(c.peerAckDelay)
	from, end := max(c.sent.base(), c.loss.persistent), c.sent.largestAcked
	for from < end {
		gap := c.sent.acked.NextMissing(from, end)
		first := Never
		for i := c.sent.from(gap.Start); i != c.sent.records.next; i++ {
			p := c.sent.records.at(i)
			if p.number >= gap.End || !p.has(isLost) {
				break
			}
			if !p.has(eliciting) || p.has(isProbe) {
				continue
			}
			if first == Never {
				first = p.sentAt
			}
			if p.sentAt-first > period {
				return true
			}
		}
		from = gap.End
	}
	return false
}

// ptoTime is when the next probe is due: a tail probe first, then timeouts that
// double (RFC 8985 section 7, RFC 9002 section 6.2).
func (c *Conn) ptoTime() time.Duration {
	if c.sent.outstanding == 0 {
		return Never
	}
	wait := c.path.rtt.pto(c.peerAckDelay)
	if c.loss.ptoCount == 0 {
		wait = min(wait, c.path.rtt.tailProbe(c.peerAckDelay, c.sent.outstanding == 1))
	} else {
		wait = min(wait<<min(c.loss.ptoCount-1, maxDoublings), max(wait, maxProbeWait))
	}
	return c.sent.elicitedAt + wait
}

const (
	// maxDoublings bounds the doublings of a timeout, so that they do not overflow: from 1 ms, 12 make maxProbeWait.
	maxDoublings = 16
	// maxBackoff is the same of the handshake, which begins at 1 s.
	maxBackoff = 6
	// maxProbeWait bounds what they add up to, so that a path that comes back is
	// found soon, within a second on average: two packets in this time harm nobody.
	maxProbeWait = 1500 * time.Millisecond
)

// lossTimer handles the timer of loss detection: a packet has waited long enough,
// or a probe is due.
func (c *Conn) lossTimer(now time.Duration) {
	if c.loss.due <= now {
		c.detectLosses(now, now, c.sent.inFlight, c.path.mtu.size)
		if c.trace != nil {
			c.traceMetrics(now, true)
		}
		return
	}
	if c.loss.due != Never || c.ptoTime() > now {
		return
	}
	c.loss.ptoCount++
	c.stats.Probes++
	if c.trace != nil {
		c.traceMetrics(now, true)
	}
	if c.hs != nil {
		c.hs.second.repeat() // the server may lack it
	}
	c.loss.probes = int16(min(c.loss.ptoCount, 2))
	if c.loss.ptoCount > 1 {
		c.mtuSuspect()
	}
	if c.windowUnknown() {
		c.due.add(wire.FrameWindow)
	}
	if c.hasWork() && (c.loss.ptoCount < 2 || c.send.OldestWaits()) {
		return // new data, or what is known to be lost, serves as the probe
	}
	c.requeueOldest() // which a peer has room for, whatever else it drops
}

// requeueOldest queues the oldest data in flight again, without declaring it
// lost.
func (c *Conn) requeueOldest() {
	r := &c.sent.records
	for i := r.base; i != r.next; i++ {
		if p := r.at(i); !p.has(isAcked|isLost) && c.requeueData(p) {
			return
		}
	}
}

// requeueData queues the stream bytes of a packet again, and reports if it had any.
func (c *Conn) requeueData(p *sentPacket) (found bool) {
	for i := range uint32(p.frames) {
		if f := c.sent.frames.at(p.first + i); f.kind == wire.FrameData {
			c.loseData(f)
			found = true
		}
	}
	return found
}

package engine

import "time"

// Limit names what keeps a connection from sending more.
type Limit uint8

// The limits, in the order in which they are asked.
const (
	LimitApplication Limit = iota // nothing to send
	LimitReceiver                 // the peer's window is full
	LimitCongestion               // the congestion window is full
	LimitPacer                    // the congestion controller's rate
	LimitPool                     // the budget that it shares
	LimitRate                     // the connection's own rate
	LimitSilence                  // the peer is not heard
	Limits                        // how many there are
)

// String names the limit.
func (l Limit) String() string {
	return [...]string{"application", "receiver window", "congestion window", "pacer", "pool", "own limit", "peer silent"}[l]
}

// throttled reports whether the limit is one of bandwidth, which is no congestion.
func (l Limit) throttled() bool { return l == LimitPool || l == LimitRate }

// budget is the connection's share of what it has in common with others.
type budget struct {
	rate   int64 // bytes/s; ≤ 0: there is no budget
	credit int   // bytes that data may use of the common bucket; below 0: what other packets overdrew
}

// SetBudget sets the connection's share of a budget: a rate in bytes per second, zero or less for none, and
// the bytes that may leave until the next call, of the bucket that all share. It is to be called
// before AppendSegments, and Credit then tells what is left.
func (c *Conn) SetBudget(now time.Duration, rate int64, credit int) {
	rate = max(rate, 0)
	changed := rate != c.budget.rate
	c.budget = budget{rate, credit}
	if changed {
		c.setRate(now)
	}
}

// Credit is what is left of SetBudget's, in bytes; below 0 if packets that no limit delays took more.
func (c *Conn) Credit() int { return c.budget.credit }

// Want is how many bytes AppendSegments would send now, at most, if the common bucket held them; 0 if something else
// holds the connection back. worth is for how many it is worth to wait: a train, but no more than the share earns in
// an update interval, and a packet at least, so that tiny shares come packet by packet.
func (c *Conn) Want(now time.Duration) (n, worth int) {
	if c.state != stateEstablished || !c.hasWork() {
		return 0, 0
	}
	c.refreshRate(now)
	worth = c.worthwhile()
	return max(0, min(worth, c.windowRoom(), c.rateRoom(now))), worth
}

// worthwhile is for how many bytes it is worth to wait: a train. Of a budget it is no more than the share earns in an update
// interval, and a packet at least, so that tiny shares come packet by packet.
func (c *Conn) worthwhile() int {
	train := c.trainLimit()
	if c.budget.rate > 0 {
		train = min(train, max(c.nextSize(), int(float64(c.budget.rate)*c.UpdateInterval().Seconds())))
	}
	return train
}

// WaitForBudget tells of data that the budget holds back that it is worth asking again only at a time.
// The share is looked at again after an update interval in any case.
func (c *Conn) WaitForBudget(now, until time.Duration) {
	if c.limit == LimitPool && c.pacedUntil != Never {
		c.pacedUntil = min(max(c.pacedUntil, until), now+c.UpdateInterval())
	}
}

// Limit is what held the last flush back.
func (c *Conn) Limit() Limit { return c.limit }

// Quiet reports whether there is nothing to send and nothing on the way.
func (c *Conn) Quiet() bool { return c.sent.inFlight == 0 && !c.hasWork() }

// Unsent reports whether something is to be sent that has to wait.
func (c *Conn) Unsent() bool { return c.hasWork() }

// UpdateInterval is how often rates are worked out again.
func (c *Conn) UpdateInterval() time.Duration { return updateInterval(c.path.rtt.smoothed) }

// setRate computes the pacing rate: the least of the controller's, the share of the
// budget and the own limit. The bucket is credited at the old rate first.
func (c *Conn) setRate(now time.Duration) {
	window := c.path.cc.Window()
	asked := c.path.cc.PacingRate(c.path.rtt.smoothed)
	rate, by := asked, LimitPacer
	if c.budget.rate > 0 && (rate <= 0 || c.budget.rate <= rate) {
		rate, by = c.budget.rate, LimitPool
	}
	if c.rateLimit > 0 && (rate <= 0 || c.rateLimit <= rate) {
		rate, by = c.rateLimit, LimitRate
	}
	c.path.rateAt, c.path.rateWindow, c.path.rateAsked, c.path.rateBy = now, window, asked, by
	if rate != c.path.rate || now == 0 {
		c.path.rate = rate
		c.path.bucket.SetRate(now, rate)
	}
}

// refreshRate computes the rate anew when the update interval has passed, when the window has
// moved by an eighth (in slow start the rate must follow it), or when the controller asks for a
// rate an eighth off: BBR probes for one round trip.
func (c *Conn) refreshRate(now time.Duration) {
	if movedByEighth(int64(c.path.rateWindow), int64(c.path.cc.Window())) ||
		movedByEighth(c.path.rateAsked, c.path.cc.PacingRate(c.path.rtt.smoothed)) ||
		now-c.path.rateAt >= c.UpdateInterval() {
		c.setRate(now)
	}
}

// movedByEighth reports whether to is at least an eighth of from away from it.
func movedByEighth(from, to int64) bool {
	moved := max(to-from, from-to)
	return moved > 0 && moved >= from/8
}

// hasWork reports whether there is something to send that allowance decides on. It is asked of the connection, as the stream
// is not all that it may have to send.
func (c *Conn) hasWork() bool { return c.send.HasWork() && !c.holdsBack() }

// backlog is how many bytes could leave if nothing but the peer's window held them back.
func (c *Conn) backlog() uint64 { return c.send.Backlog() }

// packetSize is what a full packet has now. After a second timeout in a row it may be large packets that the path
// does not carry.
func (c *Conn) packetSize() int {
	if c.loss.ptoCount > 1 {
		return min(c.path.mtu.size, basePacket)
	}
	return c.path.mtu.size
}

// nextSize is what the next packet of the backlog takes, at most.
func (c *Conn) nextSize() int { return int(min(uint64(c.packetSize()), c.backlog()+c.dataOverhead())) }

// allowance is the one answer to the question if data may leave now. bytes is how many may, in whole packets. If the next
// packet is larger than that, by is what holds it back, and until is when to ask again: Never, unless it is a rate.
func (c *Conn) allowance(now time.Duration) (bytes int, by Limit, until time.Duration) {
	window, paced := c.windowRoom(), c.rateRoom(now)
	bytes = min(window, paced)
	if c.budget.rate > 0 {
		bytes = min(bytes, c.budget.credit)
	}
	next := c.nextSize()
	switch {
	case next <= bytes:
		return bytes, LimitApplication, Never
	case window < next:
		return bytes, LimitCongestion, Never
	case paced < next:
		by = c.path.rateBy
	default:
		by = LimitPool
	}
	train := min(uint64(c.worthwhile()), c.backlog()+c.dataOverhead())
	return bytes, by, now + max(c.path.bucket.Until(now, int(train)), 1)
}

// windowRoom is how many bytes more may be in flight. One packet always may.
func (c *Conn) windowRoom() int {
	room := c.path.cc.Window() - c.sent.inFlight
	if c.path.prr.active {
		room = c.path.prr.credit
	}
	if c.sent.inFlight == 0 {
		room = max(room, c.path.mtu.size)
	}
	return room
}

// rateRoom is how many bytes more the rates admit. A full bucket admits one packet, even if it holds less than that: the rest
// is a debt.
func (c *Conn) rateRoom(now time.Duration) int {
	room := c.path.bucket.Available(now)
	if room >= c.path.bucket.Capacity() {
		room = max(room, c.path.mtu.size)
	}
	return room
}

// maySend reports whether data may leave now, and notes what holds it back otherwise.
func (c *Conn) maySend(now time.Duration) bool {
	c.pacedUntil = Never
	if !c.hasWork() {
		c.limit = LimitApplication
		if c.send.Blocked() {
			c.limit = LimitReceiver
			c.sayBlocked()
		}
		c.appLimited = c.sent.inFlight < c.path.cc.Window()
		// The peer's window, unlike a lack of data, lets rate samples stand (BBR draft, section
		// 4.1.2.4).
		if c.appLimited && c.limit == LimitApplication {
			c.path.delivery.limitedUntil = c.path.delivery.delivered + int64(c.sent.inFlight) + 1
		}
		return false
	}
	c.appLimited = false
	bytes, by, until := c.allowance(now)
	if bytes >= c.nextSize() {
		return true
	}
	c.limit, c.pacedUntil = by, until
	return false
}

// trainLimit is how many bytes of data may leave back to back.
func (c *Conn) trainLimit() int { return trainSize(c.path.rate, c.path.mtu.size) }

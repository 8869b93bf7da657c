package engine

import (
	"time"

	"example.com/ebb/pacing"
)

// Limit names what keeps a connection from sending more.
type Limit uint8

// The limits, in the order in which they are asked.
const (
	LimitApplication Limit = iota // nothing to send
	LimitReceiver                 // the peer's window is full
	LimitCongestion               // the congestion window is full
	LimitPacer                    // the congestion controller's rate
	LimitRate                     // the connection's own rate
)

// String names the limit.
func (l Limit) String() string {
	return [...]string{"application", "receiver window", "congestion window", "pacer", "own limit"}[l]
}

// minDataPacket is the room below which no data is put behind other frames.
const minDataPacket = 64

// setRate computes the pacing rate: the least of the controller's and the own
// limit. The bucket is settled at the old rate first.
func (c *Conn) setRate(now time.Duration) {
	window := c.cc.Window()
	rate := c.cc.PacingRate(c.rtt.smoothed)
	if c.rateLimit > 0 && (rate <= 0 || c.rateLimit < rate) {
		rate = c.rateLimit
	}
	c.rateAt, c.rateWindow = now, window
	if rate != c.rate || now == 0 {
		c.rate = rate
		c.bucket.SetRate(now, rate)
	}
}

// refreshRate computes the rate anew when the update interval has passed or the
// window has moved by an eighth: in slow start the rate must follow it.
func (c *Conn) refreshRate(now time.Duration) {
	window := c.cc.Window()
	moved := window - c.rateWindow
	if moved < 0 {
		moved = -moved
	}
	if moved*8 >= c.rateWindow || now-c.rateAt >= pacing.UpdateInterval(c.rtt.smoothed) {
		c.setRate(now)
	}
}

// maySend reports whether data may leave now in a packet of at most size bytes, and
// notes what holds it back otherwise.
func (c *Conn) maySend(now time.Duration, size int) bool {
	c.pacedUntil = Never
	if !c.send.hasWork() {
		c.limit = LimitApplication
		if c.send.blocked() {
			c.limit = LimitReceiver
		}
		c.appLimited = c.sent.inFlight < c.cc.Window()
		if c.appLimited {
			c.delivery.limitedUntil = c.delivery.delivered + int64(c.sent.inFlight) + 1
		}
		return false
	}
	c.appLimited = false
	backlog := c.send.backlog()
	want := int(min(uint64(size), backlog+uint64(dataOverhead)))
	if !c.windowAdmits(want) {
		c.limit = LimitCongestion
		return false
	}
	if c.bucket.Available(now) < want {
		c.limit = LimitPacer
		if c.rate == c.rateLimit {
			c.limit = LimitRate
		}
		train := min(uint64(pacing.TrainSize(c.rate, c.mtu.size)), backlog+uint64(dataOverhead))
		c.pacedUntil = now + max(c.bucket.Until(now, int(train)), 1)
		return false
	}
	return true
}

// trainLimit is how many bytes of data may leave back to back.
func (c *Conn) trainLimit() int { return pacing.TrainSize(c.rate, c.mtu.size) }

package engine

import (
	"time"

	"example.com/ebb/pacing"
	"example.com/ebb/wire"
)

// windowBudget paces the window that is offered, so that the peer sends no faster than a share of a
// budget for receiving: flow control is the only word a receiver has about rate. Without one a
// connection has none of this.
type windowBudget struct {
	bucket    pacing.Bucket
	due       time.Duration // when it holds the next step; Never: it is not what is waited for
	mark      uint64        // the offer when renewedAt was set
	throttled bool          // the budget has delayed the offer since
}

// SetReceiveRate bounds the rate at which the window opens, in bytes of the stream per second; zero or less
// for no bound. What was offered before stays.
func (c *Conn) SetReceiveRate(now time.Duration, rate int64) {
	switch {
	case rate > 0 && c.opening == nil:
		c.opening = &windowBudget{bucket: pacing.NewBucket(0, rate), due: Never, mark: c.recv.Limit()}
	case rate > 0:
		c.opening.bucket.SetRate(now, rate)
	case c.opening != nil:
		c.opening = nil
		c.renewWindow()
	}
}

// renewWindow has a new window offered if one is worth telling. With a budget that is GrantWindow's part.
func (c *Conn) renewWindow() {
	if c.opening == nil && c.recv.Renewable() {
		c.due.add(wire.FrameWindow)
	}
}

// WindowDue reports whether a new window waits to be told.
func (c *Conn) WindowDue() bool { return c.due.has(wire.FrameWindow) }

// WindowWanted is by how many bytes the window should open now, within the bound of SetReceiveRate: 0 if not
// yet. It takes steps of half the bucket, as smaller ones are not worth a packet.
func (c *Conn) WindowWanted(now time.Duration) int {
	b := c.opening
	if b == nil || c.state != stateEstablished {
		return 0
	}
	b.due = Never
	open := c.recv.Closed()
	step := b.step(c.recv.Window())
	if !c.recv.Bounded() || open < step {
		return 0
	}
	there := int64(b.bucket.Available(now))
	if there < step {
		b.throttled = true
		b.due = now + max(b.bucket.Until(now, int(step)), 1)
		return 0
	}
	return int(min(open, there))
}

// step is how much the window opens at a time, at least.
func (b *windowBudget) step(window uint64) int64 {
	return min(int64(b.bucket.Capacity()/2), int64(window/2))
}

// GrantWindow opens the window by n bytes, at most WindowWanted's. With less than a step of them nothing is
// offered, and WindowWanted is worth asking again after the wait.
func (c *Conn) GrantWindow(now time.Duration, n int, wait time.Duration) (granted int) {
	b := c.opening
	if int64(n) < b.step(c.recv.Window()) {
		b.throttled = true
		b.due = now + max(wait, 1)
		return 0
	}
	b.bucket.Spend(now, n)
	c.recv.Offer(n)
	c.due.add(wire.FrameWindow)
	if c.recv.Limit()-b.mark >= c.recv.Window()/2 {
		c.recv.Grow(now, c.path.rtt.smoothed, !b.throttled)
		b.mark, b.throttled = c.recv.Limit(), false
	}
	return n
}

// WindowThrottled reports whether the budget keeps the window from opening.
func (c *Conn) WindowThrottled() bool { return c.opening != nil && c.opening.due != Never }

// windowDueAt is when the budget will admit the next step.
func (c *Conn) windowDueAt() time.Duration {
	if c.opening == nil {
		return Never
	}
	return c.opening.due
}

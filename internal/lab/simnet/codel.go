package simnet

import (
	"math"
	"time"
)

// codel is the state of RFC 8289's controller for one queue. Its names are those
// of the pseudo-code in section 5.
type codel struct {
	dropping   bool
	firstAbove time.Duration // when the queue will have been above the target for an interval; 0: it is not
	dropNext   time.Duration
	count      int // drops since dropping began
	lastCount  int // the count with which it began
}

// maxPacket is up to how many bytes a queue does not count as one.
const maxPacket = 1500

// dequeue takes the next datagram that is not dropped, or nil.
func (c *codel) dequeue(q *AQM, f *flowQueue) *simPacket {
	now := q.sim.now
	p, above := c.take(q, f)
	if p == nil {
		c.dropping = false
		return nil
	}
	switch {
	case c.dropping && !above:
		c.dropping = false
	case c.dropping:
		for now >= c.dropNext && c.dropping {
			c.count++
			if q.mark(p) {
				c.dropNext = c.law(q, c.dropNext)
				return p
			}
			q.drop(p)
			if p, above = c.take(q, f); !above {
				c.dropping = false
			} else {
				c.dropNext = c.law(q, c.dropNext)
			}
		}
	case above:
		if !q.mark(p) {
			q.drop(p)
			p, _ = c.take(q, f)
		}
		c.dropping = true
		delta := c.count - c.lastCount
		c.count = 1
		if delta > 1 && now-c.dropNext < 16*q.cfg.Interval {
			c.count = delta // it was dropping not long ago: begin where that ended
		}
		c.dropNext = c.law(q, now)
		c.lastCount = c.count
	}
	return p
}

// take takes the oldest datagram and says whether the queue has been above the
// target for an interval.
func (c *codel) take(q *AQM, f *flowQueue) (p *simPacket, above bool) {
	p = f.shift()
	if p == nil {
		c.firstAbove = 0
		return nil, false
	}
	q.bytes -= p.size()
	now := q.sim.now
	switch {
	case now-p.queuedAt < q.cfg.Target || f.bytes <= maxPacket:
		c.firstAbove = 0
	case c.firstAbove == 0:
		c.firstAbove = now + q.cfg.Interval
	default:
		above = now >= c.firstAbove
	}
	return p, above
}

// law is the time of the next drop: closer, the more there have been.
func (c *codel) law(q *AQM, t time.Duration) time.Duration {
	return t + time.Duration(float64(q.cfg.Interval)/math.Sqrt(float64(c.count)))
}

package pool

import (
	"sync/atomic"
	"time"
)

// limits is what a budget is set to. It is replaced, never changed.
type limits struct {
	total, min int64 // bytes per second; total may be Unlimited
	strict     bool
	flow       flow  // of the total, if it has one
	line       *line // of those who wait under these limits
}

func newLimits(total, min int64, strict bool) *limits {
	l := &limits{total: max(total, Unlimited), min: min, strict: strict, line: newLine()}
	if l.limited() {
		l.flow = flowOf(max(total, 1))
	}
	return l
}

func (l *limits) limited() bool { return l.total >= 0 }

// budget is one direction of a pool.
type budget struct {
	limits    atomic.Pointer[limits]
	members   tally // all
	throttled tally // those that it holds back
	others    meter // what those send that it does not hold back
	common    reservoir
}

// rate is what a side of a member may use now, in bytes per second, at least 1.
func (b *budget) rate(now time.Duration, s *Side) int64 {
	l := b.limits.Load()
	if !l.limited() {
		return Unlimited
	}
	d := division{rest: l.total, min: l.min}
	if l.strict {
		d.n, d.weights = b.members.read()
	} else {
		d.rest -= perSecond(max(0, b.others.last(now)-s.metered.last(now)))
		d.n, d.weights = b.throttled.read()
		if !s.throttled.Load() {
			d.n, d.weights = d.n+1, d.weights+s.weight
		}
	}
	return max(d.share(s.weight), 1)
}

// flow is what all members may use together. It exceeds the total as far as the minima do.
func (b *budget) flow(now time.Duration, l *limits) flow {
	count := &b.throttled
	if l.strict {
		count = &b.members
	}
	n, _ := count.read()
	floor := n * l.min
	if !l.strict {
		floor += perSecond(b.others.last(now))
	}
	if n == 0 || floor <= l.total {
		floor = 0
		if l.total > 0 {
			return l.flow
		}
	}
	return flowOf(max(floor, l.total, l.min, 1))
}

// set replaces the limits by what change makes of them.
func (b *budget) set(change func(old limits) *limits) {
	for {
		old := b.limits.Load()
		if b.limits.CompareAndSwap(old, change(*old)) {
			return
		}
	}
}

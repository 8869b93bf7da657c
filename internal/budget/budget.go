package budget

import (
	"sync/atomic"
	"time"
)

// totals is what a budget is set to. It is replaced, never changed.
type totals struct {
	total, min int64 // bytes per second; total may be Unlimited
	strict     bool
	flow       flow  // of the total, if it has one
	line       *line // of those who wait under these limits
}

func newTotals(total, min int64, strict bool) *totals {
	l := &totals{total: max(total, Unlimited), min: min, strict: strict, line: newLine()}
	if l.limited() {
		l.flow = flowOf(max(total, 1))
	}
	return l
}

func (l *totals) limited() bool { return l.total >= 0 }

// budget is one direction of a pool.
type budget struct {
	totals    atomic.Pointer[totals]
	members   tally // all
	throttled tally // those that it holds back
	peers     tally // the peers of those
	others    meter // what the members of other peers send
	common    reservoir
}

// rate is what a side of a member may use now, in bytes per second, at least 1.
func (b *budget) rate(now time.Duration, s *Side) int64 {
	l := b.totals.Load()
	switch {
	case !l.limited():
		return Unlimited
	case l.strict:
		all := division{rest: l.total, min: l.min}
		all.n, all.weights = b.members.read()
		return max(all.share(s.weight), 1)
	}
	return max(s.account.share(now, l, s), 1)
}

// flow is what all members may use together. It exceeds the total as far as the minima do.
func (b *budget) flow(now time.Duration, l *totals) flow {
	n := b.minima(l.strict)
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

// minima is how often the minimum is granted: to each member, or, where peers compete, to each peer.
func (b *budget) minima(strict bool) (n int64) {
	if strict {
		n, _ = b.members.read()
		return n
	}
	if n, _ = b.peers.read(); n == 1 {
		n, _ = b.throttled.read()
	}
	return n
}

// set replaces the limits by what change makes of them.
func (b *budget) set(change func(old totals) *totals) {
	for {
		old := b.totals.Load()
		if b.totals.CompareAndSwap(old, change(*old)) {
			return
		}
	}
}

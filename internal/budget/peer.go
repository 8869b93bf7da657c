package budget

import (
	"sync/atomic"
	"time"

	"example.com/ebb/limits"
)

// peer is what all members with one peer have together. It is in the pool's tree while there are any, or while it has a weight of its
// own.
type peer struct {
	key      limits.Peer
	refs     atomic.Int64 // members, and one for a weight of its own; at 0 it is on its way out of the tree
	heaviest atomic.Int64 // the largest weight of a member it has had
	own      atomic.Int64 // the weight that SetPeerWeight has given it; 0: none
	send     account
	receive  account
}

func newPeer(p *Pool, key limits.Peer) *peer {
	x := &peer{key: key}
	x.refs.Store(1)
	x.send.budget, x.send.peer = &p.send, x
	x.receive.budget, x.receive.peer = &p.receive, x
	return x
}

// enter is the peer of a name, which stays until leave was called as often. Nobody in particular is another peer every time.
func (p *Pool) enter(key limits.Peer) *peer {
	if key == (limits.Peer{}) {
		return newPeer(p, key)
	}
	for {
		old := p.peers.Load()
		x := old.find(key)
		switch {
		case x == nil:
			x = newPeer(p, key)
			if p.peers.CompareAndSwap(old, old.insert(x, scramble(p.entered.Add(1)))) {
				return x
			}
		case x.hold():
			return x
		default: // whoever left last has not taken it out yet
			p.peers.CompareAndSwap(old, old.remove(key))
		}
	}
}

// hold counts another reference, unless there is none any more.
func (x *peer) hold() bool {
	for {
		n := x.refs.Load()
		if n == 0 {
			return false
		}
		if x.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// leave drops a reference. With the last the peer is forgotten.
func (p *Pool) leave(x *peer) {
	if x.refs.Add(-1) > 0 {
		return
	}
	for {
		old := p.peers.Load()
		if old.find(x.key) != x || p.peers.CompareAndSwap(old, old.remove(x.key)) {
			return
		}
	}
}

// weight is the peer's among peers: its own, or that of the heaviest of its members.
func (x *peer) weight() int64 {
	if own := x.own.Load(); own > 0 {
		return own
	}
	return max(x.heaviest.Load(), 1)
}

// admit takes note of a member's weight.
func (x *peer) admit(weight int64) {
	for old := x.heaviest.Load(); old < weight; old = x.heaviest.Load() {
		if x.heaviest.CompareAndSwap(old, weight) {
			x.send.recount()
			x.receive.recount()
			return
		}
	}
}

// account is a peer's part in one budget.
type account struct {
	budget    *budget
	peer      *peer
	members   tally        // all
	throttled tally        // those that the budget holds back
	counted   atomic.Int64 // the weight with which the peer is among the throttled ones of the budget; 0: it is not
	outside   meter        // what those send that are not throttled while the peer is not: its part of budget.others
	inside    meter        // what those send that are not throttled while the peer is
}

// throttle and release count a member among the throttled ones, or no longer. A peer is throttled if one of its members is.
func (a *account) throttle(weight int64) {
	a.budget.throttled.add(weight)
	a.throttled.add(weight)
	a.recount()
}

func (a *account) release(weight int64) {
	a.throttled.remove(weight)
	a.recount()
	a.budget.throttled.remove(weight)
}

// recount has the peer counted among the budget's throttled ones with the weight that it has, if it is one. Who changes anything of it
// calls recount afterwards: if others do at the same time, the last of them sees what all have changed. A weight is
// taken off the sum only after it was added.
func (a *account) recount() {
	for {
		counted, want := a.counted.Load(), int64(0)
		if n, _ := a.throttled.read(); n > 0 {
			want = a.peer.weight()
		}
		if want == counted {
			return
		}
		if want > 0 {
			a.budget.peers.add(want)
		}
		switch changed := a.counted.CompareAndSwap(counted, want); {
		case changed && counted > 0:
			a.budget.peers.remove(counted)
		case !changed && want > 0:
			a.budget.peers.remove(want)
		}
	}
}

// add meters what a member has sent that is not throttled.
func (a *account) add(now time.Duration, n int) {
	if a.counted.Load() > 0 {
		a.inside.add(now, n)
		return
	}
	a.outside.add(now, n)
	a.budget.others.add(now, n)
}

// share is what a side may use of the budget: its part of what its peer may use. A peer that has nobody throttled may use what it would
// if it had, and a side that is not throttled what it would if it were. Where no peer competes with this one, nobody but its own members has to
// make room for their minimum.
func (a *account) share(now time.Duration, l *totals, s *Side) int64 {
	outside := a.outside.last(now)
	among := division{rest: l.total - perSecond(max(0, a.budget.others.last(now)-outside)), min: l.min}
	among.n, among.weights = a.budget.peers.read()
	weight := a.counted.Load()
	if weight == 0 {
		weight = a.peer.weight()
		among.n, among.weights = among.n+1, among.weights+weight
	}
	whole := among.share(weight)

	within := division{rest: whole - perSecond(max(0, outside+a.inside.last(now)-s.metered.last(now))), min: l.min}
	if among.n > 1 {
		members, _ := a.members.read()
		within.min = min(l.min, whole/max(members, 1))
	}
	within.n, within.weights = a.throttled.read()
	if !s.throttled.Load() {
		within.n, within.weights = within.n+1, within.weights+s.weight
	}
	return within.share(s.weight)
}

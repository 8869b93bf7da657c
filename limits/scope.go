package limits

import "sync/atomic"

// book counts one resource of one scope. What is taken is never more than the bound, not even for a moment.
type book struct {
	used    atomic.Int64
	peak    atomic.Int64
	refused atomic.Uint64
}

// take takes n if no more than bound is in use with it.
func (b *book) take(n, bound int64) bool {
	for {
		old := b.used.Load()
		if old > bound-n {
			return false
		}
		if b.used.CompareAndSwap(old, old+n) {
			raise(&b.peak, old+n)
			return true
		}
	}
}

// give gives back n of what was taken.
func (b *book) give(n int64) {
	if b.used.Add(-n) < 0 {
		panic("BUG: more was given back than was taken")
	}
}

// raise makes a peak at least n.
func raise(peak *atomic.Int64, n int64) {
	for old := peak.Load(); n > old; old = peak.Load() {
		if peak.CompareAndSwap(old, n) {
			return
		}
	}
}

// class is what scopes with the same limits have in common.
type class struct {
	level  Level
	shared bool      // by all peers: who is on the allowlist has a reserve there
	bounds [2]bounds // for strangers, and for those on the allowlist
	totals *totals
}

// totals is what became of all scopes of a level, those that are gone included.
type totals struct {
	peak    [held]atomic.Int64 // the highest of any that is gone
	refused [resources]atomic.Uint64
}

// bury takes note of the peaks of a scope that goes.
func (s *scope) bury() {
	for r := range s.books {
		raise(&s.class.totals.peak[r], s.books[r].peak.Load())
	}
}

// standing is what a connection may beyond what strangers may.
type standing struct {
	listed  bool // it is on the allowlist: limits of peers and networks do not hold
	reserve bool // the reserve of what is shared is for it
}

// bounds is a limit for each resource.
type bounds [resources]int64

// newClass is a class whose limits are complete. A reserve comes on top of them for those on the allowlist; nil: they have no
// limit.
func newClass(level Level, l Limits, reserve *Limits, t *totals) *class {
	c := &class{level: level, shared: reserve != nil, totals: t}
	c.bounds[0] = l.bounds()
	for r := range c.bounds[1] {
		c.bounds[1][r] = none
		if reserve != nil {
			c.bounds[1][r] = add(c.bounds[0][r], reserve.bounds()[r])
		}
	}
	return c
}

func add(limit, reserve int64) int64 {
	if limit == none || reserve == none {
		return none
	}
	return limit + reserve
}

// scope counts what is held under one name.
type scope struct {
	class             *class
	name              string // of an endpoint
	peer              Peer   // of a peer, a network or an identity
	books             [held]book
	rate              rate // handshakes: of the process or an endpoint
	refusedHandshakes atomic.Uint64
	shard             *shard // its part of the table; nil: it is in none
	refs              int    // connections; the shard's lock guards it
}

// bound is the limit for a resource.
func (s *scope) bound(r Resource, st standing) int64 {
	if s.class.shared && st.reserve || !s.class.shared && st.listed {
		return s.class.bounds[1][r]
	}
	return s.class.bounds[0][r]
}

// takeAll takes n of a resource in each of the scopes, or in none of them, and returns the one that refuses.
func takeAll(scopes []*scope, r Resource, n int64, st standing) (refuser *scope) {
	for i, s := range scopes {
		if !s.books[r].take(n, s.bound(r, st)) {
			giveAll(scopes[:i], r, n)
			return s
		}
	}
	return nil
}

// giveAll gives n of a resource back to each of the scopes.
func giveAll(scopes []*scope, r Resource, n int64) {
	for _, s := range scopes {
		s.books[r].give(n)
	}
}

// refuse counts a refusal.
func (s *scope) refuse(r Resource) {
	if r == Handshakes {
		s.refusedHandshakes.Add(1)
	} else {
		s.books[r].refused.Add(1)
	}
	s.class.totals.refused[r].Add(1)
}

// error is the refusal of a resource by this scope.
func (s *scope) error(r Resource, p Priority, st standing) *Error {
	e := &Error{Level: s.class.level, Scope: s.title(), Resource: r, Limit: s.bound(r, st), Priority: p}
	if int(r) < held {
		e.Used = s.books[r].used.Load()
	}
	return e
}

// title is what errors and snapshots call the scope.
func (s *scope) title() string {
	name := s.name
	switch s.class.level {
	case LevelNetwork, LevelPeer, LevelIdentity:
		name = s.peer.String()
	}
	if name == "" {
		return s.class.level.String()
	}
	return s.class.level.String() + " " + name
}

package limits

import (
	"hash/maphash"
	"slices"
	"sync"
)

// shards is how many parts the table of peers has, each with a lock of its own.
const shards = 64

// keepMap is how many entries an empty map may have had to be kept: a larger one holds memory.
const keepMap = 64

// table has the scopes of the peers, networks and identities that hold something, and no others.
type table struct {
	seed    maphash.Seed // for the choice of a part; nothing else depends on it
	classes *[levels]*class
	shards  [shards]shard
}

type shard struct {
	mu     sync.Mutex
	scopes map[Peer]*scope
	most   int // entries since the map was made
}

func (t *table) shard(p Peer) *shard { return &t.shards[maphash.Comparable(t.seed, p)%shards] }

// enter is the scope of a peer, which stays until leave was called as often.
func (t *table) enter(p Peer) *scope {
	h := t.shard(p)
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.scopes[p]
	if s == nil {
		if h.scopes == nil {
			h.scopes, h.most = make(map[Peer]*scope), 0
		}
		s = &scope{class: t.classes[p.level()], peer: p, shard: h}
		h.scopes[p] = s
		h.most = max(h.most, len(h.scopes))
	}
	s.refs++
	return s
}

// find is the scope of a peer, nil if it holds nothing.
func (t *table) find(p Peer) *scope {
	h := t.shard(p)
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.scopes[p]
}

// leave takes a scope off the table when nothing of it is held any more.
func (t *table) leave(s *scope) {
	h := s.shard
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.refs--; s.refs > 0 {
		return
	}
	s.bury()
	delete(h.scopes, s.peer)
	if len(h.scopes) == 0 && h.most > keepMap {
		h.scopes = nil
	}
}

// all is the scopes in the order of their peers.
func (t *table) all() []*scope {
	var found []*scope
	for i := range t.shards {
		h := &t.shards[i]
		h.mu.Lock()
		for _, s := range h.scopes { // order-free: they are sorted
			found = append(found, s)
		}
		h.mu.Unlock()
	}
	slices.SortFunc(found, func(a, b *scope) int { return a.peer.Compare(b.peer) })
	return found
}

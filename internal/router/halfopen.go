package router

import (
	"net/netip"

	"example.com/ebb/limits"
)

// halfOpenBook is the one book of the handshakes that peers have begun and not completed, the oldest first.
//
// It is one pool for the world, so no address is turned away while there is room. When it is full, a newcomer whose address a
// cookie has proved takes the place of another, and who that is keeps one address, or one network, from
// having them all: see victim.
type halfOpenBook[C comparable] struct {
	entryList[C]
	limit int                 // negative: no bound
	of    map[limits.Peer]int // how many each peer has, and each network; none that are 0
}

func newHalfOpenBook[C comparable](limit int) halfOpenBook[C] {
	return halfOpenBook[C]{limit: limit}
}

// The shares of the book from which an address, or a network, has many: its own handshakes go first when
// the book is full. A small book has no shares.
const (
	hostShare    = 16 // a sixteenth
	networkShare = 4
	leastShare   = 16 // handshakes
)

// full reports whether one more would be more than the limit.
func (b *halfOpenBook[C]) full() bool { return b.limit >= 0 && b.length >= b.limit }

// push is for the handshake that has just begun.
func (b *halfOpenBook[C]) push(e *entry[C]) {
	if b.of == nil {
		b.of = make(map[limits.Peer]int)
	}
	peer := limits.PeerOf(e.remote.Addr())
	b.of[peer]++
	b.of[peer.Network()]++
	b.entryList.push(e)
}

// remove takes a handshake out that is complete or over, from wherever it is.
func (b *halfOpenBook[C]) remove(e *entry[C]) {
	peer := limits.PeerOf(e.remote.Addr())
	b.decrement(peer)
	b.decrement(peer.Network())
	b.entryList.remove(e)
}

func (b *halfOpenBook[C]) decrement(p limits.Peer) {
	if b.of[p]--; b.of[p] == 0 {
		delete(b.of, p)
	}
}

// many reports whether an address has its share of the book, or its network has.
func (b *halfOpenBook[C]) many(a netip.Addr) bool {
	peer := limits.PeerOf(a)
	return b.of[peer] >= max(b.limit/hostShare, leastShare) || b.of[peer.Network()] >= max(b.limit/networkShare, leastShare)
}

// maxLook bounds the entries that victim looks at, the oldest ones.
const maxLook = 64

// victim is the handshake that makes way for one from an address that a cookie has proved: of the oldest ones the first that
// nobody has proved, or else the first of an address that has many, or else the oldest. One that has many
// itself displaces only those of its like: nil if there is none.
func (b *halfOpenBook[C]) victim(newcomer netip.Addr) *entry[C] {
	greedy := b.many(newcomer)
	var ofMany *entry[C]
	looked := 0
	for e := b.first; e != nil && looked < maxLook; e = e.next {
		if !e.proven && !greedy {
			return e
		}
		if ofMany == nil && b.many(e.remote.Addr()) {
			if ofMany = e; greedy {
				return e
			}
		}
		looked++
	}
	if ofMany == nil && !greedy {
		return b.first
	}
	return ofMany
}

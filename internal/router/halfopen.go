package router

import "net/netip"

// halfOpenBook is the one book of the handshakes that peers have begun and not completed, the oldest first.
//
// It is one pool for the world, so no address is turned away while there is room. When it is full, a newcomer whose address a
// cookie has proved takes the place of another, and who that is keeps one address, or one network, from
// having them all: see victim.
type halfOpenBook[C comparable] struct {
	limit       int // negative: no bound
	first, last *entry[C]
	length      int
	ofHost      map[netip.Prefix]int // how many each host has; none that are 0
	ofNetwork   map[netip.Prefix]int // and each network
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

// hostOf is what counts as one host: an IPv4 address, or the 56 bits of an IPv6 address that one customer is given.
func hostOf(a netip.Addr) netip.Prefix { return prefixOf(a, 32, 56) }

// networkOf is what counts as one network: 24 bits of an IPv4 address, 48 of IPv6.
func networkOf(a netip.Addr) netip.Prefix { return prefixOf(a, 24, 48) }

func prefixOf(a netip.Addr, bits4, bits6 int) netip.Prefix {
	a = a.Unmap().WithZone("")
	bits := bits6
	if a.Is4() {
		bits = bits4
	}
	p, err := a.Prefix(bits)
	if err != nil {
		panic("BUG: a packet without an address: " + err.Error())
	}
	return p
}

// full reports whether one more would be more than the limit.
func (b *halfOpenBook[C]) full() bool { return b.limit >= 0 && b.length >= b.limit }

// add is for the handshake that has just begun.
func (b *halfOpenBook[C]) add(e *entry[C]) {
	if b.length++; b.ofHost == nil {
		b.ofHost, b.ofNetwork = make(map[netip.Prefix]int), make(map[netip.Prefix]int)
	}
	b.ofHost[hostOf(e.remote.Addr())]++
	b.ofNetwork[networkOf(e.remote.Addr())]++
	e.prev, e.next = b.last, nil
	if b.last == nil {
		b.first = e
	} else {
		b.last.next = e
	}
	b.last = e
}

// remove takes a handshake out that is complete or over, from wherever it is.
func (b *halfOpenBook[C]) remove(e *entry[C]) {
	b.length--
	decrement(b.ofHost, hostOf(e.remote.Addr()))
	decrement(b.ofNetwork, networkOf(e.remote.Addr()))
	if e.prev == nil {
		b.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		b.last = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
}

func decrement(m map[netip.Prefix]int, key netip.Prefix) {
	if m[key]--; m[key] == 0 {
		delete(m, key)
	}
}

// many reports whether an address has its share of the book, or its network has.
func (b *halfOpenBook[C]) many(a netip.Addr) bool {
	return b.ofHost[hostOf(a)] >= max(b.limit/hostShare, leastShare) ||
		b.ofNetwork[networkOf(a)] >= max(b.limit/networkShare, leastShare)
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

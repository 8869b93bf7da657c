package router

import (
	"net/netip"
	"time"

	"example.com/ebb/wire"
)

// tombstone is what is left of a connection: 64 bytes, and an entry in each of
// the two indexes, about 20 bytes for the ID and 60 for the pair.
type tombstone struct {
	remote    netip.AddrPort
	local     wire.ID
	peer      wire.ID // 0: the peer was never heard of
	next      uint32  // low bits of the next packet number: all that goes on the wire
	idUntil   ticks
	pairUntil ticks
	code      uint8
	sealed    bool // it was a protected one
}

// ticks is a point in time in units of 10 ms, rounded up. It wraps after 497
// days, so it is compared serially; nothing is kept for a fraction of that.
type ticks uint32

const tick = 10 * time.Millisecond

func ticksAt(t time.Duration) ticks { return ticks((t + tick - 1) / tick) }

// after reports whether t lies behind now.
func (t ticks) after(now time.Duration) bool { return t.from(now) > 0 }

// from is how many ticks lie between now and t; negative if t has passed.
func (t ticks) from(now time.Duration) int32 { return int32(t - ticks(now/tick)) }

// closedTable keeps the last so many tombstones in the order of their making,
// found by the ID and by the pair that they remember. Positions count up for
// ever; a record is at its position modulo the length of the ring.
type closedTable struct {
	capacity int
	ring     []tombstone
	first    uint64 // position of the oldest
	next     uint64 // position of the one to come
	byID     map[wire.ID]uint64
	byPair   map[pair]uint64
	ends     map[wire.ID]end        // of the few whose peer may lack it
	others   map[uint64][]wire.ID   // IDs besides local, by position, of the few that have any; nil: none
	words    map[wire.ID]*lastWords // of protected ones that have any
	evicted  uint64
}

// end is how a connection ended, as far as a peer may not know it yet.
type end struct {
	final uint64 // offset of FIN
	stop  bool   // with STOP
}

// newClosedTable makes a table whose maps are made when there is something in them.
func newClosedTable(capacity int) closedTable { return closedTable{capacity: capacity} }

func (y *closedTable) len() int { return int(y.next - y.first) }

// add adds a tombstone that remembers its ID, and the others that it had, for hold and its pair for spent.
// At capacity the oldest makes room, and it alone.
func (y *closedTable) add(now time.Duration, t tombstone, others []wire.ID, hold, spent time.Duration) {
	y.sweep(now)
	if y.capacity == 0 || (hold <= 0 && spent <= 0) {
		return
	}
	if y.len() == y.capacity {
		y.evicted++
		y.pop()
	}
	if y.len() == len(y.ring) {
		y.grow()
	}
	if y.byID == nil {
		y.byID, y.byPair = make(map[wire.ID]uint64), make(map[pair]uint64)
	}
	t.idUntil, t.pairUntil = ticksAt(now+hold), ticksAt(now+spent)
	*y.at(y.next) = t
	if hold > 0 {
		y.byID[t.local] = y.next
		for _, id := range others {
			y.byID[id] = y.next
		}
		if len(others) > 0 {
			if y.others == nil {
				y.others = make(map[uint64][]wire.ID)
			}
			y.others[y.next] = others
		}
	}
	if spent > 0 {
		y.byPair[pair{t.remote, t.peer}] = y.next
	}
	y.next++
}

// find returns the tombstone of an ID, or nil. It is valid until the next add.
func (y *closedTable) find(now time.Duration, id wire.ID) *tombstone {
	if i, ok := y.byID[id]; ok {
		if t := y.at(i); t.idUntil.after(now) {
			return t
		}
	}
	return nil
}

// holdsID reports whether an ID is on a tombstone, expired or not.
func (y *closedTable) holdsID(id wire.ID) bool {
	_, ok := y.byID[id]
	return ok
}

// holdsPair reports whether an address and client's ID are remembered.
func (y *closedTable) holdsPair(now time.Duration, p pair) bool {
	i, ok := y.byPair[p]
	return ok && y.at(i).pairUntil.after(now)
}

// sweep removes expired tombstones from the old end. One that is held longer
// keeps those behind it; the capacity bounds them all. The last one takes the table's memory with it.
func (y *closedTable) sweep(now time.Duration) {
	for y.first < y.next {
		if t := y.at(y.first); t.idUntil.after(now) || t.pairUntil.after(now) {
			return
		}
		y.pop()
	}
	if len(y.ring) > 0 {
		evicted := y.evicted
		*y = newClosedTable(y.capacity)
		y.evicted = evicted
	}
}

// due is when the oldest tombstone expires. There must be one.
func (y *closedTable) due(now time.Duration) time.Duration {
	t := y.at(y.first)
	return now.Truncate(tick) + time.Duration(max(t.idUntil.from(now), t.pairUntil.from(now)))*tick
}

// pop removes the oldest tombstone.
func (y *closedTable) pop() {
	t := y.at(y.first)
	y.popID(t.local)
	for _, id := range y.others[y.first] {
		y.popID(id)
	}
	delete(y.others, y.first)
	p := pair{t.remote, t.peer}
	if i, ok := y.byPair[p]; ok && i == y.first {
		delete(y.byPair, p)
	}
	*t = tombstone{}
	y.first++
}

// popID removes an ID, unless it is that of a later tombstone too.
func (y *closedTable) popID(id wire.ID) {
	if i, ok := y.byID[id]; ok && i == y.first {
		delete(y.byID, id)
		delete(y.ends, id)
		delete(y.words, id)
	}
}

func (y *closedTable) at(position uint64) *tombstone {
	return &y.ring[position%uint64(len(y.ring))]
}

// grow doubles the ring.
func (y *closedTable) grow() {
	bigger := make([]tombstone, min(max(2*len(y.ring), 16), y.capacity))
	for i := y.first; i < y.next; i++ {
		bigger[i%uint64(len(bigger))] = *y.at(i)
	}
	y.ring = bigger
}

// clampCode fits a code into a tombstone.
func clampCode(c wire.Code) uint8 {
	if c > 255 {
		return uint8(wire.CodeReset)
	}
	return uint8(c)
}

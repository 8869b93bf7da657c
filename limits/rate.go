package limits

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// rate bounds handshakes a second, by the generic cell rate algorithm: the word is when all that was admitted will have been
// earned. A second's worth may come at once.
type rate struct{ earnedAt atomic.Int64 } // ns

// reset makes it one that has admitted nothing, whatever the time.
func (r *rate) reset() { r.earnedAt.Store(math.MinInt64 / 2) }

// earned is the word, or the time from which a second's worth is there if that is later. What lies farther ahead than any debt is of another
// clock, which was ahead of this one: a test in a bubble of package synctest may have the limits of the process, and has a time of its own.
func earned(word int64, now time.Duration, gap int64) int64 {
	fresh := int64(now - time.Second)
	if word > int64(now+mostDebt)+gap {
		return fresh
	}
	return max(word, fresh)
}

// take admits one more, if that is within perSecond.
func (r *rate) take(now time.Duration, perSecond int64) bool {
	if perSecond == none {
		return true
	}
	if perSecond < 1 {
		return false
	}
	gap := int64(time.Second) / perSecond
	for {
		old := r.earnedAt.Load()
		next := earned(old, now, gap) + gap
		if next > int64(now) {
			return false
		}
		if r.earnedAt.CompareAndSwap(old, next) {
			return true
		}
	}
}

// admits reports whether take would.
func (r *rate) admits(now time.Duration, perSecond int64) bool {
	if perSecond == none || perSecond < 1 {
		return perSecond == none
	}
	gap := int64(time.Second) / perSecond
	return earned(r.earnedAt.Load(), now, gap)+gap <= int64(now)
}

// spend counts one more that nobody could refuse.
func (r *rate) spend(now time.Duration, perSecond int64) {
	if perSecond == none || perSecond < 1 {
		return
	}
	gap := int64(time.Second) / perSecond
	for {
		old := r.earnedAt.Load()
		if r.earnedAt.CompareAndSwap(old, min(earned(old, now, gap), int64(now+mostDebt))+gap) {
			return
		}
	}
}

// mostDebt bounds for how long handshakes that were complete before anybody could refuse them cost their peer others.
const mostDebt = time.Second

// rows and columns of a rateTable: two for which chance has to be against a peer.
const (
	rateRows    = 2
	rateColumns = 1024
)

// rateTable has a rate for every peer there may be, in a fixed space: a peer shares its rates with others whose names happen to
// fall on the same place. So it remembers peers that hold nothing, and no number of strangers makes it grow. A peer
// has a rate in each row, and is refused if all refuse: with k peers above their limit an
// honest one is with probability (k/rateColumns)².
type rateTable struct {
	seed  uint64
	rates [rateRows][rateColumns]rate
}

func newRateTable(seed uint64) *rateTable {
	t := &rateTable{seed: seed}
	for i := range t.rates {
		for j := range t.rates[i] {
			t.rates[i][j].reset()
		}
	}
	return t
}

// of is the rates of a peer.
func (t *rateTable) of(p Peer) (first, second *rate) {
	h := p.hash(t.seed)
	return &t.rates[0][h%rateColumns], &t.rates[1][h>>32%rateColumns]
}

// take admits one more of a peer.
func (t *rateTable) take(now time.Duration, p Peer, perSecond int64) bool {
	if perSecond == none {
		return true
	}
	first, second := t.of(p)
	one, other := first.take(now, perSecond), second.take(now, perSecond)
	return one || other
}

// admits reports whether take would.
func (t *rateTable) admits(now time.Duration, p Peer, perSecond int64) bool {
	first, second := t.of(p)
	return first.admits(now, perSecond) || second.admits(now, perSecond)
}

// spend counts one more of a peer that nobody could refuse.
func (t *rateTable) spend(now time.Duration, p Peer, perSecond int64) {
	first, second := t.of(p)
	first.spend(now, perSecond)
	second.spend(now, perSecond)
}

// hash depends on a seed that no peer knows.
func (p Peer) hash(seed uint64) uint64 {
	h := fold(seed^uint64(p.kind), 0x9e3779b97f4a7c15)
	for i := 0; i < len(p.id); i += 8 {
		h = fold(h^binary.BigEndian.Uint64(p.id[i:]), seed|1)
	}
	return fold(h, 0xd6e8feb86659fd93)
}

// fold multiplies and adds up both halves of the product.
func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

package simnet

import (
	"math/bits"
	"time"
)

// roll is what a random number is drawn for. Each has a stream of its own.
type roll uint64

const (
	rollLoss roll = iota
	rollBurst
	rollBurstLoss
	rollReorder
	rollDuplicate
	rollJitter
	rollCorrupt
	rollCorruptBit // one behind rollCorrupt
	rollCorruptCopy
	rollCorruptCopyBit // one behind rollCorruptCopy
	rollSeed
	rollRule // the first of a link's rules; the others follow
)

// The streams that came later: far from those of the rules.
const (
	rollFreeJitter roll = 1<<32 + iota
	rollProbe           // and one behind it
	rollProbeFree
	rollSlot
	rollRepeat
	rollLevel
	rollPause
	rollPauseLength
	rollBusy
)

// dice draws without state: the number for the n-th datagram depends on the
// seed, the purpose and n.
type dice struct{ seed uint64 }

func (d dice) draw(r roll, n int) uint64 {
	const golden = 0x9e3779b97f4a7c15
	return mix(mix(d.seed+golden*uint64(r+1)) + golden*uint64(n+1))
}

// chance is true for the given fraction of n.
func (d dice) chance(r roll, n int, fraction float64) bool {
	switch {
	case fraction <= 0:
		return false
	case fraction >= 1:
		return true
	}
	return float64(d.draw(r, n)>>11) < fraction*(1<<53)
}

// below is uniform in [0, limit), limit > 0.
func (d dice) below(r roll, n, limit int) int {
	hi, _ := bits.Mul64(d.draw(r, n), uint64(limit))
	return int(hi)
}

// upTo is uniform in [0, limit), or 0.
func (d dice) upTo(r roll, n int, limit time.Duration) time.Duration {
	if limit <= 0 {
		return 0
	}
	return time.Duration(d.below(r, n, int(limit)))
}

// mix is the finaliser of SplitMix64: every bit of x moves half of the result's.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

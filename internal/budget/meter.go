package budget

import (
	"sync/atomic"
	"time"
)

const (
	// slotShift makes a slot of the meter 2^26 ns, 67 ms, so that finding one is a shift.
	slotShift = 26
	// slotBytes is the width of a slot's count; the rest of the word is the slot's number.
	slotBytes = 40
	slotMask  = 1<<slotBytes - 1
)

// slotOf is the number of the slot that a time lies in, as far as a meter's word has room for it.
func slotOf(now time.Duration) uint64 { return uint64(now>>slotShift) & (1<<(64-slotBytes) - 1) }

// previous is the slot before s.
func previous(s uint64) uint64 { return (s - 1) & (1<<(64-slotBytes) - 1) }

// meter counts bytes by slots of time. What it says is the count of the last complete slot: it needs
// nobody to reset it, and changes only where a slot ends.
type meter struct{ words [4]atomic.Uint64 }

func (m *meter) add(now time.Duration, n int) {
	slot := slotOf(now)
	word := &m.words[slot%4]
	for {
		old := word.Load()
		next := slot<<slotBytes | uint64(n)
		if old>>slotBytes == slot {
			next = old + uint64(n)
		}
		if word.CompareAndSwap(old, next) {
			return
		}
	}
}

// last is the bytes of the slot before the one that now lies in.
func (m *meter) last(now time.Duration) int64 {
	slot := previous(slotOf(now))
	if w := m.words[slot%4].Load(); w>>slotBytes == slot {
		return int64(w & slotMask)
	}
	return 0
}

// perSecond is the rate of so many bytes, less than 2^slotBytes, in a slot: the quotient's powers of two are
// cancelled, so that the product fits.
func perSecond(bytes int64) int64 {
	const twos = 9
	return bytes * (int64(time.Second) >> twos) >> (slotShift - twos)
}

// ownMeter is a meter of one member, which is its only user.
type ownMeter struct {
	slot          uint64
	bytes, before int64 // in slot, and in the one before
}

func (m *ownMeter) add(now time.Duration, n int) {
	m.roll(now)
	m.bytes += int64(n)
}

func (m *ownMeter) last(now time.Duration) int64 {
	m.roll(now)
	return m.before
}

func (m *ownMeter) roll(now time.Duration) {
	slot := slotOf(now)
	switch slot {
	case m.slot:
		return
	case (m.slot + 1) & (1<<(64-slotBytes) - 1):
		m.before = m.bytes
	default:
		m.before = 0
	}
	m.slot, m.bytes = slot, 0
}

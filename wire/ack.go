package wire

import (
	"encoding/binary"
	"iter"
	"math"
	"time"
)

// maxAckDelay is the longest delay that an ACK reports. Longer ones are reported as
// this: they are no use to the peer, and beyond it the receive time has wrapped.
const maxAckDelay = math.MaxUint32 * time.Microsecond

// receivedSize is the size of the field with the receive time.
const receivedSize = 4

// Range is a run of packet numbers from First to Last, both included.
type Range struct{ First, Last uint64 }

// Ack is what an ACK or ACK_ECN frame says. One that was not parsed, but put
// together from its fields, acknowledges the number Largest alone; AppendAck takes
// ranges.
type Ack struct {
	// Largest is the newest packet number received, at most MaxOffset.
	Largest uint64
	// Delay is the time for which the ACK of it was held back, from 0 to
	// 2^32-1 microseconds, in whole microseconds.
	Delay time.Duration
	// Received is the time at which it was received: microseconds of the
	// receiver's clock modulo 2^32.
	Received uint32
	// HasECN says that the three counts are there: the packets received in
	// this packet number space with ECT(0), ECT(1) and CE (RFC 9000 section
	// 13.4), each at most MaxOffset.
	HasECN         bool
	ECT0, ECT1, CE uint64

	// raw is the first range and the pairs of gap and length behind it, all
	// verified, as they stand in the packet. Empty: one number.
	raw []byte
	// pairs is the number of pairs in raw.
	pairs uint8
}

// Ranges yields the ranges of numbers acknowledged, newest first: at least one and
// at most MaxAckRanges, with at least one number missing between any two. It
// reads them from the packet that was parsed.
func (a *Ack) Ranges() iter.Seq[Range] {
	return func(yield func(Range) bool) { a.walk(yield) }
}

// AppendAck appends an ACK frame, or ACK_ECN if a.HasECN, for the ranges, which
// ascend, do not overlap and do not touch. The newest come first: of more than
// MaxAckRanges, or of more than fit in room bytes, the oldest are left out. If not
// even the newest fits, or there is none, dst is returned as it is.
//
// Of a it takes Delay, held to the bounds of the field, Received and the counts;
// Largest is the end of the newest range. Ranges in another order are an error, and so is a
// number or a count above MaxOffset.
func AppendAck(dst []byte, a *Ack, ranges []Range, room int) ([]byte, error) {
	if len(ranges) == 0 {
		return dst, nil
	}
	newest := ranges[len(ranges)-1]
	if newest.Last > MaxOffset || a.HasECN && max(a.ECT0, a.ECT1, a.CE) > MaxOffset {
		return dst, errRange
	}
	delay := delayMicros(a.Delay)
	size := 1 + varintLen(newest.Last) + varintLen(delay) + receivedSize + varintLen(newest.Last-newest.First)
	if a.HasECN {
		size += varintLen(a.ECT0) + varintLen(a.ECT1) + varintLen(a.CE)
	}
	pairs, ok := fitPairs(ranges, room-size)
	switch {
	case newest.First > newest.Last || !ok:
		return dst, errAckRanges
	case size+1 > room:
		return dst, nil
	}
	dst = appendAckHead(dst, newest.Last, delay, a.Received, a.HasECN)
	dst = appendVarint(dst, uint64(pairs))
	dst = appendVarint(dst, newest.Last-newest.First)
	for i := len(ranges) - 2; i >= len(ranges)-1-pairs; i-- {
		gap, length, _ := pair(ranges, i)
		dst = appendVarint(appendVarint(dst, gap), length)
	}
	if a.HasECN {
		dst = a.appendCounts(dst)
	}
	return dst, nil
}

// fitPairs is the number of ranges before the newest that fit in room bytes,
// together with the count of them. It reports false if one of them is out of order.
func fitPairs(ranges []Range, room int) (pairs int, ok bool) {
	size := 0
	for i := len(ranges) - 2; i >= 0 && pairs < MaxAckRanges-1; i-- {
		gap, length, ok := pair(ranges, i)
		if !ok {
			return 0, false
		}
		size += varintLen(gap) + varintLen(length)
		if size+varintLen(uint64(pairs)+1) > room {
			break
		}
		pairs++
	}
	return pairs, true
}

// pair is how ranges[i] is written, given the range above it, and whether it is
// below that one with a number missing in between.
func pair(ranges []Range, i int) (gap, length uint64, ok bool) {
	r, above := ranges[i], ranges[i+1]
	ok = r.First <= r.Last && r.Last < above.First && above.First-r.Last >= 2
	return above.First - r.Last - 2, r.Last - r.First, ok
}

// delayMicros is the delay as it is sent.
func delayMicros(d time.Duration) uint64 {
	return uint64(min(max(d, 0), maxAckDelay) / time.Microsecond)
}

// walk yields the ranges until yield returns false.
func (a *Ack) walk(yield func(Range) bool) {
	if len(a.raw) == 0 {
		yield(Range{a.Largest, a.Largest})
		return
	}
	c := cursor{b: a.raw}
	last := a.Largest
	first := last - c.varint()
	for yield(Range{first, last}) && len(c.b) > 0 {
		last = first - c.varint() - 2
		first = last - c.varint()
	}
}

// parse reads an ACK behind its type, and verifies that its ranges stay at or above
// packet number 0.
func (a *Ack) parse(c *cursor, hasECN bool) {
	a.Largest = c.varint()
	delay := c.varint()
	a.Received = c.uint32()
	count := c.varint()
	if delay > math.MaxUint32 || count > MaxAckRanges-1 {
		c.fail(errRange)
		return
	}
	a.Delay = time.Duration(delay) * time.Microsecond
	a.pairs = uint8(count)
	a.raw = c.b
	first, ok := below(a.Largest, c.varint())
	for ; ok && count > 0; count-- {
		var last uint64
		if last, ok = below(first, c.varint()+2); ok {
			first, ok = below(last, c.varint())
		}
	}
	if !ok {
		c.fail(errAckRanges)
		return
	}
	n := len(a.raw) - len(c.b)
	a.raw = a.raw[:n:n]
	if hasECN {
		a.HasECN = true
		a.ECT0 = c.varint()
		a.ECT1 = c.varint()
		a.CE = c.varint()
	}
}

// below is number-n, unless that is below 0. Neither is above 2^62+1.
func below(number, n uint64) (uint64, bool) { return number - n, n <= number }

// appendTo appends the frame again that was parsed.
func (a *Ack) appendTo(dst []byte, hasECN bool) ([]byte, error) {
	if max(a.Largest, a.ECT0, a.ECT1, a.CE) > MaxOffset {
		return dst, errRange
	}
	dst = appendAckHead(dst, a.Largest, delayMicros(a.Delay), a.Received, hasECN)
	dst = appendVarint(dst, uint64(a.pairs))
	if len(a.raw) == 0 {
		dst = append(dst, 0)
	}
	dst = append(dst, a.raw...)
	if hasECN {
		dst = a.appendCounts(dst)
	}
	return dst, nil
}

// appendAckHead appends the fields before the count of ranges.
func appendAckHead(dst []byte, largest, delay uint64, received uint32, hasECN bool) []byte {
	t := FrameAck
	if hasECN {
		t = FrameAckECN
	}
	dst = appendVarint(append(dst, byte(t)), largest)
	dst = appendVarint(dst, delay)
	return binary.BigEndian.AppendUint32(dst, received)
}

func (a *Ack) appendCounts(dst []byte) []byte {
	return appendVarint(appendVarint(appendVarint(dst, a.ECT0), a.ECT1), a.CE)
}

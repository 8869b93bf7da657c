package engine

import (
	"time"

	"example.com/ebb/internal/stream"
)

// packetFlags is what a packet was and what became of it.
type packetFlags uint16

const (
	eliciting packetFlags = 1 << iota // counts in flight, waits for an ACK
	isProbe                           // tests a packet size: its loss means nothing else
	isAcked
	isLost
	neverSent    // a number left out: whoever acknowledges it makes things up
	carriesData  // bytes of the stream, or its end
	isMarked     // left with ECT(0) in its IP header
	hasDSCP      // left with the path's DSCP
	whileLimited // sent while the application had no more: a poor rate sample
)

// sentPacket is the record of a packet until it is acknowledged or lost: 64 bytes, and 16 for each frame. The
// bytes it carried are in the stream; a retransmission reads them again.
type sentPacket struct {
	number uint64
	sentAt time.Duration
	size   uint16
	train  uint16 // packets of the train that it left in, if more than one
	flags  packetFlags
	frames uint16 // how many frames of sentState.frames are its
	first  uint32 // position of the first

	// For the delivery-rate sample (BBR draft, section 4.1.2).
	inFlight    uint32
	delivered   int64
	deliveredAt time.Duration
	firstSentAt time.Duration
	lostBefore  int64
}

func (p *sentPacket) has(f packetFlags) bool { return p.flags&f != 0 }

// sentState is the numbers sent in the data space, and the records of those packets of which it matters what became of
// them. A packet that elicits no ACK leaves none: nothing in it is sent again, and a peer that never acknowledges
// could make us keep any number (RFC 9000 section 13.2.4).
type sentState struct {
	next    uint64 // the first number not used
	records ring[sentPacket]
	frames  ring[sentFrame] // of the packets in records

	// acked and resolved are spans of numbers at or above base: acknowledged;
	// and acknowledged or declared lost.
	acked    stream.SpanSet
	resolved stream.SpanSet

	largestAcked uint64
	anyAcked     bool
	outstanding  int32 // packets that are eliciting and not resolved
	inFlight     int   // bytes: always the sum over these
	elicitedAt   time.Duration
	ackPings     time.Duration // when an ACK was last made eliciting
	skip         skipState
}

// sentTables is the memory that a sentState begins with, in one piece. A connection that says little needs no more.
type sentTables struct {
	records         [2]sentPacket
	frames          [4]sentFrame
	acked, resolved [1]stream.Span
}

// equip gives a sentState that has no records its first memory.
func (s *sentState) equip(t *sentTables) {
	s.records.slots, s.frames.slots = t.records[:], t.frames[:]
	s.acked, s.resolved = t.acked[:0], t.resolved[:0]
}

// base is the number below which everything is resolved and forgotten.
func (s *sentState) base() uint64 {
	if s.records.empty() {
		return s.next
	}
	return s.records.at(s.records.base).number
}

// from is the position of the first record with the number n or a larger one. Most often no number between the
// oldest record and n is without one, and it is found at once.
func (s *sentState) from(n uint64) uint32 {
	r := &s.records
	if r.empty() || n <= r.at(r.base).number {
		return r.base
	}
	low, high := uint64(0), min(n-r.at(r.base).number, uint64(r.len()))
	if high < uint64(r.len()) && r.at(r.base+uint32(high)).number == n {
		return r.base + uint32(high)
	}
	for low < high { // numbers grow by one at least, so that none at or above high is smaller than n
		middle := (low + high) / 2
		if r.at(r.base+uint32(middle)).number < n {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return r.base + uint32(low)
}

// find returns the record of a number, or nil.
func (s *sentState) find(n uint64) *sentPacket {
	if i := s.from(n); i != s.records.next && s.records.at(i).number == n {
		return s.records.at(i)
	}
	return nil
}

// reserve returns the record of the next number, for a packet to be sent now. It counts once it
// is pushed.
func (s *sentState) reserve(now time.Duration) *sentPacket {
	if s.records.slots == nil {
		s.equip(new(sentTables))
	}
	p := s.records.slot()
	*p = sentPacket{number: s.next, sentAt: now, first: s.frames.next}
	return p
}

// carry lists a frame in the record that reserve has returned.
func (s *sentState) carry(p *sentPacket, f sentFrame) {
	*s.frames.slot() = f
	s.frames.next++
	p.frames++
}

// push notes that the packet of the record that reserve has returned leaves.
func (s *sentState) push(p *sentPacket) {
	s.next++
	switch {
	case p.has(eliciting):
		s.inFlight += int(p.size)
		s.outstanding++
		s.elicitedAt = p.sentAt
	case !p.has(neverSent):
		s.frames.next = p.first
		return
	}
	s.records.next++
}

// noteTrain notes that the packets from first on, n of them, left as one train.
func (s *sentState) noteTrain(first uint64, n int) {
	for i := s.from(first); i != s.records.next; i++ {
		s.records.at(i).train = uint16(n)
	}
}

// removeFromFlight takes a packet out of flight.
func (s *sentState) removeFromFlight(p *sentPacket) {
	if p.has(eliciting) && !p.has(isAcked|isLost) {
		s.inFlight -= int(p.size)
		s.outstanding--
	}
}

// trim forgets resolved packets from the lower end. Lost ones stay until
// keepSince, so that a late ACK shows a loss that was none.
func (s *sentState) trim(keepSince time.Duration) {
	for !s.records.empty() {
		p := s.records.at(s.records.base)
		if !p.has(isAcked) && !(p.has(isLost) && p.sentAt < keepSince) {
			break
		}
		s.records.base++
		s.frames.base = p.first + uint32(p.frames)
	}
	base := s.base()
	s.acked.Remove(0, base)
	s.resolved.Remove(0, base)
}

// keepRecords is the largest table that is kept when it holds nothing.
const keepRecords = 64

// slack reports whether the table of records has grown and holds nothing.
func (s *sentState) slack() bool { return s.records.empty() && len(s.records.slots) > keepRecords }

// shrink lets go of tables that hold nothing.
func (s *sentState) shrink() {
	if s.records.empty() {
		s.release()
	}
}

// release lets go of all records, and of the spans of their numbers.
func (s *sentState) release() {
	s.records.slots, s.records.base = nil, s.records.next
	s.frames.slots, s.frames.base = nil, s.frames.next
	s.acked, s.resolved = nil, nil
}

// ring is a queue of values, each at a position that counts up and wraps: those in [base, next).
type ring[T any] struct {
	slots      []T // length a power of two
	base, next uint32
}

func (r *ring[T]) len() uint32    { return r.next - r.base }
func (r *ring[T]) empty() bool    { return r.next == r.base }
func (r *ring[T]) at(i uint32) *T { return &r.slots[i&uint32(len(r.slots)-1)] }

// slot is the place of the value at next, which the caller fills before it counts next up.
func (r *ring[T]) slot() *T {
	if r.len() == uint32(len(r.slots)) {
		r.grow()
	}
	return r.at(r.next)
}

// grow doubles the table.
func (r *ring[T]) grow() {
	bigger := ring[T]{slots: make([]T, max(2, 2*len(r.slots))), base: r.base, next: r.next}
	for i := r.base; i != r.next; i++ {
		*bigger.at(i) = *r.at(i)
	}
	*r = bigger
}

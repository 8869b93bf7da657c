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
	inTrain      // left with others in one train
	isMarked     // left with ECT(0) in its IP header
	whileLimited // sent while the application had no more: a poor rate sample
)

// sentPacket is the record of a packet until it is acknowledged or lost: 56 bytes, and 16 for each frame. The
// bytes it carried are in the sendPipe; a retransmission reads them again.
type sentPacket struct {
	sentAt time.Duration
	size   uint32
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

// sentState is the numbers sent in the data space and their records, in a ring
// that covers [base, next).
type sentState struct {
	ring   []sentPacket // length a power of two
	base   uint64
	next   uint64
	frames frameRing // of the packets in ring

	// acked and settled are spans of numbers at or above base: acknowledged;
	// and acknowledged or declared lost.
	acked    stream.SpanSet
	resolved stream.SpanSet

	largestAcked uint64
	anyAcked     bool
	inFlight     int // bytes: always the sum over eliciting packets that are not settled
	outstanding  int // packets, likewise
	elicitedAt   time.Duration
	ackPings     time.Duration // when an ACK was last made eliciting
	skip         skipState
}

// at returns the record of number n, which must be covered.
func (s *sentState) at(n uint64) *sentPacket {
	if n < s.base || n >= s.next {
		panic("BUG: packet number without a record")
	}
	return &s.ring[n&uint64(len(s.ring)-1)]
}

// reserve returns the record of the next number, for a packet to be sent now. It counts once it
// is pushed.
func (s *sentState) reserve(now time.Duration) *sentPacket {
	if s.next-s.base == uint64(len(s.ring)) {
		s.grow(max(2, 2*len(s.ring)))
	}
	p := &s.ring[s.next&uint64(len(s.ring)-1)]
	*p = sentPacket{sentAt: now, first: s.frames.next}
	return p
}

// carry lists a frame in the record that reserve has returned.
func (s *sentState) carry(p *sentPacket, f sentFrame) {
	s.frames.push(f)
	p.frames++
}

// push takes the record that reserve has returned, filled in, into those that are covered.
func (s *sentState) push() {
	s.next++
	if p := s.at(s.next - 1); p.has(eliciting) {
		s.inFlight += int(p.size)
		s.outstanding++
		s.elicitedAt = p.sentAt
	}
}

func (s *sentState) grow(size int) {
	ring := make([]sentPacket, size)
	for n := s.base; n < s.next; n++ {
		ring[n&uint64(size-1)] = *s.at(n)
	}
	s.ring = ring
}

// noteTrain notes that the packets from first on left as one train.
func (s *sentState) noteTrain(first uint64) {
	for n := first; n < s.next; n++ {
		s.at(n).flags |= inTrain
	}
}

// removeFromFlight takes a packet out of flight.
func (s *sentState) removeFromFlight(p *sentPacket) {
	if p.has(eliciting) && !p.has(isAcked|isLost) {
		s.inFlight -= int(p.size)
		s.outstanding--
	}
}

// trim forgets settled packets from the lower end. Lost ones stay until
// keepSince, so that a late ACK shows a loss that was none.
func (s *sentState) trim(keepSince time.Duration) {
	for s.base < s.next {
		p := s.at(s.base)
		if !p.has(isAcked) && !(p.has(isLost) && p.sentAt < keepSince) {
			break
		}
		s.base++
		s.frames.base = p.first + uint32(p.frames)
	}
	s.acked.Remove(0, s.base)
	s.resolved.Remove(0, s.base)
}

// keepRecords is the largest table that is kept when it holds nothing.
const keepRecords = 64

// slack reports whether the ring has grown and holds nothing.
func (s *sentState) slack() bool { return s.base == s.next && len(s.ring) > keepRecords }

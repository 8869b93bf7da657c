package engine

import (
	"time"

	"example.com/ebb/wire"
)

const (
	// maxTracked bounds the ranges of numbers remembered. Beyond it the oldest
	// is forgotten: numbers below what is remembered count as received before.
	maxTracked = wire.MaxAckRanges
	// reportedRanges is how many of them an ACK repeats at most.
	reportedRanges = 64
	// elicitAbove is the number of ranges above which the receiver asks for an
	// acknowledgement of its ACKs, to be able to forget (RFC 9000 section 13.2.4).
	elicitAbove = 16
	// maxAckPings is how many packets may wait for an acknowledgement when it asks for one more.
	maxAckPings = 8

	// defaultAckDelay is how long the acknowledgement of a single packet waits for company: a
	// second packet, or data of ours. It is long beside a timer's cost, so that an exchange of
	// messages does not set one each time, and is known to the peer, who subtracts it.
	defaultAckDelay = 10 * time.Millisecond
	// ackEvery is the number of ack-eliciting packets that force an ACK.
	ackEvery = 2
)

// ackState is the packet numbers received and what is owed for them.
type ackState struct {
	ranges    []wire.Range  // ascending
	floor     uint64        // numbers below count as received
	largest   uint64        // the newest received, if any
	any       bool          //
	owed      int32         // ack-eliciting packets since the last ACK
	largestAt time.Duration // when it arrived
	due       time.Duration // when the ACK must leave; Never
	delay     time.Duration // how long that of a single packet waits
}

// duplicate reports whether the number was received before.
func (a *ackState) duplicate(n uint64) bool {
	if n < a.floor {
		return true
	}
	for i := len(a.ranges) - 1; i >= 0; i-- { // new numbers are at the end
		if r := a.ranges[i]; n > r.Last {
			return false
		} else if n >= r.First {
			return true
		}
	}
	return false
}

// overtakes reports whether a packet that is not noted yet came ahead of others: some of the numbers shortly before it
// have not arrived.
func (a *ackState) overtakes(n uint64) bool {
	if len(a.ranges) == 0 || n <= a.largest {
		return false
	}
	r := a.ranges[len(a.ranges)-1]
	return r.Last+1 < n || r.First > a.floor && n-r.First < shortlyBefore
}

// receive notes a number that is not a duplicate, of a packet that arrived at a time and is handled now. urgent asks for an
// ACK at once, as a gap does. Otherwise the delay begins with the arrival: whoever reads late
// holds the ACK back no longer than was declared, unless the reading itself takes longer.
func (a *ackState) receive(now, at time.Duration, n uint64, eliciting, urgent bool) {
	inOrder := a.any && n == a.largest+1 || !a.any && n == 0
	a.insert(n)
	if !a.any || n > a.largest {
		a.largest, a.largestAt, a.any = n, at, true
	}
	if !eliciting {
		return
	}
	a.owed++
	if urgent || !inOrder || a.owed >= ackEvery {
		a.due = now
		return
	}
	a.due = min(a.due, max(at+a.delay, now))
}

func (a *ackState) insert(n uint64) {
	i := len(a.ranges)
	if i > 0 && a.ranges[i-1].Last+1 == n { // the usual case: in order
		a.ranges[i-1].Last = n
		return
	}
	for i > 0 && a.ranges[i-1].First > n {
		i--
	}
	joinsLeft := i > 0 && a.ranges[i-1].Last+1 == n
	joinsRight := i < len(a.ranges) && a.ranges[i].First == n+1
	switch {
	case joinsLeft && joinsRight:
		a.ranges[i-1].Last = a.ranges[i].Last
		a.ranges = append(a.ranges[:i], a.ranges[i+1:]...)
	case joinsLeft:
		a.ranges[i-1].Last = n
	case joinsRight:
		a.ranges[i].First = n
	default:
		a.ranges = append(a.ranges, wire.Range{})
		copy(a.ranges[i+1:], a.ranges[i:])
		a.ranges[i] = wire.Range{First: n, Last: n}
		if len(a.ranges) > maxTracked {
			a.forget(a.ranges[0].Last)
		}
	}
}

// forget drops the numbers up to n: the peer knows of them.
func (a *ackState) forget(n uint64) {
	if n < a.floor {
		return
	}
	a.floor = n + 1
	k := 0
	for k < len(a.ranges) && a.ranges[k].Last <= n {
		k++
	}
	a.ranges = append(a.ranges[:0], a.ranges[k:]...)
	if len(a.ranges) > 0 {
		a.ranges[0].First = max(a.ranges[0].First, n+1)
	}
}

// append writes the ACK frame into room bytes, if there is something to
// acknowledge.
func (a *ackState) append(now time.Duration, dst []byte, room int, frame wire.Ack) []byte {
	ranges := a.ranges
	if len(ranges) == 0 {
		return dst
	}
	ranges = ranges[max(0, len(ranges)-reportedRanges):]
	// RFC 9000 section 13.2.5 leaves out what a packet has waited in the kernel, for an endpoint that does not know
	// for how long. It is known here, and would look like a queue on the path.
	frame.Delay = max(0, now-a.largestAt)
	return wire.Must(wire.AppendAck(dst, &frame, ranges, room))
}

// sent notes that an ACK left.
func (a *ackState) sent() { a.owed, a.due = 0, Never }

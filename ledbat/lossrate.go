package ledbat

import (
	"math/bits"
	"slices"
	"time"
)

const (
	fullRate       = 1 << 16            // a loss rate of 1
	toleratedLoss  = fullRate * 4 / 100 // above it loss is congestion, A10
	lossGain       = 8                  // rounds in the mean loss rate, A10
	bufferRounds   = 2                  // rounds with loss that show how long the buffer is, A7
	forgetBuffer   = 60 * time.Second   // without loss, A7
	bufferShare    = 8                  // of B: what the target may take of a short buffer, A6
	maxBufferDelay = 60 * time.Millisecond
	minBufferDelay = time.Millisecond
	unknownBuffer  = maxDelay

	// Stretches of so many rounds and packets at least are asked for the least loss rate (A21).
	lossStretches  = 4
	stretchRounds  = 8
	stretchPackets = 64

	lossVotes = 16 // rounds with loss that say whether it goes with delay, A7
	usualGain = 32 // rounds in the usual queue, A7
)

// lossRate tells random loss from congestion. Random loss does not depend on the window; loss of more than
// toleratedLoss is taken for congestion all the same (A10), unless as much was lost at every
// window lately (A21). As delays have a base, so has loss.
type lossRate struct {
	mean int64 // of fullRate, over about lossGain rounds

	acked, lost int64                 // bytes, of the running stretch
	rates       [lossStretches]uint16 // of fullRate, of the last stretches
	rounds      uint8                 // of the running stretch; more than stretchRounds count as those
	next        uint8
	known       uint8 // stretches in rates
}

// add takes a round and returns its own rate and the larger of that and the mean.
// congested says that the mean is too much.
func (l *lossRate) add(acked, lost, packet int64) (worst int64, congested bool) {
	if acked+lost <= 0 {
		return 0, false
	}
	rate := scale(lost, fullRate, acked+lost)
	l.mean += (rate - l.mean) / lossGain
	l.acked, l.lost, l.rounds = l.acked+acked, l.lost+lost, min(l.rounds+1, stretchRounds)
	if l.rounds == stretchRounds && l.acked+l.lost >= stretchPackets*packet {
		l.rates[l.next] = uint16(scale(l.lost, fullRate-1, l.acked+l.lost))
		l.next = (l.next + 1) % lossStretches
		l.known = min(l.known+1, lossStretches)
		l.acked, l.lost, l.rounds = 0, 0, 0
	}
	return max(rate, l.mean), l.mean > toleratedLoss+2*l.base()
}

// base is the part of the loss that has not answered to the window (A21), of fullRate.
func (l *lossRate) base() int64 {
	if l.known < lossStretches {
		return 0
	}
	return int64(slices.Min(l.rates[:]))
}

// buffer estimates B, the delay that the path's buffer can hold (A7). Packets are lost
// when it is full, so the largest queue seen lately in a round with loss is at least
// that. It is also when more than the usual queue is there. Where loss comes at other times as
// well, it has other causes, which say nothing about the buffer.
type buffer struct {
	most [bufferRounds]time.Duration // queues in rounds with loss that goes with delay
	last time.Duration               // when there was such a loss
	size time.Duration               // half of the largest of most; unknownBuffer if not full, or if loss does not go with delay

	usual usualQueue
	votes uint16 // a bit for each of the last rounds with loss: 1 if it went with delay
	cast  uint8  // how many of them there were
	next  uint8
	full  bool
}

// usualQueue is the mean queue of the last rounds and its mean deviation.
type usualQueue struct {
	mean, deviation time.Duration
}

func (u *usualQueue) add(queue time.Duration) {
	off := queue - u.mean
	u.mean += off / usualGain
	u.deviation += (max(off, -off) - u.deviation) / usualGain
}

// above says whether a queue is more than usual.
func (u *usualQueue) above(queue time.Duration) bool { return queue > u.mean+u.deviation }

func newBuffer() buffer { return buffer{size: unknownBuffer} }

// add takes a round, and the largest queue of the one before.
func (b *buffer) add(now time.Duration, r *round, before time.Duration) {
	if r.lostCount > 0 || r.marked {
		// A queue that marks is shared, whatever its length.
		b.vote(now, max(r.most, before), r.marked || b.usual.above(r.atLoss))
	}
	if r.samples > 0 {
		b.usual.add(r.sum / time.Duration(r.samples))
	}
	b.age(now)
}

// vote takes a round with loss: its largest queue, and whether the loss went with delay.
func (b *buffer) vote(now, queue time.Duration, queued bool) {
	b.votes <<= 1
	b.cast = min(b.cast+1, lossVotes)
	if queued {
		b.votes |= 1
		b.last = now
		b.most[b.next] = queue
		if b.next++; b.next == bufferRounds {
			b.next, b.full = 0, true
		}
	}
	b.size = unknownBuffer
	if b.full && b.goesWithDelay() {
		b.size = max(minBufferDelay, slices.Max(b.most[:])/2)
	}
}

// goesWithDelay says whether three quarters of the last rounds with loss had it while there was more
// than the usual queue (A7).
func (b *buffer) goesWithDelay() bool {
	return 4*bits.OnesCount16(b.votes) >= 3*int(b.cast)
}

// known says whether the buffer overflows, so that all who share it lose packets (A6).
func (b *buffer) known() bool { return b.size < unknownBuffer }

// room is what the target may take of the buffer (A6): an eighth of B, but at least 0.5 ms; or half of what loss-based flows leave,
// if that is more. Reno, when it has filled 2 B beyond the base, leaves half of everything without the base.
func (b *buffer) room(base time.Duration) time.Duration {
	return max(b.size/bufferShare, minBufferDelay/2, (b.size-base/2)/2)
}

// deepen makes B longer, because the base has fallen by the given time.
func (b *buffer) deepen(fall time.Duration) {
	for i := range b.most {
		b.most[i] += fall
	}
	if b.known() {
		b.size += fall / 2
	}
}

// age forgets a buffer that has not overflowed for long.
func (b *buffer) age(now time.Duration) {
	if now-b.last > forgetBuffer && (b.full || b.next > 0) {
		*b = buffer{size: unknownBuffer, usual: b.usual}
	}
}

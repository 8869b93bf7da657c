package ledbat

import "time"

const (
	fullRate       = 1 << 16            // a loss rate of 1
	toleratedLoss  = fullRate * 4 / 100 // above it loss is congestion
	lossGain       = 8                  // rounds that the mean loss rate looks back
	bufferRounds   = 8                  // rounds with loss that show how long the buffer is
	forgetBuffer   = 30 * time.Second   // without loss
	maxBufferDelay = 60 * time.Millisecond
	minBufferDelay = time.Millisecond
	unknownBuffer  = maxDelay
)

// lossRate tells loss from congestion. Loss that the path has of itself does not
// depend on the window; loss of more than toleratedLoss is taken for congestion
// all the same.
type lossRate struct {
	mean int64 // of fullRate, over about lossGain rounds
}

// add takes a round and returns its own rate and the larger of that and the mean.
// congested says that it is too much.
func (l *lossRate) add(acked, lost int64) (worst int64, congested bool) {
	if acked+lost <= 0 {
		return 0, false
	}
	rate := scale(lost, fullRate, acked+lost)
	l.mean += (rate - l.mean) / lossGain
	return max(rate, l.mean), l.mean > toleratedLoss
}

// buffer estimates how much delay the path's buffer can hold: packets are lost
// when it is full, so the largest queue seen lately in a round with loss is at
// least that.
type buffer struct {
	most [bufferRounds]time.Duration // queues in rounds with loss
	next int
	full bool
	last time.Duration // when there was a loss
	size time.Duration // half of the largest of most; unknownBuffer if not full
}

func newBuffer() buffer { return buffer{size: unknownBuffer} }

// add takes the largest queue about a round with loss.
func (b *buffer) add(now, queue time.Duration) {
	b.last = now
	b.most[b.next] = queue
	b.next++
	if b.next == bufferRounds {
		b.next, b.full = 0, true
	}
	if !b.full {
		return
	}
	var largest time.Duration
	for _, q := range b.most {
		largest = max(largest, q)
	}
	b.size = max(minBufferDelay, largest/2)
}

// age forgets a buffer that has not overflowed for long.
func (b *buffer) age(now time.Duration) {
	if now-b.last > forgetBuffer && (b.full || b.next > 0) {
		*b = newBuffer()
	}
}

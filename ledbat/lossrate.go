package ledbat

import "time"

const (
	fullRate       = 1 << 16            // a loss rate of 1
	toleratedLoss  = fullRate * 4 / 100 // above it loss is congestion, A10
	lossGain       = 8                  // rounds in the mean loss rate, A10
	bufferRounds   = 8                  // rounds with loss that show how long the buffer is, A7
	forgetBuffer   = 30 * time.Second   // without loss, A7
	maxBufferDelay = 60 * time.Millisecond
	minBufferDelay = time.Millisecond
	unknownBuffer  = maxDelay

	ownLosses = 8               // lost packets that are enough to tell the path's own loss, A7
	tallyTime = 3 * time.Second // after which what was counted before counts half
)

// lossRate tells random loss from congestion. Random loss does not depend on the window;
// loss of more than toleratedLoss is taken for congestion all the same (A10).
type lossRate struct {
	mean int64 // of fullRate, over about lossGain rounds
}

// add takes a round and returns its own rate and the larger of that and the mean.
// congested says that the mean is too much.
func (l *lossRate) add(acked, lost int64) (worst int64, congested bool) {
	if acked+lost <= 0 {
		return 0, false
	}
	rate := scale(lost, fullRate, acked+lost)
	l.mean += (rate - l.mean) / lossGain
	return max(rate, l.mean), l.mean > toleratedLoss
}

// buffer estimates B, the delay that the path's buffer can hold (A7). Packets are lost
// when it is full, so the largest queue seen lately in a round with loss is at least
// that. A path that loses as often while there is no queue loses for other reasons, which
// say nothing about its buffer. The queue in such rounds is our own, and a target made
// from it would shrink with it.
type buffer struct {
	most [bufferRounds]time.Duration // queues in rounds with loss
	next uint8
	full bool
	last time.Duration // when there was a loss with a queue
	size time.Duration // half of the largest of most; unknownBuffer if not full, or if loss is the path's own

	clear, queued tally         // of rounds without a queue, and with one
	halved        time.Duration // when the tallies last were
}

// tally is how many packets were lost while so many bytes arrived.
type tally struct{ acked, lost int64 }

func (t *tally) halve() { t.acked, t.lost = t.acked/2, t.lost/2 }

// rate is packets lost for 1e9 bytes that arrived.
func (t *tally) rate() int64 { return scale(t.lost, 1e9, max(t.acked, 1)) }

func newBuffer() buffer { return buffer{size: unknownBuffer} }

// add takes a round: the largest queue in it or before it, and whether at some time there was none.
func (b *buffer) add(now, queue time.Duration, clear bool, acked int64, lost int) {
	if now-b.halved > tallyTime {
		b.halved = now
		b.clear.halve()
		b.queued.halve()
	}
	t := &b.queued
	if clear {
		t = &b.clear
	}
	t.acked += acked
	t.lost += int64(lost)
	if lost > 0 && !clear {
		b.last = now
		b.most[b.next] = queue
		b.next++
		if b.next == bufferRounds {
			b.next, b.full = 0, true
		}
	}
	b.estimate()
}

func (b *buffer) estimate() {
	b.size = unknownBuffer
	if !b.full || b.ownLoss() {
		return
	}
	var largest time.Duration
	for _, q := range b.most {
		largest = max(largest, q)
	}
	b.size = max(minBufferDelay, largest/2)
}

// ownLoss says whether the path loses, without a queue, at least half of what it loses with
// one, as far as that is known (A7).
func (b *buffer) ownLoss() bool {
	return b.clear.lost >= ownLosses && (b.queued.lost < ownLosses || 2*b.clear.rate() >= b.queued.rate())
}

// age forgets a buffer that has not overflowed for long.
func (b *buffer) age(now time.Duration) {
	if now-b.last > forgetBuffer && (b.full || b.next > 0) {
		b.full, b.next, b.size = false, 0, unknownBuffer
	}
}

package budget

import (
	"math"
	"sync/atomic"
	"time"
)

// line is the order in which those who wait for a reservoir get something. Without one whoever asks first takes all that
// was earned since, and with many members and little to share it is the same ones again and again. Who has to wait
// is promised the next bytes that are earned behind all earlier promises, and comes back when they are: first come,
// first served. Nothing is taken from the reservoir before.
type line struct {
	end  atomic.Int64 // when all that was promised will be earned, ns
	slip atomic.Int64 // for how long what was taken out of turn has delayed those who wait, ns; only its changes matter
}

// newLine is a line that nobody stands in, whatever the time.
func newLine() *line {
	q := new(line)
	q.end.Store(math.MinInt64 / 2)
	return q
}

// place is a member's place in a line. The zero value is none.
type place struct {
	line *line         // one of other limits is void
	turn time.Duration // when what was promised is earned, if nobody takes anything out of turn
	slip time.Duration // of the line then
	n    int           // bytes promised
}

// join promises n bytes, behind what the reservoir owes.
func (q *line) join(now time.Duration, f flow, n int, earnedAt time.Duration) place {
	for {
		old := q.end.Load()
		turn := max(time.Duration(old), earnedAt, now-f.fill) + f.timeFor(int64(n))
		if q.end.CompareAndSwap(old, int64(turn)) {
			return place{line: q, turn: turn, slip: time.Duration(q.slip.Load()), n: n}
		}
	}
}

// turnOf is when the turn of a place comes, or that of somebody who has none.
func (q *line) turnOf(p *place) time.Duration {
	if p.line != q {
		return time.Duration(q.end.Load())
	}
	return p.turn + time.Duration(q.slip.Load()) - p.slip
}

// delay takes note of n bytes that somebody took out of turn, or, below 0, gave back: all who wait do so for longer.
// Where nobody waits there is nothing to note.
func (q *line) delay(now time.Duration, f flow, n int) {
	if n != 0 && time.Duration(q.end.Load()) > now {
		cost := int64(f.timeFor(int64(max(n, -n))))
		if n < 0 {
			cost = -cost
		}
		q.slip.Add(cost)
		q.end.Add(cost)
	}
}

// shorten takes back a promise of n bytes. Those behind find more in the reservoir than they wait for.
func (q *line) shorten(now time.Duration, f flow, n int) {
	if n > 0 && time.Duration(q.end.Load()) > now {
		q.end.Add(-int64(f.timeFor(int64(n))))
	}
}

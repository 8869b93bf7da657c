package simnet

import "time"

// timeline lets a queue happen on the clock of package time, with one timer
// however many entries there are. The lock of whoever has it guards it.
type timeline[T any] struct {
	queue[T]
	start  time.Time
	timer  *time.Timer
	armed  time.Duration // when the timer fires, if timed
	timed  bool
	closed bool
}

// newTimeline makes an empty timeline that calls run, in a goroutine of its
// own, when the earliest entry is due. run takes the lock, calls fired, pops
// what is due and calls arm.
func newTimeline[T any](run func()) *timeline[T] {
	t := &timeline[T]{start: time.Now()}
	t.timer = time.AfterFunc(time.Hour, run)
	t.timer.Stop()
	return t
}

// now is the time since the timeline began.
func (t *timeline[T]) now() time.Duration { return time.Since(t.start) }

// fired notes that the timer is spent.
func (t *timeline[T]) fired() { t.timed = false }

// arm makes the timer fire when the earliest entry is due.
func (t *timeline[T]) arm() {
	at, ok := t.next()
	if !ok || t.closed || t.timed && t.armed <= at {
		return
	}
	t.timer.Reset(max(at-t.now(), 0))
	t.armed, t.timed = at, true
}

// close forgets all entries; none happens after it.
func (t *timeline[T]) close() {
	t.closed = true
	t.timer.Stop()
	t.heap = nil
}

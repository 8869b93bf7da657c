package ebb

import (
	"sync"
	"time"
)

// turn is one direction of a connection, or a listener's Accept, as its callers
// see it: one of them at a time, who waits outside the lock, until a deadline.
// Its fields are guarded by the lock of its owner, but for the channels.
type turn struct {
	lock    sync.Locker
	taken   chan struct{} // capacity 1: full while a caller has the turn
	wake    chan struct{} // capacity 1: look again
	waiting bool          // the caller is about to wait, or waits
	expired bool          // the deadline has passed
	timer   *time.Timer   // nil: there is no deadline to come
}

func newTurn(lock sync.Locker) turn {
	return turn{lock: lock, taken: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// take waits for the turn. It is a channel, not a Mutex, because a testing/synctest
// bubble sees a wait on one as idle.
func (t *turn) take()   { t.taken <- struct{}{} }
func (t *turn) giveUp() { <-t.taken }
func (t *turn) await()  { <-t.wake }

// poke makes the caller look again. Owner's lock held, or not.
func (t *turn) poke() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// setDeadline sets the time after which waits fail; the zero time is none. A
// caller that waits already is bound by it too. Owner's lock held.
func (t *turn) setDeadline(at time.Time) {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	t.expired = false
	if !at.IsZero() {
		if left := time.Until(at); left <= 0 {
			t.expired = true
		} else {
			t.expireAfter(left)
		}
	}
	t.poke()
}

// expireAfter starts the timer of a deadline. Stop may come too late for it,
// so it looks if it is still the one.
func (t *turn) expireAfter(d time.Duration) {
	var timer *time.Timer
	timer = time.AfterFunc(d, func() {
		t.lock.Lock()
		defer t.lock.Unlock()
		if t.timer == timer {
			t.timer, t.expired = nil, true
			t.poke()
		}
	})
	t.timer = timer
}

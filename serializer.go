package ebb

import (
	"sync"
	"time"
)

// serializer is one direction of a connection, or a listener's Accept, as its callers
// see it: one of them at a time, who waits outside the lock, until a deadline.
// It is guarded by the lock of its owner. Its channels are made when first waited on, for
// most of many connections never are.
type serializer struct {
	lock     *sync.Mutex
	next     chan struct{} // capacity 1: another caller may try to acquire it
	wakeup   chan struct{} // capacity 1: look again
	timer    *time.Timer   // nil: there is none
	fires    time.Duration // since started: when the timer does, not after the deadline; 0: it does not
	deadline time.Duration // likewise; 0: none
	leads    *socket       // which the caller reads meanwhile; nil: none
	queued   int32         // callers that wait in acquire
	taken    bool          // a caller has it
	waiting  bool          // the caller waits
	expired  bool          // the deadline has passed, as the timer has found
	ended    bool          // nobody waits any more, and there is no timer
}

// acquire waits until no other caller has it. Owner's lock held, but not during the wait. That is on a channel, not
// a Mutex, because a testing/synctest bubble sees a wait on one as idle.
func (t *serializer) acquire() {
	for t.taken {
		if t.next == nil {
			t.next = make(chan struct{}, 1)
		}
		t.queued++
		t.lock.Unlock()
		<-t.next
		t.lock.Lock()
		t.queued--
	}
	t.taken = true
}

// release lets the next caller have it. Owner's lock held.
func (t *serializer) release() {
	t.taken = false
	if t.queued > 0 {
		signal(t.next)
	}
}

// await waits for a wake. Owner's lock held, but not during the wait.
func (t *serializer) await() {
	t.prepare()
	t.sleep()
	t.waiting = false
}

// prepare begins a wait. Owner's lock held.
func (t *serializer) prepare() {
	if t.wakeup == nil {
		t.wakeup = make(chan struct{}, 1)
	}
	t.waiting = true
}

// sleep is the wait itself. Owner's lock held, but not during it.
func (t *serializer) sleep() {
	t.lock.Unlock()
	<-t.wakeup
	t.lock.Lock()
}

// wake makes the caller look again. Owner's lock held.
func (t *serializer) wake() {
	if t.wakeup != nil {
		signal(t.wakeup)
	}
	if t.leads != nil {
		t.leads.interruptLeader()
	}
}

// woken reports whether there was a wake since it was last asked, or a wait ended. It is for the
// caller who waits.
func (t *serializer) woken() bool {
	select {
	case <-t.wakeup:
		return true
	default:
		return false
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// maxWait bounds a deadline: later ones, of which there are none, would overflow.
const maxWait = time.Duration(1 << 62)

// setDeadline sets the time after which waits fail; the zero time is none. A
// caller that waits already is bound by it too. Owner's lock held.
func (t *serializer) setDeadline(at time.Time) {
	t.deadline, t.expired = 0, false
	if at.IsZero() {
		return
	}
	left := min(time.Until(at), maxWait)
	t.deadline = time.Since(started) + left
	if left > 0 {
		if !t.ended {
			t.watch(left)
		}
		return
	}
	t.expired = true
	t.wake()
}

// watch makes the timer fire after the time that is left until the deadline, or earlier: to move it with
// every deadline would cost more than the read it is for. Owner's lock held.
func (t *serializer) watch(left time.Duration) {
	switch {
	case t.timer == nil:
		t.timer = time.AfterFunc(left, t.look)
	case t.fires == 0 || t.deadline < t.fires:
		t.timer.Reset(left)
	default:
		return
	}
	t.fires = t.deadline
}

// end stops the timer, which holds on to the owner. Nobody will wait; from now on late looks at the clock. Owner's lock held.
func (t *serializer) end() {
	t.ended = true
	if t.timer != nil {
		t.timer.Stop()
		t.fires = 0
	}
}

// late reports whether the deadline has passed. Owner's lock held.
func (t *serializer) late() bool {
	return t.expired || t.ended && t.deadline != 0 && t.left() <= 0
}

// left is the time until the deadline, of which there is one.
func (t *serializer) left() time.Duration { return t.deadline - time.Since(started) }

// look is the timer: it looks if the deadline has passed. Without a deadline it goes: many connections have one at their
// beginning only.
func (t *serializer) look() {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.fires = 0
	if t.deadline == 0 || t.expired {
		t.timer = nil
		return
	}
	if left := t.left(); left > 0 {
		t.watch(left)
		return
	}
	t.expired = true
	t.wake()
}

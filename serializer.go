package ebb

import (
	"sync"
	"time"

	core "example.com/ebb/internal/endpoint"
)

// serializer is one direction of a connection, or a listener's Accept, as its callers
// see it: one of them at a time, who waits outside the lock, until a deadline, for which its owner has a timer.
// It is guarded by the lock of its owner. Its channels are made when first waited on, for
// most of many connections never are.
type serializer struct {
	lock     *sync.Mutex
	next     chan struct{} // capacity 1: another caller may try to acquire it
	wakeup   chan struct{} // capacity 1: look again
	deadline time.Duration // since started; 0: none
	leads    *socket       // which the caller reads meanwhile; nil: none
	queued   int32         // callers that wait in acquire
	taken    bool          // a caller has it
	waiting  bool          // the caller waits
	expired  bool          // the deadline has passed, as look has found
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
// caller that waits already is bound by it too. It returns after what time, if any, the owner has to call look. Owner's
// lock held.
func (t *serializer) setDeadline(at time.Time) (left time.Duration) {
	t.deadline, t.expired = 0, false
	if at.IsZero() {
		return 0
	}
	left = min(time.Until(at), maxWait)
	t.deadline = time.Since(started) + left
	if left > 0 {
		return left
	}
	t.expired = true
	t.wake()
	return 0
}

// due is when the owner has to call look, since started. Never: not at all. Owner's lock held.
func (t *serializer) due() time.Duration {
	if t.deadline == 0 || t.expired {
		return core.Never
	}
	return t.deadline
}

// look wakes the caller if the deadline has passed. now is since started. Owner's lock held.
func (t *serializer) look(now time.Duration) {
	if now >= t.due() {
		t.expired = true
		t.wake()
	}
}

package ebb

import (
	"sync"
	"time"

	core "example.com/ebb/internal/endpoint"
)

// minTimerGap is the least time between two runs of a timer heap. The pacer's credit covers more than that.
const minTimerGap = 500 * time.Microsecond

// timerHeap holds the deadlines of the connections that send on a socket, and the one timer of the runtime that
// serves them. A timer for each would wake the process as often as there are deadlines, each time on a new
// goroutine whose stack has to grow, and the runtime looks through all of them when one moves earlier.
type timerHeap struct {
	now func() time.Duration // the engines' time

	mu      sync.Mutex   // may be taken with a connection's held; nothing is under it
	entries []timerEntry // a heap, the earliest first
	timer   *time.Timer
	set     time.Duration // when the timer fires; core.Never: it does not
	running bool          // somebody is looking after connections, and sets the timer afterwards
}

// timerEntry is a connection's deadline. Its place in the heap is conn.place.
type timerEntry struct {
	at   time.Duration
	conn *conn
}

// add enters a connection, or makes its time earlier.
func (t *timerHeap) add(c *conn, at time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.holds(c) {
		c.place = int32(len(t.entries))
		t.entries = append(t.entries, timerEntry{conn: c})
	}
	t.entries[c.place].at = at
	t.rise(int(c.place))
	if !t.running {
		t.setTimer(0)
	}
}

// remove strikes a connection out, if it is there.
func (t *timerHeap) remove(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holds(c) {
		t.removeAt(int(c.place))
	}
	if len(t.entries) == 0 && t.timer != nil && !t.running {
		t.timer.Stop()
		t.set = core.Never
	}
}

// run looks after all connections whose time has come.
func (t *timerHeap) run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running {
		return
	}
	t.running = true
	for len(t.entries) > 0 && t.entries[0].at <= t.now() {
		c := t.entries[0].conn
		t.removeAt(0)
		t.mu.Unlock()
		c.expire()
		t.mu.Lock()
	}
	t.running, t.set = false, core.Never
	t.setTimer(minTimerGap)
}

// setTimer makes the timer fire when the first connection's time comes, after a rest in any case.
func (t *timerHeap) setTimer(rest time.Duration) {
	if len(t.entries) == 0 || t.entries[0].at >= t.set {
		return
	}
	now := t.now()
	t.set = max(t.entries[0].at, now+rest)
	if t.timer == nil {
		t.timer = time.AfterFunc(t.set-now, t.run)
		return
	}
	t.timer.Reset(t.set - now)
}

// holds reports whether a connection is entered.
func (t *timerHeap) holds(c *conn) bool {
	return int(c.place) < len(t.entries) && t.entries[c.place].conn == c
}

// removeAt takes the entry at a place out.
func (t *timerHeap) removeAt(i int) {
	last := len(t.entries) - 1
	moved := t.entries[last]
	t.entries[last] = timerEntry{}
	t.entries = t.entries[:last]
	if i < last {
		t.entries[i] = moved
		t.sink(i)
		t.rise(int(moved.conn.place))
	}
}

// fanOut is how many entries are below one. A flat heap moves few entries, each of which
// is noted in a connection that nobody has looked at for long.
const fanOut = 8

// rise moves an entry up to where none above it is later.
func (t *timerHeap) rise(i int) {
	e := t.entries[i]
	for i > 0 && e.at < t.entries[(i-1)/fanOut].at {
		t.put(i, t.entries[(i-1)/fanOut])
		i = (i - 1) / fanOut
	}
	t.put(i, e)
}

// sink moves an entry down to where none below it is earlier.
func (t *timerHeap) sink(i int) {
	e := t.entries[i]
	for {
		least, first := e.at, i*fanOut+1
		next := i
		for k := first; k < min(first+fanOut, len(t.entries)); k++ {
			if t.entries[k].at < least {
				least, next = t.entries[k].at, k
			}
		}
		if next == i {
			t.put(i, e)
			return
		}
		t.put(i, t.entries[next])
		i = next
	}
}

func (t *timerHeap) put(i int, e timerEntry) {
	t.entries[i] = e
	e.conn.place = int32(i)
}

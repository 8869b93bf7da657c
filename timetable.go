package ebb

import (
	"sync"
	"time"

	"example.com/ebb/internal/engine"
)

// restTime is how long a timetable rests at least after it has looked after connections. The pacer's credit
// covers more than that.
const restTime = 500 * time.Microsecond

// timetable is when the connections that send on a socket want to be looked after, and the one timer that
// sees to it. A timer for each would wake the process as often as there are deadlines, each time on a new
// goroutine whose stack has to grow, and the runtime looks through all of them when one moves earlier.
type timetable struct {
	now func() time.Duration // the engines' time

	mu      sync.Mutex // may be taken with a Conn's held; nothing is under it
	entries []entry    // a heap, the earliest first
	timer   *time.Timer
	set     time.Duration // when the timer fires; engine.Never: it does not
	running bool          // somebody is looking after connections, and sets the timer afterwards
}

// entry is a connection's line of the timetable. Its place is in Conn.drive.
type entry struct {
	at   time.Duration
	conn *Conn
}

// add enters a connection, or makes its time earlier.
func (t *timetable) add(c *Conn, at time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.holds(c) {
		c.drive.place = len(t.entries)
		t.entries = append(t.entries, entry{conn: c})
	}
	t.entries[c.drive.place].at = at
	t.rise(c.drive.place)
	if !t.running {
		t.setTimer(0)
	}
}

// remove strikes a connection out, if it is there.
func (t *timetable) remove(c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holds(c) {
		t.strike(c.drive.place)
	}
	if len(t.entries) == 0 && t.timer != nil && !t.running {
		t.timer.Stop()
		t.set = engine.Never
	}
}

// run looks after all connections whose time has come.
func (t *timetable) run() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.running {
		return
	}
	t.running = true
	for len(t.entries) > 0 && t.entries[0].at <= t.now() {
		c := t.entries[0].conn
		t.strike(0)
		t.mu.Unlock()
		c.expire()
		t.mu.Lock()
	}
	t.running, t.set = false, engine.Never
	t.setTimer(restTime)
}

// setTimer makes the timer fire when the first connection's time comes, after a rest in any case.
func (t *timetable) setTimer(rest time.Duration) {
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
func (t *timetable) holds(c *Conn) bool {
	return c.drive.place < len(t.entries) && t.entries[c.drive.place].conn == c
}

// strike takes the entry at a place out.
func (t *timetable) strike(i int) {
	last := len(t.entries) - 1
	moved := t.entries[last]
	t.entries[last] = entry{}
	t.entries = t.entries[:last]
	if i < last {
		t.entries[i] = moved
		t.sink(i)
		t.rise(moved.conn.drive.place)
	}
}

// fanOut is how many entries are below one. A flat heap moves few entries, each of which
// is noted in a connection that nobody has looked at for long.
const fanOut = 8

// rise moves an entry up to where none above it is later.
func (t *timetable) rise(i int) {
	e := t.entries[i]
	for i > 0 && e.at < t.entries[(i-1)/fanOut].at {
		t.put(i, t.entries[(i-1)/fanOut])
		i = (i - 1) / fanOut
	}
	t.put(i, e)
}

// sink moves an entry down to where none below it is earlier.
func (t *timetable) sink(i int) {
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

func (t *timetable) put(i int, e entry) {
	t.entries[i] = e
	e.conn.drive.place = i
}

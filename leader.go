package ebb

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ebb/internal/udp"
	"example.com/ebb/wire"
)

// This file decides who reads a socket. It is the leader/followers pattern: one goroutine, the leader,
// waits on the socket, and all others wait for what it brings.
//
// By default the leader is the endpoint's reader, a goroutine of its own. If all datagrams of a socket are
// for one connection, and its callers come back at once for more, the caller who waits in Read or Write
// becomes the leader. Then a message changes goroutine once on its way, as TCP's does, and not twice.
//
// While such a caller is away nobody reads, and what arrives stays in the socket's buffer, for maxUnread
// at most. Then the endpoint's reader takes over again. It takes over at once when somebody else is known
// to wait: a caller in the connection's other direction, a dial, or what Close leaves to be delivered.

const (
	// promptReturn is how soon after a batch a caller has to wait again to count as coming back at once.
	promptReturn = 100 * time.Microsecond
	// promptReturns is how many of these in a row let the callers of a connection lead.
	promptReturns = 16
	// maxUnread is how long a socket may be without a reader: as long as the engine may hold an ACK back, which the peer is told.
	// Where the system says when datagrams arrived, the one time is part of the other, and no ACK leaves later than
	// that. Elsewhere the two may add up, and what exceeds the declared delay looks like delay of the path.
	maxUnread = 10 * time.Millisecond
)

// readerKind is who reads a socket.
type readerKind uint8

const (
	endpointReads readerKind = iota // the endpoint's reader
	callerReads                     // a caller that waits
	nobodyReads                     // a caller did and is expected back
)

// leadership says who reads a socket, and why. Its lock is the last: nothing else is locked under it.
type leadership struct {
	mu      sync.Mutex
	by      readerKind
	sole    wire.ID       // the connection that all recent datagrams were for
	streak  int           // how often its callers have come back at once
	prompt  time.Duration // what "at once" means: promptReturn
	last    time.Duration // when its last batch came; while nobody leads: when the last caller let go
	timer   *time.Timer   // starts the endpoint's reader; nil: never needed
	watched bool          // the timer is set
	over    bool          // the endpoint is closing: its reader is not started again

	// busy says that the caller who leads deals with a batch, and will look for a wake after it.
	busy atomic.Bool
}

// noteSole takes note that a batch was for one connection alone and reports whether it has earned the lead.
func (l *leadership) noteSole(id wire.ID, now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sole != id {
		l.sole, l.streak = id, 0
	}
	l.last = now
	return l.streak >= promptReturns
}

// noteMixed takes note of a batch that was for others too.
func (l *leadership) noteMixed() {
	l.mu.Lock()
	l.sole, l.streak = 0, 0
	l.mu.Unlock()
}

// tryLead asks for the lead on behalf of a caller of a connection that is about to wait.
func (l *leadership) tryLead(id wire.ID, clock func() time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.by == nobodyReads:
		l.by = callerReads
		return true
	case l.by == endpointReads && l.sole == id:
		if clock()-l.last < l.prompt {
			l.streak++
		} else {
			l.streak = 0
		}
	}
	return false
}

// await makes a caller wait in one direction of the connection, who reads the socket meanwhile if that is
// its to do. conn.mu is held, but not during the wait.
func (c *conn) await(t *serializer) {
	s, e := c.sock, c.endpoint
	if !s.Interruptible() || !s.leadership.tryLead(c.id(), e.now) {
		t.await()
		return
	}
	t.prepare()
	t.leads = s
	c.mu.Unlock()
	err := e.readFor(c, t)
	c.mu.Lock()
	t.leads = nil
	e.stopLeading(s, err != nil || s.reader.others || c.needsReader() || c.waitsBeside(t))
	if err != nil {
		t.sleep() // the endpoint's reader deals with sockets that fail
	}
	t.waiting = false
}

// needsReader reports whether the connection cannot be left without a reader for a moment: it has bytes to
// send that wait for ACKs, or no caller will be back. conn.mu is held.
func (c *conn) needsReader() bool { return c.closed || c.driver.Conn.Unsent() }

// waitsBeside reports whether a caller waits in the connection's other direction. conn.mu is held.
func (c *conn) waitsBeside(t *serializer) bool {
	return t != &c.read && c.read.waiting || t != &c.write && c.write.waiting
}

// readFor reads a socket for a caller until it is woken, or the socket fails.
func (e *endpoint) readFor(c *conn, t *serializer) error {
	r := &c.sock.reader
	r.caller, r.conn, r.others = t, c, false
	defer func() { r.caller, r.conn = nil, nil }()
	for !t.woken() {
		err := c.sock.Receive(r)
		r.tell()
		if err != nil && !errors.Is(err, udp.ErrInterrupted) {
			return err
		}
	}
	return nil
}

// interruptLeader ends the wait of the caller who leads, who was woken.
func (s *socket) interruptLeader() {
	if !s.leadership.busy.Load() {
		s.Interrupt()
	}
}

// stopLeading ends a caller's time as the leader. The endpoint's reader follows at once if there is reason
// to, or when no caller has come back in time.
func (e *endpoint) stopLeading(s *socket, keep bool) {
	l := &s.leadership
	l.mu.Lock()
	defer l.mu.Unlock()
	if keep {
		e.startReader(s)
		return
	}
	e.leaveUnread(s)
}

// recallReader makes the endpoint's reader read if nobody does.
func (e *endpoint) recallReader(s *socket) {
	l := &s.leadership
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nobodyReads {
		e.startReader(s)
	}
}

// handOver lets the callers of a connection lead, unless one of them waits as a follower already. It reports
// whether the endpoint's reader, which calls it, may end.
func (e *endpoint) handOver(s *socket, c *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sock != s || c.needsReader() || c.read.waiting || c.write.waiting {
		return false
	}
	s.leadership.mu.Lock()
	defer s.leadership.mu.Unlock()
	e.leaveUnread(s)
	return true
}

// startReader makes the endpoint's reader the leader. leadership.mu is held.
func (e *endpoint) startReader(s *socket) {
	s.leadership.by, s.leadership.streak = endpointReads, 0
	if !s.leadership.over {
		e.goroutines.start(func() { e.readLoop(s) })
	}
}

// leaveUnread leaves the socket to whoever comes first: a caller, or the endpoint's reader. leadership.mu is held.
func (e *endpoint) leaveUnread(s *socket) {
	s.leadership.by, s.leadership.last = nobodyReads, s.reader.at
	if !s.leadership.watched {
		e.watchUnread(s, maxUnread)
	}
}

// watchUnread looks after some time if somebody reads. leadership.mu is held.
func (e *endpoint) watchUnread(s *socket, after time.Duration) {
	l := &s.leadership
	l.watched = true
	if l.timer != nil {
		l.timer.Reset(after)
		return
	}
	l.timer = time.AfterFunc(after, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watched = false
		if l.by != nobodyReads || l.over {
			return
		}
		if left := l.last + maxUnread - e.now(); left > 0 {
			e.watchUnread(s, left)
			return
		}
		e.startReader(s)
	})
}

// end keeps the endpoint's reader from being started again.
func (l *leadership) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

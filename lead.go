package ebb

import (
	"sync"
	"sync/atomic"
	"time"

	"example.com/ebb/wire"
)

// This file decides who reads a socket. A goroutine of the endpoint's does, the keeper, unless the
// socket's datagrams are all for one connection whose callers come back at once for more: then
// whoever of them waits reads in the keeper's place, until it has what it waits for. A message
// so changes goroutine once on its way, as TCP's does, and not twice.
//
// While such a caller is away nobody reads, and what arrives stays in the socket's buffer, for absence
// at most; then the keeper takes the lead back. It does so at once when somebody else is known to
// wait: a caller in the connection's other direction, a dial, or what Close leaves to be delivered.

const (
	// comeback is how soon after a batch a caller has to wait again to count as coming back at once.
	comeback = 100 * time.Microsecond
	// comebacks is how many of these in a row earn a connection the lead.
	comebacks = 16
	// absence is how long a socket may be without a reader. It is what a peer may see of it as delay, and
	// little beside the delay of ACKs.
	absence = 10 * time.Millisecond
)

// leader is who reads a socket.
type leader uint8

const (
	keeperLeads leader = iota
	callerLeads        // a caller that waits
	nobodyLeads        // a caller did and is expected back
)

// lead is the reading of a socket. Its lock is the last: nothing else is locked under it.
type lead struct {
	mu      sync.Mutex
	by      leader
	regular wire.ID       // the connection that all recent datagrams were for
	streak  int           // how often its callers have come back at once
	atOnce  time.Duration // what that means: comeback
	last    time.Duration // when its last batch came; while nobody leads: when that happened which freed the caller
	timer   *time.Timer   // calls the keeper; nil: never needed
	watched bool          // the timer is set
	over    bool          // the endpoint has no use for a keeper any more

	// busy says that the caller who leads deals with a batch, and will look for a poke after it.
	busy atomic.Bool
}

// seen takes note that a batch was for one connection alone and reports whether it has earned the lead.
func (l *lead) seen(id wire.ID, now time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.regular != id {
		l.regular, l.streak = id, 0
	}
	l.last = now
	return l.streak >= comebacks
}

// mixed takes note of a batch that was for others too.
func (l *lead) mixed() {
	l.mu.Lock()
	l.regular, l.streak = 0, 0
	l.mu.Unlock()
}

// ask asks for the lead on behalf of a caller of a connection that is about to wait.
func (l *lead) ask(id wire.ID, clock func() time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.by == nobodyLeads:
		l.by = callerLeads
		return true
	case l.by == keeperLeads && l.regular == id:
		if clock()-l.last < l.atOnce {
			l.streak++
		} else {
			l.streak = 0
		}
	}
	return false
}

// await makes a caller wait in one direction of the connection, who reads the socket meanwhile if that is
// its to do. Conn.mu is held, but not during the wait.
func (c *Conn) await(t *turn) {
	s, e := c.sock, c.endpoint
	if !s.Interruptible() || !s.lead.ask(c.id, e.now) {
		t.await()
		return
	}
	t.prepare()
	t.leads = s
	c.mu.Unlock()
	err := e.readFor(c, t)
	c.mu.Lock()
	t.leads = nil
	e.leave(s, err != nil || s.reader.others || c.needsReader() || c.waitsBeside(t))
	if err != nil {
		t.sleep() // the keeper deals with sockets that fail
	}
	t.waiting = false
}

// needsReader reports whether the connection cannot be left without a reader for a moment: it has bytes to
// send that wait for ACKs, or no caller will be back. Conn.mu is held.
func (c *Conn) needsReader() bool { return c.closed || c.engine.Unsent() }

// waitsBeside reports whether a caller waits in the connection's other direction. Conn.mu is held.
func (c *Conn) waitsBeside(t *turn) bool {
	return t != &c.read && c.read.waiting || t != &c.write && c.write.waiting
}

// readFor reads a socket for a caller until it is poked, or the socket fails.
func (e *Endpoint) readFor(c *Conn, t *turn) error {
	r := &c.sock.reader
	r.caller, r.conn, r.others = t, c, false
	defer func() { r.caller, r.conn = nil, nil }()
	for !t.poked() {
		if err := c.sock.Receive(r); err != nil && !e.survives(err) {
			return err
		}
	}
	return nil
}

// nudge ends the wait of the caller who leads, for which there is a poke.
func (s *socket) nudge() {
	if !s.lead.busy.Load() {
		s.Interrupt()
	}
}

// leave ends the lead of a caller. The keeper has it if there is reason to, or when the caller has not
// come back in time.
func (e *Endpoint) leave(s *socket, keep bool) {
	l := &s.lead
	l.mu.Lock()
	defer l.mu.Unlock()
	if keep {
		e.keep(s)
		return
	}
	e.vacate(s)
}

// recall gives the lead to the keeper if nobody has it.
func (e *Endpoint) recall(s *socket) {
	l := &s.lead
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.by == nobodyLeads {
		e.keep(s)
	}
}

// handOver leaves the lead to the callers of a connection, the keeper's last word, unless one of them
// waits for the keeper already. It reports whether the keeper is free to go.
func (e *Endpoint) handOver(s *socket, c *Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sock != s || c.needsReader() || c.read.waiting || c.write.waiting {
		return false
	}
	s.lead.mu.Lock()
	defer s.lead.mu.Unlock()
	e.vacate(s)
	return true
}

// keep makes the keeper read. lead.mu is held.
func (e *Endpoint) keep(s *socket) {
	s.lead.by, s.lead.streak = keeperLeads, 0
	if !s.lead.over {
		e.group.Go(func() { e.readLoop(s) })
	}
}

// vacate leaves the lead to whoever comes first: a caller, or the keeper. lead.mu is held.
func (e *Endpoint) vacate(s *socket) {
	s.lead.by, s.lead.last = nobodyLeads, s.reader.at
	if !s.lead.watched {
		e.watch(s, absence)
	}
}

// watch looks after some time if somebody reads. lead.mu is held.
func (e *Endpoint) watch(s *socket, after time.Duration) {
	l := &s.lead
	l.watched = true
	if l.timer != nil {
		l.timer.Reset(after)
		return
	}
	l.timer = time.AfterFunc(after, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.watched = false
		if l.by != nobodyLeads || l.over {
			return
		}
		if left := l.last + absence - e.now(); left > 0 {
			e.watch(s, left)
			return
		}
		e.keep(s)
	})
}

// end keeps the keeper from being called again.
func (l *lead) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	if l.timer != nil {
		l.timer.Stop()
	}
}

package ebb

import (
	"log/slog"
	"net/netip"
	"time"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/wire"
)

// This file does what follows from news of a connection. Most of it is done at once, by whoever brings the news, also within a
// Receive: that ends no read, and costs no system call. Two things must wait until the socket is not being read. One is to
// close it, which waits for the Receive to end. The other is to call the application, which may do that.

// event is what is left to be done about a connection when the socket is not being read.
type event struct {
	conn  *conn
	what  core.Topic
	noted bool // only conclude is left
}

// report deals with what has become of a connection. No lock is held, and the caller is not within a Receive.
func (e *endpoint) report(c *conn, t core.Topic) {
	if t == 0 {
		return
	}
	if !c.settings.silent && !t.Has(core.Unbegun) {
		c.log(t)
	}
	rest, aborted, busy := e.note(c, t)
	if aborted != nil {
		e.report(aborted, aborted.discard(busy))
	}
	e.conclude(c, rest)
}

// noteWithin is report within a Receive. It appends what has to follow that.
func (e *endpoint) noteWithin(c *conn, t core.Topic, later []event) []event {
	for t != 0 {
		if !c.settings.silent {
			return append(later, event{conn: c, what: t})
		}
		rest, aborted, busy := e.note(c, t)
		if rest != 0 {
			later = append(later, event{conn: c, what: rest, noted: true})
		}
		if aborted == nil {
			break
		}
		c, t = aborted, aborted.discard(busy)
	}
	return later
}

// log tells the application what has become of a connection.
func (c *conn) log(t core.Topic) {
	if t.Has(core.Opened) {
		c.settings.Logger.Debug("connection established", "local", c.LocalAddr(), "remote", c.RemoteAddr(), "dialled", c.client())
	}
	if t.Has(core.Ended) {
		c.mu.Lock()
		err := c.driver.Conn.Err()
		c.mu.Unlock()
		c.settings.Logger.Debug("connection over", "local", c.LocalAddr(), "remote", c.RemoteAddr(), "error", err)
	}
}

// refusal is a dial that was refused because one side is protected and the other not.
type refusal struct {
	code   wire.Code
	remote netip.AddrPort
}

// refusalInterval is how often the application is told of one, at most: anybody can send them, from any address.
const refusalInterval = time.Second

// tellsOfRefusal reports whether the application is to be told of a dial that was refused just now. endpoint.mu is held.
func (e *endpoint) tellsOfRefusal(now time.Duration, code wire.Code) bool {
	if code != wire.CodeProtected && code != wire.CodePlain || e.settings.Load().silent || e.refused != 0 && now-e.refused < refusalInterval {
		return false
	}
	e.refused = max(now, 1)
	return true
}

func (r refusal) log(to *slog.Logger) {
	dials, takes := "plain", "protected"
	if r.code == wire.CodePlain {
		dials, takes = takes, dials
	}
	to.Info("dial refused", "remote", r.remote, "dials", dials, "takes", takes)
}

// note enters in the books what has become of a connection, and tells who waits for it. It returns what is left to
// conclude, and a connection that has to be aborted, if there is one: busy says that its peer is to hear that there is no place.
func (e *endpoint) note(c *conn, t core.Topic) (rest core.Topic, aborted *conn, busy bool) {
	if t.Has(core.Opened | core.Ended | core.Trains) {
		c.mu.Lock()
		n, silent, counts := c.driver.News(t), c.endedInSilence(), c.countsNow(t)
		c.mu.Unlock()
		if t.Has(core.Opened) {
			n.Identity = c.identity()
		}
		e.mu.Lock()
		if silent {
			c.tellFallback()
		}
		off := e.retired
		e.past.add(&counts)
		ev := e.books.Report(e.now(), c, n)
		if ev.Dial != nil {
			ev.Dial.dial.conn = ev.Result
			close(ev.Dial.dial.ready)
		}
		if ev.Queued {
			e.listener.accept.wake()
		}
		if aborted = ev.Abort; ev.Refuse != nil {
			aborted, busy = ev.Refuse, true
		}
		if t.Has(core.Ended) && e.idle() {
			rest = t & (core.Ended | core.Resolved) // who waits for the second may want the port
		} else {
			e.sweepAt(ev.Sweep)
		}
		e.mu.Unlock()
		if off {
			endpoints.addPast(counts)
		}
	}
	if rest.Has(core.Resolved) || !t.Has(core.Resolved) {
		return rest, aborted, busy
	}
	if !c.settings.silent {
		return rest | core.Resolved, aborted, busy
	}
	closings.resolve(c, c.undelivered())
	return rest, aborted, busy
}

// conclude does what note has left. No lock is held, and the caller is not within a Receive.
func (e *endpoint) conclude(c *conn, t core.Topic) {
	if t.Has(core.Ended) {
		e.closeIfIdle()
	}
	if !t.Has(core.Resolved) {
		return
	}
	err := c.undelivered()
	if err != nil {
		c.settings.Logger.Warn("a closed connection gave up", "local", c.LocalAddr(), "remote", c.RemoteAddr(), "error", err)
	}
	closings.resolve(c, err)
}

package ebb

import (
	"errors"
	"time"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/udp"
	"example.com/ebb/wire"
)

// This file gives a connection's core.Driver what it has not: locks, the clock, the socket and the timers. There are three
// ways in, the socket's reader (input), the timer (expire) and the application (conn.go), and all end in proceed: tell who
// waits, send what is due, set the timer, report to the endpoint.
//
// conn.mu is held from the way in to the end of proceed, except while the socket
// sends. One flusher at a time does that; whoever comes meanwhile leaves it
// what there is to send. endpoint.mu and conn.mu are never held together: what
// the endpoint has to know is collected under conn.mu and reported after. Only
// the locks of a socket's leadership and timers are taken under either.

// input feeds a run of arrivals to the engine. It appends those datagrams to strays that are not the connection's, and returns what
// has become of it, to be reported.
func (c *conn) input(run, strays []arrival) (core.Topic, []arrival) {
	c.mu.Lock()
	now := c.endpoint.now()
	for i := range run {
		a := &run[i]
		first := a.next()
		c.driver.Input(now, a.came, first)
		if len(a.buf) == 0 {
			continue
		}
		dst, _ := wire.ShortDst(first)
		for len(a.buf) > 0 {
			if seg := a.next(); wire.IsShortTo(seg, dst) {
				c.driver.Input(now, a.came, seg)
			} else {
				strays = append(strays, arrival{came: a.came, buf: seg, size: len(seg)})
			}
		}
	}
	return c.step(now), strays
}

// expire is the timer heap's call. It may be early, because a connection's time is only ever
// moved to an earlier one.
func (c *conn) expire() {
	c.mu.Lock()
	now := c.endpoint.now()
	c.driver.Expire(now)
	c.look(now)
	c.proceed(now)
}

// hinted tells the engine what the network says of a packet. It returns what input does.
func (c *conn) hinted(h core.Hint) core.Topic {
	c.mu.Lock()
	now := c.endpoint.now()
	c.driver.Hint(now, h)
	return c.step(now)
}

// cut ends the connection without a word, because its socket is gone or another has its place, and returns what input does.
func (c *conn) cut() core.Topic {
	c.mu.Lock()
	c.driver.Conn.Cut()
	return c.step(c.endpoint.now())
}

// proceed does what follows from a change of the engine's state. It takes over
// conn.mu and unlocks it.
func (c *conn) proceed(now time.Duration) {
	if t := c.step(now); t != 0 {
		c.endpoint.report(c, t)
	}
}

// step is proceed but for the report, which is the caller's.
func (c *conn) step(now time.Duration) core.Topic {
	if c.dropped && !c.closed && !c.driver.Ended() {
		c.shut()
	}
	c.wakeWaiters()
	if c.driver.BeginFlush() {
		c.flush(now)
	}
	return c.finishDrive()
}

// proceedRead is proceed for a read that succeeded, after which there is most often nothing to do.
func (c *conn) proceedRead() {
	if c.driver.ReadMatters() {
		c.proceed(c.endpoint.now())
		return
	}
	c.mu.Unlock()
}

// resume goes on with a flush that the socket had no room for, and returns what input does.
func (c *conn) resume() core.Topic {
	c.mu.Lock()
	c.driver.ResumeFlush()
	c.flush(c.endpoint.now())
	c.wakeWaiters()
	return c.finishDrive()
}

// finishDrive sets the timer, unlocks conn.mu and returns what has become of the connection.
func (c *conn) finishDrive() core.Topic {
	t := c.driver.Changed()
	if t.Has(core.Ended) {
		c.sock.timers.remove(c)
	}
	c.arm(min(c.driver.NextTimeout(), c.deadline()))
	recall, work := c.needsReader(), c.wantsWork()
	c.mu.Unlock()
	if work {
		c.work()
	}
	if recall {
		c.endpoint.recallReader(c.sock)
	}
	return t
}

// wakeWaiters wakes the callers whose wait is over.
func (c *conn) wakeWaiters() {
	if c.read.waiting && c.driver.Conn.Readable() {
		c.read.waiting = false
		c.read.wake()
	}
	if c.write.waiting && c.driver.Conn.Writable() {
		c.write.waiting = false
		c.write.wake()
	}
}

// flush sends what is due. It is called by the one flusher, with conn.mu held,
// and returns with it held, but unlocks it to send.
func (c *conn) flush(now time.Duration) {
	for {
		b := c.unsent
		c.unsent = nil
		if b == nil {
			b = c.fill(now)
		}
		if b == nil {
			return
		}
		opening := c.driver.Conn.Opening()
		c.mu.Unlock()
		refusal, full := c.endpoint.send(c.sock, b, opening)
		c.mu.Lock()
		if refusal != nil {
			c.sendFailed(refusal)
		}
		if full {
			c.unsent = b
			c.mu.Unlock()
			parked := c.endpoint.park(c)
			c.mu.Lock()
			if parked {
				return // the flush is resume's, and may be over already
			}
			c.unsent = nil
		}
		b.release()
		turn := c.driver.Sent(refusal != nil)
		if turn == core.Over {
			return // without a look at the clock, which a message would notice
		}
		if now = c.endpoint.now(); turn == core.Others {
			c.arm(now)
			return
		}
	}
}

// sendFailed tells the engine why a packet was not sent. conn.mu is held.
func (c *conn) sendFailed(err error) {
	if isRefusal(err) {
		c.driver.Hint(c.endpoint.now(), core.Hint{Kind: core.PortUnreachable})
		return
	}
	c.driver.Conn.SendFailed(err)
}

// fill takes a batch of what is due from the engine, nil if nothing is.
func (c *conn) fill(now time.Duration) *batch {
	c.driver.Join(c.settings.Pool, c.settings.PoolWeight)
	b, clock := borrowBatch(), c.endpoint.clock(now)
	for {
		buf, train := c.driver.Append(clock, b.buf, len(b.messages))
		if len(buf) == len(b.buf) {
			break
		}
		b.add(buf, train)
	}
	if len(b.messages) == 0 {
		b.release()
		return nil
	}
	return b
}

// arm has the connection looked after at a time, which may have passed, or earlier.
func (c *conn) arm(at time.Duration) {
	if c.driver.Due(at) {
		c.sock.timers.add(c, at)
	}
}

// send hands a batch to a socket. full says that it has no room for the rest. A
// datagram that the network refuses is lost, as it might be anywhere else on
// its way; only ICMP's word that nobody listens is returned, and, if the batch opens a dial, that the system cannot send to
// the address.
func (e *endpoint) send(s *socket, b *batch, opening bool) (refusal error, full bool) {
	for b.next < len(b.messages) {
		n, err := s.Write(b.messages[b.next:])
		b.next += n
		switch {
		case err == nil:
		case errors.Is(err, udp.ErrWouldBlock):
			return refusal, true
		case e.connected && isRefusal(err) && refusal == nil:
			// It concerns an earlier datagram, not this one.
			refusal = err
		case udp.IsTemporary(err) || udp.IsUnreachable(err):
			if opening && udp.IsUnreachable(err) {
				refusal = err
			}
			if !b.messages[b.next].Skip() {
				b.next++
			}
		default:
			b.next = len(b.messages) // the socket is closed
		}
	}
	return refusal, false
}

// park puts a connection on the list of those that its socket had no room for,
// unless the endpoint is closed. One goroutine, while there are any, waits for
// the socket and resumes them in turn.
func (e *endpoint) park(c *conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	s := c.sock
	s.blocked = append(s.blocked, c)
	if !s.resuming {
		s.resuming = true
		e.goroutines.start(func() { e.resumeBlocked(s) })
	}
	return true
}

func (e *endpoint) resumeBlocked(s *socket) {
	for {
		err := s.WaitWritable()
		e.mu.Lock()
		if err != nil || len(s.blocked) == 0 {
			s.resuming = false
			e.mu.Unlock()
			return
		}
		c := s.nextBlocked()
		e.mu.Unlock()
		t := c.resume()
		e.goroutines.outside(func() { e.report(c, t) })
	}
}

// nextBlocked takes the first connection off the list. endpoint.mu is held.
func (s *socket) nextBlocked() *conn {
	c := s.blocked[0]
	s.blocked[0] = nil
	s.blocked = s.blocked[1:]
	return c
}

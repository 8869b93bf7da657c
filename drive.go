package ebb

import (
	"errors"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/router"
	"example.com/ebb/internal/udp"
)

// This file is the only caller of the engine besides the application's own calls
// in conn.go. There are three ways in, the socket's reader (input), the timer
// (expire) and the application, and all end in proceed: tell who waits, send
// what is due, set the timer, report to the endpoint.
//
// Conn.mu is held from the way in to the end of proceed, except while the socket
// sends. One flusher at a time does that; whoever comes meanwhile leaves it
// what there is to send. Endpoint.mu and Conn.mu are never held together: what
// the endpoint has to know is collected under Conn.mu and reported after. Only
// the locks of a socket's leadership and timers are taken under either.

// flushRounds is how many batches a flush sends before others get their turn.
const flushRounds = 8

// driveState is when a connection is due and what is on its way to the socket.
type driveState struct {
	due      time.Duration // when its socket's timers will look after it; engine.Never: not at all
	place    int           // in the timer heap, whose lock guards it
	flushing bool          // a flusher is at work, or waits for the socket
	left     bool          // others have left it something to look at since it last did
	unsent   *batch        // what the socket had no room for
}

// news is what the endpoint has to know of a connection.
type news uint8

const (
	newsOpened   news = 1 << iota // the handshake is complete
	newsResolved                  // closed, and what was written is delivered or given up
	newsEnded                     // nothing is left to do
	newsTrains                    // trains vanish on the way to the peer, or no longer
)

// input feeds a run of datagrams to the engine.
func (c *Conn) input(run []arrival) {
	c.mu.Lock()
	now := c.endpoint.now()
	for i := range run {
		c.engine.HandleSegment(now, run[i].path, run[i].ecn, run[i].seg)
	}
	c.proceed(now)
}

// expire is the timer heap's call. It may be early, because a connection's time is only ever
// moved to an earlier one.
func (c *Conn) expire() {
	c.mu.Lock()
	c.drive.due = engine.Never
	now := c.endpoint.now()
	if c.engine.NextTimeout() <= now {
		c.engine.Advance(now)
	}
	c.proceed(now)
}

// refused tells the engine that the network refused a packet.
func (c *Conn) refused(err error) {
	c.mu.Lock()
	c.engine.SendError(err)
	c.proceed(c.endpoint.now())
}

// proceed does what follows from a change of the engine's state. It takes over
// Conn.mu and unlocks it.
func (c *Conn) proceed(now time.Duration) {
	c.wakeWaiters()
	if c.drive.flushing {
		c.drive.left = true
	} else {
		c.drive.flushing = true
		c.flush(now)
	}
	c.finishDrive()
}

// proceedRead is proceed for a read that succeeded, after which there is most often nothing to do: at most
// it has made a window due, the connection's own or its pool's.
func (c *Conn) proceedRead() {
	if c.engine.WindowDue() || c.shaper.Joined() {
		c.proceed(c.endpoint.now())
		return
	}
	c.mu.Unlock()
}

// joinPool makes the connection a member of its pool once the handshake is complete.
func (c *Conn) joinPool() {
	cfg := &c.endpoint.config
	if cfg.Pool != nil && !c.shaper.Joined() && c.engine.Established() && !c.ended {
		c.shaper.Join(cfg.Pool, cfg.PoolWeight)
	}
}

// resume goes on with a flush that the socket had no room for.
func (c *Conn) resume() {
	c.mu.Lock()
	c.flush(c.endpoint.now())
	c.wakeWaiters()
	c.finishDrive()
}

// finishDrive sets the timer, unlocks Conn.mu and reports. While there is a flusher, the
// timer is its to set: what is due now waits for it, and a timer could only come again and
// again, and take the lock from it.
func (c *Conn) finishDrive() {
	n := c.news()
	if !c.drive.flushing {
		c.arm(c.engine.NextTimeout())
	}
	recall := c.needsReader()
	c.mu.Unlock()
	if recall {
		c.endpoint.recallReader(c.sock)
	}
	if n != 0 {
		c.endpoint.report(c, n)
	}
}

// wakeWaiters wakes the callers whose wait is over.
func (c *Conn) wakeWaiters() {
	if c.read.waiting && c.engine.Readable() {
		c.read.waiting = false
		c.read.wake()
	}
	if c.write.waiting && c.engine.Writable() {
		c.write.waiting = false
		c.write.wake()
	}
}

// flush sends what is due. It is called by the one flusher, with Conn.mu held,
// and returns with it held, but unlocks it to send.
func (c *Conn) flush(now time.Duration) {
	for range flushRounds {
		c.drive.left = false
		b, more := c.drive.unsent, true
		c.drive.unsent = nil
		if b == nil {
			b, more = c.fill(now)
		}
		if b == nil {
			c.drive.flushing = false
			return
		}
		c.mu.Unlock()
		refusal, full := c.endpoint.send(c.sock, b)
		c.mu.Lock()
		if refusal != nil {
			c.engine.SendError(refusal)
			more = true
		}
		if full {
			c.drive.unsent = b
			c.mu.Unlock()
			parked := c.endpoint.park(c)
			c.mu.Lock()
			if parked {
				return // the flush is resume's, and may be over already
			}
			c.drive.unsent = nil
		}
		b.release()
		if !more && !c.drive.left {
			c.drive.flushing = false
			return
		}
		now = c.endpoint.now()
	}
	c.drive.flushing = false
	c.arm(now) // there may be more, but it is others' turn
}

// fill takes a batch of what is due from the engine, nil if nothing is, and reports whether there may be more.
func (c *Conn) fill(now time.Duration) (b *batch, more bool) {
	c.joinPool()
	b, more = borrowBatch(), true
	clock := c.endpoint.clock(now)
	for room := batchBytes; room >= c.endpoint.largest && len(b.messages) < batchTrains; room = batchBytes - len(b.buf) {
		buf, train := c.shaper.AppendSegments(clock, c.engine, b.buf, room)
		if len(buf) == len(b.buf) {
			more = false
			break
		}
		b.add(buf, train)
	}
	if len(b.messages) == 0 {
		b.release()
		return nil, false
	}
	return b, more
}

// arm has the connection looked after at a time, which may have passed, or earlier.
func (c *Conn) arm(at time.Duration) {
	if at >= c.drive.due || c.ended {
		return
	}
	c.drive.due = at
	c.sock.timers.add(c, at)
}

// news returns what has to be reported, each thing once. Conn.mu is held.
func (c *Conn) news() (n news) {
	sent := !c.drive.flushing // or the last packet may be in a flusher's hands, and the process about to end
	done := c.engine.Done() && sent
	if !c.opened && c.engine.Established() {
		c.opened = true
		n |= newsOpened
	}
	if c.awaitedByDrain && !c.resolved && (done || sent && !c.aborted && c.engine.Delivered()) {
		c.resolved = true
		n |= newsResolved
	}
	if until := c.engine.TrainsVanish(); until != c.trainsVanish {
		c.trainsVanish = until
		n |= newsTrains
	}
	if done && !c.ended {
		c.ended = true
		c.finalState = router.FinalState(c.engine.FinalState())
		c.sock.timers.remove(c)
		c.read.end()
		c.write.end()
		c.shaper.Leave()
		n |= newsEnded
	}
	return n
}

// send hands a batch to a socket. full says that it has no room for the rest. A
// datagram that the network refuses is lost, as it might be anywhere else on
// its way; only ICMP's word that nobody listens is returned.
func (e *Endpoint) send(s *socket, b *batch) (refusal error, full bool) {
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
		case udp.IsTemporary(err):
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
func (e *Endpoint) park(c *Conn) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	s := c.sock
	s.blocked = append(s.blocked, c)
	if !s.resuming {
		s.resuming = true
		e.group.Go(func() { e.resumeBlocked(s) })
	}
	return true
}

func (e *Endpoint) resumeBlocked(s *socket) {
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
		c.resume()
	}
}

// nextBlocked takes the first connection off the list. Endpoint.mu is held.
func (s *socket) nextBlocked() *Conn {
	c := s.blocked[0]
	s.blocked[0] = nil
	s.blocked = s.blocked[1:]
	return c
}

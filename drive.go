package ebb

import (
	"errors"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/udp"
)

// This file is the only caller of the engine besides the application's own calls
// in conn.go. There are three ways in, the socket's reader (input), the timer
// (expire) and the application, and all end in proceed: tell who waits, send
// what is due, set the timer, report to the endpoint.
//
// conn.mu is held from the way in to the end of proceed, except while the socket
// sends. One flusher at a time does that; whoever comes meanwhile leaves it
// what there is to send. endpoint.mu and conn.mu are never held together: what
// the endpoint has to know is collected under conn.mu and reported after. Only
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

// input feeds a run of datagrams to the engine. What is to be reported is returned, as it has to wait until the socket is not
// being read.
func (c *conn) input(run []arrival) news {
	c.mu.Lock()
	now := c.endpoint.now()
	for i := range run {
		c.engine.HandleSegment(now, run[i].path, run[i].ecn, run[i].seg)
	}
	return c.step(now)
}

// expire is the timer heap's call. It may be early, because a connection's time is only ever
// moved to an earlier one.
func (c *conn) expire() {
	c.mu.Lock()
	c.drive.due = engine.Never
	now := c.endpoint.now()
	if c.engine.NextTimeout() <= now {
		c.engine.Advance(now)
	}
	c.proceed(now)
}

// hinted tells the engine what the network says of a packet. What is to be reported is returned, as of input.
func (c *conn) hinted(h engine.Hint) news {
	c.mu.Lock()
	now := c.endpoint.now()
	c.engine.Unreachable(now, h)
	return c.step(now)
}

// cut ends the connection because its socket is gone.
func (c *conn) cut() {
	c.mu.Lock()
	c.engine.Cut()
	c.proceed(c.endpoint.now())
}

// proceed does what follows from a change of the engine's state. It takes over
// conn.mu and unlocks it.
func (c *conn) proceed(now time.Duration) {
	if n := c.step(now); n != 0 {
		c.endpoint.report(c, n)
	}
}

// step is proceed but for the report, which is the caller's.
func (c *conn) step(now time.Duration) news {
	if c.dropped && !c.closed && !c.ended {
		c.shut()
	}
	c.wakeWaiters()
	if c.drive.flushing {
		c.drive.left = true
	} else {
		c.drive.flushing = true
		c.flush(now)
	}
	return c.finishDrive()
}

// proceedRead is proceed for a read that succeeded, after which there is most often nothing to do: at most
// it has made a window due, the connection's own or its pool's.
func (c *conn) proceedRead() {
	if c.engine.WindowDue() || c.shaper.Joined() {
		c.proceed(c.endpoint.now())
		return
	}
	c.mu.Unlock()
}

// joinPool makes the connection a member of its pool once the handshake is complete.
func (c *conn) joinPool() {
	cfg := c.settings
	if cfg.Pool != nil && !c.shaper.Joined() && c.engine.Established() && !c.ended {
		c.shaper.Join(cfg.Pool, cfg.PoolWeight)
	}
}

// resume goes on with a flush that the socket had no room for, and returns what is to be reported.
func (c *conn) resume() news {
	c.mu.Lock()
	c.flush(c.endpoint.now())
	c.wakeWaiters()
	return c.finishDrive()
}

// finishDrive sets the timer, unlocks conn.mu and returns what is to be reported. While there is a flusher, the
// timer is its to set: what is due now waits for it, and a timer could only come again and
// again, and take the lock from it.
func (c *conn) finishDrive() news {
	n := c.news()
	if !c.drive.flushing {
		c.arm(c.engine.NextTimeout())
	}
	recall := c.needsReader()
	c.mu.Unlock()
	if recall {
		c.endpoint.recallReader(c.sock)
	}
	return n
}

// wakeWaiters wakes the callers whose wait is over.
func (c *conn) wakeWaiters() {
	if c.read.waiting && c.engine.Readable() {
		c.read.waiting = false
		c.read.wake()
	}
	if c.write.waiting && c.engine.Writable() {
		c.write.waiting = false
		c.write.wake()
	}
}

// flush sends what is due. It is called by the one flusher, with conn.mu held,
// and returns with it held, but unlocks it to send.
func (c *conn) flush(now time.Duration) {
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
		opening := c.engine.Opening()
		c.mu.Unlock()
		refusal, full := c.endpoint.send(c.sock, b, opening)
		c.mu.Lock()
		if refusal != nil {
			c.sendFailed(refusal)
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

// sendFailed tells the engine why a packet was not sent. conn.mu is held.
func (c *conn) sendFailed(err error) {
	if isRefusal(err) {
		c.engine.Unreachable(c.endpoint.now(), engine.Hint{Kind: engine.HintPortUnreachable})
		return
	}
	c.engine.SendFailed(sendFailure(err))
}

// fill takes a batch of what is due from the engine, nil if nothing is, and reports whether there may be more.
func (c *conn) fill(now time.Duration) (b *batch, more bool) {
	c.joinPool()
	b, more = borrowBatch(), true
	clock := c.endpoint.clock(now)
	for room := batchBytes; room >= c.settings.largest && len(b.messages) < batchTrains; room = batchBytes - len(b.buf) {
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
func (c *conn) arm(at time.Duration) {
	if at >= c.drive.due || c.ended {
		return
	}
	c.drive.due = at
	c.sock.timers.add(c, at)
}

// news returns what has to be reported, each thing once. conn.mu is held.
func (c *conn) news() (n news) {
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
		n := c.resume()
		e.goroutines.outside(func() { e.report(c, n) })
	}
}

// nextBlocked takes the first connection off the list. endpoint.mu is held.
func (s *socket) nextBlocked() *conn {
	c := s.blocked[0]
	s.blocked[0] = nil
	s.blocked = s.blocked[1:]
	return c
}

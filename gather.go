package ebb

import (
	"runtime"
	"time"

	core "example.com/ebb/internal/endpoint"
)

// Programs write what belongs together in pieces: net.Buffers, a header and a body. The kernel is given them in one system call by a
// *net.TCPConn, but for another connection package net calls Write for each, and a packet for each would be many times the bytes. So small
// writes that follow each other at once are gathered:
//
//	the first leaves at once: nobody knows that another follows, and most often none does;
//	one that follows it within gatherGap, with no Read between, is held back (corked), and so are those that follow that;
//	a packet's worth of bytes leaves at any time;
//	the rest leaves when nothing has followed for gatherGap, when gatherMost is over, or at a Read that has to wait, which is for the answer.
//
// The end of the gap has to be seen by somebody, and to within microseconds, because the last piece waits for it. A timer of the
// runtime is late by up to a millisecond in a process that is idle otherwise, which is many round trips of a local network. So one goroutine of the endpoint's
// looks at the clock again and again, and lets all others go first each time. There is one while bytes are held back, for gatherGap most often; docs/design.md says what was tried.

const (
	// gatherGap is the time after a small write in which another one is said to follow at once.
	gatherGap = 20 * time.Microsecond
	// gatherMost is how often it is looked whether bytes still wait that did so before: none waits for twice as long.
	gatherMost = 500 * time.Microsecond
	// gatherTurns bounds the same where a clock stands still, as in a testing/synctest bubble.
	gatherTurns = 4096
)

// gatherer is what a connection has that has held writes back once. It begins to run again and again without an allocation.
type gatherer struct {
	running bool   // a goroutine waits until no write follows another at once
	sent    uint64 // all below this offset of the stream had left when that began
	run     func() // sendGathered
}

// gather is for a write of n bytes that is done. conn.mu is held.
func (c *conn) gather(now time.Duration, n int) {
	if !c.driver.Conn.Small(n) {
		c.wrote.Store(0)
		return
	}
	last := c.wrote.Swap(stampOf(now))
	if last == 0 || gapSince(last, now) || c.driver.Ended() {
		return
	}
	g := c.gatherer
	if g == nil {
		g = &gatherer{run: c.sendGathered}
		c.gatherer = g
	}
	if g.running {
		return
	}
	g.running, g.sent = true, c.driver.Conn.SentOffset()
	c.driver.Conn.SetCork(true)
	c.endpoint.goroutines.begin()
	go g.run()
}

// sendGathered sends what gather holds back when its time has come. It is a goroutine of the endpoint's.
func (c *conn) sendGathered() {
	defer c.endpoint.goroutines.end()
	g := c.gatherer
	for sent := g.sent; ; {
		c.awaitGap(c.endpoint.now())
		c.mu.Lock()
		at := c.driver.Conn.SentOffset()
		if at == sent || c.wrote.Load() == 0 { // what waits is as old as that, or need not wait
			break
		}
		sent = at // full packets have left since: what waits is newer, and may go on waiting
		if gapSince(c.wrote.Load(), c.endpoint.now()) {
			break
		}
		c.mu.Unlock()
	}
	g.running = false
	t := c.uncork()
	c.endpoint.goroutines.outside(func() { c.endpoint.report(c, t) })
}

// awaitGap returns when no write follows another at once any more, or gatherMost after a time.
func (c *conn) awaitGap(since time.Duration) {
	for range gatherTurns {
		runtime.Gosched()
		last := c.wrote.Load()
		now := c.endpoint.now() // not before it, or a write in between would look as old as can be
		if last == 0 || gapSince(last, now) || now-since > gatherMost {
			return
		}
	}
}

// uncork sends what gather has held back. It takes over conn.mu and unlocks it, and returns what input does.
func (c *conn) uncork() core.Topic {
	c.wrote.Store(0)
	c.driver.Conn.SetCork(false)
	return c.step(c.endpoint.now())
}

// gapSince reports whether a write would not follow at once that was done at a stamp.
func gapSince(stamp uint32, now time.Duration) bool {
	return stampOf(now)-stamp > uint32(gatherGap/time.Microsecond)
}

// stampOf is a time in microseconds, which wrap; never 0, which is for none.
func stampOf(t time.Duration) uint32 { return uint32(t/time.Microsecond) | 1 }

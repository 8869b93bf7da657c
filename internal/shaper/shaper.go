// Package shaper stands between a connection's engine and its pool. The engine knows rates and credits as
// plain values; the pool knows members. Whatever drives an engine, in real time or simulated, drives it
// through a Shaper, so that there is one way in which a budget is kept.
//
// The package is pure. A Shaper is used by one goroutine at a time: the one that has the connection's lock.
package shaper

import (
	"time"

	"example.com/ebb/internal/budget"
	"example.com/ebb/internal/engine"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// Shaper is one connection's part in a pool. The zero value is in none, and lets everything pass.
type Shaper struct{ member *budget.Member }

// Clock is one moment on two clocks: the engine's own, and that which all members of a pool share.
type Clock struct{ Engine, Pool time.Duration }

// Join makes the connection a member among those of its peer, with a weight that was checked. It must not be one.
func (s *Shaper) Join(p *pool.Pool, peer limits.Peer, weight int) {
	m, err := (*budget.Pool)(p).Join(peer, weight)
	if err != nil {
		panic("BUG: a weight that was checked: " + err.Error())
	}
	s.member = m
}

// Joined reports whether the connection is a member.
func (s *Shaper) Joined() bool { return s.member != nil }

// Leave ends the membership, if there is one.
func (s *Shaper) Leave() {
	if s.member != nil {
		s.member.Close()
		s.member = nil
	}
}

// AppendSegments is the engine's, within the connection's share of the pool: it reads the share, takes credit,
// and tells the pool what became of it.
func (s *Shaper) AppendSegments(now Clock, c *engine.Conn, dst []byte, max int) ([]byte, engine.Train) {
	if s.member == nil {
		return c.AppendSegments(now.Engine, dst, max)
	}
	return s.appendShare(now, c, dst, max)
}

func (s *Shaper) appendShare(now Clock, c *engine.Conn, dst []byte, max int) ([]byte, engine.Train) {
	s.openWindow(now, c)
	sending := s.member.Sending()
	c.SetBudget(now.Engine, sending.Rate(now.Pool), 0)
	want, worth := c.Want(now.Engine)
	taken := 0
	if want > 0 {
		taken = sending.Take(now.Pool, want)
		c.SetBudget(now.Engine, sending.Rate(now.Pool), taken)
	}
	before := len(dst)
	dst, train := c.AppendSegments(now.Engine, dst, max)
	state := budget.Busy
	if len(dst) == before { // the engine is done: now it knows what holds it back
		state = budget.Limited
		switch {
		case c.Quiet():
			state = budget.Idle
		case c.Limit() == engine.LimitPool:
			state = budget.Throttled
			c.WaitForBudget(now.Engine, now.Engine+sending.Wait(now.Pool, worth))
		}
	}
	sending.Report(now.Pool, taken, taken-c.Credit(), state, c.UpdateInterval())
	return dst, train
}

// openWindow lets the peer send within the connection's share of what the pool receives.
func (s *Shaper) openWindow(now Clock, c *engine.Conn) {
	receiving := s.member.Receiving()
	rate := receiving.Rate(now.Pool)
	c.SetReceiveRate(now.Engine, rate)
	if rate == budget.Unlimited {
		return
	}
	want := c.WindowWanted(now.Engine)
	taken, granted := 0, 0
	if want > 0 {
		taken = receiving.Take(now.Pool, want)
		var wait time.Duration
		if taken < want {
			wait = receiving.Wait(now.Pool, want)
		}
		granted = c.GrantWindow(now.Engine, taken, wait)
	}
	state := budget.Idle
	switch {
	case c.WindowThrottled():
		state = budget.Throttled
	case granted > 0:
		state = budget.Busy // the window is on its way, and its acknowledgement tells
	}
	receiving.Report(now.Pool, taken, granted, state, c.UpdateInterval())
}

package pool

import (
	"fmt"
	"sync/atomic"
	"time"
)

// Member is one connection's place in a pool. Close may be called by any goroutine; everything else, on its
// sides too, by one at a time.
type Member struct {
	pool          *Pool
	closed        atomic.Bool
	send, receive Side
}

// Join registers a connection with a weight, 1 to MaxWeight; 0 stands for 1. Its owner closes the
// member when the connection ends, however it does.
func (p *Pool) Join(weight int) (*Member, error) {
	if weight < 0 || weight > MaxWeight {
		return nil, fmt.Errorf("pool: a weight of %d: want 1 to %d, or 0 for 1", weight, MaxWeight)
	}
	m := &Member{pool: p}
	m.send.join(m, &p.send, int64(max(weight, 1)))
	m.receive.join(m, &p.receive, int64(max(weight, 1)))
	return m, nil
}

// Close ends the membership. It may be called again, to no effect.
func (m *Member) Close() {
	if m.closed.Swap(true) {
		return
	}
	for _, s := range []*Side{&m.send, &m.receive} {
		s.budget.members.remove(s.weight)
		s.release()
	}
}

// Pool is the pool that the member joined.
func (m *Member) Pool() *Pool { return m.pool }

// Rate is what the member may send now, in bytes per second; see Side.Rate.
func (m *Member) Rate(now time.Duration) int64 { return m.send.Rate(now) }

// Sending is the member's part in the budget for sending.
func (m *Member) Sending() *Side { return &m.send }

// Receiving is its part in the one for receiving.
func (m *Member) Receiving() *Side { return &m.receive }

// State is what a member found when it last used a budget.
type State uint8

// The states.
const (
	Idle      State = iota // it has nothing to send, and nothing on the way
	Limited                // something else holds it back
	Throttled              // the budget holds it back
	Busy                   // it is not done, and what holds it back is not known yet
)

// Side is a member's part in one budget.
type Side struct {
	budget      *budget
	member      *Member
	weight      int64
	throttled   atomic.Bool   // it is among the budget's throttled members
	throttledAt time.Duration // when it was last found to be
	metered     ownMeter      // its part of budget.others
}

func (s *Side) join(m *Member, b *budget, weight int64) {
	s.member, s.budget, s.weight = m, b, weight
	b.members.add(weight)
}

// Rate is the side's share now, in bytes per second: what it may use if it is throttled, or would get if
// it were. It is Unlimited if the budget has no total, and never 0.
func (s *Side) Rate(now time.Duration) int64 { return s.budget.rate(now, s) }

// Take takes up to n bytes, less than 2^32, of the budget's common bucket, and returns how many it got. Report
// must follow.
func (s *Side) Take(now time.Duration, n int) int {
	l := s.budget.limits.Load()
	if !l.limited() {
		return n
	}
	f := s.budget.flow(now, l)
	return s.budget.common.take(now, f, n, s.overdraft(f))
}

// Report says what became of the bytes that Take took: used bytes have left, which may be more. A side
// stays among the throttled for interval, its update interval, after it was last reported so.
func (s *Side) Report(now time.Duration, taken, used int, state State, interval time.Duration) {
	l := s.budget.limits.Load()
	if !l.limited() {
		s.release()
		return
	}
	if used != taken {
		s.budget.common.spend(now, s.budget.flow(now, l), used-taken)
	}
	if used > 0 && !s.throttled.Load() {
		s.budget.others.add(now, used)
		s.metered.add(now, used)
	}
	switch {
	case state == Throttled:
		s.throttledAt = now
		s.throttle()
	case state == Idle || state == Limited && now-s.throttledAt >= interval:
		s.release()
	}
}

// Wait is how long after now the common bucket will hold n bytes, less than 2^32.
func (s *Side) Wait(now time.Duration, n int) time.Duration {
	l := s.budget.limits.Load()
	if !l.limited() {
		return 0
	}
	f := s.budget.flow(now, l)
	return s.budget.common.until(now, f, n, s.overdraft(f))
}

// overdraft is how far the side may go into debt. With it, a member that needs less than its share does not
// wait behind those that want more.
func (s *Side) overdraft(f flow) time.Duration {
	if s.throttled.Load() {
		return 0
	}
	return f.overdraft()
}

// throttle counts the side among the throttled. Close may run at the same time: the check at the end makes sure
// that a closed member does not stay counted.
func (s *Side) throttle() {
	if s.throttled.Load() {
		return
	}
	s.budget.throttled.add(s.weight)
	s.throttled.Store(true)
	if s.member.closed.Load() {
		s.release()
	}
}

// release takes the side off the throttled, if it is there.
func (s *Side) release() {
	if s.throttled.Load() && s.throttled.Swap(false) {
		s.budget.throttled.remove(s.weight)
	}
}

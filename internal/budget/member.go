package budget

import (
	"sync/atomic"
	"time"

	"example.com/ebb/limits"
)

// Member is one connection's place in a pool. Close may be called by any goroutine; everything else, on its
// sides too, by one at a time.
type Member struct {
	pool          *Pool
	peer          *peer
	closed        atomic.Bool
	send, receive Side
}

// Join registers a connection with a peer, with a weight of 1 to MaxWeight; 0 stands for 1. Its owner closes the
// member when the connection ends, however it does.
func (p *Pool) Join(key limits.Peer, weight int) (*Member, error) {
	if err := checkWeight(weight); err != nil {
		return nil, err
	}
	w := int64(max(weight, 1))
	m := &Member{pool: p, peer: p.enter(key)}
	m.peer.admit(w)
	m.send.join(m, &m.peer.send, w)
	m.receive.join(m, &m.peer.receive, w)
	return m, nil
}

// Close ends the membership. It may be called again, to no effect.
func (m *Member) Close() {
	if m.closed.Swap(true) {
		return
	}
	for _, s := range []*Side{&m.send, &m.receive} {
		s.budget.members.remove(s.weight)
		s.account.members.remove(s.weight)
		s.release()
	}
	m.pool.leave(m.peer)
}

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
	account     *account // its peer's
	member      *Member
	weight      int64
	throttled   atomic.Bool   // it is among its peer's throttled members
	throttledAt time.Duration // when it was last found to be
	metered     ownMeter      // its part of what is metered of its peer
	place       place         // where it waits for the common bucket
	pushed      int           // bytes that Take has taken before others who wait
}

func (s *Side) join(m *Member, a *account, weight int64) {
	s.member, s.account, s.budget, s.weight = m, a, a.budget, weight
	a.members.add(weight)
	a.budget.members.add(weight)
}

// Rate is the side's share now, in bytes per second: what it may use if it is throttled, or would get if
// it were. It is Unlimited if the budget has no total, and never 0.
func (s *Side) Rate(now time.Duration) int64 { return s.budget.rate(now, s) }

// Take takes up to n bytes, less than 2^32, of the budget's common bucket, and returns how many it got. Report
// must follow. Who is throttled gets nothing as long as others wait whose turn is before.
func (s *Side) Take(now time.Duration, n int) int {
	l := s.budget.totals.Load()
	if !l.limited() {
		return n
	}
	f := s.budget.flow(now, l)
	s.pushed = 0
	overdraft, ok := s.mayTake(now, l, f, n)
	if !ok {
		return 0
	}
	taken := s.budget.common.take(now, f, n, overdraft)
	if s.place.line != l.line {
		l.line.delay(now, f, taken)
		s.pushed = taken
	}
	return taken
}

// mayTake reports whether the side need not wait for others, and how far it may go into debt then. It need not if it is
// below its share: with an overdraft, a member that needs less does not wait behind those that want more. Nor if the
// bucket holds enough for all whose turn is before. A full bucket is for whoever comes, n bytes even if it holds less: those before
// do not come.
func (s *Side) mayTake(now time.Duration, l *totals, f flow, n int) (overdraft time.Duration, ok bool) {
	if !s.throttled.Load() {
		return f.overdraft(), true
	}
	turn := l.line.turnOf(&s.place)
	if turn <= now && s.place.line == l.line {
		return f.promised(s.place.n, now-turn), true
	}
	surplus := now - s.budget.common.due()
	return f.beyond(n), turn <= now+max(surplus, 0) || surplus >= f.fill
}

// Report says what became of the bytes that Take took: used bytes have left, which may be more. A side
// stays among the throttled for interval, its update interval, after it was last reported so.
func (s *Side) Report(now time.Duration, taken, used int, state State, interval time.Duration) {
	l := s.budget.totals.Load()
	if !l.limited() {
		s.release()
		return
	}
	if used != taken || s.pushed != used || s.place.line != nil {
		s.settle(now, l, taken, used, state)
	}
	if used > 0 && !s.throttled.Load() {
		s.account.add(now, used)
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

// settle gives back what was not used, or takes what was used beyond, and ends the wait of a side that has had its
// turn, or has nothing to wait for. A few bytes that nothing delays, beside what was taken, are no turn.
func (s *Side) settle(now time.Duration, l *totals, taken, used int, state State) {
	f := s.budget.flow(now, l)
	if used != taken {
		s.budget.common.spend(now, f, used-taken)
	}
	outOfTurn := used - s.pushed
	if taken > 0 && 2*used >= taken || state == Idle || state == Limited {
		if p := s.place; p.line == l.line {
			inTurn := min(p.n, max(outOfTurn, 0))
			outOfTurn -= inTurn
			l.line.shorten(now, f, p.n-inTurn)
		}
		s.place = place{}
	}
	l.line.delay(now, f, outOfTurn)
}

// Wait is how long after now it is worth asking for n bytes, less than 2^32, that Take has refused: until the
// common bucket holds them, and it is the side's turn. It keeps its turn until it has used what was taken, or reports
// that it is not throttled.
func (s *Side) Wait(now time.Duration, n int) time.Duration {
	l := s.budget.totals.Load()
	if !l.limited() {
		return 0
	}
	f, common := s.budget.flow(now, l), &s.budget.common
	if s.place.line != l.line {
		s.place = l.line.join(now, f, n, common.due())
	}
	turn := l.line.turnOf(&s.place) - now
	inTurn := max(turn, common.until(now, f, n, f.promised(s.place.n, max(-turn, 0))))
	early := max(turn-max(now-common.due(), 0), common.until(now, f, n, f.beyond(n)))
	return min(inTurn, early)
}

// throttle counts the side among the throttled. Close may run at the same time: the check at the end makes sure
// that a closed member does not stay counted.
func (s *Side) throttle() {
	if s.throttled.Load() {
		return
	}
	s.account.throttle(s.weight)
	s.throttled.Store(true)
	if s.member.closed.Load() {
		s.release()
	}
}

// release takes the side off the throttled, if it is there.
func (s *Side) release() {
	if s.throttled.Load() && s.throttled.Swap(false) {
		s.account.release(s.weight)
	}
}

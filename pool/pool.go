package pool

import "fmt"

const (
	// MaxTotal is the largest total, and the largest minimum, in bytes per second.
	MaxTotal int64 = 1 << 40
	// MaxWeight is the largest weight of a member.
	MaxWeight = 256
	// MaxMembers is how many members a pool counts at most.
	MaxMembers = 1<<(64-weightBits) - 1
)

// Pool is a budget for sending and one for receiving, each shared by the pool's members. Its methods may be called
// by any number of goroutines.
type Pool struct {
	send, receive budget
}

// New makes a pool that sends total bytes of UDP payload per second, or Unlimited, and does not
// limit receiving. No member gets less than minPerConn, even where that exceeds the total. It is an
// error if either is negative, other than Unlimited, or above MaxTotal, or if both are 0.
func New(total, minPerConn int64) (*Pool, error) {
	p := newPool()
	if err := p.SetLimits(total, minPerConn); err != nil {
		return nil, err
	}
	return p, nil
}

func newPool() *Pool {
	p := new(Pool)
	for _, b := range []*budget{&p.send, &p.receive} {
		b.limits.Store(newLimits(Unlimited, 0, false))
		b.common.fill()
	}
	return p
}

// SetLimits changes what New was given, under the same rules. Members follow when they next send, and
// those that wait for credit within an update interval (at most half a second).
func (p *Pool) SetLimits(total, minPerConn int64) error { return p.send.setLimits(total, minPerConn) }

// SetReceiveLimits limits what all members receive, in bytes of the application's data per
// second: their windows open no faster. The rules are those of New.
func (p *Pool) SetReceiveLimits(total, minPerConn int64) error {
	return p.receive.setLimits(total, minPerConn)
}

func (b *budget) setLimits(total, minPerConn int64) error {
	switch {
	case total < Unlimited || total > MaxTotal:
		return fmt.Errorf("pool: a total of %d bytes/s: want 0 to %d, or -1 for no limit", total, MaxTotal)
	case minPerConn < 0 || minPerConn > MaxTotal:
		return fmt.Errorf("pool: a minimum of %d bytes/s per connection: want 0 to %d", minPerConn, MaxTotal)
	case total == 0 && minPerConn == 0:
		return fmt.Errorf("pool: a total and a minimum of 0 admit nothing: set one of them, or a total of -1 for no limit")
	}
	b.set(func(old limits) *limits { return newLimits(total, minPerConn, old.strict) })
	return nil
}

// SetStrict makes the pool divide its totals by all members, whether they use their share or not, as
// Share does, or, with false, max-min fairly by what they use.
func (p *Pool) SetStrict(strict bool) {
	for _, b := range []*budget{&p.send, &p.receive} {
		b.set(func(old limits) *limits { return newLimits(old.total, old.min, strict) })
	}
}

// Limits returns the total for sending, Unlimited for none, and the minimum, in bytes per second.
func (p *Pool) Limits() (total, minPerConn int64) {
	l := p.send.limits.Load()
	return l.total, l.min
}

// ReceiveLimits is Limits for receiving.
func (p *Pool) ReceiveLimits() (total, minPerConn int64) {
	l := p.receive.limits.Load()
	return l.total, l.min
}

// Members is the number of connections registered now.
func (p *Pool) Members() int {
	n, _ := p.send.members.read()
	return int(n)
}

// Throttled is the number of members that the pool holds back now: those that its total is divided among.
func (p *Pool) Throttled() int {
	n, _ := p.send.throttled.read()
	return int(n)
}

// Rate is Share of the total for sending among the registered members, in bytes per second: the
// plain formula, whatever they use.
func (p *Pool) Rate() int64 {
	l := p.send.limits.Load()
	n, _ := p.send.members.read()
	return Share(l.total, n, l.min)
}

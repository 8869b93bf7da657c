package budget

import (
	"fmt"
	"sync/atomic"

	"example.com/ebb/limits"
)

const (
	// MaxTotal is the largest total, and the largest minimum, in bytes per second.
	MaxTotal int64 = 1 << 40
	// MaxWeight is the largest weight of a member, and of a peer.
	MaxWeight = 256
	// MaxMembers is how many members a pool counts at most.
	MaxMembers = 1<<(64-weightBits) - 1
)

// Pool is a budget for sending and one for receiving, each shared by the pool's members. Its methods may be called
// by any number of goroutines.
type Pool struct {
	send, receive budget
	peers         atomic.Pointer[tree]
	entered       atomic.Uint64 // peers that were put into the tree
}

// New makes a pool that limits nothing, in neither direction.
func New() *Pool {
	p := new(Pool)
	for _, b := range []*budget{&p.send, &p.receive} {
		b.totals.Store(newTotals(Unlimited, 0, false))
		b.common.fill()
	}
	return p
}

// SetLimits sets the total for sending and the minimum of each member, in bytes per second.
func (p *Pool) SetLimits(total, minPerConn int64) error { return p.send.setLimits(total, minPerConn) }

// SetReceiveLimits sets those for receiving.
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
	b.set(func(old totals) *totals { return newTotals(total, minPerConn, old.strict) })
	return nil
}

// SetStrict has the totals divided by all members, or not.
func (p *Pool) SetStrict(strict bool) {
	for _, b := range []*budget{&p.send, &p.receive} {
		b.set(func(old totals) *totals { return newTotals(old.total, old.min, strict) })
	}
}

// SetPeerWeight gives a peer a weight of its own among peers, 1 to MaxWeight, whether it has members or not; 0 takes it back.
func (p *Pool) SetPeerWeight(key limits.Peer, weight int) error {
	if err := checkWeight(weight); err != nil {
		return err
	}
	if key == (limits.Peer{}) {
		return fmt.Errorf("pool: a weight for nobody")
	}
	x := p.enter(key)
	old := x.own.Swap(int64(weight))
	if weight == 0 || old > 0 {
		p.leave(x)
	}
	if weight == 0 && old > 0 {
		p.leave(x)
	}
	x.send.recount()
	x.receive.recount()
	return nil
}

func checkWeight(weight int) error {
	if weight < 0 || weight > MaxWeight {
		return fmt.Errorf("pool: a weight of %d: want 1 to %d, or 0 for the default", weight, MaxWeight)
	}
	return nil
}

// Limits returns the total for sending, Unlimited for none, and the minimum, in bytes per second.
func (p *Pool) Limits() (total, minPerConn int64) {
	l := p.send.totals.Load()
	return l.total, l.min
}

// ReceiveLimits is Limits for receiving.
func (p *Pool) ReceiveLimits() (total, minPerConn int64) {
	l := p.receive.totals.Load()
	return l.total, l.min
}

// Members is the number of connections registered now.
func (p *Pool) Members() int {
	n, _ := p.send.members.read()
	return int(n)
}

// Throttled is the number of those that are held back in sending now.
func (p *Pool) Throttled() int {
	n, _ := p.send.throttled.read()
	return int(n)
}

// Strict reports what SetStrict has set.
func (p *Pool) Strict() bool { return p.send.totals.Load().strict }

// Rate is Share of the total for sending among the registered members, in bytes per second: the
// plain formula, whatever they use.
func (p *Pool) Rate() int64 {
	l := p.send.totals.Load()
	n, _ := p.send.members.read()
	return Share(l.total, n, l.min)
}

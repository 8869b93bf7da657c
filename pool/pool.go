package pool

import (
	"time"

	"example.com/ebb/internal/budget"
	"example.com/ebb/limits"
)

const (
	// Unlimited is the total, and the rate, of a pool that limits nobody. Any negative value means the same.
	Unlimited int64 = -1
	// MaxTotal is the largest total, and the largest minimum, in bytes per second.
	MaxTotal int64 = 1 << 40
	// MaxWeight is the largest weight of a member, and of a peer.
	MaxWeight = 256
	// MaxMembers is how many members a pool counts at most.
	MaxMembers = 1<<28 - 1
)

// Share is the documented formula: max(total/n, min), in bytes per second, of an integer division. n below
// 1 counts as 1, a negative min as 0. An Unlimited total has Unlimited shares.
func Share(total int64, n, min int64) int64 { return budget.Share(total, n, min) }

// Pool is a budget for sending and one for receiving, each shared by the pool's members. Its methods may be called
// by any number of goroutines. New makes one.
type Pool budget.Pool

// New makes a pool that sends total bytes of UDP payload per second, or Unlimited, and does not
// limit receiving. No member gets less than minPerConn, even where that exceeds the total, unless the members of one peer
// would get more than the peer's share by that. It is an
// error if either is negative, other than Unlimited, or above MaxTotal, or if both are 0.
func New(total, minPerConn int64) (*Pool, error) {
	p := unlimited()
	if err := p.SetLimits(total, minPerConn); err != nil {
		return nil, err
	}
	return p, nil
}

// unlimited is a pool that limits nothing.
func unlimited() *Pool { return (*Pool)(budget.New()) }

func (p *Pool) budget() *budget.Pool { return (*budget.Pool)(p) }

// SetLimits changes what New was given, under the same rules. Members follow when they next send, and
// those that wait for credit within an update interval (at most half a second).
func (p *Pool) SetLimits(total, minPerConn int64) error {
	return p.budget().SetLimits(total, minPerConn)
}

// SetReceiveLimits limits what all members receive, in bytes of the application's data per
// second: their windows open no faster. The rules are those of New.
func (p *Pool) SetReceiveLimits(total, minPerConn int64) error {
	return p.budget().SetReceiveLimits(total, minPerConn)
}

// SetStrict makes the pool divide its totals by all members, whether they use their share or not and whoever their peers are, as
// Share does, or, with false, max-min fairly by what they use, among peers first.
func (p *Pool) SetStrict(strict bool) { p.budget().SetStrict(strict) }

// SetPeerWeight gives a peer a weight among peers, 1 to MaxWeight, now and until it is set again, whether it has members or not. 0 gives it
// the default, which is the weight of the heaviest member that it has had since its first. It is an error for nobody in particular, the zero Peer.
// A strict pool knows no peers.
func (p *Pool) SetPeerWeight(peer limits.Peer, weight int) error {
	return p.budget().SetPeerWeight(peer, weight)
}

// Limits returns the total for sending, Unlimited for none, and the minimum, in bytes per second.
func (p *Pool) Limits() (total, minPerConn int64) { return p.budget().Limits() }

// ReceiveLimits is Limits for receiving.
func (p *Pool) ReceiveLimits() (total, minPerConn int64) { return p.budget().ReceiveLimits() }

// Members is the number of connections registered now.
func (p *Pool) Members() int { return p.budget().Members() }

// Rate is Share of the total for sending among the registered members, in bytes per second: the
// plain formula, whatever they use.
func (p *Pool) Rate() int64 { return p.budget().Rate() }

// Snapshot is a pool at a moment, as plain values. Rates are bytes per second, Unlimited for none.
type Snapshot struct {
	Members   int // connections registered
	Throttled int // of these, those that the pool holds back in sending

	Total, MinPerConn               int64 // for sending, of UDP payload
	ReceiveTotal, ReceiveMinPerConn int64 // for receiving, of the application's data
	Rate                            int64 // Pool.Rate
	Strict                          bool  // as SetStrict has it
}

// Snapshot reads the pool. While others use it the values may be of slightly different moments.
func (p *Pool) Snapshot() Snapshot {
	s := Snapshot{Members: p.Members(), Throttled: p.budget().Throttled(), Rate: p.Rate(), Strict: p.budget().Strict()}
	s.Total, s.MinPerConn = p.Limits()
	s.ReceiveTotal, s.ReceiveMinPerConn = p.ReceiveLimits()
	return s
}

// Join registers something with a peer that is to count as a connection, with a weight of 1 to MaxWeight among those
// of its peer; 0 stands for 1. Connections of package ebb join by themselves. The zero Peer stands for one that no other member
// has. The member has to be closed.
func (p *Pool) Join(peer limits.Peer, weight int) (*Member, error) {
	m, err := p.budget().Join(peer, weight)
	return (*Member)(m), err
}

// Member is one connection's place in a pool. Close may be called by any goroutine, Rate by one at a time.
type Member budget.Member

// Rate is what the member may send now, in bytes per second, or would get if it wanted that much; Unlimited if the pool has no total, and
// never 0. now is counted from the origin that all members share.
func (m *Member) Rate(now time.Duration) int64 { return (*budget.Member)(m).Rate(now) }

// Close ends the membership. It may be called again, to no effect.
func (m *Member) Close() { (*budget.Member)(m).Close() }

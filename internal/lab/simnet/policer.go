package simnet

import (
	"math/bits"
	"time"
)

// Policer is a token bucket that drops what it has no tokens for, without a
// queue. The zero value drops nothing.
type Policer struct {
	Rate   int64 // tokens a second, bytes with Overhead; 0 or less: no policer
	Bucket int   // most tokens, in bytes; it starts full
}

// tokenBucket is the state of a Policer: whole tokens, and the time and the part of
// one, in units of 1/second, up to which they were counted.
type tokenBucket struct {
	tokens int64
	at     time.Duration
	part   uint64
}

func newTokenBucket(p Policer) tokenBucket { return tokenBucket{tokens: int64(p.Bucket)} }

// spend takes size tokens if there are as many.
func (u *tokenBucket) spend(now time.Duration, p Policer, size int) bool {
	if p.Rate <= 0 {
		return true
	}
	hi, lo := bits.Mul64(uint64(max(now-u.at, 0)), uint64(p.Rate))
	lo, carry := bits.Add64(lo, u.part, 0)
	earned := uint64(p.Bucket)
	if hi+carry < uint64(time.Second) { // otherwise it is more than any bucket holds
		earned, u.part = bits.Div64(hi+carry, lo, uint64(time.Second))
	}
	u.at = max(u.at, now)
	u.tokens = int64(min(uint64(u.tokens)+earned, uint64(p.Bucket)))
	if u.tokens == int64(p.Bucket) {
		u.part = 0
	}
	if u.tokens < int64(size) {
		return false
	}
	u.tokens -= int64(size)
	return true
}

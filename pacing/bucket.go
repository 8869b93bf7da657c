// Package pacing spreads bytes over time: a token bucket in bytes.
//
// The package is pure: time comes in as an argument, counted from any origin
// that does not change, and a Bucket is used by one goroutine at a time.
package pacing

import (
	"math"
	"math/bits"
	"time"
)

// unlimited is the rate of a bucket that limits nothing. Any lower rate means the
// same.
const unlimited int64 = 0

// minCapacity is the least capacity that follows a rate, in bytes: the burst of a slow connection.
const minCapacity = 10_000

// unit is the denominator of the fraction of a byte that a bucket has earned: rates
// are bytes per second and time is in nanoseconds.
const unit = uint64(time.Second)

// A Bucket is a token bucket in bytes. Credit comes at the rate up to the
// capacity, spending may overdraw it, and the debt is then repaid at the rate.
// Whoever sends packets of at most n bytes, and only while Available is
// positive, sends at most rate·T + capacity + n bytes in any time T.
//
// The arithmetic is exact: between two instants the credit that comes is the
// rate times the time, rounded down once, however often the bucket is asked in
// between. The zero value is an unlimited bucket whose capacity follows its
// rate.
type Bucket struct {
	rate      int64
	capacity  int64
	fixed     bool          // the capacity does not follow the rate
	credit    int64         // whole bytes, at most capacity; negative in debt
	earned    uint64        // of the next byte, in bytes/unit; 0 when full
	accruedAt time.Duration // when credit and earned were true
}

// NewBucket returns a full bucket. The rate is in bytes per second, 0 or less for none. The capacity is
// in bytes; 0 or less stands for one that follows the rate: two milliseconds of it, which covers a timer that fires a
// millisecond late, at least 10 KB and at most math.MaxInt32.
func NewBucket(capacity int, rate int64) Bucket {
	b := Bucket{rate: max(rate, unlimited), capacity: int64(capacity), fixed: capacity > 0}
	if !b.fixed {
		b.capacity = capacityOf(b.rate)
	}
	b.credit = b.capacity
	return b
}

// SetRate changes the rate from now on, in bytes per second. Credit up to now
// accrues at the old rate. A debt stays, and is repaid at the new rate.
// Credit above a capacity that shrinks is lost, and one that grows is not
// filled. An unlimited bucket has no debts: its successor starts full.
func (b *Bucket) SetRate(now time.Duration, rate int64) {
	b.accrue(now)
	if rate = max(rate, unlimited); rate == b.rate {
		return
	}
	wasUnlimited := b.rate == unlimited
	b.rate = rate
	if !b.fixed {
		b.capacity = capacityOf(rate)
	}
	if wasUnlimited || b.credit >= b.capacity {
		b.fill()
	}
}

// Rate is the rate in bytes per second, 0 for none.
func (b *Bucket) Rate() int64 { return b.rate }

// Capacity is what the bucket holds when it is full, in bytes.
func (b *Bucket) Capacity() int { return int(b.capacity) }

// Available is the credit at now in bytes, negative in debt. It lies between
// -math.MaxInt32 and math.MaxInt32, which is what an unlimited bucket has.
func (b *Bucket) Available(now time.Duration) int {
	b.accrue(now)
	if b.rate == unlimited {
		return math.MaxInt32
	}
	return int(min(max(b.credit, -math.MaxInt32), math.MaxInt32))
}

// Spend takes n bytes, into debt if there is not enough. It takes nothing if n
// is not positive or the bucket is unlimited.
func (b *Bucket) Spend(now time.Duration, n int) {
	b.accrue(now)
	if n <= 0 || b.rate == unlimited {
		return
	}
	// The bound is beyond any debt that could be repaid, and keeps sums of
	// two such numbers in range.
	b.credit = max(b.credit, math.MinInt64/4+int64(n)) - int64(n)
}

// Reserve spends n bytes and says how long after now the debt, if any, is
// repaid.
func (b *Bucket) Reserve(now time.Duration, n int) time.Duration {
	b.Spend(now, n)
	return b.wait(0)
}

// Until is how long after now there will be n bytes of credit if nothing is
// spent, or, if n is more than the capacity, until the bucket is full.
func (b *Bucket) Until(now time.Duration, n int) time.Duration {
	b.accrue(now)
	return b.wait(min(int64(n), b.capacity))
}

// accrue adds the credit that has come since the last call. Time that goes
// backwards brings none and takes none.
func (b *Bucket) accrue(now time.Duration) {
	if now <= b.accruedAt {
		return
	}
	elapsed := uint64(now) - uint64(b.accruedAt) // exact even if accruedAt is negative
	b.accruedAt = now
	if b.rate == unlimited || b.credit >= b.capacity {
		return
	}
	hi, lo := bits.Mul64(uint64(b.rate), elapsed)
	lo, carry := bits.Add64(lo, b.earned, 0)
	hi += carry
	if hi >= unit {
		b.fill() // more than 2^64 bytes
		return
	}
	whole, earned := bits.Div64(hi, lo, unit)
	if whole >= uint64(b.capacity-b.credit) {
		b.fill()
		return
	}
	b.credit += int64(whole)
	b.earned = earned
}

// capacityOf is the capacity that follows a rate: see NewBucket.
func capacityOf(rate int64) int64 { return min(max(minCapacity, rate/500), math.MaxInt32) }

func (b *Bucket) fill() {
	b.credit = b.capacity
	b.earned = 0
}

// wait is the shortest time after which there is so much credit. accrue was called
// before.
func (b *Bucket) wait(credit int64) time.Duration {
	if b.rate == unlimited || b.credit >= credit {
		return 0
	}
	hi, lo := bits.Mul64(uint64(credit-b.credit), unit)
	lo, borrow := bits.Sub64(lo, b.earned, 0)
	hi -= borrow
	rate := uint64(b.rate)
	lo, carry := bits.Add64(lo, rate-1, 0) // round up
	hi += carry
	if hi >= rate {
		return math.MaxInt64
	}
	wait, _ := bits.Div64(hi, lo, rate)
	return time.Duration(min(wait, math.MaxInt64))
}

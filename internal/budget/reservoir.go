package budget

import (
	"math"
	"sync/atomic"
	"time"

	"example.com/ebb/pacing"
)

// reservoir is the bucket that all members of a budget draw on, as the generic cell rate algorithm
// keeps one: a single word, the time at which everything taken will have been earned. It is
// full when that is a burst's time ago, empty at now, and in debt above.
type reservoir struct{ earnedAt atomic.Int64 } // ns

// bursts is the reservoir's capacity, in bursts of one connection at the total's rate. One would do if all
// timers fired in time. Members below their share may overdraw by one more. The package promises four in all:
// the last is for control packets.
const bursts = 2

// flow is a rate in bytes per second, at least 1 and at most MaxTotal, and the time in which it
// fills the reservoir.
type flow struct {
	rate int64
	fill time.Duration
}

func flowOf(rate int64) flow {
	f := flow{rate: rate}
	burst := pacing.NewBucket(0, rate)
	f.fill = f.timeFor(bursts * int64(burst.Capacity()))
	return f
}

// timeFor is the time in which n bytes, less than 2^33, are earned, rounded up.
func (f flow) timeFor(n int64) time.Duration {
	return time.Duration((n*int64(time.Second) + f.rate - 1) / f.rate)
}

// overdraft is how far, in time, those below their share may go into debt.
func (f flow) overdraft() time.Duration { return f.fill / bursts }

// promised is how far, in time, those may go into debt to whom n bytes were promised, and whose turn was late ago. A few
// bytes of somebody else's do not cost them their turn, nor do those who came early while they were not there.
func (f flow) promised(n int, late time.Duration) time.Duration {
	return max(min(f.timeFor(int64(n))+late, f.overdraft()), f.beyond(n))
}

// beyond is by how much, in time, n bytes exceed a full reservoir: that is how far into debt a packet goes that is larger.
func (f flow) beyond(n int) time.Duration { return max(0, f.timeFor(int64(n))-f.fill) }

// fill makes the reservoir a full one, whatever the time.
func (r *reservoir) fill() { r.earnedAt.Store(math.MinInt64 / 2) }

// take takes up to n bytes of what there is, and of an overdraft, 0 for none.
func (r *reservoir) take(now time.Duration, f flow, n int, overdraft time.Duration) int {
	for {
		old := r.earnedAt.Load()
		from := max(time.Duration(old), now-f.fill)
		if from >= now+overdraft {
			return 0
		}
		there := int64(now+overdraft-from) * f.rate / int64(time.Second) // within the time of three bursts, or of n bytes
		taken := min(int64(n), there)
		if r.earnedAt.CompareAndSwap(old, int64(from+f.timeFor(taken))) {
			return int(taken)
		}
	}
}

// spend takes n bytes, into debt if there is not enough; a negative n gives back.
func (r *reservoir) spend(now time.Duration, f flow, n int) {
	cost := f.timeFor(int64(max(n, 0)))
	if n < 0 {
		cost = time.Duration(int64(n) * int64(time.Second) / f.rate) // rounded towards nothing
	}
	for {
		old := r.earnedAt.Load()
		if r.earnedAt.CompareAndSwap(old, int64(max(time.Duration(old), now-f.fill)+cost)) {
			return
		}
	}
}

// due is when everything taken will be earned.
func (r *reservoir) due() time.Duration { return time.Duration(r.earnedAt.Load()) }

// until is how long after now take will get n bytes, or as many as it ever gets.
func (r *reservoir) until(now time.Duration, f flow, n int, overdraft time.Duration) time.Duration {
	from := max(time.Duration(r.earnedAt.Load()), now-f.fill)
	return max(0, from+min(f.timeFor(int64(n)), f.fill+overdraft)-now-overdraft)
}

package pacing

import (
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

const (
	us = time.Microsecond
	ms = time.Millisecond
)

func TestReserveSaysWhenTheDebtIsRepaid(t *testing.T) {
	b := NewBucket(1000, 1_000_000)
	if got := b.Reserve(0, 5000); got != 4*ms {
		t.Errorf("capacity 1000 at 1 MB/s, Reserve(5000) = %v, want 4ms", got)
	}
	b = NewBucket(10_000, 1_000_000)
	for i, want := range []time.Duration{20 * ms, 50 * ms, 80 * ms} {
		if got := b.Reserve(0, 30_000); got != want {
			t.Errorf("reserve %d of 30,000 with no time passing = %v, want %v", i+1, got, want)
		}
	}
	b = NewBucket(10_000, 1_000_000)
	if got := b.Reserve(0, 10_000); got != 0 {
		t.Errorf("spending exactly what is there waits %v, want 0", got)
	}
}

func TestBucketStartsFull(t *testing.T) {
	for _, rate := range []int64{1, 1_000_000, 10_000_000_000} {
		b := NewBucket(0, rate)
		if got, want := b.Available(0), int(capacityOf(rate)); got != want {
			t.Errorf("rate %d: Available = %d, want %d", rate, got, want)
		}
	}
}

// earned is floor(rate·elapsed), computed without bounds.
func earned(rate int64, elapsed time.Duration) int64 {
	p := new(big.Int).Mul(big.NewInt(rate), big.NewInt(int64(elapsed)))
	return p.Div(p, big.NewInt(int64(time.Second))).Int64()
}

func TestCreditIsRateTimesTimeHoweverFinelyPolled(t *testing.T) {
	for _, step := range []time.Duration{10, 100, 3 * us, 100 * us, ms, 333 * ms} {
		for _, rate := range []int64{1, 7, 999, 1_000_000, 10_000_000, 99_999_989} {
			b := NewBucket(math.MaxInt32, rate)
			b.Spend(0, math.MaxInt32)
			var now time.Duration
			for range 5_000 {
				now += step
				b.Available(now)
			}
			want := min(earned(rate, now), math.MaxInt32)
			if got := int64(b.Available(now)); got != want {
				t.Errorf("rate %d polled every %v for %v: credit %d, want %d", rate, step, now, got, want)
			}
		}
	}
}

func TestCreditDoesNotDependOnRandomPolling(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		rate := 1 + r.Int64N(1<<uint(1+r.IntN(34)))
		polled, plain := NewBucket(math.MaxInt32, rate), NewBucket(math.MaxInt32, rate)
		polled.Spend(0, math.MaxInt32)
		plain.Spend(0, math.MaxInt32)
		var now time.Duration
		for range 2000 {
			now += time.Duration(r.Int64N(1 << uint(r.IntN(20))))
			if r.IntN(8) == 0 {
				n := r.IntN(3000)
				polled.Spend(now, n)
				plain.Spend(now, n)
			}
			for range r.IntN(3) {
				polled.Available(now - time.Duration(r.IntN(2000))) // late callers take nothing
			}
		}
		if got, want := polled.Available(now), plain.Available(now); got != want {
			t.Errorf("seed %d: polled %d, not polled %d", seed, got, want)
		}
		if polled != plain {
			t.Errorf("seed %d: buckets differ: %+v, %+v", seed, polled, plain)
		}
	}
}

func TestWindowBound(t *testing.T) {
	const packet = 1452
	type sent struct {
		at    time.Duration
		bytes int64
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 2))
		rate := 1000 + r.Int64N(50_000_000)
		b := NewBucket(0, rate)
		var log []sent
		var now time.Duration
		for len(log) < 600 {
			switch r.IntN(4) {
			case 0:
				now += b.Until(now, packet)
			case 1:
				now += time.Duration(r.Int64N(int64(3 * ms)))
			case 2:
				now += time.Duration(r.Int64N(50))
			}
			for b.Available(now) > 0 && r.IntN(50) != 0 {
				n := 1 + r.IntN(packet)
				b.Spend(now, n)
				log = append(log, sent{now, int64(n)})
			}
		}
		for i := range log {
			var sum int64
			for _, s := range log[i:] {
				sum += s.bytes
				bound := earned(rate, s.at-log[i].at) + capacityOf(rate) + packet
				if sum > bound {
					t.Fatalf("seed %d: %d bytes in %v, bound %d", seed, sum, s.at-log[i].at, bound)
				}
			}
		}
	}
}

func TestUntilIsTheFirstInstantWithTheCredit(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		rate := 1 + r.Int64N(1<<uint(1+r.IntN(33)))
		b := NewBucket(1+r.IntN(100_000), rate)
		now := time.Duration(r.Int64N(1e9))
		b.Spend(now, r.IntN(1_000_000))
		now += time.Duration(r.Int64N(1000))
		n := r.IntN(120_000)
		wait := b.Until(now, n)
		n = min(n, int(b.capacity))
		if got := b.Available(now); (wait == 0) != (got >= n) {
			t.Fatalf("seed %d: Until = %v with %d of %d there", seed, wait, got, n)
		}
		if wait == 0 {
			continue
		}
		if got := b.Available(now + wait - 1); got >= n {
			t.Errorf("seed %d: %d of %d already before Until", seed, got, n)
		}
		if got := b.Available(now + wait); got < n {
			t.Errorf("seed %d: only %d of %d at Until", seed, got, n)
		}
	}
}

func TestRateChangeIsSettledAtTheOldRateFirst(t *testing.T) {
	b := NewBucket(1_000_000, 1_000_000)
	b.Spend(0, 1_000_000)
	b.SetRate(100*ms, 10_000_000)
	if got := b.Available(100 * ms); got != 100_000 {
		t.Errorf("after 100 ms at 1 MB/s: %d, want 100,000", got)
	}
	b.SetRate(110*ms, 1_000)
	if got := b.Available(110 * ms); got != 200_000 {
		t.Errorf("and 10 ms at 10 MB/s: %d, want 200,000", got)
	}
	if got := b.Available(1110 * ms); got != 201_000 {
		t.Errorf("and 1 s at 1 kB/s: %d, want 201,000", got)
	}
}

func TestRateChangesKeepFractionsOfAByte(t *testing.T) {
	b := NewBucket(1000, 3)
	b.Spend(0, 1000)
	var now time.Duration
	want := new(big.Rat)
	for i := range 3000 {
		rate := int64(3 + i%2)
		b.SetRate(now, rate)
		now += 10 * ms
		want.Add(want, big.NewRat(rate, 100))
	}
	whole := new(big.Int).Quo(want.Num(), want.Denom()).Int64()
	if got := int64(b.Available(now)); got != whole {
		t.Errorf("credit %d, want %d", got, whole)
	}
}

func TestAFullBucketEarnsNoFractions(t *testing.T) {
	b := NewBucket(10, 1)
	b.Spend(0, 1)
	b.Available(900 * ms)
	b.Available(1500 * ms) // full since 1 s
	b.Spend(1500*ms, 1)
	if got := b.Until(1500*ms, 10); got != time.Second {
		t.Errorf("a byte at 1 B/s takes %v, want 1s", got)
	}
}

func TestCapacityFollowsTheRateUnlessFixed(t *testing.T) {
	b := NewBucket(0, 1_000_000)
	b.SetRate(0, 100_000_000)
	if got := b.Available(0); got != 10_000 {
		t.Errorf("a larger capacity came with %d bytes, want the 10,000 there were", got)
	}
	if got := b.Available(time.Second); got != 200_000 {
		t.Errorf("full at 100 MB/s: %d, want 200,000", got)
	}
	b.SetRate(time.Second, 1_000_000)
	if got := b.Available(time.Second); got != 10_000 {
		t.Errorf("full at 1 MB/s: %d, want 10,000", got)
	}
	b = NewBucket(5000, 1_000_000)
	b.SetRate(0, 100_000_000)
	if got := b.Available(time.Second); got != 5000 {
		t.Errorf("fixed capacity: %d, want 5000", got)
	}
}

func TestDebtSurvivesARateChange(t *testing.T) {
	b := NewBucket(10_000, 1_000_000)
	b.Spend(0, 110_000)
	b.SetRate(0, 10_000_000)
	if got := b.Until(0, 0); got != 10*ms {
		t.Errorf("100,000 bytes of debt at 10 MB/s: %v, want 10ms", got)
	}
}

func TestUnlimited(t *testing.T) {
	var zero Bucket
	for name, b := range map[string]Bucket{
		"zero value": zero, "unlimited": NewBucket(1, unlimited), "negative": NewBucket(0, -1),
	} {
		b.Spend(0, math.MaxInt32)
		if got := b.Available(0); got != math.MaxInt32 {
			t.Errorf("%s: Available = %d", name, got)
		}
		if r, u := b.Reserve(0, math.MaxInt32), b.Until(0, math.MaxInt32); r != 0 || u != 0 {
			t.Errorf("%s: Reserve = %v, Until = %v, want 0", name, r, u)
		}
	}
	b := NewBucket(0, 1_000_000)
	b.Spend(0, 50_000)
	b.SetRate(0, unlimited)
	b.SetRate(ms, 1_000_000)
	if got := b.Available(ms); got != 10_000 {
		t.Errorf("limited again: %d, want a full 10,000", got)
	}
}

func TestNoOverflow(t *testing.T) {
	for _, rate := range []int64{1, 10_000_000_000, math.MaxInt64} {
		b := NewBucket(0, rate)
		b.Spend(0, 1)
		const idle = 1000 * time.Hour
		if got, want := b.Available(idle), int(capacityOf(rate)); got != want {
			t.Errorf("rate %d: %d after 1000 h idle, want %d", rate, got, want)
		}
		if got, want := b.Available(math.MaxInt64), int(capacityOf(rate)); got != want {
			t.Errorf("rate %d: %d at the end of time, want %d", rate, got, want)
		}
	}
	b := NewBucket(0, 1)
	for range 10 {
		b.Spend(0, math.MaxInt)
	}
	if got := b.Available(0); got != -math.MaxInt32 {
		t.Errorf("deep in debt: %d, want %d", got, -math.MaxInt32)
	}
	if got := b.Until(0, 1); got != math.MaxInt64 {
		t.Errorf("a debt of centuries: %v", got)
	}
	b = NewBucket(math.MaxInt, 1)
	b.Spend(0, math.MaxInt)
	if got := b.Until(0, math.MaxInt); got != math.MaxInt64 {
		t.Errorf("a credit of centuries: %v", got)
	}
}

func TestTimeGoingBackwardsBringsNothing(t *testing.T) {
	b := NewBucket(1000, 1_000_000)
	b.Spend(10*ms, 1000)
	if got := b.Available(0); got != 0 {
		t.Errorf("credit %d, want 0", got)
	}
	if got := b.Available(10 * ms); got != 0 {
		t.Errorf("the same 10 ms were paid again: credit %d, want 0", got)
	}
	b = NewBucket(1000, 1_000_000)
	b.Spend(-10*ms, 1000)
	if got := b.Available(0); got != 0 {
		t.Errorf("time before the origin: credit %d, want 0", got)
	}
}

func TestNegativeAmountsAreNothing(t *testing.T) {
	b := NewBucket(1000, 1_000_000)
	b.Spend(0, 500)
	b.Spend(0, -400)
	if got := b.Available(0); got != 500 {
		t.Errorf("credit %d, want 500", got)
	}
}

func TestCapacityOfARate(t *testing.T) {
	for _, c := range []struct {
		rate     int64
		capacity int
	}{
		{unlimited, 10_000},
		{-1, 10_000},
		{1, 10_000},
		{5_000_000, 10_000},
		{10_000_000, 20_000},
		{100_000_000, 200_000},
		{10_000_000_000, 20_000_000},
		{math.MaxInt64, math.MaxInt32},
	} {
		if b := NewBucket(0, c.rate); b.Capacity() != c.capacity {
			t.Errorf("at rate %d: %d, want %d", c.rate, b.Capacity(), c.capacity)
		}
	}
	if b := NewBucket(77, 5_000_000); b.Capacity() != 77 {
		t.Errorf("a fixed one is %d, want 77", b.Capacity())
	}
}

func TestBucketAllocatesNothing(t *testing.T) {
	b := NewBucket(0, 10_000_000)
	var now time.Duration
	if n := testing.AllocsPerRun(1000, func() {
		now += 100 * us
		if b.Available(now) > 0 {
			b.Spend(now, 1452)
		}
		b.Until(now, 1452)
		b.SetRate(now, 10_000_000+int64(now%2))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkBucket(b *testing.B) {
	k := NewBucket(0, 10_000_000)
	var now time.Duration
	b.ReportAllocs()
	for b.Loop() {
		now += 100 * us
		if k.Available(now) > 0 {
			k.Spend(now, 1452)
		}
		k.Until(now, 1452)
	}
}

func ExampleBucket() {
	b := NewBucket(0, 1_000_000)
	fmt.Println(b.Available(0))
	fmt.Println(b.Reserve(0, 12_000))
	// Output:
	// 10000
	// 2ms
}

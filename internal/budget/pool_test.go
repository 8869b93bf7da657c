package budget

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"example.com/ebb/limits"
)

const (
	ms = time.Millisecond
	mb = 1_000_000
)

func newTestPool(t testing.TB, total, min int64) *Pool {
	t.Helper()
	p := New()
	if err := p.SetLimits(total, min); err != nil {
		t.Fatal(err)
	}
	return p
}

func join(t testing.TB, p *Pool, weight int) *Member {
	t.Helper()
	m, err := p.Join(limits.Peer{}, weight)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// throttled is how many peers have a member that the pool holds back: here every member is a peer of its own.
func (p *Pool) throttled() int {
	n, _ := p.send.peers.read()
	return int(n)
}

// joinThrottled joins n members that the pool holds back.
func joinThrottled(t testing.TB, p *Pool, n int) []*Member {
	t.Helper()
	members := make([]*Member, n)
	for i := range members {
		members[i] = join(t, p, 1)
		members[i].send.Report(0, 0, 0, Throttled, 50*ms)
	}
	return members
}

func TestShareIsTheDocumentedFormula(t *testing.T) {
	for _, c := range []struct{ total, n, min, want int64 }{
		{100 * mb, 1, 2 * mb, 100 * mb}, {100 * mb, 5, 2 * mb, 20 * mb}, {100 * mb, 10, 2 * mb, 10 * mb},
		{100 * mb, 25, 2 * mb, 4 * mb}, {100 * mb, 50, 2 * mb, 2 * mb}, {100 * mb, 100, 2 * mb, 2 * mb},
		{3 * mb, 1, 500_000, 3 * mb}, {3 * mb, 4, 500_000, 750_000}, {3 * mb, 6, 500_000, 500_000}, {3 * mb, 7, 500_000, 500_000},
		{50 * mb, 3, mb, 16_666_666}, {10 * mb, 10, 5 * mb, 5 * mb}, {50 * mb, 10_000, 1000, 5000}, {0, 1, mb, mb},
		{50 * mb, 0, mb, 50 * mb}, {50 * mb, -3, mb, 50 * mb}, {10, 3, -5, 3}, {Unlimited, 7, mb, Unlimited},
	} {
		if got := Share(c.total, c.n, c.min); got != c.want {
			t.Errorf("Share(%d, %d, %d) = %d, want %d", c.total, c.n, c.min, got, c.want)
		}
		if c.n < 1 || c.total < 0 || c.min < 0 {
			continue
		}
		p := newTestPool(t, c.total, c.min)
		members := joinThrottled(t, p, int(c.n))
		if got := p.Rate(); got != c.want {
			t.Errorf("total %d, min %d, %d members: Rate = %d, want %d", c.total, c.min, c.n, got, c.want)
		}
		for i, m := range members {
			if got := m.Rate(0); got != c.want {
				t.Fatalf("total %d, min %d, member %d of %d, all busy: Rate = %d, want %d", c.total, c.min, i, c.n, got, c.want)
			}
		}
	}
}

// TestSharesAddUp checks weighted shares against their sum: they leave less than a byte a member, and no
// member less than the minimum.
func TestSharesAddUp(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 5))
		total, min := r.Int64N(1<<r.IntN(40)+1)+1, r.Int64N(1<<r.IntN(20)+1)
		p := newTestPool(t, total, min)
		members := make([]*Member, 1+r.IntN(300))
		for i := range members {
			members[i] = join(t, p, 1+r.IntN(MaxWeight))
			members[i].send.Report(0, 0, 0, Throttled, 50*ms)
		}
		n, sum := int64(len(members)), int64(0)
		for _, m := range members {
			rate := m.Rate(0)
			if rate < max(min, 1) {
				t.Fatalf("seed %d: weight %d has %d, minimum %d", seed, m.send.weight, rate, min)
			}
			sum += rate
		}
		if bound := max(total, min*n, n); sum > bound || sum < bound-n {
			t.Fatalf("seed %d: %d shares of %d, minimum %d, add up to %d", seed, n, total, min, sum)
		}
	}
}

// TestNobodyGetsMoreThanAll: a sum that was read before others counted the weight in it does not make a share of more than there is.
func TestNobodyGetsMoreThanAll(t *testing.T) {
	for _, d := range []division{
		{rest: 100 * mb, min: mb, n: 2, weights: 2},
		{rest: 100 * mb, n: 1, weights: 1},
		{rest: 100 * mb, min: mb, n: 0, weights: 0},
	} {
		if got := d.share(MaxWeight); got > d.rest {
			t.Errorf("%+v: %d", d, got)
		}
	}
}

func TestLimitsAreChecked(t *testing.T) {
	for _, c := range []struct {
		total, min int64
		ok         bool
	}{
		{Unlimited, 0, true}, {0, 1, true}, {1, 0, true}, {MaxTotal, MaxTotal, true},
		{0, 0, false}, {-2, 1, false}, {1, -1, false}, {MaxTotal + 1, 0, false}, {1, MaxTotal + 1, false}, {math.MinInt64, 0, false},
	} {
		if err := New().SetLimits(c.total, c.min); (err == nil) != c.ok {
			t.Errorf("SetLimits(%d, %d): %v", c.total, c.min, err)
		}
	}
	p := newTestPool(t, 10*mb, mb)
	for _, weight := range []int{-1, MaxWeight + 1} {
		if _, err := p.Join(limits.Peer{}, weight); err == nil {
			t.Errorf("Join(%d) succeeds", weight)
		}
	}
	if p.Members() != 0 {
		t.Errorf("%d members of those that could not join", p.Members())
	}
}

func TestAMemberLeavesOnce(t *testing.T) {
	p := newTestPool(t, 10*mb, mb)
	members := joinThrottled(t, p, 3)
	for range 3 {
		members[0].Close()
	}
	members[0].send.Report(0, 0, 0, Throttled, 50*ms) // its connection's last words
	if p.Members() != 2 || p.throttled() != 2 {
		t.Errorf("3 joined and one left: %d members, %d throttled", p.Members(), p.throttled())
	}
	if got := members[1].Rate(0); got != 5*mb {
		t.Errorf("share of each of two: %d", got)
	}
}

// TestMembersComeAndGo is ten thousand members on many goroutines, each of which joins, is throttled, is
// let go and leaves at random. At moments when all stand still the shares are added up.
func TestMembersComeAndGo(t *testing.T) {
	const workers, each, rounds, total, min = 50, 200, 20, 1_000 * mb, 50_000
	p := newTestPool(t, total, min)
	members := make([][]*Member, workers)
	for round := range rounds {
		now := time.Duration(round) * time.Second // nothing is metered: bytes are another test's
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				r := rand.New(rand.NewPCG(uint64(round), uint64(w)))
				members[w] = churn(t, p, members[w], r, now, each)
			})
		}
		group.Wait()
		n, sum := 0, int64(0)
		for _, mine := range members {
			n += len(mine)
			for _, m := range mine {
				if m.send.throttled.Load() {
					sum += m.Rate(now)
				}
			}
		}
		if p.Members() != n {
			t.Fatalf("round %d: %d members, want %d", round, p.Members(), n)
		}
		if bound := max(total, min*int64(n)); sum > bound || sum < total-int64(n) {
			t.Fatalf("round %d: the shares of %d members, %d throttled, add up to %d, total %d", round, n, p.throttled(), sum, total)
		}
	}
	for _, mine := range members {
		for _, m := range mine {
			m.Close()
		}
	}
	if p.Members() != 0 || p.throttled() != 0 {
		t.Errorf("all have left: %d members, %d throttled", p.Members(), p.throttled())
	}
}

// churn makes 2·n random steps with a worker's members and returns those that stay, n at most.
func churn(t *testing.T, p *Pool, mine []*Member, r *rand.Rand, now time.Duration, n int) []*Member {
	for range 2 * n {
		switch k := r.IntN(4); {
		case k == 0 && len(mine) < n || len(mine) == 0:
			m, err := p.Join(limits.Peer{}, 1)
			if err != nil {
				t.Error(err)
				return mine
			}
			mine = append(mine, m)
		case k == 1:
			i := r.IntN(len(mine))
			mine[i].Close()
			mine[i].Close()
			mine[i] = mine[len(mine)-1]
			mine = mine[:len(mine)-1]
		default:
			m := mine[r.IntN(len(mine))]
			m.send.Report(now, m.send.Take(now, 0), 0, State(r.IntN(4)), 50*ms)
			if rate := m.Rate(now); rate < 1 || rate > 1_000*mb {
				t.Errorf("Rate = %d", rate)
			}
		}
	}
	return mine
}

func TestReadingARateAllocatesNothing(t *testing.T) {
	m := joinThrottled(t, newTestPool(t, 100*mb, mb), 10)[0]
	now := time.Duration(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += ms
		m.send.Report(now, m.send.Take(now, 3000), 1500, Throttled, 50*ms)
		m.Rate(now)
		m.send.Wait(now, 3000)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkRate(b *testing.B) {
	m := joinThrottled(b, newTestPool(b, 100*mb, mb), 10)[0]
	b.ReportAllocs()
	for now := time.Duration(0); b.Loop(); now += 1000 {
		m.Rate(now)
	}
}

func BenchmarkTakeAndSettle(b *testing.B) {
	m := joinThrottled(b, newTestPool(b, 100*mb, mb), 10)[0]
	b.ReportAllocs()
	for now := time.Duration(0); b.Loop(); now += 100_000 {
		m.send.Report(now, m.send.Take(now, 10_000), 10_000, Throttled, 50*ms)
	}
}

package budget

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"example.com/ebb/limits"
)

// host is the nth host.
func host(n int) limits.Peer {
	return limits.PeerOf(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}))
}

// joinPeer joins a member of a peer, throttled or not.
func joinPeer(t testing.TB, p *Pool, key limits.Peer, weight int, throttled bool) *Member {
	t.Helper()
	m, err := p.Join(key, weight)
	if err != nil {
		t.Fatal(err)
	}
	if throttled {
		m.send.Report(0, 0, 0, Throttled, 50*ms)
	}
	return m
}

// TestSharesByPeer: exact shares of peers with some members each, all throttled.
func TestSharesByPeer(t *testing.T) {
	for _, c := range []struct {
		total, min int64
		members    []int // of each peer
		want       []int64
	}{
		{4 * mb, 0, []int{40, 1}, []int64{50_000, 2 * mb}},
		{4 * mb, mb, []int{40, 1}, []int64{50_000, 2 * mb}},             // the minimum is capped by the peer's share
		{4 * mb, 100_000, []int{4, 1}, []int64{500_000, 2 * mb}},        // and does not matter below it
		{4 * mb, mb, []int{1, 1, 1, 1, 1}, []int64{mb, mb, mb, mb, mb}}, // a single connection has it whole: the documented formula
		{4 * mb, 2 * mb, []int{4, 1, 1}, []int64{500_000, 2 * mb, 2 * mb}},
		{4 * mb, mb, []int{40}, []int64{mb}}, // nobody competes: the documented formula
		{4 * mb, mb, []int{2}, []int64{2 * mb}},
		{0, mb, []int{2, 1}, []int64{500_000, mb}},
		{3, 0, []int{2, 2}, []int64{1, 1}}, // never 0
	} {
		p := newTestPool(t, c.total, c.min)
		var members [][]*Member
		for i, n := range c.members {
			members = append(members, nil)
			for range n {
				members[i] = append(members[i], joinPeer(t, p, host(i), 1, true))
			}
		}
		for i, group := range members {
			for _, m := range group {
				if got := m.Rate(0); got != c.want[i] {
					t.Fatalf("total %d, minimum %d, peers of %v: one of peer %d has %d, want %d", c.total, c.min, c.members, i, got, c.want[i])
				}
			}
		}
		p.SetStrict(true)
		if got, want := members[0][0].Rate(0), max(Share(c.total, int64(p.Members()), c.min), 1); got != want {
			t.Errorf("strict: %d, want %d", got, want)
		}
	}
}

// TestSharesOfPeersAddUp: to the total or, if that is more, to the minimum of each peer, and within a peer to what it has.
func TestSharesOfPeersAddUp(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 8))
		total, least := r.Int64N(1<<r.IntN(40)+1)+1, r.Int64N(1<<r.IntN(20)+1)
		p := newTestPool(t, total, least)
		peers := 2 + r.IntN(30)
		sums, n := make([]int64, peers), int64(0)
		var members []*Member
		for i := range peers {
			for range 1 + r.IntN(20) {
				members = append(members, joinPeer(t, p, host(i), 1+r.IntN(MaxWeight), true))
				n++
			}
			if r.IntN(2) == 0 {
				p.SetPeerWeight(host(i), 1+r.IntN(MaxWeight))
			}
		}
		sum := int64(0)
		for _, m := range members {
			rate := m.Rate(0)
			sum += rate
			for i := range peers {
				if m.peer.key == host(i) {
					sums[i] += rate
				}
			}
		}
		if bound := max(total, least*int64(peers)); sum > bound+n || sum < bound-n-int64(peers) {
			t.Fatalf("seed %d: %d shares of %d, minimum %d of each of %d peers, add up to %d", seed, n, total, least, peers, sum)
		}
		for i, got := range sums {
			if got < least-20 {
				t.Fatalf("seed %d: peer %d has %d, minimum %d", seed, i, got, least)
			}
		}
	}
}

// TestWhatAPeersOthersUseIsItsOwn: members that are not throttled use some of their peer's share, and of nobody else's, if the peer has
// one that is throttled. Otherwise what they use is no longer there for all.
func TestWhatAPeersOthersUseIsItsOwn(t *testing.T) {
	const slot = 1 << slotShift
	p := newTestPool(t, 4*mb, 0)
	light, heavy := joinPeer(t, p, host(1), 1, false), joinPeer(t, p, host(1), 1, true)
	other := joinPeer(t, p, host(2), 1, true)
	use := func(now time.Duration, perSecond int64) { // throughout the slot before
		n := int(perSecond * slot / int64(time.Second))
		light.send.account.add(now-slot, n)
		light.send.metered.add(now-slot, n)
	}
	near := func(what string, got, want int64) {
		t.Helper()
		if got < want-want/1000-1 || got > want+want/1000+1 {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	now := time.Duration(100 * slot)
	use(now, mb)
	near("another peer", other.Rate(now), 2*mb)
	near("the throttled one beside it", heavy.Rate(now), mb)
	near("the light one, if it were throttled", light.Rate(now), mb)

	now += 10 * slot
	heavy.send.Report(now-slot, 0, 0, Idle, 50*ms)
	use(now, mb)
	near("another peer, where none is throttled beside it", other.Rate(now), 3*mb)
	near("the light one then", light.Rate(now), 2*mb)
	near("the idle one then", heavy.Rate(now), mb)
}

// TestPeersComeAndGo is many goroutines whose members join, are throttled, are let go and leave, of peers that they have
// in common and that are weighed meanwhile. In the end nothing is counted, and no peer is left.
func TestPeersComeAndGo(t *testing.T) {
	const workers, steps, peers = 16, 5000, 10
	p := newTestPool(t, 100*mb, mb)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 1))
			var mine []*Member
			for range steps {
				switch k := r.IntN(8); {
				case k == 0 || len(mine) == 0:
					m, err := p.Join(host(r.IntN(peers)), 1+r.IntN(MaxWeight))
					if err != nil {
						t.Error(err)
						return
					}
					mine = append(mine, m)
				case k == 1:
					p.SetPeerWeight(host(r.IntN(peers)), r.IntN(MaxWeight+1))
				case k == 2:
					mine[0].Close()
					mine = mine[1:]
				default:
					m := mine[r.IntN(len(mine))]
					m.send.Report(0, m.send.Take(0, 0), 0, State(r.IntN(4)), 50*ms)
					if rate := m.Rate(0); rate < 1 || rate > 100*mb {
						t.Errorf("a rate of %d", rate)
					}
				}
			}
			for _, m := range mine {
				m.Close()
			}
		})
	}
	all.Wait()
	for i := range peers {
		if err := p.SetPeerWeight(host(i), 0); err != nil {
			t.Error(err)
		}
	}
	for name, count := range map[string]*tally{ // order-free: each is on its own
		"members": &p.send.members, "throttled members": &p.send.throttled, "throttled peers": &p.send.peers,
	} {
		if n, weights := count.read(); n != 0 || weights != 0 {
			t.Errorf("%d %s with weights of %d are left", n, name, weights)
		}
	}
	if root := p.peers.Load(); root != nil {
		t.Errorf("%v is left in the tree", root.peer.key)
	}
}

// TestThePeersWeightCountsAtOnce: when it is set, when a heavier member joins, and when it is taken back.
func TestThePeersWeightCountsAtOnce(t *testing.T) {
	p := newTestPool(t, 100, 0)
	a, b := joinPeer(t, p, host(1), 1, true), joinPeer(t, p, host(2), 1, true)
	check := func(when string, first, second int64) {
		t.Helper()
		if a.Rate(0) != first || b.Rate(0) != second {
			t.Errorf("%s: %d and %d, want %d and %d", when, a.Rate(0), b.Rate(0), first, second)
		}
	}
	check("alike", 50, 50)
	p.SetPeerWeight(host(1), 4)
	check("4 to 1", 80, 20)
	joinPeer(t, p, host(2), 6, false)
	check("4 to 6, that of a member which is silent", 40, 60)
	p.SetPeerWeight(host(1), 0)
	p.SetPeerWeight(host(1), 0)
	p.SetPeerWeight(host(2), 1)
	check("1 to 1", 50, 50)
	for _, weight := range []int{-1, MaxWeight + 1} {
		if p.SetPeerWeight(host(1), weight) == nil {
			t.Errorf("a weight of %d is accepted", weight)
		}
	}
	if p.SetPeerWeight(limits.Peer{}, 2) == nil {
		t.Error("nobody is given a weight")
	}
	a.Close()
	if p.peers.Load().find(host(1)) != nil {
		t.Error("a peer without members and weight is still there")
	}
}

// TestTheTreeIsAMap compares it with one, and looks at its depth.
func TestTheTreeIsAMap(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	var root *tree
	want := make(map[limits.Peer]*peer)
	for i := range 20_000 {
		key := host(r.IntN(3000))
		if i%2 == 0 {
			key = host(i) // in order, as an attacker might have them
		}
		if want[key] == nil {
			want[key] = &peer{key: key}
			root = root.insert(want[key], scramble(uint64(i)))
		} else if i%3 == 0 {
			delete(want, key)
			root = root.remove(key)
		}
		if root.find(key) != want[key] {
			t.Fatalf("step %d: %v has another peer", i, key)
		}
	}
	root = root.remove(host(1 << 20)) // it is not there
	n, deep := root.measure()
	if n != len(want) || deep > 40 {
		t.Errorf("%d peers, %d deep; want %d, at most 40 deep", n, deep, len(want))
	}
	for key, p := range want { // order-free: each is on its own
		if root.find(key) != p {
			t.Errorf("%v is not found", key)
		}
		root = root.remove(key)
	}
	if root != nil {
		t.Error("a tree of which everything was removed has something")
	}
}

// measure is how many peers there are, and how deep they lie.
func (t *tree) measure() (n, deep int) {
	if t == nil {
		return 0, 0
	}
	left, down := t.left.measure()
	right, up := t.right.measure()
	return left + right + 1, max(down, up) + 1
}

func BenchmarkJoinAndClose(b *testing.B) {
	p := newTestPool(b, 100*mb, mb)
	for i := range 10_000 {
		joinPeer(b, p, host(i), 1, false)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		joinPeer(b, p, host(20_000+i), 1, false).Close()
	}
}

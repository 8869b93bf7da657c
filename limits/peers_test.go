package limits

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"
)

func sortedPeers(peers []Peer) []Peer {
	slices.SortFunc(peers, Peer.Compare)
	return peers
}

// TestAStrangerCannotGrowTheTable: after 200,000 peers that came and went, and were refused, there is nothing of them.
func TestAStrangerCannotGrowTheTable(t *testing.T) {
	m := manager(t, Config{Process: Limits{HalfOpen: 100}})
	e := endpoint(t, m)
	var held []*Conn
	for i := range 200_000 {
		c, err := e.Inbound(time.Duration(i)*time.Millisecond, addr(i), true)
		if err != nil {
			half := (len(held) + 1) / 2
			for _, c := range held[:half] {
				c.Release()
			}
			held = held[half:]
			continue
		}
		held = append(held, c)
		if i%1000 == 0 {
			if n := len(m.peers.all()); n > 200 {
				t.Fatalf("%d scopes for %d connections", n, len(held))
			}
		}
	}
	for _, c := range held {
		c.Release()
	}
	atZero(t, m)
	for i := range m.peers.shards {
		if h := &m.peers.shards[i]; h.scopes != nil && h.most > keepMap {
			t.Errorf("a part of the table keeps a map that had %d entries", h.most)
		}
	}
}

// TestOnePeerDoesNotTakeTheRateOfAnother: a peer that begins 6,000 handshakes a second has its 256, and others lose none.
func TestOnePeerDoesNotTakeTheRateOfAnother(t *testing.T) {
	m := manager(t, Config{})
	e := endpoint(t, m)
	begin := func(now time.Duration, n int) bool {
		c, err := e.Inbound(now, addr(n), true)
		if err == nil {
			c.Release()
		}
		return err == nil
	}
	greedy, honest := 0, 0
	for i := range 60_000 {
		now := time.Duration(i) * time.Second / 6000
		if begin(now, 7) {
			greedy++
		}
		if i%60 == 0 {
			if !begin(now, 256*(1+i/60%300)) {
				t.Fatalf("at %v an honest peer is refused", now)
			}
			honest++
		}
	}
	if want := 256 * 11; greedy < want*99/100 || greedy > want { // ten seconds, and a second's worth at once
		t.Errorf("the peer had %d handshakes in 10 s, want %d", greedy, want)
	}
	if got := m.Snapshot().Totals[LevelPeer].Handshakes.Refused; got != uint64(60_000-greedy) {
		t.Errorf("%d refusals are counted of %d", got, 60_000-greedy)
	}
	if honest != 1000 {
		t.Fatalf("%d honest handshakes, want 1000", honest)
	}
}

// TestAFloodInSomebodysNameCostsHimNothing: handshakes that others begin under a forged address fill places of the endpoint's, and
// nothing of the peer's.
func TestAFloodInSomebodysNameCostsHimNothing(t *testing.T) {
	m := manager(t, Config{Process: Limits{HalfOpen: 1000}, Peer: Limits{HalfOpen: 2, Handshakes: 2, Memory: 4 * Overhead, Connections: 2}})
	e := endpoint(t, m)
	var forged []*Conn
	for range 1000 {
		c, err := e.Inbound(0, addr(7), false)
		if err != nil {
			t.Fatal(err)
		}
		forged = append(forged, c)
	}
	if s := m.Snapshot(); len(s.Peers) != 0 || s.Process.HalfOpen.Used != 1000 {
		t.Errorf("%d peers and %d half-open connections", len(s.Peers), s.Process.HalfOpen.Used)
	}
	forged[0].Release()
	c, err := e.Inbound(0, addr(7), true)
	if err != nil {
		t.Fatalf("the peer himself: %v", err)
	}
	if err := c.Establish(0); err != nil {
		t.Fatalf("the peer himself: %v", err)
	}
	for _, c := range append(forged, c) {
		c.Release()
	}
	atZero(t, m)
}

// TestWhoCompletesTooManyHasToProve: a peer that completes handshakes without being asked for a cookie is counted then, and asked for
// one above its rate. With that it is refused in silence.
func TestWhoCompletesTooManyHasToProve(t *testing.T) {
	m := manager(t, Config{Peer: Limits{Handshakes: 3}})
	e := endpoint(t, m)
	for range 3 {
		establish(t, e, addr(7)).Release()
	}
	_, err := e.Inbound(0, addr(7), false)
	if refusal, ok := errors.AsType[*Error](err); !ok || !refusal.NeedsProof() || refusal.Lasting() {
		t.Errorf("without a proof: %v", err)
	}
	_, err = e.Inbound(0, addr(7), true)
	if refusal, ok := errors.AsType[*Error](err); !ok || refusal.NeedsProof() || refusal.Lasting() {
		t.Errorf("with a proof: %v", err)
	}
	if c, err := e.Inbound(time.Second, addr(7), true); err != nil {
		t.Errorf("a second later: %v", err)
	} else {
		c.Release()
	}
	atZero(t, m)
}

// TestAnUnprovenPeerIsChargedWhenItIsEstablished: all that it holds, or nothing if it has no place.
func TestAnUnprovenPeerIsChargedWhenItIsEstablished(t *testing.T) {
	m := manager(t, Config{Network: Limits{Connections: 1}, Peer: Limits{Memory: 1 << 20}})
	e := endpoint(t, m)
	one, err := e.Inbound(0, addr(1), false)
	if err != nil {
		t.Fatal(err)
	}
	two, err := e.Inbound(0, addr(2), false)
	if err != nil {
		t.Fatal(err)
	}
	one.Reserve(100_000, FirstWindow)
	if err := one.Establish(0); err != nil {
		t.Fatal(err)
	}
	if s := m.Snapshot(); len(s.Peers) != 1 || s.Peers[0].Memory.Used != one.charged || s.Networks[0].Memory.Used != one.charged {
		t.Errorf("%d bytes are charged to %+v", one.charged, s.Peers)
	}
	for range 2 {
		if got, want := errorText(two.Establish(0)), "limits: 1 of 1 connections in use (network 198.0.0.0/24)"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	one.Release()
	if err := two.Establish(0); err != nil {
		t.Errorf("after the other has left: %v", err)
	}
	two.Release()
	atZero(t, m)
}

// TestRatesAreExact: whatever the origin of time.
func TestRatesAreExact(t *testing.T) {
	for _, origin := range []time.Duration{0, -1 << 50, 1 << 59} {
		for _, perSecond := range []int64{1, 3, 256, 1000} {
			var r rate
			r.reset()
			n := int64(0)
			for i := range 50_000 {
				if r.take(origin+time.Duration(i)*100*time.Microsecond, perSecond) {
					n++
				}
			}
			if want := 6 * perSecond; n < want-1 || n > want+1 {
				t.Errorf("origin %v: %d in 5 s, want %d: 5 s of %d, and one at once", origin, n, want, perSecond)
			}
		}
	}
}

// TestChanceRarelyHitsAnHonestPeer: with 20 peers above their rate none of ten thousand others is refused more often than the table's
// comment says.
func TestChanceRarelyHitsAnHonestPeer(t *testing.T) {
	table := newRateTable(99)
	for i := range 20 {
		for range 100 {
			table.take(0, PeerOf(addr(i)), 10)
		}
	}
	refused := 0
	for i := range 10_000 {
		p := PeerOf(netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}))
		if !table.admits(0, p, 10) {
			refused++
		}
	}
	if refused > 20 { // 10,000 × (20/1024)² is 4
		t.Errorf("%d of 10,000 peers are refused for 20 others", refused)
	}
}

// TestTheAllowlistHasAReserve: when strangers have taken everything, who is on the list still gets in, up to the reserve.
func TestTheAllowlistHasAReserve(t *testing.T) {
	m := manager(t, Config{
		Process: Limits{Inbound: 4, Memory: 1 << 20}, Peer: Limits{Inbound: 1, Memory: -1}, Network: unlimited(),
		Allow: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("fe80::/10")}, Reserve: Limits{Inbound: 2, Memory: 1 << 19},
	})
	e := endpoint(t, m)
	friend := netip.MustParseAddr("203.0.113.9")
	strangers := []*Conn{}
	for i := range 4 {
		strangers = append(strangers, establish(t, e, addr(256*i)))
	}
	if _, err := e.Inbound(0, addr(256*5), true); err == nil {
		t.Fatal("a fifth stranger got in")
	}
	for strangers[0].Reserve(1000, FirstWindow) {
	}
	one := establish(t, e, friend)
	if two := establish(t, e, friend); !two.Reserve(300_000, FirstWindow) || two.Reserve(300_000, FirstWindow) {
		t.Error("the reserve of memory is more than 512 KiB, or less")
	}
	_, err := e.Inbound(0, friend, true)
	if want := "limits: 6 of 6 inbound connections in use (process)"; errorText(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := e.Inbound(0, netip.MustParseAddr("fe80::7%eth0"), true); errorText(err) != "limits: 6 of 6 inbound connections in use (process)" {
		t.Errorf("of a link-local address on the list: %v", err)
	}
	one.Release()
	if _, err := e.Inbound(0, addr(256*6), true); err == nil {
		t.Error("a stranger got in where a friend has left")
	}
}

// TestAnIdentityOnTheAllowlistGetsIn: until it has said who it is it may be anybody, so its handshake begins though all is full.
func TestAnIdentityOnTheAllowlistGetsIn(t *testing.T) {
	friend := [32]byte{7}
	m := manager(t, Config{
		Process: Limits{Inbound: 2, HalfOpen: 2}, AllowIdentities: [][32]byte{friend}, Reserve: Limits{Inbound: 1, HalfOpen: 1},
	})
	e := endpoint(t, m)
	for i := range 2 {
		establish(t, e, addr(256*i))
	}
	stranger, err := e.Inbound(0, addr(256*3), true)
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.Inbound(0, addr(256*4), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Identify(friend); err != nil {
		t.Fatal(err)
	}
	if err := stranger.Identify([32]byte{8}); err != nil {
		t.Fatal(err)
	}
	if err := stranger.Establish(0); errorText(err) != "limits: 2 of 2 inbound connections in use (process)" {
		t.Errorf("a stranger where all is full: %v", err)
	}
	if err := c.Establish(0); err != nil {
		t.Errorf("a friend where all is full: %v", err)
	}
	if got := m.Snapshot(); len(got.Identities) != 2 || got.Identities[0].Inbound.Used != 1 || got.Identities[0].HalfOpen.Used != 0 {
		t.Errorf("identities: %+v", got.Identities)
	}
}

// TestIdentitiesHaveLimits: whatever addresses they come from, and all that a connection holds counts.
func TestIdentitiesHaveLimits(t *testing.T) {
	m := manager(t, Config{Identity: Limits{Connections: 2, Memory: 1 << 20}})
	e := endpoint(t, m)
	id := [32]byte{1}
	var conns []*Conn
	for i := range 3 {
		c := establish(t, e, addr(256*i))
		c.Reserve(100_000, FirstWindow)
		err := c.Identify(id)
		if want := map[bool]string{true: "limits: 2 of 2 connections in use (identity 0100000000000000)"}[i == 2]; errorText(err) != want {
			t.Errorf("connection %d: %q, want %q", i, errorText(err), want)
		}
		conns = append(conns, c)
	}
	if err := conns[0].Identify(id); err != nil {
		t.Errorf("the same identity again: %v", err)
	}
	if err := conns[0].Identify([32]byte{2}); !errors.Is(err, ErrIdentified) {
		t.Errorf("another identity: %v", err)
	}
	if got := m.Snapshot().Identities; len(got) != 1 || got[0].Memory.Used != conns[0].charged+conns[1].charged || got[0].Connections.Used != 2 {
		t.Errorf("identities: %+v", got)
	}
	for conns[0].Reserve(10_000, FirstWindow) {
	}
	if got := m.Snapshot().Identities[0].Memory; got.Used > 1<<20 || got.Refused != 1 {
		t.Errorf("memory of the identity: %+v", got)
	}
	for _, c := range conns {
		c.Release()
	}
	atZero(t, m)
}

// TestGreedyPeersLeaveRoom: peers that take all the memory they can have equal parts of five eighths of it, and a newcomer finds half
// as much as each has at once, though no limit of a peer's own stops them.
func TestGreedyPeersLeaveRoom(t *testing.T) {
	const memory = 64 << 20
	m := must(New(Config{Process: Limits{Memory: memory}, Peer: Limits{Memory: memory}, Network: Limits{Memory: memory}, Allow: []netip.Prefix{}}))
	e, err := m.Endpoint("", Limits{})
	if err != nil {
		t.Fatal(err)
	}
	open := func(i int) *Conn {
		c, err := e.Outbound(netip.AddrFrom4([4]byte{10, byte(i), 0, 1}))
		if err != nil {
			t.Fatalf("peer %d: %v", i, err)
		}
		return c
	}
	for _, peers := range []int{1, 4, 40} {
		var conns []*Conn
		for i := range peers {
			conns = append(conns, open(i))
		}
		for granted := true; granted; {
			granted = false
			for _, c := range conns {
				granted = c.Reserve(32<<10, FirstWindow) || granted
			}
		}
		part := int64(memory / 8 * 5 / (peers + 1))
		newcomer := open(200)
		for newcomer.Usage().Memory.Used < part/2-64<<10 {
			if !newcomer.Reserve(32<<10, FirstWindow) {
				t.Fatalf("%d peers leave a newcomer %d bytes, want %d", peers, newcomer.Usage().Memory.Used, part/2)
			}
		}
		for i, c := range conns {
			if got := c.Usage().Memory.Used; got < part-128<<10 || got > part+128<<10 {
				t.Errorf("peer %d of %d has %d bytes, want about %d", i, peers, got, part)
			}
			c.Release()
		}
		newcomer.Release()
	}
}

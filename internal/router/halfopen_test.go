package router

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// crowd is a scene whose half-open connections come and go.
type crowd struct {
	*scene
	next wire.ID
	ids  map[*client]wire.ID
	of   map[*client]netip.AddrPort
}

func newCrowd(t *testing.T, cfg Config) *crowd {
	return &crowd{scene: newScene(t, cfg), next: 1000, ids: make(map[*client]wire.ID), of: make(map[*client]netip.AddrPort)}
}

// begins has an address begin a handshake, with a cookie if it is asked for one, and returns whether it was let in, and
// whose place it took.
func (c *crowd) begins(from netip.AddrPort) (in bool, displaced *client) {
	c.Helper()
	c.next++
	v := c.Route(c.now, from, initial(dstOf(c.next), c.next, nil), nil)
	if v.Action == Reply {
		_, f := c.parsed(v.Reply, wire.Seed(wire.Version, c.next, dstOf(c.next)))
		v = c.Route(c.now, from, initial(dstOf(c.next), c.next, f.Data), nil)
	}
	if v.Action != Open {
		return false, nil
	}
	conn := &client{fmt.Sprint(c.next)}
	local := c.NewID()
	displaced = v.Displaced
	c.Accept(local, from, v, conn)
	c.ids[conn], c.of[conn] = local, from
	if displaced != nil {
		c.Remove(c.now, c.ids[displaced], FinalState{Code: wire.CodeReset, Hold: time.Second})
	}
	return true, displaced
}

// ends gives up a handshake.
func (c *crowd) ends(conn *client) { c.Remove(c.now, c.ids[conn], FinalState{Code: wire.CodeReset}) }

func addrIn(network byte, host int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, network, byte(host >> 8), byte(host)}), 4000)
}

// TestOneAddressDoesNotHaveAllPlaces: an address, or a network, that answers cookies and never confirms fills the book,
// and newcomers from elsewhere get in nevertheless, each in the place of one of its handshakes.
// Of docs/wire.md: [W83].
func TestOneAddressDoesNotHaveAllPlaces(t *testing.T) {
	for name, attacker := range map[string]func(i int) netip.AddrPort{
		"address": func(i int) netip.AddrPort { return netip.AddrPortFrom(addrIn(66, 1).Addr(), uint16(i)) },
		"network": func(i int) netip.AddrPort { return addrIn(66, i%256) },
		"/56": func(i int) netip.AddrPort {
			a := netip.MustParseAddr("2001:db8:0:1::").As16()
			a[7], a[15] = byte(i), byte(i>>8)
			return netip.AddrPortFrom(netip.AddrFrom16(a), 4000)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, Config{Listening: true})
			honest := 0
			var waiting []*client // handshakes of newcomers
			for i := range 3 * DefaultMaxHalfOpen {
				c.begins(attacker(i))
				if i%10 != 0 {
					continue
				}
				in, displaced := c.begins(addrIn(byte(i%50), i))
				if !in {
					t.Fatalf("newcomer %d is turned away: %+v", i, c.Counters())
				}
				if displaced != nil && limits.PeerOf(c.of[displaced].Addr()).Network() != limits.PeerOf(attacker(0).Addr()).Network() {
					t.Fatalf("newcomer %d displaces %v", i, c.of[displaced])
				}
				honest++
				if waiting = append(waiting, c.half.last.conn); len(waiting) > 50 { // the first is complete
					c.ends(waiting[0])
					waiting = waiting[1:]
				}
			}
			if got := c.Counters(); got.HalfOpen < DefaultMaxHalfOpen-1 || len(waiting) != 50 || got.Displaced < 1000 || honest < 1000 {
				t.Errorf("%d half-open, %d displaced, %d newcomers", got.HalfOpen, got.Displaced, honest)
			}
		})
	}
}

// TestOldestMakesWay: where many addresses have few handshakes each, the oldest goes, so that each has the more time the
// fewer they are; one that no cookie has proved goes first.
func TestOldestMakesWay(t *testing.T) {
	c := newCrowd(t, Config{Listening: true, RetryAfter: 100, MaxHalfOpen: 1000})
	var order []*client
	for i := range 1000 {
		if in, displaced := c.begins(addrIn(byte(i%250), i)); !in || displaced != nil {
			t.Fatalf("handshake %d: let in %v, displaces %v", i, in, displaced)
		}
	}
	for e := c.half.first; e != nil; e = e.next {
		order = append(order, e.conn)
	}
	for i, want := range order {
		if in, displaced := c.begins(addrIn(byte(i%250), 5000+i)); !in || displaced != want {
			t.Fatalf("newcomer %d: let in %v, displaces %v, want %v", i, in, displaced, want)
		}
	}
	unproven := newCrowd(t, Config{Listening: true, RetryAfter: 100, MaxHalfOpen: 1000})
	for i := range 1000 {
		unproven.begins(addrIn(byte(i%250), i))
	}
	for i := range 50 { // of the hundred that came without a cookie
		e := unproven.half.first
		for e.proven {
			e = e.next
		}
		if _, displaced := unproven.begins(addrIn(7, 9000+i)); displaced != e.conn {
			t.Fatalf("newcomer %d displaces %v, want the oldest that is not proven, %v", i, displaced, e.conn)
		}
	}
}

// TestFullWithoutProof: an address that nothing proves displaces nobody.
func TestFullWithoutProof(t *testing.T) {
	c := newCrowd(t, Config{Listening: true, MaxHalfOpen: 20, RetryAfter: -1})
	for i := range 20 {
		c.begins(addrIn(1, i))
	}
	if in, _ := c.begins(addrIn(2, 1)); in {
		t.Error("let in")
	}
	c.drops(addrIn(2, 1), initial(dstOf(1), 1, nil), HalfOpenFull)
	asked := newCrowd(t, Config{Listening: true, MaxHalfOpen: 20, RetryAfter: 1000})
	for i := range 20 {
		asked.begins(addrIn(1, i))
	}
	asked.get(addrIn(2, 1), initial(dstOf(1), 1, nil), Reply) // a full book asks, whatever the threshold
}

// TestADisplacedDialMayComeAgain: what made way leaves nothing behind, so that its INITIAL, repeated, opens a connection.
func TestADisplacedDialMayComeAgain(t *testing.T) {
	c := newCrowd(t, Config{Listening: true, RetryAfter: 1, MaxHalfOpen: 1})
	c.begins(alice)
	dst, id := dstOf(c.next), c.next
	if _, displaced := c.begins(bob); displaced == nil {
		t.Fatal("nobody was displaced")
	}
	v := c.get(alice, initial(dst, id, nil), Reply)
	_, f := c.parsed(v.Reply, wire.Seed(wire.Version, id, dst))
	c.get(alice, initial(dst, id, f.Data), Open)
}

// TestCrossingHandshakesAreBounded: an address that an endpoint dials without listening begins few handshakes there, whatever
// IDs it makes up.
func TestCrossingHandshakesAreBounded(t *testing.T) {
	c := newCrowd(t, Config{RetryAfter: 256})
	for i := range wire.ID(3) {
		c.dials(bob, i+1)
	}
	in := 0
	var last *client
	for range 500 {
		if ok, _ := c.begins(bob); ok {
			in++
		}
	}
	if want := 3 + spareCrossings; in != want || c.Counters().HalfOpen != want {
		t.Errorf("%d were let in, %d are half-open, want %d", in, c.Counters().HalfOpen, want)
	}
	for last = range c.ids {
		break
	}
	c.ends(last)
	if ok, _ := c.begins(bob); !ok {
		t.Error("none is let in after one has ended")
	}
}

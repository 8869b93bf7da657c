package simnet

import (
	"net/netip"
	"testing"
	"time"
)

// village is two stations behind NATs of their own and a server that both can reach, 10 ms apart each.
type village struct {
	*Sim
	server *Station
	seen   []*Flow // by the server, in the order of the dials
	nats   [2]*SimNAT
	houses [2]*Station
	flows  [2][]*Flow // accepted by the houses
	links  int
}

func newVillage(seed uint64, cfgs [2]NATConfig, link LinkConfig) *village {
	v := &village{Sim: NewSim(seed)}
	v.server = v.NewStation("203.0.113.1:443", newSteady)
	v.server.Accept = func(f *Flow) { v.seen = append(v.seen, f) }
	for i := range v.houses {
		v.nats[i] = v.NewNAT(cfgs[i], []string{"192.0.2.1", "198.51.100.1"}[i])
		h := v.NewStation("192.168.0.2:5000", newSteady) // the same inside, behind both
		h.Behind(v.nats[i])
		h.Accept = func(f *Flow) { v.flows[i] = append(v.flows[i], f) }
		v.houses[i] = h
		v.join(h, v.server, link)
	}
	v.join(v.houses[0], v.houses[1], link)
	return v
}

func (v *village) join(a, b *Station, link LinkConfig) {
	seed := func() uint64 { v.links++; return dice{v.seed}.draw(rollSeed, v.links) }
	a.Route(b, NewLink(link, seed()))
	b.Route(a, NewLink(link, seed()))
}

// meet lets both houses dial the server, which so learns their addresses outside.
func (v *village) meet(t *testing.T) (outside [2]netip.AddrPort) {
	t.Helper()
	for i, h := range v.houses {
		h.Dial(v.server)
		if !v.RunUntil(10*time.Second, func() bool { return len(v.seen) > i }) {
			t.Fatalf("house %d does not reach the server", i)
		}
		outside[i] = v.seen[i].Remote()
	}
	return outside
}

// punch lets both houses dial each other where the server sees them, and reports whether a connection comes of it.
func (v *village) punch(t *testing.T) bool {
	outside := v.meet(t)
	dials := [2]*Flow{v.houses[0].DialAddr(outside[1]), v.houses[1].DialAddr(outside[0])}
	up := func(i int) bool {
		f := dials[i]
		if f.Instead != nil {
			f = f.Instead
		}
		return f.Conn.Established()
	}
	return v.RunUntil(10*time.Second, func() bool { return up(0) && up(1) })
}

// TestServerSeesTheNAT: not the station behind it, which it answers nevertheless.
func TestServerSeesTheNAT(t *testing.T) {
	v := newVillage(1, [2]NATConfig{}, LinkConfig{Delay: 10 * ms})
	outside := v.meet(t)
	if want := [2]netip.AddrPort{addr("192.0.2.1:49152"), addr("198.51.100.1:49152")}; outside != want {
		t.Errorf("the server sees %v, want %v", outside, want)
	}
}

// TestHolePunching: endpoint-independent mappings let two peers find each other whatever the filters, also through loss;
// two symmetric NATs with filters by port do not.
func TestHolePunching(t *testing.T) {
	lossy := LinkConfig{Delay: 10 * ms, Jitter: 5 * ms, Loss: 0.1}
	for seed := range uint64(50) {
		for _, filter := range []Behavior{EndpointIndependent, AddressDependent, AddressAndPortDependent} {
			cfg := NATConfig{Filter: filter}
			if v := newVillage(seed, [2]NATConfig{cfg, cfg}, lossy); !v.punch(t) {
				t.Errorf("seed %d, filter %d: no connection", seed, filter)
			}
		}
		symmetric := NATConfig{Mapping: AddressAndPortDependent, Filter: AddressAndPortDependent}
		if v := newVillage(seed, [2]NATConfig{symmetric, symmetric}, lossy); v.punch(t) {
			t.Errorf("seed %d: a connection through symmetric NATs", seed)
		}
	}
}

// TestSimBindingsExpire: an idle station without keepalives is lost to its peer, and found again once it speaks.
func TestSimBindingsExpire(t *testing.T) {
	v := newVillage(1, [2]NATConfig{}, LinkConfig{Delay: 10 * ms})
	outside := v.meet(t)
	nat := v.nats[0]
	v.server.Kill() // nobody keeps the bindings
	v.houses[0].Kill()
	v.Run(DefaultBindingTimeout + time.Second)
	before := nat.Stats()
	v.server.Restart()
	v.server.DialAddr(outside[0])
	v.Run(15 * ms)
	if got := nat.Stats(); got.Unknown != before.Unknown+1 || got.Expired != before.Expired+1 {
		t.Errorf("stats %+v, then %+v: want one expired and one datagram unknown", before, got)
	}
}

// TestDeadBehindNATIsReported: under the address that the sender used.
func TestDeadBehindNATIsReported(t *testing.T) {
	v := newVillage(1, [2]NATConfig{}, LinkConfig{Delay: 10 * ms})
	outside := v.meet(t)
	v.Run(time.Second)
	v.houses[0].Kill()
	var to []netip.AddrPort
	v.server.Unreachable = func(u Unreachable) { to = append(to, u.To) }
	if _, err := v.seen[0].Conn.Write([]byte("are you there?")); err != nil {
		t.Fatal(err)
	}
	v.seen[0].Flush()
	v.Run(25 * ms)
	if len(to) != 1 || to[0] != outside[0] {
		t.Errorf("reports for %v, want one for %v", to, outside[0])
	}
	// And one that comes back from outside, through the NAT of who sent it.
	v.server.Kill()
	to = nil
	v.houses[1].Unreachable = func(u Unreachable) { to = append(to, u.To) }
	v.houses[1].Dial(v.server)
	v.Run(25 * ms)
	if len(to) != 1 || to[0] != v.server.Addr {
		t.Errorf("reports for %v, want one for %v", to, v.server.Addr)
	}
}

// TestHairpin: a neighbour is reached by its address outside, and seen by its own; inside, both use their inside ones.
func TestHairpin(t *testing.T) {
	v := newVillage(1, [2]NATConfig{}, LinkConfig{Delay: 10 * ms})
	outside := v.meet(t)
	neighbour := v.NewStation("192.168.0.3:5000", newSteady)
	neighbour.Behind(v.nats[0])
	v.join(neighbour, v.houses[0], LinkConfig{Delay: ms})
	for to, want := range map[netip.AddrPort]netip.AddrPort{
		outside[0]:       addr("192.0.2.1:49153"),
		v.houses[0].Addr: neighbour.Addr,
	} {
		v.flows[0] = nil
		f := neighbour.DialAddr(to)
		v.RunUntil(time.Second, func() bool { return f.Conn.Established() && len(v.flows[0]) > 0 })
		if len(v.flows[0]) != 1 || v.flows[0][0].Remote() != want {
			t.Errorf("dialled at %v, the house sees %+v, want one from %v", to, v.flows[0], want)
		}
	}
}

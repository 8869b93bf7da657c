package simnet

import (
	"net/netip"
	"testing"
	"time"
)

// nattedPeers is two peers behind NATs of their own, and a server that both can reach.
type nattedPeers struct {
	*Sim
	server *Station
	seen   []*Flow // by the server, in the order of the dials
	nats   [2]*SimNAT
	peers  [2]*Station
	flows  [2][]*Flow // accepted by the peers
	links  int
}

func newNattedPeers(seed uint64, cfgs [2]NATConfig, link LinkConfig) *nattedPeers {
	w := &nattedPeers{Sim: NewSim(seed)}
	w.server = w.NewStation("203.0.113.1:443", newSteady)
	w.server.Accept = func(f *Flow) { w.seen = append(w.seen, f) }
	for i := range w.peers {
		w.nats[i] = w.NewNAT(cfgs[i], []string{"192.0.2.1", "198.51.100.1"}[i])
		h := w.NewStation("192.168.0.2:5000", newSteady) // the same inside, behind both
		h.Behind(w.nats[i])
		h.Accept = func(f *Flow) { w.flows[i] = append(w.flows[i], f) }
		w.peers[i] = h
		w.join(h, w.server, link)
	}
	w.join(w.peers[0], w.peers[1], link)
	return w
}

func (w *nattedPeers) join(a, b *Station, link LinkConfig) {
	seed := func() uint64 { w.links++; return dice{w.seed}.draw(rollSeed, w.links) }
	a.Route(b, NewLink(link, seed()))
	b.Route(a, NewLink(link, seed()))
}

// meet lets both peers dial the server, which so learns their addresses outside.
func (w *nattedPeers) meet(t *testing.T) (outside [2]netip.AddrPort) {
	t.Helper()
	for i, h := range w.peers {
		h.Dial(w.server)
		if !w.RunUntil(10*time.Second, func() bool { return len(w.seen) > i }) {
			t.Fatalf("peer %d does not reach the server", i)
		}
		outside[i] = w.seen[i].Remote()
	}
	return outside
}

// punch lets both peers dial each other where the server sees them, and reports whether a connection comes of it.
func (w *nattedPeers) punch(t *testing.T) bool {
	outside := w.meet(t)
	dials := [2]*Flow{w.peers[0].DialAddr(outside[1]), w.peers[1].DialAddr(outside[0])}
	up := func(i int) bool {
		f := dials[i]
		if f.Instead != nil {
			f = f.Instead
		}
		return f.Conn.Established()
	}
	return w.RunUntil(10*time.Second, func() bool { return up(0) && up(1) })
}

// TestServerSeesTheNAT: not the station behind it, which it answers nevertheless.
func TestServerSeesTheNAT(t *testing.T) {
	w := newNattedPeers(1, [2]NATConfig{}, LinkConfig{Delay: 10 * ms})
	outside := w.meet(t)
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
			if w := newNattedPeers(seed, [2]NATConfig{cfg, cfg}, lossy); !w.punch(t) {
				t.Errorf("seed %d, filter %d: no connection", seed, filter)
			}
		}
		symmetric := NATConfig{Mapping: AddressAndPortDependent, Filter: AddressAndPortDependent}
		if w := newNattedPeers(seed, [2]NATConfig{symmetric, symmetric}, lossy); w.punch(t) {
			t.Errorf("seed %d: a connection through symmetric NATs", seed)
		}
	}
}

// TestSimBindingsExpire: an idle station without keepalives is lost to its peer, and found again once it speaks.
func TestSimBindingsExpire(t *testing.T) {
	w := newNattedPeers(1, [2]NATConfig{}, LinkConfig{Delay: 10 * ms})
	outside := w.meet(t)
	nat := w.nats[0]
	w.server.Kill() // nobody keeps the bindings
	w.peers[0].Kill()
	w.Run(DefaultBindingTimeout + time.Second)
	before := nat.Stats()
	w.server.Restart()
	w.server.DialAddr(outside[0])
	w.Run(15 * ms)
	if got := nat.Stats(); got.Unknown != before.Unknown+1 || got.Expired != before.Expired+1 {
		t.Errorf("stats %+v, then %+v: want one expired and one datagram unknown", before, got)
	}
}

// TestDeadBehindNATIsReported: under the address that the sender used.
func TestDeadBehindNATIsReported(t *testing.T) {
	w := newNattedPeers(1, [2]NATConfig{}, LinkConfig{Delay: 10 * ms})
	outside := w.meet(t)
	w.Run(time.Second)
	w.peers[0].Kill()
	var to []netip.AddrPort
	w.server.Unreachable = func(u Unreachable) { to = append(to, u.To) }
	if _, err := w.seen[0].Conn.Write([]byte("are you there?")); err != nil {
		t.Fatal(err)
	}
	w.seen[0].Flush()
	w.Run(25 * ms)
	if len(to) != 1 || to[0] != outside[0] {
		t.Errorf("reports for %v, want one for %v", to, outside[0])
	}
	// And one that comes back from outside, through the NAT of who sent it.
	w.server.Kill()
	to = nil
	w.peers[1].Unreachable = func(u Unreachable) { to = append(to, u.To) }
	w.peers[1].Dial(w.server)
	w.Run(25 * ms)
	if len(to) != 1 || to[0] != w.server.Addr {
		t.Errorf("reports for %v, want one for %v", to, w.server.Addr)
	}
}

// TestHairpin: a neighbour is reached by its address outside, and seen by its own; inside, both use their inside ones.
func TestHairpin(t *testing.T) {
	w := newNattedPeers(1, [2]NATConfig{}, LinkConfig{Delay: 10 * ms})
	outside := w.meet(t)
	neighbour := w.NewStation("192.168.0.3:5000", newSteady)
	neighbour.Behind(w.nats[0])
	w.join(neighbour, w.peers[0], LinkConfig{Delay: ms})
	for to, want := range map[netip.AddrPort]netip.AddrPort{
		outside[0]:      addr("192.0.2.1:49153"),
		w.peers[0].Addr: neighbour.Addr,
	} {
		w.flows[0] = nil
		f := neighbour.DialAddr(to)
		w.RunUntil(time.Second, func() bool { return f.Conn.Established() && len(w.flows[0]) > 0 })
		if len(w.flows[0]) != 1 || w.flows[0][0].Remote() != want {
			t.Errorf("dialled at %v, the peer sees %+v, want one from %v", to, w.flows[0], want)
		}
	}
}

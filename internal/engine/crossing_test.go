package engine_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/wire"
)

// doorKind is what a peer is behind.
type doorKind struct {
	name string
	nat  *simnet.NATConfig // nil: a public address, and no firewall
}

var doorKinds = []doorKind{
	{"open", nil},
	{"cone, any", &simnet.NATConfig{}},
	{"cone, by address", &simnet.NATConfig{Filter: simnet.AddressDependent}},
	{"cone, by port", &simnet.NATConfig{Filter: simnet.AddressAndPortDependent}},
	{"symmetric, any", &simnet.NATConfig{Mapping: simnet.AddressAndPortDependent}},
	{"symmetric, by address", &simnet.NATConfig{Mapping: simnet.AddressAndPortDependent, Filter: simnet.AddressDependent}},
	{"symmetric, by port", &simnet.NATConfig{Mapping: simnet.AddressAndPortDependent, Filter: simnet.AddressAndPortDependent}},
}

// outcome is what two dials come to, between peers that know each other's addresses from a third party.
type outcome uint8

const (
	never   outcome = iota // a symmetric NAT has another port for the peer than the one that is dialled
	meets                  // both dials return the one connection
	refused                // both are refused: the first finds the second's door open, and nobody there yet
)

// crossings is the table: in the row of the peer that dials first and the column of the other, what the dials come
// to if the second begins when the first's INITIAL has arrived. If it begins before, what would be refused meets.
var crossings = [7][7]outcome{
	//           open     any      address port   symmetric
	/* open */ {refused, refused, meets, meets, never, never, never},
	/* any  */ {refused, refused, meets, meets, never, never, never},
	/* addr */ {refused, refused, meets, meets, never, never, never},
	/* port */ {refused, refused, meets, meets, never, never, never},
	{never, never, never, never, never, never, never},
	{never, never, never, never, never, never, never},
	{never, never, never, never, never, never, never},
}

// peers is two peers, each behind a door of its kind, that a third party has told of each other.
type peers struct {
	*simnet.Sim
	stations  [2]*simnet.Station
	addresses [2]netip.AddrPort // as the third party sees them
	dials     [2]*simnet.Flow
	links     [2]*simnet.Link // from each to the other
	accepted  [2]int          // connections that a listener got
}

func newPeers(t *testing.T, seed uint64, kinds [2]int, link simnet.LinkConfig, listening bool) *peers {
	t.Helper()
	w := &peers{Sim: simnet.NewSim(seed)}
	broker := w.NewStation("203.0.113.1:443", fixedFactory(64<<10))
	broker.Accept = func(*simnet.Flow) {}
	for i := range w.stations {
		st := w.NewStation([]string{"192.0.2.1:5000", "198.51.100.1:5000"}[i], fixedFactory(64<<10))
		if nat := doorKinds[kinds[i]].nat; nat != nil {
			st = w.NewStation("192.168.0.2:5000", fixedFactory(64<<10))
			st.Behind(w.NewNAT(*nat, []string{"192.0.2.2", "198.51.100.2"}[i]))
		}
		w.stations[i] = st
		toBroker, fromBroker := simnet.NewLink(simnet.LinkConfig{}, 1), simnet.NewLink(simnet.LinkConfig{}, 1)
		st.Route(broker, toBroker)
		broker.Route(st, fromBroker)
		var seen *simnet.Flow
		broker.Accept = func(f *simnet.Flow) { seen = f }
		f := st.Dial(broker)
		if !w.RunUntil(time.Second, func() bool { return seen != nil && f.Conn.Established() }) {
			t.Fatal("a peer does not reach the broker")
		}
		w.addresses[i] = seen.Remote()
		if listening {
			st.Accept = func(*simnet.Flow) { w.accepted[i]++ }
		}
	}
	for i, st := range w.stations {
		w.links[i] = simnet.NewLink(link, 2*seed+uint64(i))
		st.Route(w.stations[1-i], w.links[i])
	}
	return w
}

// dial lets a peer dial the other.
func (w *peers) dial(i int) { w.dials[i] = w.stations[i].DialAddr(w.addresses[1-i]) }

// got is what a peer's dial has returned so far: a connection, an error, or neither.
func (w *peers) got(i int) (c *simnet.Flow, err error) {
	f := w.dials[i]
	switch {
	case f == nil:
		return nil, nil
	case f.Instead != nil:
		return f.Instead, nil
	case f.Conn.Info().State == "handshake":
		return nil, nil
	case f.Removed && !f.Conn.Established():
		return nil, f.Conn.Err()
	}
	return f, nil
}

// over reports whether both dials have returned.
func (w *peers) over() bool {
	for i := range w.dials {
		if c, err := w.got(i); c == nil && err == nil {
			return false
		}
	}
	return true
}

// joined reports whether both dials have returned the two ends of one connection, on which bytes pass.
func (w *peers) joined() bool {
	var ends [2]*simnet.Flow
	for i := range ends {
		if ends[i], _ = w.got(i); ends[i] == nil {
			return false
		}
		ends[i].Conn.Write([]byte{byte(i)})
		ends[i].Flush()
	}
	return w.RunUntil(20*time.Second, func() bool { return ends[0].Conn.Readable() && ends[1].Conn.Readable() }) &&
		ends[0].Conn.Err() == nil && ends[1].Conn.Err() == nil
}

// crossing is one case of TestCrossingSeeds.
type crossing struct {
	lossy, failed int // pairs that can meet, and had to through losses; of these, did not

	link      simnet.LinkConfig
	later     time.Duration // by which the second dial begins after the first
	listening bool
	clean     bool
}

func newCrossing(seed uint64) (x crossing) {
	r := rand.New(rand.NewPCG(seed, 12))
	x.link.Delay = time.Millisecond + time.Duration(r.Int64N(int64(150*time.Millisecond)))
	x.later = time.Duration(r.Int64N(int64(7500 * time.Millisecond)))
	if r.IntN(8) == 0 {
		x.later = time.Duration(r.Int64N(int64(3 * x.link.Delay)))
	}
	switch seed % 4 {
	case 0:
		x.listening = true
		fallthrough
	case 1:
		x.clean = true
	case 2: // whatever a network does
		x.link.Loss, x.link.Duplicate, x.link.Reorder = r.Float64()*0.15, r.Float64()*0.3, r.Float64()*0.3
		x.link.DuplicateBy = time.Duration(r.Int64N(int64(300 * time.Millisecond)))
		x.link.Jitter = time.Duration(r.Int64N(int64(20 * time.Millisecond)))
	case 3: // everything comes twice
		x.clean = true
		x.link.Duplicate, x.link.DuplicateBy = 1, time.Duration(r.Int64N(int64(300*time.Millisecond)))
	}
	return x
}

// TestCrossingSeeds: two peers dial each other, through every pair of doors, one later than the other. If they can
// meet they do, two round trips after the second dial, and otherwise both dials fail. Never has one side a
// connection and the other an error, whatever the network does.
// Of docs/wire.md: [W88] [W97] [W102].
func TestCrossingSeeds(t *testing.T) {
	t.Parallel()
	lossy, failed := 0, 0
	for i := range *seedCount {
		seed := *firstSeed + uint64(i)
		x := newCrossing(seed)
		for first := range doorKinds {
			for second := range doorKinds {
				if err := x.try(t, seed, [2]int{first, second}); err != nil {
					t.Fatalf("seed %d, %q then %q: %v\nagain with -run TestCrossingSeeds -seed %d -seeds 1\n%+v",
						seed, doorKinds[first].name, doorKinds[second].name, err, seed, x)
				}
			}
		}
		lossy, failed = lossy+x.lossy, failed+x.failed
	}
	t.Logf("%d pairs had to meet through losses, %d did not", lossy, failed)
	if failed > 16+lossy/50 { // one seed is bad luck for all pairs of it
		t.Error("too many")
	}
}

// try lets two peers dial each other and says what is wrong with what comes of it.
func (x *crossing) try(t *testing.T, seed uint64, kinds [2]int) error {
	w := newPeers(t, seed, kinds, x.link, x.listening)
	w.dial(0)
	w.Run(x.later)
	start := w.Now()
	w.dial(1)
	if !w.RunUntil(40*time.Second, w.over) {
		return errors.New("a dial does not return")
	}
	took := w.Now() - start
	want := crossings[kinds[0]][kinds[1]]
	early := want == never && kinds[1] <= 1 && x.later > x.link.Delay // the first is refused at an open door
	if want == refused && (x.listening || x.later <= x.link.Delay) {
		want = meets
	}
	_, err0 := w.got(0)
	_, err1 := w.got(1)
	switch {
	case x.listening && want == never: // a listener may get one of the dials
	case (err0 == nil) != (err1 == nil):
		return fmt.Errorf("one connection, and an error: %v, %v", err0, err1)
	case !x.clean && want != never: // what is lost decides
		if want == meets {
			x.lossy++
		}
		if want == meets && err0 != nil {
			x.failed++
		}
	case want == meets && err0 != nil:
		return fmt.Errorf("they do not meet: %v, %v", err0, err1)
	case want == meets && took > 4*x.link.Delay+50*time.Millisecond:
		return fmt.Errorf("complete after %v, a round trip is %v", took, 2*x.link.Delay)
	case want == refused && kindOf(err0) != engine.KindRefused:
		return fmt.Errorf("%v: want a refusal", err0)
	case want == refused && x.link.Duplicate == 0 && kindOf(err1) != engine.KindRefused: // a late copy may keep it waiting
		return fmt.Errorf("%v behind %v: want a refusal", err1, err0)
	case want == never && err0 == nil:
		return errors.New("they meet")
	case want == never && !early && x.clean && kindOf(err0) != engine.KindHandshakeTimeout:
		return fmt.Errorf("%v: want a timeout", err0)
	}
	if err0 == nil && err1 == nil && w.accepted == [2]int{} && !w.joined() {
		return errors.New("not one connection")
	}
	return nil
}

// TestYieldedDialOutlastsItsTime: a dial that has yielded to the peer's just before its time is over waits for that
// one. The peer has its ACCEPT and may count on the connection.
// Of docs/wire.md: [W95].
func TestYieldedDialOutlastsItsTime(t *testing.T) {
	const port = 3 // "cone, by port"
	met := 0
	for seed := range uint64(20) {
		w := newPeers(t, seed, [2]int{port, port}, simnet.LinkConfig{Delay: 20 * time.Millisecond}, false)
		w.dial(0)
		w.Run(9950 * time.Millisecond)
		w.dial(1)
		w.Run(30 * time.Millisecond)
		w.links[1].SetConfig(w.Now(), simnet.LinkConfig{Loss: 1}) // the CONFIRM is lost
		w.Run(50 * time.Millisecond)
		w.links[1].SetConfig(w.Now(), simnet.LinkConfig{Delay: 20 * time.Millisecond})
		if !w.RunUntil(40*time.Second, w.over) {
			t.Fatalf("seed %d: a dial does not return", seed)
		}
		_, err0 := w.got(0)
		_, err1 := w.got(1)
		if (err0 == nil) != (err1 == nil) || err0 == nil && !w.joined() {
			t.Errorf("seed %d: %v, %v", seed, err0, err1)
		}
		if err0 == nil {
			met++
		}
	}
	if met == 0 {
		t.Error("none of them met")
	}
}

// TestForgedCrossingsKeepNoDialAlive: a dial that yields has its time once more, however many INITIALs it yields to.
// Of docs/wire.md: [W95].
func TestForgedCrossingsKeepNoDialAlive(t *testing.T) {
	w := newWorld(t, 1, simnet.LinkConfig{Loss: 1}, simnet.LinkConfig{Loss: 1})
	c := w.client.Dial(w.server)
	frames := wire.DefaultParameters()
	for id := wire.ID(1<<64 - 100); w.Now() < 20*time.Second; id++ {
		b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Initial, Version: wire.Version, Dst: 1, Src: id, NumberLen: 1}))
		b = wire.Must(wire.AppendParameters(b, &frames))
		b = wire.AppendPadding(b, wire.MinInitialSize-wire.TrailerSize-len(b))
		w.client.Inject(w.server.Addr, wire.AppendTrailer(b, 0, wire.Seed(wire.Version, 1, id)))
		w.Run(time.Second)
		if early := w.Now() < 10*time.Second; early && c.Removed {
			t.Fatalf("the dial was given up at %v: %v", w.Now(), c.Conn.Err())
		}
	}
	if !c.Removed || kindOf(c.Conn.Err()) != engine.KindHandshakeTimeout {
		t.Errorf("after %v the dial is not over: %+v, %v", w.Now(), c.Conn.Info().State, c.Conn.Err())
	}
}

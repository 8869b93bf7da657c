package engine_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime/pprof"
	"testing"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

var soakHours = flag.Int("hours", 200, "hours of connections that TestSoak lives through, of all together")

// soakPeers is how many clients the soak's server has.
const soakPeers = 20

// soak is a server and its clients, half of them behind NATs, that say little for a long time, on paths that change.
type soak struct {
	*simnet.Sim
	t      *testing.T
	r      *rand.Rand
	server *simnet.Station
	peers  []*soakPeer
	served map[*simnet.Flow]*soakEnd

	said, dials, ends int
}

// soakPeer is a client, its path and its connection.
type soakPeer struct {
	station  *simnet.Station
	nat      *simnet.SimNAT // nil: none
	up, down *simnet.Link
	flow     *simnet.Flow
	end      *soakEnd
}

// soakEnd reads what comes at one end of a connection.
type soakEnd struct {
	now  func() time.Duration
	flow *simnet.Flow
	got  int
	over bool
}

func (e *soakEnd) pump() {
	var b [4096]byte
	for {
		n, err := e.flow.Conn.Read(b[:])
		e.got += n
		if err != nil && !e.over {
			e.over = true
			e.flow.Conn.Close(e.now())
		}
		if n == 0 || err != nil {
			return
		}
	}
}

func newSoak(t *testing.T, seed uint64) *soak {
	s := &soak{Sim: simnet.NewSim(seed), t: t, r: newRand(seed), served: make(map[*simnet.Flow]*soakEnd)}
	s.server = s.NewStation("10.9.0.1:443", ledbatFactory)
	s.server.Accept = func(f *simnet.Flow) {
		e := &soakEnd{now: s.Now, flow: f}
		s.served[f] = e
		f.OnChange = func() {
			before := e.got
			e.pump()
			if n := e.got - before; n > 0 { // an echo
				f.Conn.Write(make([]byte, n))
			}
		}
	}
	for i := range soakPeers {
		p := &soakPeer{station: s.NewStation(fmt.Sprintf("10.1.%d.1:1000", i), ledbatFactory)}
		if i%2 == 1 {
			p.nat = s.NewNAT(simnet.NATConfig{Filter: simnet.AddressAndPortDependent}, fmt.Sprintf("10.2.%d.1", i))
			p.station.Behind(p.nat)
		}
		p.up, p.down = s.Join(p.station, s.server, s.link(), s.link())
		s.peers = append(s.peers, p)
	}
	return s
}

// link is a path as it may be for a while.
func (s *soak) link() simnet.LinkConfig {
	c := simnet.LinkConfig{Delay: time.Duration(s.r.Int64N(int64(150 * time.Millisecond)))}
	if s.r.IntN(2) == 0 {
		c.Loss = s.r.Float64() * 0.1
	}
	if s.r.IntN(4) == 0 {
		c.MTU = 1228 + s.r.IntN(300)
	}
	if s.r.IntN(2) == 0 {
		c.Rate, c.Queue = 50_000+s.r.Int64N(1_000_000), 64<<10
	}
	return c
}

// step lets something happen to one peer.
func (s *soak) step() {
	p := s.peers[s.r.IntN(len(s.peers))]
	switch s.r.IntN(12) {
	case 0:
		p.up.SetConfig(s.Now(), s.link())
	case 1:
		p.down.SetConfig(s.Now(), s.link())
	case 2:
		st, most := p.station, 50*time.Second
		if s.r.IntN(4) == 0 {
			st, most = s.server, 25*time.Second // less than the idle timeout of them all
		}
		st.Pause()
		s.After(time.Duration(s.r.Int64N(int64(most))), func() { st.Resume(simnet.Order(s.r.IntN(2))) })
	case 3:
		if p.nat != nil && s.r.IntN(4) == 0 {
			p.nat.Rebind()
		}
	case 4:
		outage := p.up.Config()
		outage.Rules = []simnet.Rule{{From: s.Now(), Until: s.Now() + time.Duration(s.r.Int64N(int64(40*time.Second))), Loss: 1, Report: simnet.HostUnreachable}}
		p.up.SetConfig(s.Now(), outage)
	case 5:
		if p.flow != nil && s.r.IntN(4) == 0 {
			p.flow.Conn.Close(s.Now())
			p.flow.Flush()
		}
	default:
		s.say(p)
	}
}

// say writes something to a peer's connection, or makes another if it has ended.
func (s *soak) say(p *soakPeer) {
	if p.flow == nil || p.flow.Removed {
		if p.flow != nil {
			s.ends++
		}
		s.dials++
		p.flow = p.station.Dial(s.server)
		p.end = &soakEnd{now: s.Now, flow: p.flow}
		p.flow.OnChange = p.end.pump
		return
	}
	n := 1 + s.r.IntN(20_000)
	if n, err := p.flow.Conn.Write(make([]byte, n)); err == nil && n > 0 {
		s.said++
	}
	p.flow.Flush()
}

// check holds every book to what it counts.
func (s *soak) check() {
	s.t.Helper()
	dialled := 0
	for _, p := range s.peers {
		live := 0
		if p.flow != nil && !p.flow.Removed {
			live = 1
		}
		dialled += live
		if c := p.station.Endpoint().Counters(); c.Connections != live || c.HalfOpen != 0 || c.Queued != 0 {
			s.t.Errorf("at %v a client of %d connections counts %+v", s.Now(), live, c)
		}
	}
	accepted := 0
	for f := range s.served {
		if f.Removed {
			delete(s.served, f)
			continue
		}
		accepted++
	}
	if c := s.server.Endpoint().Counters(); c.Connections-c.HalfOpen != accepted || c.Queued != 0 || c.QueuedBytes != 0 {
		s.t.Errorf("at %v a server of %d connections counts %+v", s.Now(), accepted, c)
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// quiet ends all that goes on and looks at what is left.
func (s *soak) quiet() {
	s.t.Helper()
	s.Run(time.Minute) // pauses and outages are over
	for _, p := range s.peers {
		p.up.SetConfig(s.Now(), simnet.LinkConfig{Delay: 20 * time.Millisecond})
		p.down.SetConfig(s.Now(), simnet.LinkConfig{Delay: 20 * time.Millisecond})
		if p.flow != nil && !p.flow.Removed {
			p.flow.Conn.Close(s.Now())
			p.flow.Flush()
		}
	}
	s.Run(5 * time.Minute)
	s.check()
	s.served = make(map[*simnet.Flow]*soakEnd) // a map stays as large as it has ever been
	stations := []*simnet.Station{s.server}
	for _, p := range s.peers {
		stations = append(stations, p.station)
	}
	s.Trim(stations...)
	for _, st := range stations {
		if c := st.Endpoint().Counters(); c.Connections != 0 || c.Tombstones != 0 || st.Chunks() != 0 {
			s.t.Errorf("%v, with nothing left: %+v, %d chunks", st.Addr, c, st.Chunks())
		}
	}
}

// TestSoak: connections that are idle or say little for a long time, on paths whose delay, loss and packet size change,
// behind NATs that forget, with processes that stop. Every book is equal to what it counts at every step, whatever ended is
// gone, and the heap is as large at the end as halfway.
func TestSoak(t *testing.T) {
	s := newSoak(t, *firstSeed+1)
	hours := time.Duration(*soakHours) * time.Hour / soakPeers
	live := func(until time.Duration) {
		for s.Now() < until {
			s.step()
			s.Run(time.Duration(s.r.Int64N(int64(20 * time.Second))))
			s.check()
		}
		s.quiet()
	}
	live(hours / 2)
	grown, end := int64(0), hours
	for range 4 { // until the runtime has made no thread meanwhile: 5 KiB of the heap are its
		threads, before := pprof.Lookup("threadcreate").Count(), heapNow()
		live(end)
		grown = heapNow() - before
		if end += hours / 2; pprof.Lookup("threadcreate").Count() == threads {
			break
		}
	}
	t.Logf("%d hours of %d peers: %d dials, %d connections that ended, %d messages; heap %+d bytes", *soakHours, soakPeers, s.dials, s.ends, s.said, grown)
	if grown > flatHeap {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	if s.said < *soakHours || s.dials < soakPeers {
		t.Errorf("%d messages and %d dials in %d hours: nothing was shown", s.said, s.dials, *soakHours)
	}
}

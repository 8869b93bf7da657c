package endpoint_test

import (
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/ledbat"
	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// TestSlowMotionForADay: peers that take as little as they can for as long as they can, a byte a minute, hold their connections no longer
// than the bounds, and when these have passed, a virtual day later, nothing is held in their name.
func TestSlowMotionForADay(t *testing.T) {
	for _, attack := range []slowAttack{
		{"sends a byte a minute", 12*time.Hour + time.Minute, nil, func(s *simnet.Sim, f *simnet.Flow) {
			every(s, time.Minute, f, func() { f.Conn.Write([]byte("x")) })
		}},
		{"is half-closed", 12*time.Hour + time.Minute, nil, func(s *simnet.Sim, f *simnet.Flow) {
			f.Conn.CloseWrite()
			f.Flush()
		}},
		{"reads a byte a minute of a closed one", 3 * time.Minute, closes, func(s *simnet.Sim, f *simnet.Flow) {
			every(s, time.Minute, f, func() { f.Conn.Read(make([]byte, 1)) })
		}},
		{"reads a byte per 1.5 s of a closed one", 3 * time.Minute, closes, func(s *simnet.Sim, f *simnet.Flow) {
			every(s, 1500*time.Millisecond, f, func() { f.Conn.Read(make([]byte, 1)) })
		}},
		{"never reads", 3 * time.Minute, closes, func(*simnet.Sim, *simnet.Flow) {}},
	} {
		t.Run(attack.name, attack.run)
	}
}

// slowAttack is a way to take little for long.
type slowAttack struct {
	name   string
	within time.Duration // from the beginning, until all is free
	server func(s *simnet.Sim, f *simnet.Flow)
	client func(s *simnet.Sim, f *simnet.Flow)
}

func (a *slowAttack) run(t *testing.T) {
	const rtt, conns = 20 * time.Millisecond, 10
	sim := simnet.NewSim(1)
	factory := ledbat.Factory(ledbat.Config{})
	server := sim.NewStation("192.0.2.1:9000", factory)
	m, err := limits.New(limits.Config{Process: limits.Limits{Memory: 64 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	server.SetLimits(m)
	server.Adjust = func(p *endpoint.Params) { p.MaxAge = 12 * time.Hour }
	server.Accept = func(f *simnet.Flow) {
		buf := make([]byte, 1000)
		f.OnChange = func() { f.Conn.Read(buf) }
		if a.server != nil {
			a.server(sim, f)
		}
	}
	client := sim.NewStation("198.51.100.7:2000", factory)
	sim.Join(client, server, simnet.LinkConfig{Delay: rtt / 2}, simnet.LinkConfig{Delay: rtt / 2})
	for range conns {
		f := client.Dial(server)
		sim.RunUntil(time.Second, f.Conn.Established)
		a.client(sim, f)
	}
	sim.Run(time.Second / 4)
	if held := m.Snapshot().Process; held.Inbound.Used != conns {
		t.Fatalf("the attack is none: %+v", held)
	}
	sim.Run(a.within)
	s := m.Snapshot()
	if s.Process.Inbound.Used != 0 || s.Process.Memory.Used != 0 || len(s.Peers) != 0 {
		t.Errorf("after %v: %+v", a.within, s.Process)
	}
	sim.Run(24*time.Hour - a.within)
	if s = m.Snapshot(); s.Opened != s.Released || s.ReleasedAgain != 0 || server.Chunks() != 0 {
		t.Errorf("%d opened, %d released, %d again; %d chunks", s.Opened, s.Released, s.ReleasedAgain, server.Chunks())
	}
}

// closes writes more than a peer's window that nobody reads takes, and closes.
func closes(s *simnet.Sim, f *simnet.Flow) {
	left := 200_000
	f.OnChange = func() {
		n, _ := f.Conn.Write(make([]byte, left))
		left -= n
	}
	s.After(time.Second/2, func() {
		f.OnChange = nil
		f.Conn.Close(s.Now())
		f.Flush()
	})
}

// every does something to a flow as often, while it lives.
func every(s *simnet.Sim, d time.Duration, f *simnet.Flow, do func()) {
	if !f.Removed {
		do()
		f.Flush()
		s.After(d, func() { every(s, d, f, do) })
	}
}

// TestNewcomersDespiteFloodWithLimits: with the limits of a process, an address that begins 6,000 handshakes a second has its own rate and
// its own places, and newcomers do not wait at all.
func TestNewcomersDespiteFloodWithLimits(t *testing.T) {
	const rtt, perSecond, seconds = 20 * time.Millisecond, 6000, 5
	sim := simnet.NewSim(1)
	factory := ledbat.Factory(ledbat.Config{})
	server := sim.NewStation("192.0.2.1:9000", factory)
	m, err := limits.New(limits.Config{Process: limits.Limits{Memory: 64 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	server.SetLimits(m)
	server.Accept = func(*simnet.Flow) {}
	attacker := netip.AddrFrom4([4]byte{203, 0, 113, 9})
	h := &halfOpener{sim: sim, server: server, delay: rtt / 2, from: make(map[wire.ID]netip.AddrPort), source: func(i int) netip.AddrPort {
		return netip.AddrPortFrom(attacker, uint16(1024+i%60000))
	}}
	server.RouteElsewhere(simnet.NewLink(simnet.LinkConfig{Drop: h.hear}, 3))
	client := sim.NewStation("198.51.100.7:2000", factory)
	sim.Join(client, server, simnet.LinkConfig{Delay: rtt / 2}, simnet.LinkConfig{Delay: rtt / 2})
	for i := range seconds * perSecond {
		sim.At(time.Duration(i)*time.Second/perSecond, h.begin)
	}
	sim.Run(2 * time.Second)
	dials, slowest := 0, time.Duration(0)
	for sim.Now() < seconds*time.Second {
		began := sim.Now()
		f := client.Dial(server)
		if !sim.RunUntil(time.Second, f.Conn.Established) {
			t.Fatalf("dial %d at %v: %v", dials, began, f.Conn.Err())
		}
		slowest = max(slowest, sim.Now()-began)
		dials++
		f.Conn.Abort(sim.Now())
		f.Flush()
	}
	s := m.Snapshot()
	t.Logf("%d dials, the slowest %v; %+v", dials, slowest, s.Process.HalfOpen)
	if slowest > 3*rtt+50*time.Millisecond {
		t.Errorf("the slowest of %d dials takes %v", dials, slowest)
	}
	if s.Process.HalfOpen.Used > 1024/2 || s.Totals[limits.LevelPeer].Handshakes.Refused == 0 {
		t.Errorf("the attack holds %d places: %+v", s.Process.HalfOpen.Used, s.Totals[limits.LevelPeer])
	}
}

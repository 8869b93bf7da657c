package simnet

import (
	"bytes"
	"flag"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

var (
	injections = flag.Int("injections", 200_000, "how many packets TestProtectedInEveryState has injected")
	siegeSeed  = flag.Uint64("seed", 0, "the first seed of TestProtectedInEveryState")
)

// siege is a pair of stations, one connection after another, and an attacker on the path who forges in all their states.
type siege struct {
	*rand.Rand
	t        *testing.T
	sim      *Sim
	c, d     *Station
	f, e     *Flow // the connection that lives, at both ends
	up, down *onPath
	early    bool // handshakes are attacked as well
	sent     [2]bytes.Buffer
	got      [2]bytes.Buffer
	ends     [2]error
}

func newSiege(t *testing.T, seed uint64, early bool) *siege {
	s, c, d := protectedPair(true, true)
	g := &siege{Rand: rand.New(rand.NewPCG(seed, 3)), t: t, sim: s, c: c, d: d, early: early}
	for _, st := range []*Station{c, d} {
		// More than 500 packets are sent: a connection whose keys are not updated ends.
		st.Adjust = func(p *endpoint.Params) { p.KeyLimits = protect.Limits{Update: 60, Sealed: 500, Forged: 1 << 30} }
	}
	d.Accept = func(e *Flow) {
		g.e = e
		e.OnChange = func() { g.read(1) }
	}
	forges := func() bool {
		up := g.f != nil && g.f.Conn.Established() && g.e != nil
		return up && g.IntN(4) == 0 || g.early && g.IntN(4) == 0
	}
	g.up = &onPath{Rand: g.Rand, sim: s, from: c, to: d, forges: forges, check: g.check}
	g.down = &onPath{Rand: g.Rand, sim: s, from: d, to: c, forges: forges, check: g.check}
	g.up.back, g.down.back = g.down, g.up
	c.Route(d, NewLink(LinkConfig{Delay: 10 * time.Millisecond, Loss: 0.01, Drop: g.up.see}, seed))
	d.Route(c, NewLink(LinkConfig{Delay: 10 * time.Millisecond, Loss: 0.01, Drop: g.down.see}, seed+1))
	return g
}

// check holds what an attacked side sends to what it was asked for: no handshake of another version, no short packet in plain.
func (g *siege) check(b []byte) {
	if version, _, _, long := wire.Invariants(b); long {
		if h, _, err := wire.ParseHeader(b); version == wire.Version && err == nil && h.Type != wire.Unknown {
			g.t.Errorf("%v of the plain version is sent", h.Type)
		}
		return
	}
	for _, seed := range [][2]wire.ID{{g.up.dst, g.down.dst}, {g.down.dst, g.up.dst}} {
		if wire.Verify(b, wire.Seed(wire.Version, seed[0], seed[1])) {
			g.t.Errorf("a short packet in plain: %x", b)
		}
	}
}

// read takes what one end has: 0 is the client's.
func (g *siege) read(end int) {
	f := [2]*Flow{g.f, g.e}[end]
	for b := make([]byte, 4096); g.ends[end] == nil; {
		n, err := f.Conn.Read(b)
		g.got[end].Write(b[:n])
		if g.ends[end] = err; n == 0 {
			return
		}
	}
}

// write has one end send n bytes.
func (g *siege) write(end, n int) {
	f := [2]*Flow{g.f, g.e}[end]
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint64())
	}
	took, err := f.Conn.Write(b)
	g.sent[end].Write(b[:took])
	if err != nil {
		g.t.Errorf("writing: %v", err)
	}
	f.Flush()
}

// until goes on until done, which has to come.
func (g *siege) until(what string, done func() bool) {
	g.t.Helper()
	if !g.sim.RunUntil(5*time.Minute, done) {
		g.t.Fatalf("%s does not come: client %v, %v, server %v, %v", what, g.f.Conn.Err(), g.ends[0], g.e.Conn.Err(), g.ends[1])
	}
}

// arrived reports whether each end has what the other has sent.
func (g *siege) arrived() bool {
	return g.got[0].Len() == g.sent[1].Len() && g.got[1].Len() == g.sent[0].Len()
}

// dial begins a connection. It reports false if the attack has ended the handshake, as it may.
func (g *siege) dial() bool {
	g.e, g.ends = nil, [2]error{}
	for i := range g.sent {
		g.sent[i].Reset()
		g.got[i].Reset()
	}
	g.f = g.c.Dial(g.d)
	g.f.OnChange = func() { g.read(0) }
	up := func() bool { return g.f.Conn.Established() && g.e != nil }
	if !g.sim.RunUntil(time.Minute, func() bool { return up() || g.f.Conn.Err() != nil }) {
		g.t.Fatal("the dial goes on for ever")
	}
	if !up() && !g.early {
		g.t.Fatalf("a dial that was not forged about ends: %v", g.f.Conn.Err())
	}
	return up()
}

// live takes a connection through all that may happen to one.
func (g *siege) live() {
	for range 3 {
		g.write(0, 200<<10) // busy, in both directions, with key updates
		g.write(1, 40<<10)
		g.until("the middle", g.arrived)
		g.sim.Run(time.Duration(g.IntN(20)) * time.Second) // idle
	}
	g.f.Conn.CloseWrite() // half-closed
	g.f.Flush()
	g.until("the client's end", func() bool { return g.ends[1] != nil })
	g.write(1, 30<<10)
	g.until("what follows it", g.arrived)
	g.write(1, 30<<10)
	g.e.Conn.Close(g.sim.Now()) // closed, and not delivered
	g.e.Flush()
	g.until("the server's end", func() bool { return g.ends[0] != nil })
	g.f.Conn.Close(g.sim.Now())
	g.f.Flush()
	g.until("the end", func() bool { return g.f.Removed && g.e.Removed })
	if g.ends != [2]error{io.EOF, io.EOF} || !bytes.Equal(g.got[0].Bytes(), g.sent[1].Bytes()) || !bytes.Equal(g.got[1].Bytes(), g.sent[0].Bytes()) {
		g.t.Fatalf("%v, %d of %d and %d of %d bytes", g.ends, g.got[0].Len(), g.sent[1].Len(), g.got[1].Len(), g.sent[0].Len())
	}
	g.sim.Run(time.Duration(g.IntN(5)) * time.Second) // tombstones
}

// TestProtectedInEveryState [W231] [W235] [W242]: somebody on the path injects, replays, flips, cuts and makes up packets at every state of
// a connection: while it is dialled, busy, idle, updating keys, half-closed, closed, and gone. Established ones do not end, and no byte
// changes; handshakes end with the peer or with an error; nobody speaks plain.
func TestProtectedInEveryState(t *testing.T) {
	injected, dials, connections := 0, 0, 0
	for seed := *siegeSeed << 32; injected < *injections && !t.Failed(); seed++ {
		g := newSiege(t, seed, seed%2 == 1)
		for range 4 { // the packets of each are replayed to the next
			if dials++; g.dial() {
				connections++
				g.live()
			}
		}
		injected += g.up.injected + g.down.injected
	}
	t.Logf("%d packets were injected, into %d connections of %d that were dialled", injected, connections, dials)
	if connections < dials/2 || connections == dials {
		t.Errorf("%d of %d dials succeed: half of them are not forged about, and of the others some have to fail", connections, dials)
	}
}

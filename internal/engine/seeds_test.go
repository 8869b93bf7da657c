package engine_test

import (
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
)

var (
	seedCount = flag.Int("seeds", 100, "how many random networks TestSeeds tries")
	firstSeed = flag.Uint64("seed", 0, "the first of them")
)

// hostile is a random network.
func hostile(r *rand.Rand) simnet.LinkConfig {
	pick := func(max float64) float64 {
		if r.IntN(3) == 0 {
			return 0
		}
		return r.Float64() * max
	}
	c := simnet.LinkConfig{
		Delay: time.Duration(r.Int64N(int64(150 * time.Millisecond))),
		Loss:  pick(0.10), Reorder: pick(0.20), Duplicate: pick(0.10), Corrupt: pick(0.05),
		Jitter: time.Duration(pick(float64(20 * time.Millisecond))),
	}
	if r.IntN(2) == 0 {
		c.Rate = 50_000 + r.Int64N(5_000_000)
		c.Queue = 8_000 + r.IntN(200_000)
	}
	if r.IntN(4) == 0 {
		c.Burst = simnet.BurstLoss(0.03, 5)
	}
	if r.IntN(8) == 0 {
		c.MTU = 1228 + r.IntN(272)
	}
	return c
}

// actor is an application that does random things at random times and ends
// its side one way or another.
type actor struct {
	w      *world
	r      *rand.Rand
	f      *simnet.Flow
	salt   uint64 // of what it writes; the peer's is 3 - salt
	goal   uint64 // bytes it means to write
	wrote  uint64
	in     sink
	werr   error
	rude   bool // it aborted, closed early or stopped reading
	shut   bool // CloseWrite or Close was called
	closed bool
	stall  time.Duration // longest time without progress while it waited
	last   time.Duration
}

func newActor(w *world, r *rand.Rand, f *simnet.Flow, salt uint64) *actor {
	a := &actor{w: w, r: r, f: f, salt: salt, in: sink{t: w.t, f: f, salt: 3 - salt}}
	a.goal = uint64(r.IntN(4)) * uint64(r.IntN(100_000))
	a.last = w.Now()
	f.OnChange = func() {
		if b := f.Conn.AppendThoughIdle(w.Now(), nil); len(b) > 0 {
			w.t.Fatalf("nothing was to be sent, and then %x was", b)
		}
	}
	a.step()
	return a
}

// step does one random thing and schedules the next.
func (a *actor) step() {
	if a.closed {
		return
	}
	before := a.wrote + a.in.got
	a.act()
	if a.wrote+a.in.got != before {
		a.last = a.w.Now()
	}
	a.stall = max(a.stall, a.w.Now()-a.last)
	a.f.Flush()
	if !a.closed {
		a.w.After(time.Duration(a.r.Int64N(int64(60*time.Millisecond))), a.step)
	}
}

func (a *actor) act() {
	switch dice := a.r.IntN(1000); {
	case dice == 0 && a.r.IntN(8) == 0:
		a.rude, a.closed = true, true
		a.f.Conn.Abort(a.w.Now())
		return
	case dice == 1 && a.r.IntN(4) == 0:
		a.rude, a.closed = true, true
		a.f.Conn.Close(a.w.Now())
		return
	case dice == 2 && a.r.IntN(8) == 0:
		a.rude = true
		a.f.Conn.CloseRead()
	case dice < 500:
		a.write()
	}
	a.in.max = 1 + a.r.IntN(40_000)
	a.in.pump()
	a.in.max = 0
	if a.wrote == a.goal && !a.shut {
		a.shut = true
		a.f.Conn.CloseWrite()
	}
	if a.in.err != nil && (a.shut || a.werr != nil) {
		a.closed = true
		a.f.Conn.Close(a.w.Now())
	}
}

func (a *actor) write() {
	if a.shut || a.werr != nil {
		return
	}
	b := make([]byte, min(uint64(1+a.r.IntN(30_000)), a.goal-a.wrote))
	for i := range b {
		b[i] = pattern(a.salt, a.wrote+uint64(i))
	}
	if len(b) == 0 {
		return
	}
	n, err := a.f.Conn.Write(b)
	a.wrote += uint64(n)
	a.werr = err
}

// TestSeeds: two engines, a random network and random applications. Every byte
// arrives once and in order or both sides learn of an error; nothing panics, no
// connection is left over, and no progress takes longer than the idle timeout.
func TestSeeds(t *testing.T) {
	lost := eachSeed(t, func(t *testing.T, seed uint64) bool { return runSeed(t, seed, plain, nil) })
	if lost > 2+*seedCount/200 {
		t.Errorf("gave up %d of %d connections", lost, *seedCount)
	}
}

// eachSeed runs a test for every seed and returns for how many the connection did not survive.
func eachSeed(t *testing.T, run func(t *testing.T, seed uint64) bool) (lost int) {
	for i := range *seedCount {
		seed := *firstSeed + uint64(i)
		ok := t.Run("", func(t *testing.T) {
			if !run(t, seed) {
				lost++
			}
		})
		if !ok {
			t.Fatalf("seed %d failed; again with -run %s -seed %d -seeds 1", seed, t.Name(), seed)
		}
	}
	t.Logf("%d seeds; in %d the network was so bad that both sides gave up", *seedCount, lost)
	return lost
}

// runSeed tries one network, with trouble if there is one, and reports whether the connection survived it.
func runSeed(t *testing.T, seed uint64, secure protection, trouble func(w *world, r *rand.Rand)) bool {
	r := newRand(seed)
	w := newWorld(t, seed, hostile(r), hostile(r))
	if secure {
		w.protect()
	}
	if trouble != nil {
		trouble(w, rand.New(rand.NewPCG(seed, 7)))
	}
	stamp := func(p *engine.Params) { p.Stamp = ^uint32(0) - uint32(r.IntN(10_000_000)) }
	w.client.Adjust, w.server.Adjust = stamp, stamp
	if seed%2 == 1 {
		w.client.Controller, w.server.Controller = ledbatFactory, ledbatFactory
	}
	var a, b *actor
	w.onAccept = func(f *simnet.Flow) {
		if b != nil {
			t.Fatal("a second connection from one dial")
		}
		b = newActor(w, r, f, 2)
	}
	c := w.dialAnyhow(trouble != nil)
	if c == nil {
		return false
	}
	a = newActor(w, r, c, 1)
	over := func() bool {
		return (a.closed || w.killed == w.client) && w.over(c) && (b == nil || (b.closed || w.killed == w.server) && w.over(b.f))
	}
	if !w.RunUntil(time.Hour, over) {
		t.Fatalf("an hour was not enough: client %+v\n%+v\nserver %+v", a, c.Conn.Info(), b)
	}
	if b == nil {
		if w.killed != nil {
			return false
		}
		if !a.rude && c.Conn.Err() == nil {
			t.Fatal("the server never saw the connection, and the client does not know")
		}
		return a.rude
	}
	if w.killed != nil {
		checkSurvivor(t, a, b)
		checkSurvivor(t, b, a)
		return false
	}
	survived := a.f.Conn.Err() == nil && b.f.Conn.Err() == nil
	checkEnds(t, a, b, survived, trouble != nil)
	if t.Failed() {
		t.Logf("up %+v\ndown %+v\nclient %+v\nserver %+v", w.up.Stats(), w.down.Stats(), a.f.Conn.Info(), b.f.Conn.Info())
	}
	if n := w.client.Chunks() + w.server.Chunks(); n != 0 {
		t.Errorf("%d chunks were not given back", n)
	}
	return survived || a.rude || b.rude
}

// dialAnyhow dials and returns the connection, or nil if it failed for a good reason.
func (w *world) dialAnyhow(troubled bool) *simnet.Flow {
	w.t.Helper()
	c := w.client.Dial(w.server)
	patience := 20 * time.Second
	if troubled {
		patience += 20 * time.Second // a process may be stopped for as long
	}
	if !w.RunUntil(patience, func() bool { return c.Conn.Established() || w.over(c) }) {
		w.t.Fatal("the dial neither succeeds nor fails")
	}
	if !c.Conn.Established() && w.killed == w.client {
		return nil
	}
	if c.Removed { // ten seconds of bad luck
		var e *engine.Error
		if !errors.As(c.Conn.Err(), &e) || e.Kind != engine.KindHandshakeTimeout && !(e.Kind == engine.KindRefused && w.killed == w.server) {
			w.t.Fatalf("dial: %v", c.Conn.Err())
		}
		return nil
	}
	return c
}

// checkSurvivor: of two sides of which the process of one was killed, the other learns of it, unless it has all
// bytes and the peer has all of its.
func checkSurvivor(t *testing.T, x, dead *actor) {
	if x.f.Station() == x.w.killed || x.rude || dead.rude {
		return
	}
	if x.f.Conn.Err() == nil && (x.in.got != dead.wrote || !x.f.Conn.Delivered()) {
		t.Errorf("no error, although it has %d of %d bytes of a peer that was killed; delivered %v", x.in.got, dead.wrote, x.f.Conn.Delivered())
	}
	if x.in.got > dead.wrote || x.in.err == io.EOF && x.in.got != dead.wrote {
		t.Errorf("%d bytes of %d of a peer that was killed, and then %v", x.in.got, dead.wrote, x.in.err)
	}
}

// checkEnds: who saw the end of the stream has every byte, who was told that all
// was delivered was told the truth, and an orderly connection is one for both
// sides. A network may cut a connection off, and may then keep the last word from one
// side of one that is complete; then that side has an error, and nobody a wrong byte.
func checkEnds(t *testing.T, a, b *actor, survived, troubled bool) {
	for _, x := range []struct{ from, to *actor }{{a, b}, {b, a}} {
		if x.to.in.got > x.from.wrote {
			t.Errorf("%d bytes arrived of %d", x.to.in.got, x.from.wrote)
		}
		// What was written may wait behind other bytes before it is sent, and has the user timeout from then on. If a
		// peer's last word is lost, the side that listens asks after the idle timeout whether it is still there, and gives
		// it as long to answer.
		limit := 31*time.Second + 5*time.Second
		if a.rude || b.rude {
			limit += 30 * time.Second
		}
		if !troubled && x.from.stall > limit { // trouble may be a pause of either process, and more than one
			t.Errorf("no progress for %v", x.from.stall)
		}
		if a.rude || b.rude {
			continue
		}
		all := x.to.in.got == x.from.goal
		whole := all && x.to.in.err == io.EOF
		if x.to.in.err == io.EOF && x.to.in.got != x.from.wrote {
			t.Errorf("%d of %d bytes, and then an orderly end", x.to.in.got, x.from.wrote)
		}
		if !whole && (survived || !all && (x.from.f.Conn.Delivered() || x.from.f.Conn.Err() == nil) || x.to.f.Conn.Err() == nil) {
			t.Errorf("%d of %d bytes, then %v; writer: %v, reader: %v", x.to.in.got, x.from.goal, x.to.in.err, x.from.f.Conn.Err(), x.to.f.Conn.Err())
		}
		if survived && !x.from.f.Conn.Delivered() {
			t.Error("all was delivered, but Delivered says no")
		}
	}
}

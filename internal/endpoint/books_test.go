package endpoint

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"example.com/ebb/internal/stream"
	"example.com/ebb/ledbat"
	"example.com/ebb/limits"
)

// chunkHeap is a stream.Allocator.
type chunkHeap struct{ lent int }

func (h *chunkHeap) Chunk(stream.Level) []byte { h.lent++; return make([]byte, stream.ChunkSize) }
func (h *chunkHeap) Room(stream.Level) bool    { return true }
func (h *chunkHeap) Trim()                     {}
func (h *chunkHeap) Free([]byte)               { h.lent-- }

// testConn is a connection as a caller has it.
type testConn struct {
	Driver
	side     *side
	dialled  bool
	waits    bool // somebody waits for the dial
	resolved int  // how often that ended
	accepted bool
}

// inUse reports whether an application has the connection.
func (c *testConn) inUse() bool { return c.accepted || c.dialled && !c.waits }

// side is an endpoint with what a caller has besides. It has the same books, kept the slow way.
type side struct {
	*Endpoint[*testConn]
	w         *world
	path      Path
	settings  Settings
	chunks    chunkHeap
	listening bool
	alive     []*testConn
	sweep     time.Duration
}

// world is two endpoints that dial each other over a network that loses, repeats and overtakes.
type world struct {
	*testing.T
	r         *rand.Rand
	now       time.Duration
	sides     [2]*side
	air       []datagram
	seen      map[string]int
	protected bool // the connections are
}

type datagram struct {
	to *side
	b  []byte
}

func newWorld(t *testing.T, seed uint64, seen map[string]int, protected bool) *world {
	w := &world{T: t, r: rand.New(rand.NewPCG(seed, 5)), seen: seen, protected: protected}
	for i := range w.sides {
		s := &side{w: w, listening: true, sweep: Never}
		s.path.Local = netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:9", 1+i))
		s.path.Remote = netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:9", 2-i))
		s.settings = Settings{
			Congestion: ledbat.Factory(ledbat.Config{}), Chunks: func(*limits.Conn) stream.Allocator { return &s.chunks }, SendBuffer: 1 << 20, ReceiveBuffer: 1 << 20,
			KeepAlive: 5 * time.Second, IdleTimeout: 10 * time.Second, UserTimeout: 10 * time.Second, LingerTimeout: 5 * time.Second,
			HandshakeTimeout: 3 * time.Second, MaxDatagram4: 1472,
		}
		b := Bounds{Listening: true, RetryAfter: 2 + w.r.IntN(4), Backlog: 1 + w.r.IntN(4), Window: s.settings.FirstWindow(), Protected: protected}
		b.Seed[0], b.Seed[1] = byte(i), byte(seed)
		s.Endpoint = New[*testConn](Config{Bounds: b, Numbers: func() Numbers {
			return Numbers{Stamp: w.r.Uint32(), Seed: w.r.Uint64(), Controller: w.r.Uint64()}
		}})
		w.sides[i] = s
	}
	return w
}

// step does one random thing at one of the sides.
func (w *world) step() {
	w.now += time.Duration(w.r.IntN(20)) * time.Millisecond
	s := w.sides[w.r.IntN(2)]
	switch w.r.IntN(20) {
	case 0:
		s.dial()
	case 1:
		if c := s.pick(func(c *testConn) bool { return c.waits }); c != nil && w.r.IntN(4) == 0 {
			s.giveUp(c)
		}
	case 2:
		if c := s.pick((*testConn).inUse); c != nil {
			s.end(c)
		}
	case 3:
		s.accept()
	case 4:
		if w.r.IntN(8) == 0 {
			s.listen()
		}
	case 5:
		if c := s.pick((*testConn).inUse); c != nil {
			c.Conn.Write(make([]byte, w.r.IntN(3000)))
			c.drive()
		}
	default:
		w.deliver()
	}
	for _, s := range w.sides {
		s.expire()
	}
}

func (s *side) pick(ok func(*testConn) bool) *testConn {
	some := slices.DeleteFunc(slices.Clone(s.alive), func(c *testConn) bool { return !ok(c) })
	if len(some) == 0 {
		return nil
	}
	return some[s.w.r.IntN(len(some))]
}

func (s *side) dial() {
	c := &testConn{side: s, dialled: true, waits: true}
	p, err := s.Dial(s.w.now, &s.settings, s.path, c)
	if err != nil {
		s.w.Fatal(err)
	}
	s.w.protect(&p)
	c.Start(s.w.now, p)
	s.alive = append(s.alive, c)
	c.drive()
}

func (s *side) giveUp(c *testConn) {
	if !s.GiveUp(c.Conn.Local()) {
		s.w.Fatal("a dial that waits cannot be given up")
	}
	if s.GiveUp(c.Conn.Local()) {
		s.w.Fatal("a dial was given up twice")
	}
	s.w.seen["given up"]++
	c.waits = false
	c.Conn.Abort(s.w.now)
	c.drive()
}

func (s *side) end(c *testConn) {
	if s.w.r.IntN(2) == 0 {
		c.Await(true)
		c.Conn.Abort(s.w.now)
	} else {
		c.Await(false)
		c.Conn.Close(s.w.now)
	}
	c.drive()
}

func (s *side) accept() {
	c, ok := s.Next()
	if !ok {
		return
	}
	s.w.seen["accepted"]++
	c.accepted = true
}

func (s *side) listen() {
	s.listening = !s.listening
	if s.listening {
		s.SetListening(true)
		return
	}
	for _, c := range s.StopListening() {
		if c.accepted || c.dialled {
			s.w.Fatal("the end of the listener aborts what is not its own")
		}
		s.w.seen["unaccepted"]++
		c.Conn.Abort(s.w.now)
		c.drive()
	}
}

// deliver takes one datagram out of the air: it is lost, or arrives, perhaps once more later.
func (w *world) deliver() {
	if len(w.air) == 0 {
		return
	}
	i := w.r.IntN(min(len(w.air), 3))
	d := w.air[i]
	fate := w.r.IntN(20)
	if d.b = slices.Clone(d.b); fate != 0 { // what is sealed is opened where it stands
		w.air = slices.Delete(w.air, i, i+1)
	}
	if fate == 1 {
		return
	}
	s, path := d.to, Path{Local: d.to.path.Local, Remote: d.to.path.Remote}
	v := s.Route(w.now, path.Remote, d.b, nil)
	if v.Displaced != nil {
		v.Displaced.Conn.Cut()
		v.Displaced.drive()
	}
	switch v.Action {
	case Reply:
		w.air = append(w.air, datagram{to: w.other(s), b: v.Reply})
		return
	case Open:
		v.Conn = &testConn{side: s}
		p := s.Open(w.now, &s.settings, path, v, v.Conn)
		w.protect(&p)
		v.Conn.Start(w.now, p)
		s.alive = append(s.alive, v.Conn)
		if v.Yields != nil {
			v.Yields.Input(w.now, &Arrival{Path: path, At: w.now, ECN: NotECT}, d.b)
			v.Yields.drive()
		}
	case Deliver:
	default:
		return
	}
	v.Conn.Input(w.now, &Arrival{Path: path, At: w.now, ECN: NotECT}, d.b)
	v.Conn.drive()
}

func (w *world) other(s *side) *side {
	if s == w.sides[0] {
		return w.sides[1]
	}
	return w.sides[0]
}

func (s *side) expire() {
	for _, c := range slices.Clone(s.alive) {
		if c.due <= s.w.now {
			c.Expire(s.w.now)
			c.drive()
		}
	}
	if s.sweep <= s.w.now {
		s.sweep = s.Sweep(s.w.now)
	}
}

// drive does what follows every event.
func (c *testConn) drive() {
	s, w := c.side, c.side.w
	turn := Over
	if c.BeginFlush() {
		turn = Again
	}
	for turn == Again {
		turn = c.sendBatch()
	}
	if t := c.Changed(); t != 0 {
		s.report(c, t)
	}
	if turn == Others {
		c.Due(w.now)
	}
	c.Due(c.NextTimeout())
}

func (c *testConn) sendBatch() Turn {
	s, w := c.side, c.side.w
	var buf []byte
	for trains := 0; ; trains++ {
		before := len(buf)
		var t Train
		if buf, t = c.Append(Clock{Engine: w.now, Pool: w.now}, buf, trains); len(buf) == before {
			break
		}
		for b := buf[before:]; len(b) > 0; b = b[min(t.SegmentSize, len(b)):] {
			w.air = append(w.air, datagram{to: w.other(s), b: slices.Clone(b[:min(t.SegmentSize, len(b))])})
		}
	}
	if len(buf) == 0 {
		return Over
	}
	return c.Sent(false)
}

// report does what follows from news, and holds the events against what the side knows.
func (s *side) report(c *testConn, t Topic) {
	w := s.w
	ev := s.Report(w.now, c, c.News(t))
	if d := ev.Dial; d != nil {
		if !d.waits {
			w.Fatalf("a dial is over for which nobody waits, %d times", d.resolved+1)
		}
		d.waits = false
		d.resolved++
		w.seen[map[bool]string{true: "failed", false: "connected"}[ev.Result == nil]]++
		if ev.Result != nil && ev.Result != d {
			w.seen["replaced"]++
			ev.Result.accepted = true
		}
	}
	if ev.Sweep != Never {
		s.sweep = ev.Sweep
	}
	if t.Has(Ended) {
		s.alive = slices.DeleteFunc(s.alive, func(o *testConn) bool { return o == c })
		c.Conn.CloseRead() // or it holds what it has received
	}
	if ev.Abort != nil {
		ev.Abort.Conn.Abort(w.now)
		ev.Abort.drive()
	}
	if ev.Refuse != nil {
		w.seen["refused"]++
		ev.Refuse.Conn.Refuse(w.now)
		ev.Refuse.drive()
	}
}

// check holds the books to what they count.
func (s *side) check() {
	got := s.Counters()
	halfOpen := 0
	for _, c := range s.alive {
		if !c.dialled && !c.opened {
			halfOpen++
		}
	}
	if got.Connections != len(s.alive) || s.Len() != len(s.alive) || !slices.Equal(s.Conns(), byID(s.alive)) {
		s.w.Fatalf("%d connections, of which %d are listed; %d are alive", got.Connections, len(s.Conns()), len(s.alive))
	}
	if got.HalfOpen != halfOpen {
		s.w.Fatalf("%d half-open, want %d", got.HalfOpen, halfOpen)
	}
	if !s.listening && got.Queued != 0 {
		s.w.Fatalf("%d are queued, and nobody listens", got.Queued)
	}
}

func byID(conns []*testConn) []*testConn {
	return slices.SortedFunc(slices.Values(conns), func(a, b *testConn) int {
		if a.Conn.Local() < b.Conn.Local() {
			return -1
		}
		return 1
	})
}

// TestEveryBookEqualsWhatItCounts lets two endpoints dial each other, also at once, and end what they have, over a bad network.
// After each event the books are what they count. Every dial is over once, whether it succeeds, fails, loses to a crossing one
// or is given up. When all is over, nothing is left: no tombstone, and no memory.
func TestEveryBookEqualsWhatItCounts(t *testing.T) {
	everyBook(t, false, "connected", "failed", "replaced", "given up", "accepted", "unaccepted")
}

func everyBook(t *testing.T, protected bool, want ...string) {
	t.Helper()
	seen := make(map[string]int)
	for seed := range uint64(60) {
		w := newWorld(t, seed, seen, protected)
		for range 3000 {
			w.step()
			for _, s := range w.sides {
				s.check()
			}
		}
		w.quiet()
	}
	for _, what := range want {
		if seen[what] < 50 {
			t.Errorf("%q happened %d times: %v", what, seen[what], seen)
		}
	}
}

// quiet ends everything and looks at what is left.
func (w *world) quiet() {
	for _, s := range w.sides {
		for c, ok := s.Next(); ok; c, ok = s.Next() {
			c.accepted = true
		}
		for _, c := range slices.Clone(s.alive) {
			c.Conn.Abort(w.now)
			c.drive()
		}
	}
	w.air = nil
	for range 60 {
		w.now += time.Second
		for _, s := range w.sides {
			s.expire()
		}
	}
	for i, s := range w.sides {
		s.check()
		if got := s.Counters(); len(s.alive) != 0 || got.Queued != 0 || got.QueuedBytes != 0 || got.Tombstones != 0 || s.sweep != Never || s.chunks.lent != 0 {
			w.Fatalf("side %d has %d connections, %d chunks, and sweeps at %v: %+v", i, len(s.alive), s.chunks.lent, s.sweep, got)
		}
	}
}

package router

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// model is what a router's books should say, kept the slow way: a list of all connections, and a list
// of those that wait for Accept.
type model struct {
	*scene
	r       *rand.Rand
	cfg     Config
	seen    map[string]int // how often something was tried
	all     []*modelConn
	waiting []*modelConn
}

// modelConn is a connection of the model.
type modelConn struct {
	c        *client
	local    wire.ID
	remote   netip.AddrPort
	id       wire.ID // the client's
	dialled  bool
	pending  bool // a dial that was not answered
	halfOpen bool
	place    bool // kept for it
	open     bool
	bytes    int
}

const modelWindow = 1000

func newModel(t *testing.T, seed uint64) *model {
	r := rand.New(rand.NewPCG(seed, 3))
	cfg := Config{Listening: true, RetryAfter: -1, Backlog: 1 + r.IntN(4), MaxHalfOpen: 3 + r.IntN(6), Window: modelWindow, ReplyRate: 1e9}
	if r.IntN(8) == 0 {
		cfg.Backlog = -1
	}
	if r.IntN(2) == 0 {
		cfg.RetryAfter = 1 + r.IntN(cfg.MaxHalfOpen)
	}
	return &model{scene: newScene(t, cfg), r: r, cfg: cfg}
}

// pick is a random connection for which ok holds, or nil.
func (m *model) pick(ok func(*modelConn) bool) *modelConn {
	var some []*modelConn
	for _, c := range m.all {
		if ok(c) {
			some = append(some, c)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return some[m.r.IntN(len(some))]
}

func (m *model) count(ok func(*modelConn) bool) (n int) {
	for _, c := range m.all {
		if ok(c) {
			n++
		}
	}
	return n
}

func halfOpenConn(c *modelConn) bool { return c.halfOpen }
func placedConn(c *modelConn) bool   { return c.place }
func pendingConn(c *modelConn) bool  { return c.pending }

// full reports whether no place is left in the queue.
func (m *model) full() bool {
	return m.cfg.Backlog >= 0 && len(m.waiting)+m.count(placedConn) >= m.cfg.Backlog
}

// awaited reports whether a dial waits that a connection of the peer's would take the place of.
func (m *model) awaited(c *modelConn) bool {
	e := m.conns[c.local]
	return m.lostTo(e) != nil
}

// step does one random thing.
func (m *model) step() string {
	m.now += time.Duration(m.r.IntN(300)) * time.Millisecond
	switch m.r.IntN(9) {
	case 0, 1:
		return m.initial()
	case 2:
		return m.short()
	case 3, 4:
		return m.establish()
	case 5:
		return m.accept()
	case 6:
		return m.remove()
	case 7:
		return m.dial()
	}
	m.listening = m.r.IntN(4) > 0
	m.SetListening(m.listening)
	if !m.listening { // as a listener does that is closed
		for range len(m.waiting) {
			m.accept()
		}
	}
	return fmt.Sprint("listening: ", m.listening)
}

func (m *model) initial() string {
	from := []netip.AddrPort{alice, bob}[m.r.IntN(2)]
	id := wire.ID(1 + m.r.IntN(1000))
	v := m.Route(m.now, from, initial(dstOf(id), id, nil), nil)
	if v.Action == Reply && m.r.IntN(4) > 0 {
		if h, f := m.parsed(v.Reply, wire.Seed(wire.Version, id, dstOf(id))); h.Type == wire.Retry {
			v = m.Route(m.now, from, initial(dstOf(id), id, f.Data), nil)
		}
	}
	if v.Action == Open {
		local, c := m.NewID(), &client{fmt.Sprint(v.Client)}
		m.displace(v.Displaced)
		m.Accept(local, from, v, c)
		m.all = append(m.all, &modelConn{c: c, local: local, remote: from, id: id, halfOpen: true, open: true})
	}
	if v.Action == Open && m.cfg.MaxHalfOpen < m.count(halfOpenConn) {
		m.Fatalf("%d half-open connections", m.count(halfOpenConn))
	}
	if v.Action == Open && m.full() && !m.conns[m.all[len(m.all)-1].local].crosses {
		m.Fatal("let in although the queue is full")
	}
	return fmt.Sprintf("INITIAL %v from %v: %v", id, from, v.Action)
}

// displace does what is to be done for a connection whose place another has taken.
func (m *model) displace(c *client) {
	if c == nil {
		return
	}
	m.seen["displaced"]++
	victim := m.pick(func(o *modelConn) bool { return o.c == c })
	if !victim.halfOpen {
		m.Fatal("a connection was displaced that was not half-open")
	}
	m.Remove(m.now, victim.local, FinalState{Code: wire.CodeReset, Hold: time.Second})
	*victim = modelConn{c: victim.c, local: victim.local, remote: victim.remote, id: victim.id}
}

// short is the packet that completes a half-open connection's handshake.
func (m *model) short() string {
	c := m.pick(halfOpenConn)
	if c == nil {
		return "nothing"
	}
	waits := m.listening && !m.awaited(c)
	want := Deliver
	if waits && m.full() {
		want = Drop
	}
	if v := m.Route(m.now, c.remote, short(c.local, c.id, data(1)), nil); v.Action != want {
		m.Fatalf("CONFIRM of %v: %v, want %v", c.id, v.Action, want)
	}
	if want == Drop {
		m.seen["no place"]++
	}
	if waits && want == Deliver {
		m.seen["confirmed"]++
		c.halfOpen, c.place, c.bytes = false, true, modelWindow
	}
	return fmt.Sprintf("CONFIRM of %v: %v", c.id, want)
}

func (m *model) establish() string {
	c := m.pick(func(c *modelConn) bool { return c.place || c.halfOpen && m.r.IntN(4) == 0 })
	if c == nil {
		return "nothing"
	}
	want := Unchanged
	var lost *client
	room := c.place || !m.full()
	switch d := m.lostTo(m.conns[c.local]); {
	case d != nil:
		want, lost = Replaces, d.conn
	case m.listening && room:
		want = Queued
	default:
		want = Unwanted
	}
	fate, dial := m.Establish(m.now, c.local)
	if fate != want || dial != lost {
		m.Fatalf("Establish of %v = %v, %v, want %v, %v", c.id, fate, dial, want, lost)
	}
	m.seen[[]string{"unchanged", "connected", "queued", "replaced", "unwanted"}[fate]]++
	c.halfOpen, c.place, c.pending, c.bytes = false, false, false, 0
	if fate == Queued {
		c.bytes = modelWindow
		m.waiting = append(m.waiting, c)
	}
	for _, d := range m.all {
		if fate == Replaces && d.c == lost {
			d.pending = false
		}
	}
	if again, _ := m.Establish(m.now, c.local); again != Unchanged {
		m.Fatalf("Establish again = %v", again)
	}
	return fmt.Sprintf("established %v: %v", c.id, fate)
}

func (m *model) accept() string {
	c, ok := m.Next()
	if ok != (len(m.waiting) > 0) || ok && c != m.waiting[0].c {
		m.Fatalf("Next = %v, %v with %d waiting", c, ok, len(m.waiting))
	}
	if ok {
		m.seen["accepted"]++
		m.waiting[0].bytes = 0
		m.waiting = m.waiting[1:]
	}
	return "accepted"
}

func (m *model) remove() string {
	c := m.pick(func(c *modelConn) bool { return c.open })
	if c == nil {
		return "nothing"
	}
	f := FinalState{Hold: time.Second}
	if m.r.IntN(2) == 0 {
		f.Code = wire.CodeReset
	}
	if m.r.IntN(2) == 0 {
		f.Unread = m.r.IntN(modelWindow)
	}
	m.Remove(m.now, c.local, f)
	*c = modelConn{c: c.c, local: c.local, remote: c.remote, id: c.id, dialled: c.dialled}
	if i := slices.Index(m.waiting, c); i >= 0 {
		m.seen["dead and kept"]++
		c.bytes = f.Unread
		if f.Code != wire.CodeNone && f.Unread == 0 {
			m.seen["dead and dropped"]++
			m.waiting = slices.Delete(m.waiting, i, i+1)
		}
	}
	return fmt.Sprintf("removed %v: %+v", c.id, f)
}

func (m *model) dial() string {
	if c := m.pick(pendingConn); c != nil && m.r.IntN(2) == 0 {
		return m.answer(c)
	}
	to := []netip.AddrPort{alice, bob}[m.r.IntN(2)]
	id := wire.ID(1 + m.r.IntN(1000))
	if m.conns[id] != nil {
		return "nothing"
	}
	m.all = append(m.all, &modelConn{c: m.dials(to, id), local: id, remote: to, dialled: true, pending: true, open: true})
	return fmt.Sprintf("dialled %v", to)
}

// answer ends the wait of a dial.
func (m *model) answer(c *modelConn) string {
	c.pending = false
	switch m.r.IntN(3) {
	case 0:
		m.get(c.remote, long(wire.Accept, c.local, wire.ID(m.r.Uint64()|1), wire.AppendPing(nil), 60), Deliver)
		return "ACCEPT"
	case 1:
		refusal := long(wire.Refuse, c.local, dstOf(c.local), wire.AppendClose(nil, wire.CodeRefused, ""), 0)
		v := m.Route(m.now, c.remote, refusal, nil)
		c.pending = v.Action == Drop
		return fmt.Sprint("REFUSE: ", v.Action)
	}
	m.GiveUp(c.local)
	return "gave up a dial"
}

// check compares the books with what they count.
func (m *model) check(last string) {
	got := m.Counters()
	bytes := int64(0)
	for _, c := range m.all {
		bytes += int64(c.bytes)
	}
	open := m.count(func(c *modelConn) bool { return c.open })
	halfOpen := m.count(halfOpenConn)
	if got.Connections != open || got.HalfOpen != halfOpen || got.Queued != len(m.waiting) || got.QueuedBytes != bytes {
		m.Fatalf("after %q: %d connections, %d half-open, %d queued, %d bytes; want %d, %d, %d, %d", last,
			got.Connections, got.HalfOpen, got.Queued, got.QueuedBytes, open, halfOpen, len(m.waiting), bytes)
	}
	if m.cfg.Backlog >= 0 && (got.Queued > m.cfg.Backlog || got.QueuedBytes > int64(m.cfg.Backlog)*modelWindow) {
		m.Fatalf("after %q: %d queued with %d bytes, the backlog is %d", last, got.Queued, got.QueuedBytes, m.cfg.Backlog)
	}
	m.checkHandshakes(last)
	for _, to := range []netip.AddrPort{alice, bob} {
		want := m.count(func(c *modelConn) bool { return c.pending && c.remote == to })
		if dials, host := len(m.Router.dials[to]), m.hosts[to.Addr()]; dials != want || host != want {
			m.Fatalf("after %q: %d dials pending, %d of the host, want %d", last, dials, host, want)
		}
	}
}

// checkHandshakes compares what is kept of half-open connections with the entries.
func (m *model) checkHandshakes(last string) {
	of := make(map[limits.Peer]int) // peers and networks
	crossed := make(map[netip.AddrPort]int)
	length := 0
	for _, e := range m.conns {
		if e.state == halfOpen {
			length++
			of[limits.PeerOf(e.remote.Addr())]++
			of[limits.PeerOf(e.remote.Addr()).Network()]++
		}
		if e.crosses && (e.state == halfOpen || e.state == confirmed) {
			crossed[e.remote]++
		}
	}
	listed := 0
	for e := m.half.first; e != nil; e = e.next {
		listed++
	}
	if m.half.length != length || listed != length || !maps.Equal(of, m.half.of) {
		m.Fatalf("after %q: %d half-open, %d listed, by peer and network %v; want %d, %v", last,
			m.half.length, listed, m.half.of, length, of)
	}
	if !maps.Equal(crossed, m.crossed) {
		m.Fatalf("after %q: crossed %v, want %v", last, m.crossed, crossed)
	}
}

// TestEveryBookEqualsWhatItCounts does random things to routers, and compares their books with a model's after
// each.
func TestEveryBookEqualsWhatItCounts(t *testing.T) {
	seen := make(map[string]int)
	for seed := range uint64(100) {
		m := newModel(t, seed)
		m.seen = seen
		for range 1000 {
			m.check(m.step())
		}
	}
	for _, what := range []string{"confirmed", "no place", "queued", "replaced", "unwanted", "dead and kept", "dead and dropped", "accepted", "displaced"} {
		if seen[what] < 50 {
			t.Errorf("%q was tried %d times", what, seen[what])
		}
	}
}

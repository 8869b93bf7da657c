package router

import (
	"crypto/hmac"
	"crypto/sha256"
	"math/rand/v2"
	"net/netip"
	"time"

	"example.com/ebb/wire"
)

// What a Config with zero fields means.
const (
	DefaultRetryAfter    = 256
	DefaultMaxHalfOpen   = 4096
	DefaultBacklog       = 1024
	DefaultMaxTombstones = 65536
	DefaultReplyRate     = 1000
)

// Config says who the router is and how much it puts up with. The zero value of
// every number is its default.
type Config struct {
	// Seed feeds the connection IDs and the key of the cookies. Whoever knows
	// it can predict both, so it comes from the system's randomness.
	Seed [32]byte
	// Listening opens the router to connections nobody here asked for;
	// SetListening changes it.
	Listening bool
	// RetryAfter is the number of half-open connections from which an INITIAL
	// has to bring a cookie. Negative: never.
	RetryAfter int
	// MaxHalfOpen is the number of half-open connections at which an INITIAL
	// is dropped, cookie or not. Negative: no bound.
	MaxHalfOpen int
	// Backlog is the number of established connections waiting for Accept at
	// which an INITIAL is dropped, as a SYN is. Negative: no bound.
	Backlog int
	// MaxTombstones bounds the memory of connections that are gone: at the
	// bound, a new tombstone replaces the oldest. Negative: none are kept.
	MaxTombstones int
	// ReplyRate is how many answers of each kind (REFUSE, UNKNOWN, VERSIONS,
	// the CLOSE of a tombstone) may leave in a second; a tenth of it may leave
	// at once. Negative: none.
	ReplyRate int
}

// Router finds the connection of every datagram, and answers those that have
// none. C is the endpoint's connection, a pointer.
type Router[C comparable] struct {
	cfg       Config
	listening bool
	ids       *rand.ChaCha8
	cookies   cookieJar

	conns   map[wire.ID]*entry[C]          // by our ID
	pairs   map[pair]*entry[C]             // by address and the peer's ID
	dials   map[netip.AddrPort][]*entry[C] // dials that wait for an answer
	closed  closedTable                    // connections that are no more
	replies [replyKinds]allowance          // by kind of answer
	count   Counters
}

// pair is a connection as seen from its peer: its address and its ID.
type pair struct {
	remote netip.AddrPort
	id     wire.ID
}

// entry is what the router knows of a living connection.
type entry[C comparable] struct {
	conn    C
	local   wire.ID
	peer    wire.ID // 0: a dial that was not answered yet
	remote  netip.AddrPort
	client  bool // we dialled
	state   state
	yielded bool // of a dial: a crossing one of the peer's has a larger ID and was let in
	crosses bool // of a server's connection: dials have yielded to it
}

// state is how far a connection has come.
type state uint8

const (
	dialling    state = iota // a dial, no answer yet
	halfOpen                 // a server's connection: INITIAL came, no proof of the address yet
	queued                   // a server's connection that waits for Accept
	established              // in the application's hands
)

// New returns a router without connections.
func New[C comparable](cfg Config) *Router[C] {
	setDefault(&cfg.RetryAfter, DefaultRetryAfter)
	setDefault(&cfg.MaxHalfOpen, DefaultMaxHalfOpen)
	setDefault(&cfg.Backlog, DefaultBacklog)
	setDefault(&cfg.MaxTombstones, DefaultMaxTombstones)
	setDefault(&cfg.ReplyRate, DefaultReplyRate)
	r := &Router[C]{
		cfg:       cfg,
		listening: cfg.Listening,
		ids:       rand.NewChaCha8(derive(cfg.Seed, "connection IDs")),
		cookies:   cookieJar{secret: derive(cfg.Seed, "cookies")},
		conns:     make(map[wire.ID]*entry[C]),
		pairs:     make(map[pair]*entry[C]),
		dials:     make(map[netip.AddrPort][]*entry[C]),
		closed:    newClosedTable(max(cfg.MaxTombstones, 0)),
	}
	for i := range r.replies {
		r.replies[i] = newAllowance(cfg.ReplyRate)
	}
	return r
}

// NewID returns an unpredictable ID that no connection has, nor had a moment
// ago. It is not reserved: Dial or Accept has to follow before the next
// datagram is routed.
func (r *Router[C]) NewID() wire.ID {
	for {
		id := wire.ID(r.ids.Uint64())
		if id != 0 && r.conns[id] == nil && !r.closed.holdsID(id) {
			return id
		}
	}
}

// SetListening says whether somebody waits for connections.
func (r *Router[C]) SetListening(on bool) { r.listening = on }

// Dial registers a dial to remote under an ID from NewID. It is pending, that
// is, it may be completed by the peer's own dial to us, until Establish or
// Remove.
func (r *Router[C]) Dial(local wire.ID, remote netip.AddrPort, c C) {
	e := &entry[C]{conn: c, local: local, remote: remote, client: true, state: dialling}
	r.insert(e)
	r.dials[remote] = append(r.dials[remote], e)
}

// Accept registers the half-open connection that a verdict of Open asked for:
// client is the ID in the verdict, local one from NewID.
func (r *Router[C]) Accept(local wire.ID, remote netip.AddrPort, client wire.ID, c C) {
	from := pair{remote, client}
	e := &entry[C]{conn: c, local: local, peer: client, remote: remote, state: halfOpen, crosses: r.yield(from)}
	r.insert(e)
	r.pairs[from] = e
	r.count.HalfOpen++
}

// Establish reports that the handshake of a connection is complete. If dials have
// yielded to it and still wait, the connection takes the place of the one with
// the smallest ID, which is returned and no longer pending. Any other
// connection of the server's side waits for Accepted. Repeating the call changes
// nothing.
func (r *Router[C]) Establish(now time.Duration, local wire.ID) (dial C, ok bool) {
	r.closed.sweep(now)
	e := r.conns[local]
	if e == nil {
		return dial, false
	}
	switch e.state {
	case dialling:
		r.endDial(e)
	case halfOpen:
		r.count.HalfOpen--
		if d := r.lostTo(e); d != nil {
			e.state = established
			r.endDial(d)
			return d.conn, true
		}
		e.state = queued
		r.count.Queued++
	}
	return dial, false
}

// Accepted reports that the application has taken an established connection out
// of the queue.
func (r *Router[C]) Accepted(local wire.ID) {
	if e := r.conns[local]; e != nil && e.state == queued {
		e.state = established
		r.count.Queued--
	}
}

// FinalState is what is to be remembered of a connection that ends.
type FinalState struct {
	Code       wire.Code     // what its CLOSE says to a peer that has not noticed
	NextNumber uint64        // the first packet number it never used
	Hold       time.Duration // how long its ID is remembered: three PTO
}

// Remove forgets a connection and leaves a tombstone: its ID for e.Hold, and,
// if a client made it, address and client's ID for the life of a cookie. So
// neither a late duplicate of its INITIAL nor its cookie brings it back.
func (r *Router[C]) Remove(now time.Duration, local wire.ID, ep FinalState) {
	e := r.conns[local]
	if e == nil {
		return
	}
	delete(r.conns, local)
	var spent time.Duration
	switch e.state {
	case dialling:
		r.endDial(e)
	case halfOpen:
		r.count.HalfOpen--
		if e.crosses {
			r.unyield(e.remote)
		}
	case queued:
		r.count.Queued--
	}
	if p := (pair{e.remote, e.peer}); e.peer != 0 && r.pairs[p] == e {
		delete(r.pairs, p)
		if !e.client {
			spent = cookieLife
		}
	}
	r.closed.add(now, tombstone{
		remote: e.remote,
		local:  local,
		peer:   e.peer,
		next:   uint32(ep.NextNumber),
		code:   clampCode(ep.Code),
	}, ep.Hold, spent)
}

// Counters returns what the router has done so far.
func (r *Router[C]) Counters() Counters {
	c := r.count
	c.Connections = len(r.conns)
	c.Tombstones = r.closed.len()
	c.Evicted = r.closed.evicted
	return c
}

func (r *Router[C]) insert(e *entry[C]) {
	if e.local == 0 || r.conns[e.local] != nil {
		panic("BUG: connection ID in use")
	}
	r.conns[e.local] = e
}

// endDial takes e off the dials that wait.
func (r *Router[C]) endDial(e *entry[C]) {
	e.state = established
	waiting := r.dials[e.remote]
	for i, d := range waiting {
		if d != e {
			continue
		}
		if len(waiting) == 1 {
			delete(r.dials, e.remote)
			return
		}
		r.dials[e.remote] = append(waiting[:i], waiting[i+1:]...)
		return
	}
}

// lostTo returns the dial that the server's connection e completes: of those
// that have yielded to it, the one with the smallest ID.
func (r *Router[C]) lostTo(e *entry[C]) *entry[C] {
	var least *entry[C]
	for _, d := range r.dials[e.remote] {
		if e.crosses && d.yielded && d.local < e.peer && (least == nil || d.local < least.local) {
			least = d
		}
	}
	return least
}

// derive makes a key for one purpose out of the seed.
func derive(seed [32]byte, purpose string) (key [32]byte) {
	mac := hmac.New(sha256.New, seed[:])
	mac.Write([]byte(purpose))
	mac.Sum(key[:0])
	return key
}

func setDefault(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

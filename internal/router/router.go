package router

import (
	"crypto/sha256"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"example.com/ebb/limits"
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
	// MaxHalfOpen is the most half-open connections that there are. When there are as many, an INITIAL is dropped unless a cookie
	// proves its address: then it takes the place of another. Negative: no bound.
	MaxHalfOpen int
	// Backlog is the number of established connections that may wait for Accept.
	// When there are as many, an INITIAL is dropped, as a SYN is, and so is what
	// would complete a handshake. Negative: no bound.
	Backlog int
	// Window is how many bytes a connection may receive and hold before it is
	// accepted: the window that it offers first.
	Window int
	// MaxTombstones bounds the memory of connections that are gone: at the
	// bound, a new tombstone replaces the oldest. Negative: none are kept.
	MaxTombstones int
	// Protected says that connections are protected from now on: those that are dialled, and those that peers open.
	Protected bool
	// ResetKey makes the tokens of ResetToken, with Port, the local one. Whoever knows it can end connections, and endpoints that
	// are up at the same time must not share it (RFC 9000 section 21.11). Zero: one follows from Seed.
	ResetKey [32]byte
	Port     uint16
	// ReplyRate is how many answers of each kind (REFUSE, UNKNOWN, VERSIONS,
	// the CLOSE of a tombstone) may leave in a second; a tenth of it may leave
	// at once. Negative: none.
	ReplyRate int
	// Limits keeps the books of what connections cost: each is charged from before it is there to after its end. nil: they are
	// counted, and nothing is limited.
	Limits *limits.Endpoint
	// Origin is the time of Limits, which endpoints share, at the router's time 0.
	Origin time.Duration
	// Admit, if not nil, is asked about a connection that a peer opens when nothing else stands in its way; proven says that
	// the address is. An error turns it away. It is asked once about each dial.
	Admit func(remote netip.AddrPort, proven bool) error
}

// Router finds the connection of every datagram, and answers those that have
// none. C is the endpoint's connection, a pointer.
type Router[C comparable] struct {
	cfg       Config
	listening bool
	ids       *rand.ChaCha8
	cookies   cookieJar

	conns   map[wire.ID]*entry[C]          // by each of our IDs
	others  map[wire.ID][]wire.ID          // those that AddID has given, by local; of the few that have any
	given   int                            // how many these are
	pairs   map[pair]*entry[C]             // by address and the peer's ID
	dials   map[netip.AddrPort][]*entry[C] // dials that wait for an answer
	hosts   map[netip.Addr]int             // how many of these go to each host
	crossed map[netip.AddrPort]int         // the peers' handshakes that would take the place of one
	half    halfOpenBook[C]                // server's side, address not proved by the connection yet
	queue   acceptQueue[C]                 // those that wait for Accept
	closed  closedTable                    // connections that are no more
	asked   decisions                      // of Admit, about dials that have no connection
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
	sealed  bool // it is protected
	client  bool // we dialled
	proven  bool // a cookie has proved the address
	state   state
	awaited bool // of a dial: somebody waits for it
	yielded bool // of a dial: a crossing one of the peer's has a larger ID and was let in
	crosses bool // of a server's connection: dials have yielded to it
	tooMany bool // of a server's connection: its identity has too many

	ignoresRefusal time.Duration // until then: of a dial that one of the peer's has crossed, and lost

	held *limits.Conn // what is charged for it

	prev, next *entry[C] // among the half-open ones, then in the accept queue
	bytes      int       // that its place in the queue may cost
}

// state is how far a connection has come.
type state uint8

const (
	dialling    state = iota // a dial that was not answered yet
	halfOpen                 // a server's connection: INITIAL came, no proof of the address yet
	confirmed                // the proof has come and is on its way to the connection: a place in the queue is kept
	queued                   // a server's connection that waits for Accept
	established              // in the application's hands; of a dial, answered
	evicted                  // it was half-open, and another has its place: about to be removed
)

// Fate is what becomes of a connection whose handshake is complete.
type Fate uint8

// The fates.
const (
	Unchanged Fate = iota // its fate is known already
	Connected             // somebody waits for it: it is what the dial returns
	Queued                // it waits for Accept: Next returns it in its turn
	Replaces              // it takes the place of a dial that it has crossed
	Unwanted              // nobody listens: it has to be aborted
	Refused               // a limit is reached: it has to be aborted, and its peer to hear that we are busy
)

// New returns a router without connections.
func New[C comparable](cfg Config) *Router[C] {
	setDefault(&cfg.RetryAfter, DefaultRetryAfter)
	setDefault(&cfg.MaxHalfOpen, DefaultMaxHalfOpen)
	setDefault(&cfg.Backlog, DefaultBacklog)
	setDefault(&cfg.MaxTombstones, DefaultMaxTombstones)
	setDefault(&cfg.ReplyRate, DefaultReplyRate)
	if cfg.Limits == nil {
		cfg.Limits = unlimited()
	}
	if cfg.ResetKey == ([32]byte{}) {
		cfg.ResetKey = derive(cfg.Seed, "reset tokens")
	}
	r := &Router[C]{
		cfg:       cfg,
		listening: cfg.Listening,
		ids:       rand.NewChaCha8(derive(cfg.Seed, "connection IDs")),
		cookies:   cookieJar{secret: derive(cfg.Seed, "cookies")},
		conns:     make(map[wire.ID]*entry[C]),
		pairs:     make(map[pair]*entry[C]),
		half:      newHalfOpenBook[C](cfg.MaxHalfOpen),
		queue:     acceptQueue[C]{places: cfg.Backlog},
		closed:    newClosedTable(max(cfg.MaxTombstones, 0)),
	}
	for i := range r.replies {
		r.replies[i] = newAllowance(cfg.ReplyRate)
	}
	return r
}

// unlimited is books that refuse nothing.
func unlimited() *limits.Endpoint {
	e, err := limits.Unlimited().Endpoint("", limits.Limits{})
	if err != nil {
		panic("BUG: no limits are out of range: " + err.Error())
	}
	return e
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

// AddID gives the connection with the ID local another one, from NewID: what goes to that is the connection's too, and
// is remembered when it ends. A connection that has ended gets none.
func (r *Router[C]) AddID(local, another wire.ID) {
	e := r.conns[local]
	if e == nil {
		return
	}
	r.claim(another, e)
	if r.others == nil {
		r.others = make(map[wire.ID][]wire.ID)
	}
	r.others[local] = append(r.others[local], another)
	r.given++
}

// RetireID takes an ID back that AddID has given: nothing goes to it any more, and nobody knows it.
func (r *Router[C]) RetireID(id wire.ID) {
	e := r.conns[id]
	if e == nil || id == e.local {
		return
	}
	delete(r.conns, id)
	r.given--
	r.others[e.local] = slices.DeleteFunc(r.others[e.local], func(other wire.ID) bool { return other == id })
}

// SetListening says whether somebody waits for connections.
func (r *Router[C]) SetListening(on bool) { r.listening = on }

// Dial registers a dial to remote under an ID from NewID. It is pending, that
// is, it may be completed by the peer's own dial to us, until it is answered, GiveUp or
// Remove. Somebody waits for it until Establish, for it or for what takes its place, GiveUp or Remove. It returns where the
// connection's memory is charged, or which limit is reached: then nothing is registered.
func (r *Router[C]) Dial(local wire.ID, remote netip.AddrPort, c C) (*limits.Conn, error) {
	held, err := r.cfg.Limits.Outbound(remote.Addr())
	if err != nil {
		return nil, err
	}
	e := &entry[C]{conn: c, local: local, remote: remote, client: true, awaited: true, state: dialling, held: held, sealed: r.cfg.Protected}
	r.insert(e)
	if r.dials == nil { // of many endpoints nobody dials
		r.dials, r.hosts = make(map[netip.AddrPort][]*entry[C]), make(map[netip.Addr]int)
	}
	r.dials[remote] = append(r.dials[remote], e)
	r.hosts[remote.Addr()]++
	return held, nil
}

// Accept registers the half-open connection that a verdict of Open asked for; local is an
// ID from NewID. It returns where the connection's memory is charged.
func (r *Router[C]) Accept(local wire.ID, remote netip.AddrPort, v Verdict[C], c C) *limits.Conn {
	from := pair{remote, v.Client}
	e := &entry[C]{
		conn: c, local: local, peer: v.Client, remote: remote, proven: v.Proven, state: halfOpen, held: v.held,
		sealed: v.Protected, crosses: !v.Protected && r.yield(from),
	}
	r.insert(e)
	r.pairs[from] = e
	r.half.push(e)
	if e.crosses {
		if r.crossed == nil {
			r.crossed = make(map[netip.AddrPort]int)
		}
		r.crossed[remote]++
	}
	return v.held
}

// evict ends the handshake of another's that has to make way.
func (r *Router[C]) evict(e *entry[C]) {
	r.abandon(e)
	e.state = evicted
	e.held.Release()
	if r.cfg.Admit != nil {
		r.asked.note(pair{e.remote, e.peer}, nil)
	}
	delete(r.pairs, pair{e.remote, e.peer})
	r.count.Displaced++
}

// Establish reports that the handshake of a connection is complete, and says what becomes of it. If dials have
// yielded to it and still wait, it takes the place of the one with the smallest ID, which is
// returned and no longer pending. Any other connection of the server's side waits for Accept. Repeating
// the call changes nothing.
func (r *Router[C]) Establish(now time.Duration, local wire.ID) (fate Fate, dial C) {
	r.closed.sweep(now)
	e := r.conns[local]
	if e == nil {
		return Unchanged, dial
	}
	switch {
	case e.state == halfOpen || e.state == confirmed:
		return r.admit(now, e)
	case e.awaited:
		e.awaited = false
		return Connected, dial
	}
	return Unchanged, dial
}

// admit decides about a server's connection that is complete.
func (r *Router[C]) admit(now time.Duration, e *entry[C]) (fate Fate, dial C) {
	kept := e.state == confirmed
	if !kept {
		r.half.remove(e)
		kept = r.queue.keep(e, r.cfg.Window)
	}
	e.state = established
	if e.crosses {
		r.uncross(e)
	}
	if e.tooMany || e.held.Establish(now+r.cfg.Origin) != nil {
		r.refuseEstablished(e, kept)
		return Refused, dial
	}
	d := r.lostTo(e)
	if kept && (d != nil || !r.listening) {
		r.queue.release(e)
	}
	switch {
	case d != nil:
		r.endDial(d)
		d.awaited = false
		return Replaces, d.conn
	case e.sealed && !kept && r.listening:
		return Refused, dial // what was routed while there was room has made it complete
	case !kept || !r.listening:
		return Unwanted, dial
	}
	e.state = queued
	r.queue.push(e)
	return Queued, dial
}

// Next takes the connection that has waited longest out of the accept queue. It may
// have ended: in order, or with bytes that can still be read.
func (r *Router[C]) Next() (c C, ok bool) {
	e := r.queue.first
	if e == nil {
		return c, false
	}
	r.queue.remove(e)
	e.state = established
	return e.conn, true
}

// GiveUp reports that nobody waits for a dial any more: no connection takes its
// place. It returns whether somebody did.
func (r *Router[C]) GiveUp(local wire.ID) (waited bool) {
	e := r.conns[local]
	if e == nil {
		return false
	}
	if e.state == dialling {
		r.endDial(e)
	}
	waited, e.awaited = e.awaited, false
	return waited
}

// SetBounds changes Config.RetryAfter, Config.Backlog, Config.Window and Config.Admit to those of another.
func (r *Router[C]) SetBounds(c Config) {
	r.cfg.RetryAfter, r.cfg.Backlog, r.cfg.Window, r.cfg.Admit = c.RetryAfter, c.Backlog, c.Window, c.Admit
	setDefault(&r.cfg.RetryAfter, DefaultRetryAfter)
	setDefault(&r.cfg.Backlog, DefaultBacklog)
	r.queue.places = r.cfg.Backlog
}

// FinalState is what is to be remembered of a connection that ends.
type FinalState struct {
	Code       wire.Code     // what its CLOSE says to a peer that has not noticed
	NextNumber uint64        // the first packet number it never used
	Hold       time.Duration // how long its ID is remembered: three PTO
	Unread     int           // bytes that it holds, if they can still be read
	Fin, Stop  bool          // the peer may lack our end, and our STOP
	Final      uint64        // Fin: where that end is
}

// Remove forgets a connection and leaves a tombstone: its ID for e.Hold, and,
// if a client made it, address and client's ID for the life of a cookie. So
// neither a late duplicate of its INITIAL nor its cookie brings it back. One whose place another has taken leaves nothing. One that waits
// for Accept goes on waiting if it ended in order or has bytes to read; otherwise it leaves the
// queue. It returns whether somebody waited for it: a dial that has failed.
func (r *Router[C]) Remove(now time.Duration, local wire.ID, final FinalState) (waited bool) {
	e := r.conns[local]
	if e == nil {
		return false
	}
	delete(r.conns, local)
	others := r.others[local]
	for _, id := range others {
		delete(r.conns, id)
	}
	r.given -= len(others)
	delete(r.others, local)
	if final.Unread > 0 {
		e.held.End() // the last byte that is read releases it
	} else if e.state != evicted {
		e.held.Release()
	}
	if e.state == evicted {
		return false // as if it had never been: its peer may open it again
	}
	var spent time.Duration
	switch e.state {
	case dialling:
		r.endDial(e)
	case halfOpen, confirmed:
		r.abandon(e)
	case queued:
		if final.Code == wire.CodeNone || final.Unread > 0 {
			r.queue.charge(e, final.Unread)
		} else {
			r.queue.remove(e)
		}
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
		next:   uint32(final.NextNumber),
		code:   clampCode(final.Code),
		sealed: e.sealed,
	}, others, final.Hold, spent)
	if final.Fin && r.closed.find(now, local) != nil {
		if r.closed.ends == nil {
			r.closed.ends = make(map[wire.ID]end)
		}
		r.closed.ends[local] = end{final: final.Final, stop: final.Stop}
	}
	return e.awaited
}

// abandon ends a handshake that was not completed.
func (r *Router[C]) abandon(e *entry[C]) {
	if e.state == confirmed {
		r.queue.release(e)
	} else {
		r.half.remove(e)
	}
	if e.crosses {
		r.uncross(e)
		r.unyield(e.remote)
	}
}

// uncross is for a handshake that has crossed dials, and is complete or over.
func (r *Router[C]) uncross(e *entry[C]) {
	if r.crossed[e.remote]--; r.crossed[e.remote] == 0 {
		delete(r.crossed, e.remote)
	}
}

// sweepGap is the least time between two sweeps, so that tombstones whose time is over one after the other do not
// wake the process for each.
const sweepGap = time.Second

// Sweep removes the tombstones whose time is over, and returns when it is worth calling again, or false: not
// before the next Remove. Nothing but the memory of an idle endpoint depends on it.
func (r *Router[C]) Sweep(now time.Duration) (next time.Duration, more bool) {
	r.closed.sweep(now)
	if r.closed.len() == 0 {
		r.shrink()
		return 0, false
	}
	return max(r.closed.due(now), now+sweepGap), true
}

// shrink lets go of tables that hold nothing: a map stays as large as it has ever been.
func (r *Router[C]) shrink() {
	if len(r.conns) == 0 {
		r.conns = make(map[wire.ID]*entry[C])
	}
	if len(r.pairs) == 0 {
		r.pairs = make(map[pair]*entry[C])
	}
	if len(r.dials) == 0 {
		r.dials, r.hosts = make(map[netip.AddrPort][]*entry[C]), make(map[netip.Addr]int)
	}
}

// Counters returns what the router has done so far.
func (r *Router[C]) Counters() Counters {
	c := r.count
	c.Connections = r.Len()
	c.HalfOpen = r.half.length
	c.Queued, c.QueuedBytes = r.queue.length, r.queue.bytes
	c.Tombstones = r.closed.len()
	c.Evicted = r.closed.evicted
	return c
}

func (r *Router[C]) insert(e *entry[C]) {
	r.claim(e.local, e)
}

// claim has an ID lead to a connection.
func (r *Router[C]) claim(id wire.ID, e *entry[C]) {
	if id == 0 || r.conns[id] != nil {
		panic("BUG: connection ID in use")
	}
	r.conns[id] = e
}

// endDial takes e off the dials that wait.
func (r *Router[C]) endDial(e *entry[C]) {
	e.state = established
	if r.hosts[e.remote.Addr()]--; r.hosts[e.remote.Addr()] == 0 {
		delete(r.hosts, e.remote.Addr())
	}
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
	if !e.crosses {
		return nil
	}
	return r.least(pair{e.remote, e.peer}, true)
}

// least returns, of the dials that lose to one from the peer, the one with the smallest ID, or nil. With
// yielded only those count that have yielded.
func (r *Router[C]) least(to pair, yielded bool) *entry[C] {
	var least *entry[C]
	for _, d := range r.dials[to.remote] {
		if d.local < to.id && (d.yielded || !yielded) && (least == nil || d.local < least.local) {
			least = d
		}
	}
	return least
}

// derive makes a key for one purpose, of up to 32 bytes, out of the seed: HMAC-SHA256 (RFC 2104), without the allocations of
// crypto/hmac, as many endpoints have one connection.
func derive(seed [32]byte, purpose string) (key [32]byte) {
	const block = sha256.BlockSize
	var inner [block + 32]byte
	var outer [block + sha256.Size]byte
	for i := range block {
		inner[i], outer[i] = 0x36, 0x5c
	}
	for i, b := range seed {
		inner[i], outer[i] = b^0x36, b^0x5c
	}
	n := copy(inner[block:], purpose)
	key = sha256.Sum256(inner[:block+n])
	copy(outer[block:], key[:])
	return sha256.Sum256(outer[:])
}

func setDefault(v *int, d int) {
	if *v == 0 {
		*v = d
	}
}

package limits

import (
	"sync"
	"time"
)

// step is by how much a connection reserves memory, in bytes, as long as there is plenty: most reservations are then an
// addition under its own lock.
const step = 64 << 10

// depth is how many scopes a connection has at most: peer, network, endpoint, process, identity.
const depth = 5

// Conn is the scope of a connection: all that it holds goes through it, and goes back with Release, once, however the
// connection ends.
type Conn struct {
	endpoint *Endpoint
	peer     Peer

	// Guarded by mu, like everything below.
	state    state
	proven   bool // the address is the peer's: its scopes are charged
	standing standing
	depth    uint8 // of scopes

	mu     sync.Mutex
	scopes [depth]*scope // that it is under, the last one first

	used    int64 // bytes of memory
	charged int64 // reserved in the scopes above; at least used
	peak    int64 // of used
	rare    *rareBooks
}

// rareBooks is what most connections have none of.
type rareBooks struct {
	refused uint64        // reservations that were above the connection's own limit
	streams [2]streamBook // inbound, outbound
}

// rarely is c.rare, made if need be.
func (c *Conn) rarely() *rareBooks {
	if c.rare == nil {
		c.rare = new(rareBooks)
	}
	return c.rare
}

// rarities is a copy of c.rare.
func (c *Conn) rarities() (r rareBooks) {
	if c.rare != nil {
		r = *c.rare
	}
	return r
}

// state is what a connection is counted as.
type state uint8

const (
	halfOpen state = iota
	inbound
	outbound
	ended // it has no place any more, only memory that somebody may still read
	released
)

// places is what a connection in each state takes one of.
var places = [...][]Resource{halfOpen: {HalfOpen}, inbound: {Connections, Inbound}, outbound: {Connections, Outbound}, ended: nil, released: nil}

// streamBook counts a connection's streams of one direction.
type streamBook struct {
	used, peak int64
	refused    uint64
}

// Peer is who the connection's address stands for.
func (c *Conn) Peer() Peer { return c.peer }

// push adds a scope that it is under, before the others: who is refused by its own scope does not touch what everybody shares.
func (c *Conn) push(s *scope) {
	copy(c.scopes[1:], c.scopes[:c.depth])
	c.scopes[0] = s
	c.depth++
}

// under is the scopes that it is under.
func (c *Conn) under() []*scope { return c.scopes[:c.depth] }

// Establish reports that the handshake of an inbound connection is complete, and its address proved: it gives up its half-open place,
// takes that of an inbound connection, and is charged to its peer from now on. An error, an *Error, says where there is no place for
// it; then Release is due. For other connections, and when it is repeated, it does nothing.
func (c *Conn) Establish(now time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case inbound, outbound:
		return nil
	case ended, released:
		return ErrReleased
	}
	c.standing.reserve = c.standing.listed
	if err := c.takePlaces(places[inbound]...); err != nil {
		return err
	}
	var own [2]*scope
	if !c.proven && c.peer != (Peer{}) {
		if err := c.prove(now, &own); err != nil {
			c.givePlaces(places[inbound]...)
			return err
		}
	}
	c.givePlaces(places[halfOpen]...)
	for _, s := range own {
		if s != nil {
			c.push(s)
		}
	}
	c.state, c.proven = inbound, true
	return nil
}

// prove has the scopes of the peer and its network take what the connection will hold when it is established, and puts them into own.
func (c *Conn) prove(now time.Duration, own *[2]*scope) error {
	m := c.endpoint.manager
	for i, p := range [...]Peer{c.peer.Network(), c.peer} {
		s := m.peers.enter(p)
		if err := c.charge(s, inbound); err != nil {
			m.peers.leave(s)
			for _, taken := range own[:i] {
				c.discharge(taken, inbound)
				m.peers.leave(taken)
			}
			return err
		}
		if table := m.rates[p.level()]; table != nil {
			table.spend(now, p, s.bound(Handshakes, c.standing))
		}
		own[i] = s
	}
	return nil
}

// Identify puts the connection under the scope of an identity that the peer has proved, and charges that scope with all it holds.
// An error, an *Error, says that the identity has no room for it. A connection has one identity: another one is
// ErrIdentified, and the same one again changes nothing. It comes before Establish, where the allowlist has identities.
func (c *Conn) Identify(id [32]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= ended {
		return ErrReleased
	}
	p := IdentityOf(id)
	for _, s := range c.under() {
		if s.peer == p {
			return nil
		}
		if s.peer.IsIdentity() {
			return ErrIdentified
		}
	}
	m := c.endpoint.manager
	before := c.standing
	c.standing.listed = c.standing.listed || m.identities[id]
	c.standing.reserve = c.standing.reserve || c.standing.listed
	s := m.peers.enter(p)
	if err := c.charge(s, c.state); err != nil {
		c.standing = before
		m.peers.leave(s)
		return err
	}
	c.push(s)
	return nil
}

// charge has a scope take all that the connection holds in some state.
func (c *Conn) charge(s *scope, as state) error {
	all := c.holdings(as)
	for i, h := range all {
		bound := s.bound(h.of, c.standing)
		if h.of == Memory {
			bound = c.memoryLimit(s)
		}
		if h.n > 0 && !s.books[h.of].take(h.n, bound) {
			for _, taken := range all[:i] {
				s.books[taken.of].give(taken.n)
			}
			s.refuse(h.of)
			return s.error(h.of, FirstWindow, c.standing)
		}
	}
	return nil
}

// discharge gives it back.
func (c *Conn) discharge(s *scope, as state) {
	for _, h := range c.holdings(as) {
		if h.n > 0 {
			s.books[h.of].give(h.n)
		}
	}
}

// holding is how much of a resource the connection holds.
type holding struct {
	of Resource
	n  int64
}

// holdings is all that the connection holds in some state, with entries of which there are none.
func (c *Conn) holdings(as state) [5]holding {
	all := [...]holding{{Memory, c.charged}, {}, {}, {}, {}}
	if c.rare != nil {
		all[1] = holding{InboundStreams, c.rare.streams[0].used}
		all[2] = holding{OutboundStreams, c.rare.streams[1].used}
	}
	for i, r := range places[as] {
		all[3+i] = holding{r, 1}
	}
	return all
}

// Reserve takes n bytes of memory for a purpose, and reports whether they were granted in every scope. Free gives them back, and so
// does Release. A refusal is counted in the scope that refuses.
func (c *Conn) Reserve(n int, p Priority) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reserve(int64(n), p)
}

func (c *Conn) reserve(n int64, p Priority) bool {
	if c.state >= ended {
		return false
	}
	if n < 0 {
		panic("BUG: a reservation of less than nothing")
	}
	own := c.endpoint.manager.classes[LevelConn]
	if c.used > p.bound(own.bounds[0][Memory])-n {
		c.rarely().refused++
		own.totals.refused[Memory].Add(1)
		return false
	}
	if missing := c.used + n - c.charged; missing > 0 && !c.grow(missing, p) {
		return false
	}
	c.used += n
	c.peak = max(c.peak, c.used)
	return true
}

// grow reserves what is missing in the scopes above: whole steps while that is no more than anybody may have.
func (c *Conn) grow(missing int64, p Priority) bool {
	steps := (missing + step - 1) / step * step
	if steps > missing && c.tryMemory(steps, 0) == nil {
		c.charged += steps
		return true
	}
	if at := c.tryMemory(missing, p); at != nil {
		at.refuse(Memory)
		return false
	}
	c.charged += missing
	return true
}

// Free gives back n bytes that Reserve has granted. After Release there is nothing to give back, and nothing happens.
func (c *Conn) Free(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free(int64(n))
}

func (c *Conn) free(n int64) {
	if c.state == released {
		return
	}
	own := int64(Overhead)
	if c.state == ended {
		own = 0
	}
	if n < 0 || n > c.used-own {
		panic("BUG: more memory was freed than was reserved")
	}
	c.used -= n
	if c.state == ended && c.used == 0 {
		c.release()
		return
	}
	switch spare := c.charged - c.used; {
	case spare == 0:
	case spare >= 2*step:
		c.shrink(spare - step)
	case c.state == ended || !c.plenty():
		c.shrink(spare)
	}
}

// plenty reports whether no scope above is half used.
func (c *Conn) plenty() bool { return c.admits(0) }

// Trim gives back what is charged and not used, up to two steps of 64 KiB. It is for a connection that has become idle.
func (c *Conn) Trim() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != released {
		c.shrink(c.charged - c.used)
	}
}

func (c *Conn) shrink(n int64) {
	if n > 0 {
		giveAll(c.under(), Memory, n)
		c.charged -= n
	}
}

// Admits reports whether the use in every scope is below what a priority may use: whether a window should grow, or shrink when it is
// renewed. Nothing is reserved.
func (c *Conn) Admits(p Priority) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.endpoint.manager.classes[LevelConn].bounds[0][Memory]
	return c.state < ended && c.used < p.bound(own) && c.admits(p)
}

func (c *Conn) admits(p Priority) bool {
	for _, s := range c.under() {
		if s.books[Memory].used.Load() >= p.bound(c.memoryLimit(s)) {
			return false
		}
	}
	return true
}

// End reports that the connection is over, though somebody may still read what it has received: its place and the memory of its state go
// back now, the rest as it is freed, and with the last byte the connection is released. Nothing more is granted. After Release it does nothing.
func (c *Conn) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= ended {
		return
	}
	c.givePlaces(places[c.state]...)
	c.state = ended
	if c.used -= Overhead; c.used == 0 {
		c.release()
		return
	}
	c.shrink(c.charged - c.used)
}

// Release gives back everything that the connection holds, streams included. It may be called again, to no effect but that it is
// counted.
func (c *Conn) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == released {
		c.endpoint.manager.again.Add(1)
		return
	}
	c.release()
}

func (c *Conn) release() {
	m := c.endpoint.manager
	for _, s := range c.under() {
		c.discharge(s, c.state)
	}
	own := m.classes[LevelConn].totals
	raise(&own.peak[Memory], c.peak)
	if r := c.rare; r != nil {
		for i := range r.streams {
			raise(&own.peak[InboundStreams+Resource(i)], r.streams[i].peak)
			r.streams[i].used = 0
		}
	}
	c.used, c.charged = 0, 0
	c.state = released
	c.leave()
	m.released.Add(1)
}

// leave has its peer, network and identity forgotten, unless they have more.
func (c *Conn) leave() {
	for _, s := range c.under() {
		if s.peer != (Peer{}) {
			c.endpoint.manager.peers.leave(s)
		}
	}
	c.depth = 0
}

// takePlaces takes one of each resource in every scope, or nothing.
func (c *Conn) takePlaces(which ...Resource) error {
	for i, r := range which {
		if at := takeAll(c.under(), r, 1, c.standing); at != nil {
			c.givePlaces(which[:i]...)
			at.refuse(r)
			return at.error(r, 0, c.standing)
		}
	}
	return nil
}

func (c *Conn) givePlaces(which ...Resource) {
	for _, r := range which {
		giveAll(c.under(), r, 1)
	}
}

// memoryLimit is the limit of a scope for the memory of this connection. That of a peer falls as the memory of the process is used up: to
// what is left of five eighths of it. So k peers that take what they can have k parts in k+1 of these five eighths, each the same, whatever
// their own limit, and a newcomer finds half of such a part at once, and the same part when they free what is above theirs; who has less
// than a 64th of the limit, or than leastMemory, is left alone, and so is who has no limit of its own. Five eighths is where
// windows stop growing (WindowGrowth): all the greedy together do not get there. It is how switches
// share a buffer among their ports (Choudhury and Hahne, Dynamic Queue Length Thresholds for Shared-Memory Packet Switches, 1998).
func (c *Conn) memoryLimit(s *scope) int64 {
	limit := s.bound(Memory, c.standing)
	if s.class.level != LevelPeer || limit == none {
		return limit
	}
	process := &c.endpoint.manager.process
	all := process.bound(Memory, c.standing)
	if all == none {
		return limit
	}
	return min(limit, max(all/8*5-process.books[Memory].used.Load(), all/64, leastMemory))
}

// tryMemory takes n bytes in every scope, or nothing, and returns the scope that refuses.
func (c *Conn) tryMemory(n int64, p Priority) (refuser *scope) {
	for i, s := range c.under() {
		if !s.books[Memory].take(n, p.bound(c.memoryLimit(s))) {
			giveAll(c.scopes[:i], Memory, n)
			return s
		}
	}
	return nil
}

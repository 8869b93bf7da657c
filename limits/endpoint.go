package limits

import (
	"net/netip"
	"sync"
	"time"
)

// Overhead is what a connection is charged before it holds a byte of data: its state, its tables and its place in the
// endpoint's.
const Overhead = 8 << 10

// Endpoint is the scope of an endpoint or a listener.
type Endpoint struct {
	manager *Manager
	scope   scope

	mu          sync.Mutex
	descriptors int64 // guarded by mu
	released    bool
}

// OpenDescriptors takes n descriptors, which Release gives back. An error says whose limit is reached.
func (e *Endpoint) OpenDescriptors(n int) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.released {
		return ErrReleased
	}
	own := [...]*scope{&e.scope, &e.manager.process}
	if at := takeAll(own[:], Descriptors, int64(n), standing{}); at != nil {
		at.refuse(Descriptors)
		return at.error(Descriptors, 0, standing{})
	}
	e.descriptors += int64(n)
	return nil
}

// Release gives the descriptors back, and takes the endpoint off the snapshots. Nothing new can be opened; the connections that it
// has are theirs to release. It may be called again, to no effect.
func (e *Endpoint) Release() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.released {
		e.manager.again.Add(1)
		return
	}
	e.released = true
	own := [...]*scope{&e.scope, &e.manager.process}
	giveAll(own[:], Descriptors, e.descriptors)
	e.descriptors = 0
	e.manager.mu.Lock()
	defer e.manager.mu.Unlock()
	e.scope.bury()
	delete(e.manager.endpoints, e)
}

// closed reports whether Release was called.
func (e *Endpoint) closed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.released
}

// Inbound takes a half-open place, and the memory of a connection's state, for a peer that dials us; now is counted from an origin that
// all callers share. proven says that a cookie has proved the address. Until an address is proved it may be forged, so nothing is charged to
// its peer: a flood in somebody's name costs him nothing. Establish follows when the handshake is complete, and Release always.
//
// An error is an *Error. If NeedsProof, the endpoint asks for a cookie. If not Lasting, the answer is silence. Where
// Level says that the half-open places of the process or of the endpoint are taken, and the address is proved, the endpoint may Release the oldest
// that is not, and try again.
func (e *Endpoint) Inbound(now time.Duration, from netip.Addr, proven bool) (*Conn, error) {
	if e.closed() {
		return nil, ErrReleased
	}
	c := e.newConn(from, halfOpen, proven)
	if err := c.admit(now); err != nil {
		c.leave()
		return nil, err
	}
	e.manager.opened.Add(1)
	return c, nil
}

// Outbound takes the place of a connection that we dial, and the memory of its state. Release follows. An error is an
// *Error.
func (e *Endpoint) Outbound(to netip.Addr) (*Conn, error) {
	if e.closed() {
		return nil, ErrReleased
	}
	c := e.newConn(to, outbound, true)
	if err := c.open(places[outbound]...); err != nil {
		c.leave()
		return nil, err
	}
	e.manager.opened.Add(1)
	return c, nil
}

// newConn enters the scopes of a connection with an address.
func (e *Endpoint) newConn(remote netip.Addr, s state, proven bool) *Conn {
	m := e.manager
	c := &Conn{endpoint: e, peer: PeerOf(remote), state: s, proven: proven}
	c.standing.listed = m.allows(remote)
	// Who is on the allowlist by identity says so later: until then it may be anybody.
	c.standing.reserve = c.standing.listed || s == halfOpen && len(m.identities) > 0
	c.push(&m.process)
	c.push(&e.scope)
	if proven && c.peer != (Peer{}) {
		c.push(m.peers.enter(c.peer.Network()))
		c.push(m.peers.enter(c.peer))
	}
	return c
}

// admit decides about an INITIAL: whether there is room for what it would become, whether its peer asks too often, and whether
// there is a place for it until it is established.
func (c *Conn) admit(now time.Duration) error {
	if !c.proven {
		if err := c.admitUnproven(now); err != nil {
			return err
		}
	}
	m := c.endpoint.manager
	for _, s := range c.under() {
		if r, full := s.full(c.standing); full && len(m.identities) == 0 {
			s.refuse(r)
			return s.error(r, 0, c.standing)
		}
		if !m.mayBegin(now, s, c.standing) {
			s.refuse(Handshakes)
			return s.error(Handshakes, 0, c.standing)
		}
	}
	return c.open(places[halfOpen]...)
}

// admitUnproven looks at the scopes that the connection will be under if its address is its own. A peer that is
// full hears so, and one that asks too often has to prove its address first.
func (c *Conn) admitUnproven(now time.Duration) error {
	m := c.endpoint.manager
	for _, p := range [...]Peer{c.peer, c.peer.Network()} {
		if p == (Peer{}) {
			continue
		}
		s := m.peers.find(p)
		if s == nil {
			s = &scope{class: m.classes[p.level()], peer: p}
		}
		if r, full := s.full(c.standing); full && len(m.identities) == 0 {
			s.refuse(r)
			return s.error(r, 0, c.standing)
		}
		perSecond := s.bound(Handshakes, c.standing)
		if table := m.rates[p.level()]; table != nil && !table.admits(now, p, perSecond) {
			s.refuse(Handshakes)
			e := s.error(Handshakes, 0, c.standing)
			e.proof = true
			return e
		}
	}
	return nil
}

// full reports whether there is no place for another inbound connection, and of what resource.
func (s *scope) full(st standing) (Resource, bool) {
	for _, r := range [...]Resource{Connections, Inbound} {
		if s.books[r].used.Load() >= s.bound(r, st) {
			return r, true
		}
	}
	return 0, false
}

// mayBegin asks a scope for one more handshake.
func (m *Manager) mayBegin(now time.Duration, s *scope, st standing) bool {
	perSecond := s.bound(Handshakes, st)
	if table := m.rates[s.class.level]; table != nil {
		return table.take(now, s.peer, perSecond)
	}
	return s.rate.take(now, perSecond)
}

// open takes what a connection holds from its beginning: places, and the memory of its state.
func (c *Conn) open(which ...Resource) error {
	if err := c.takePlaces(which...); err != nil {
		return err
	}
	if at := c.tryMemory(Overhead, NewConnection); at != nil {
		c.givePlaces(which...)
		at.refuse(Memory)
		e := at.error(Memory, NewConnection, c.standing)
		e.Limit = c.memoryLimit(at)
		return e
	}
	c.used, c.charged, c.peak = Overhead, Overhead, Overhead
	return nil
}

package limits

import (
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ebb/internal/machine"
)

// Manager keeps the books of a process, and of all that is under it. One is shared by all endpoints that are to have their
// limits together. Its methods, and those of what it hands out, may be called by any number of goroutines.
type Manager struct {
	config     Config // complete
	identities map[[32]byte]bool
	classes    [levels]*class
	process    scope
	peers      table
	rates      [levels]*rateTable // of networks and of peers; nil: they have none

	opened, released, again atomic.Uint64

	mu        sync.Mutex
	endpoints map[*Endpoint]bool // guarded by mu
}

// New makes a manager of its own, or says what is wrong with the configuration.
func New(c Config) (*Manager, error) { return newManager(c, machine.Ours()) }

func newManager(c Config, size machine.Size) (*Manager, error) {
	c, err := c.completed(size)
	if err != nil {
		return nil, err
	}
	m := &Manager{config: c, identities: make(map[[32]byte]bool), endpoints: make(map[*Endpoint]bool)}
	for _, id := range c.AllowIdentities {
		m.identities[id] = true
	}
	for level, limits := range [levels]Limits{
		LevelProcess: c.Process, LevelEndpoint: c.Endpoint, LevelNetwork: c.Network, LevelPeer: c.Peer,
		LevelIdentity: c.Identity, LevelConn: c.Conn, LevelStream: c.Stream,
	} {
		var reserve *Limits
		if Level(level) == LevelProcess || Level(level) == LevelEndpoint {
			reserve = &c.Reserve
		}
		m.classes[level] = newClass(Level(level), limits, reserve, new(totals))
	}
	m.process.class = m.classes[LevelProcess]
	m.process.rate.reset()
	m.peers.seed, m.peers.classes = maphash.MakeSeed(), &m.classes
	seed := c.Seed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for _, l := range []Level{LevelNetwork, LevelPeer} {
		if m.classes[l].bounds[0][Handshakes] != none {
			m.rates[l] = newRateTable(seed)
		}
	}
	return m, nil
}

// must is for configurations of this package's own.
func must(m *Manager, err error) *Manager {
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return m
}

// processWide is Default's manager.
var processWide = sync.OnceValue(func() *Manager { return must(New(Config{})) })

// Default is the manager of the process, which is the same one for everybody: endpoints whose Config names no other have their
// limits together. They follow from the machine, as Config says for its zero value.
func Default() *Manager { return processWide() }

// The limits of PeerNode.
const (
	peerNodeInbound  = 1024
	peerNodeOutbound = 512
	peerNodePerPeer  = 8
	peerNodeStreams  = 128 // opened by the peer, a connection
	peerNodeOpened   = 256 // opened by us
)

// PeerNode makes a manager for a peer among peers: 1024 connections inbound and 512 outbound, 8 with each peer in both directions
// together, 128 inbound and 256 outbound streams a connection; memory and descriptors follow from the machine. A
// connection whose applications say nothing for 30 s is checked for health, a stream that moves nothing for 60 s is reset.
// Nobody is on the allowlist. Each call makes another manager: a node calls it once, for all its endpoints.
func PeerNode() *Manager {
	return must(New(Config{
		Process:     Limits{Inbound: peerNodeInbound, Outbound: peerNodeOutbound},
		Peer:        Limits{Connections: peerNodePerPeer, HalfOpen: peerNodePerPeer},
		Identity:    Limits{Connections: peerNodePerPeer},
		Conn:        Limits{InboundStreams: peerNodeStreams, OutboundStreams: peerNodeOpened},
		Allow:       []netip.Prefix{},
		HealthCheck: 30 * time.Second,
		StreamIdle:  60 * time.Second,
	}))
}

// Unlimited makes a manager that counts and refuses nothing.
func Unlimited() *Manager {
	all := unlimited()
	return must(New(Config{
		Process: all, Endpoint: all, Network: all, Peer: all, Identity: all, Conn: all, Stream: all,
		Allow: []netip.Prefix{},
	}))
}

// Config is what the manager was made with, complete: no field is left to a default. It is where a variation of a preset
// begins.
func (m *Manager) Config() Config {
	c := m.config
	c.Allow, c.AllowIdentities = slices.Clone(c.Allow), slices.Clone(c.AllowIdentities)
	return c
}

// HealthCheck is Config.HealthCheck.
func (m *Manager) HealthCheck() time.Duration { return m.config.HealthCheck }

// allows reports whether an address is on the allowlist.
func (m *Manager) allows(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, p := range m.config.Allow {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Endpoint makes the scope of an endpoint or a listener. Its name, an address most often, is for errors and snapshots. What is
// 0 in own follows Config.Endpoint. It is an error if a limit is out of range. Release ends it.
func (m *Manager) Endpoint(name string, own Limits) (*Endpoint, error) {
	if err := own.check("Endpoint"); err != nil {
		return nil, err
	}
	e := &Endpoint{manager: m}
	e.scope.name, e.scope.class = name, m.classes[LevelEndpoint]
	if own != (Limits{}) {
		e.scope.class = newClass(LevelEndpoint, own.or(m.config.Endpoint), &m.config.Reserve, e.scope.class.totals)
	}
	e.scope.rate.reset()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.endpoints[e] = true
	return e, nil
}

// listed is the endpoints that were not released, in the order of their names.
func (m *Manager) listed() []*Endpoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]*Endpoint, 0, len(m.endpoints))
	for e := range m.endpoints { // order-free: they are sorted
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *Endpoint) int { return strings.Compare(a.scope.name, b.scope.name) })
	return all
}

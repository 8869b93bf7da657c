package ebb

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"sync"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// endpoints is the endpoints of this process whose sockets are not closed, and what those have done that were. It holds no
// handle: what the application drops is collected all the same.
var endpoints = endpointTable{all: make(map[*endpoint]uint64), ports: make(map[portKey]*endpoint)}

// endpointTable lists endpoints, and finds those that Listen has made by their address. With TCP a listener may be closed and its
// address be listened on again while accepted connections live on it; here these connections share the listener's
// socket, so that the next listener has to share it too. The table's lock is taken with no other held, and nothing is locked under it.
type endpointTable struct {
	mu    sync.Mutex
	all   map[*endpoint]uint64 // each with its number in the order in which they were made
	made  uint64
	ports map[portKey]*endpoint
	past  Counters // of endpoints that are gone
	told  Counters // the most that Totals has returned
}

// add lists an endpoint that was made.
func (t *endpointTable) add(e *endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.made++
	t.all[e] = t.made
}

// remove takes an endpoint off whose sockets are closed. Another may have its port already.
func (t *endpointTable) remove(e *endpoint, past Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.all, e)
	t.past.add(&past)
	if t.ports[e.port] == e {
		delete(t.ports, e.port)
	}
}

// addPast adds what has become of a connection whose endpoint is off the table.
func (t *endpointTable) addPast(n Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.past.add(&n)
}

// setPort has an endpoint found by its address.
func (t *endpointTable) setPort(k portKey, e *endpoint) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all[e] == 0 {
		return // it has failed, and is off the table
	}
	e.port = k
	t.ports[k] = e
}

// on returns the endpoint on a port; nil if there is none.
func (t *endpointTable) on(k portKey) *endpoint {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ports[k]
}

// open is the endpoints on the table, and what those have done that are off it.
func (t *endpointTable) open() (all []*endpoint, past Counters) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all = slices.SortedFunc(maps.Keys(t.all), func(a, b *endpoint) int { return cmp.Compare(t.all[a], t.all[b]) })
	return all, t.past
}

// retire takes the endpoint off the table.
func (e *endpoint) retire() {
	e.mu.Lock()
	e.retired = true
	past := e.past
	e.mu.Unlock()
	endpoints.remove(e, past)
}

// Endpoints yields the endpoints of the process whose sockets are open, in the order in which they were made: those of NewEndpoint, and
// those behind Listen and Dial. It is for whoever shows what a process does; to close one is its owner's part.
// A handle that is yielded does not keep its endpoint open.
func Endpoints() iter.Seq[*Endpoint] {
	return func(yield func(*Endpoint) bool) {
		all, _ := endpoints.open()
		for _, e := range all {
			if !yield(&Endpoint{endpoint: e}) {
				return
			}
		}
	}
}

// Connections yields all connections of the process, as Endpoint.Connections does, by endpoint.
func Connections() iter.Seq[ConnInfo] {
	return func(yield func(ConnInfo) bool) {
		all, _ := endpoints.open()
		for _, e := range all {
			if !e.eachConn(yield) {
				return
			}
		}
	}
}

// Connections yields the endpoint's connections, as their Info describes each when its turn comes, in the order of their IDs: those that were there when
// the iteration began, half-open ones and those included that are still delivering after Close. What is said of a socket is as of its first connection. The
// list keeps no connection from being collected. The loop may use the endpoint.
func (e *Endpoint) Connections() iter.Seq[ConnInfo] {
	return func(yield func(ConnInfo) bool) { e.endpoint.eachConn(yield) }
}

// eachConn is Connections. It returns false if yield has.
func (e *endpoint) eachConn(yield func(ConnInfo) bool) bool {
	e.mu.Lock()
	conns := e.books.AppendConns(make([]*conn, 0, e.books.Len()))
	e.mu.Unlock()
	slices.SortFunc(conns, func(a, b *conn) int { return cmp.Compare(a.id(), b.id()) })
	sockets := make(map[*socket]SocketInfo, len(e.sockets)) // which takes system calls
	for _, c := range conns {
		socket, ok := sockets[c.sock]
		if !ok {
			socket = socketInfo(c.sock.Info())
			sockets[c.sock] = socket
		}
		if !yield(c.info(socket)) {
			return false
		}
	}
	return true
}

// Pool is Config.Pool of the endpoint's new connections; nil: there is none.
func (e *Endpoint) Pool() *pool.Pool { return e.settings.Load().Pool }

// Limits is the manager of the limits that the endpoint and its connections are under: Config.Limits, or that of the process.
func (e *Endpoint) Limits() *limits.Manager { return e.settings.Load().Limits }

// Counters count what connections have done, those that are over included.
type Counters struct {
	Dialled, Accepted uint64 // connections whose handshake was completed, by the side that has begun it
	Ended             uint64 // of these, those that are over

	PacketsSent, PacketsReceived uint64
	BytesSent, BytesReceived     uint64 // of UDP payload
	StreamBytesSent              uint64 // of the application's bytes, repeated ones included
	BytesRetransmitted           uint64 // of these, those sent before

	PacketsLost    uint64 // declared lost
	SpuriousLosses uint64 // of these, acknowledged after all
	PacketsMarked  uint64 // of those sent, marked by the path as having met congestion
	Probes         uint64 // timeouts that sent a probe
	Timeouts       uint64 // episodes of persistent congestion
	BlackHoles     uint64 // times the packet size fell back to 1200
	SendErrors     uint64 // packets that the network refused, as far as ICMP told
}

// Totals is what all connections of the process have done since it began. No counter is ever less than at a call before. It
// takes a time that grows with the number of connections.
func Totals() Counters {
	all, sum := endpoints.open()
	var conns []*conn
	for _, e := range all {
		e.mu.Lock()
		sum.add(&e.past)
		conns = e.books.AppendConns(conns[:0])
		e.mu.Unlock()
		for _, c := range conns {
			c.mu.Lock()
			counts := c.counts()
			c.mu.Unlock()
			sum.add(&counts)
		}
	}
	endpoints.mu.Lock()
	defer endpoints.mu.Unlock()
	// Between two lists of those that are there one may end, and be missed for a moment.
	for i, n := range sum.fields() {
		told := endpoints.told.fields()[i]
		*told = max(*told, *n)
	}
	return endpoints.told
}

// fields are the counters in their order.
func (c *Counters) fields() [16]*uint64 {
	return [...]*uint64{
		&c.Dialled, &c.Accepted, &c.Ended,
		&c.PacketsSent, &c.PacketsReceived, &c.BytesSent, &c.BytesReceived, &c.StreamBytesSent, &c.BytesRetransmitted,
		&c.PacketsLost, &c.SpuriousLosses, &c.PacketsMarked, &c.Probes, &c.Timeouts, &c.BlackHoles, &c.SendErrors,
	}
}

func (c *Counters) add(other *Counters) {
	others := other.fields()
	for i, n := range c.fields() {
		*n += *others[i]
	}
}

// counts is the connection in Counters, but for Dialled, Accepted and Ended. conn.mu is held.
func (c *conn) counts() Counters {
	s := c.driver.Conn.Stats()
	return Counters{
		PacketsSent: s.PacketsSent, PacketsReceived: s.PacketsReceived, BytesSent: s.BytesSent, BytesReceived: s.BytesReceived,
		StreamBytesSent: s.StreamBytesSent, BytesRetransmitted: s.BytesRetransmitted,
		PacketsLost: s.PacketsLost, SpuriousLosses: s.SpuriousLosses, PacketsMarked: s.PacketsMarked,
		Probes: s.Probes, Timeouts: s.PersistentCongestion, BlackHoles: s.BlackHoles, SendErrors: s.SendErrors,
	}
}

// countsNow is what news of the connection add to the past of its endpoint. conn.mu is held.
func (c *conn) countsNow(t core.Topic) (n Counters) {
	if t.Has(core.Ended) {
		if n = c.counts(); c.driver.Opened() {
			n.Ended = 1
		}
	}
	if t.Has(core.Opened) {
		if c.client() {
			n.Dialled = 1
		} else {
			n.Accepted = 1
		}
	}
	return n
}

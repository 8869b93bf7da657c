package limits

import "iter"

// Book is one resource of one scope at a moment.
type Book struct {
	Used    int64
	Peak    int64  // the most that was in use at once
	Limit   int64  // negative: none
	Refused uint64 // how often this scope has refused
}

// Usage is one scope at a moment. Of Handshakes only Limit, a second, and Refused are counted.
type Usage struct {
	Level           Level
	Scope           string // as errors name it
	Connections     Book
	Inbound         Book
	Outbound        Book
	HalfOpen        Book
	Handshakes      Book
	InboundStreams  Book
	OutboundStreams Book
	Memory          Book
	Descriptors     Book
}

// All yields the books by resource, for whoever exports each as a metric.
func (u Usage) All() iter.Seq2[Resource, Book] {
	return func(yield func(Resource, Book) bool) {
		for r := range Resource(resources) {
			if !yield(r, *u.book(r)) {
				return
			}
		}
	}
}

// book is the book of a resource.
func (u *Usage) book(r Resource) *Book {
	return [resources]*Book{
		Connections: &u.Connections, Inbound: &u.Inbound, Outbound: &u.Outbound, HalfOpen: &u.HalfOpen,
		InboundStreams: &u.InboundStreams, OutboundStreams: &u.OutboundStreams,
		Memory: &u.Memory, Descriptors: &u.Descriptors, Handshakes: &u.Handshakes,
	}[r]
}

// Snapshot is the books of all scopes, as plain values. While others use the manager the scopes may be
// of slightly different moments.
type Snapshot struct {
	Process    Usage
	Endpoints  []Usage // that were not released, by name
	Networks   []Usage // that hold something, by address; so the next two
	Peers      []Usage
	Identities []Usage
	// Totals has, for every level, what is known of all its scopes, those that are gone included: Peak is the highest
	// of any, but connections and streams count when they have gone. Refused is what all have refused. Used is 0.
	Totals []Usage

	Opened        uint64 // connections that were granted
	Released      uint64 // and given back: the two are equal when no connection is left
	ReleasedAgain uint64 // calls of Release to no effect
}

// Snapshot reads all books. It takes a time that grows with the number of peers.
func (m *Manager) Snapshot() Snapshot {
	s := Snapshot{
		Process:       m.process.usage(),
		Opened:        m.opened.Load(),
		Released:      m.released.Load(),
		ReleasedAgain: m.again.Load(),
	}
	for _, e := range m.listed() {
		s.Endpoints = append(s.Endpoints, e.scope.usage())
	}
	for _, p := range m.peers.all() {
		list := &s.Peers
		switch p.class.level {
		case LevelNetwork:
			list = &s.Networks
		case LevelIdentity:
			list = &s.Identities
		}
		*list = append(*list, p.usage())
	}
	for _, c := range m.classes {
		s.Totals = append(s.Totals, c.total())
	}
	for _, living := range [][]Usage{{s.Process}, s.Endpoints, s.Networks, s.Peers, s.Identities} {
		for _, u := range living {
			s.Totals[u.Level].raise(u)
		}
	}
	return s
}

// usage is the books of a scope.
func (s *scope) usage() Usage {
	u := Usage{Level: s.class.level, Scope: s.title()}
	for r := range s.books {
		b := &s.books[r]
		*u.book(Resource(r)) = Book{Used: b.used.Load(), Peak: b.peak.Load(), Refused: b.refused.Load()}
	}
	u.Handshakes.Refused = s.refusedHandshakes.Load()
	u.setLimits(s.class)
	return u
}

// total is what is known of all scopes of a class.
func (c *class) total() Usage {
	u := Usage{Level: c.level, Scope: "every " + c.level.String()}
	for r := range c.totals.refused {
		u.book(Resource(r)).Refused = c.totals.refused[r].Load()
	}
	for r := range c.totals.peak {
		u.book(Resource(r)).Peak = c.totals.peak[r].Load()
	}
	u.setLimits(c)
	return u
}

// raise makes the peaks at least those of another.
func (u *Usage) raise(other Usage) {
	for r, b := range other.All() {
		own := u.book(r)
		own.Peak = max(own.Peak, b.Peak)
	}
}

func (u *Usage) setLimits(c *class) {
	for r, limit := range c.bounds[0] {
		if limit == none {
			limit = -1
		}
		u.book(Resource(r)).Limit = limit
	}
}

// Usage is the books of the connection. What it holds of Memory does not count what is reserved ahead.
func (c *Conn) Usage() Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := Usage{Level: LevelConn, Scope: LevelConn.String()}
	for _, r := range places[c.state] {
		*u.book(r) = Book{Used: 1, Peak: 1}
	}
	u.Memory = Book{Used: c.used, Peak: c.peak, Refused: c.rarities().refused}
	for i, b := range c.rarities().streams {
		*u.book(InboundStreams + Resource(i)) = Book{Used: b.used, Peak: b.peak, Refused: b.refused}
	}
	u.setLimits(c.endpoint.manager.classes[LevelConn])
	return u
}

// Usage is the books of the endpoint.
func (e *Endpoint) Usage() Usage { return e.scope.usage() }

package router

import (
	"slices"

	"example.com/ebb/wire"
)

// Len is the number of connections.
func (r *Router[C]) Len() int { return len(r.conns) - r.given }

// Conns returns the connections in the order of their IDs.
func (r *Router[C]) Conns() []C {
	return r.append(make([]C, 0, r.Len()), func(*entry[C]) bool { return true })
}

// AppendConns appends the connections in no order, for whoever has many and wants to sort them when the router's lock is
// released.
func (r *Router[C]) AppendConns(to []C) []C {
	for id, e := range r.conns { // order-free: the caller sorts them
		if id == e.local {
			to = append(to, e.conn)
		}
	}
	return to
}

// AppendUnaccepted appends the connections that are not complete yet and have no other taker than a listener, because
// they complete no dial, in the order of their IDs.
func (r *Router[C]) AppendUnaccepted(to []C) []C {
	return r.append(to, func(e *entry[C]) bool { return (e.state == halfOpen || e.state == confirmed) && !e.crosses })
}

// append appends those connections that satisfy a condition.
func (r *Router[C]) append(to []C, wanted func(*entry[C]) bool) []C {
	var ids []wire.ID
	for id, e := range r.conns { // order-free: they are sorted
		if id == e.local && wanted(e) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		to = append(to, r.conns[id].conn)
	}
	return to
}

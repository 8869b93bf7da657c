// Package endpoint is an endpoint without sockets, locks or a clock. Package ebb gives it those, and the simulator gives it
// virtual time: what is simulated is what ships.
//
// It has two halves, because an endpoint has two kinds of locks, and no code holds one of each:
//
//   - An Endpoint is guarded by the lock of the endpoint. It has one table of connection IDs, and one book for each thing
//     that is bounded: dials, half-open connections, the accept queue, closed connections.
//   - A Driver is guarded by the lock of one connection. It has the connection's engine and its share of a pool, and knows
//     who sends, when the connection has to be looked after, and what the endpoint has to be told.
//
// What goes from one half to the other is a value: News of a Driver, for Endpoint.Report, when the connection's lock is
// released; and Events of an Endpoint, for the caller to deal with when the endpoint's lock is. Drivers run side by side.
//
// The way of a datagram: Endpoint.Route says whose it is. If it opens a connection, Endpoint.Open enters that and returns
// what Driver.Start makes the engine of. Then Driver.Input, a flush, Driver.News, and Endpoint.Report if there is any.
//
// The package is pure: time is an argument, in nanoseconds since the caller's time 0, and never runs backwards. The books of
// package limits are handed in. They have locks, for they are those of a process, but no clock: what they answer depends on what was
// asked of them, and their locks are taken under an endpoint's or a connection's, and take none.
package endpoint

import (
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/router"
	"example.com/ebb/internal/shaper"
)

// What callers see of the packages beneath, so that they need not import them.
type (
	// Conn is one connection as a state machine.
	Conn = engine.Conn
	// Params is what a connection is made from.
	Params = engine.Params
	// Path is the two addresses that a packet travels between.
	Path = engine.Path
	// Train is where and how the datagrams go that Driver.Append returns.
	Train = engine.Train
	// Arrival is where, when and how a datagram came.
	Arrival = engine.Arrival
	// ECN is the two bits of the IP header (RFC 3168 section 5).
	ECN = engine.ECN
	// HintKind is what the network says of a packet of ours.
	HintKind = engine.HintKind
	// Hint is a HintKind with the packet that it is about.
	Hint = engine.Hint
	// Clock is one moment on the clocks of the engine and of the pool.
	Clock = shaper.Clock
	// Bounds is how much an endpoint puts up with, and the secret of its IDs and cookies.
	Bounds = router.Config
	// Counters is what an endpoint has done, and what is in its books now.
	Counters = router.Counters
	// Reason is why a datagram was dropped.
	Reason = router.Reason
	// FinalState is what is to be remembered of a connection that ends.
	FinalState = router.FinalState
	// Verdict is what becomes of a datagram.
	Verdict[C comparable] = router.Verdict[C]
)

// Never is a time that does not come.
const Never = engine.Never

// The code points of ECN.
const (
	NotECT = engine.NotECT
	ECT1   = engine.ECT1
	ECT0   = engine.ECT0
	CE     = engine.CE
)

// What the network says of a packet of ours.
const (
	PortUnreachable = engine.HintPortUnreachable
	Unreachable     = engine.HintUnreachable
	TooBig          = engine.HintTooBig
	Prohibited      = engine.HintProhibited
)

// The actions of a Verdict.
const (
	Drop    = router.Drop
	Deliver = router.Deliver
	Open    = router.Open
	Reply   = router.Reply
	Foreign = router.Foreign
)

// What Bounds with zero fields mean, and how many Reasons there are.
const (
	DefaultBacklog     = router.DefaultBacklog
	DefaultRetryAfter  = router.DefaultRetryAfter
	DefaultMaxHalfOpen = router.DefaultMaxHalfOpen
	Reasons            = router.Reasons
)

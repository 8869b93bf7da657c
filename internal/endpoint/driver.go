package endpoint

import (
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/shaper"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// Driver is one connection of an endpoint: its engine, and what has to happen after each event of it, which is the same for
// all that may happen. It is guarded by the connection's lock, which whoever sends releases meanwhile.
//
// After an event (an Input, an Expire, a Hint, any use of Conn) follow a flush, if nobody is at one, and Changed.
//
// The zero Driver has no connection: Start makes it.
type Driver struct {
	Conn *Conn // the engine

	shaper       shaper.Shaper
	due          time.Duration // when the connection will be looked after; Never: not at all
	trainsVanish time.Duration // as was told

	flush flushState

	opened, resolved, ended bool // was told
	awaited                 bool // Resolved is wanted
	discards                bool // of what was written nothing is to be delivered
	protected               bool // the connection is
	tried                   bool // it is, and nothing has opened it yet
}

// Start makes the connection. It must not be used before.
func (d *Driver) Start(now time.Duration, p Params) {
	d.due, d.trainsVanish, d.flush.largest = Never, p.TrainsVanish, uint16(p.MaxDatagram)
	d.protected, d.tried = p.Handshake != nil, p.Handshake != nil && !p.Client
	d.Conn = engine.New(now, p)
}

// Input gives a datagram to the connection.
func (d *Driver) Input(now time.Duration, a *Arrival, b []byte) {
	d.Conn.HandleSegment(now, a, b)
}

// Hint tells the connection what the network says of a packet of ours.
func (d *Driver) Hint(now time.Duration, h Hint) { d.Conn.Unreachable(now, h) }

// Expire has the connection do what is due, if anything is. It is for the time that Due has accepted, but may be early.
func (d *Driver) Expire(now time.Duration) {
	d.due = Never
	if d.Conn.NextTimeout() <= now {
		d.Conn.Advance(now)
	}
}

// Due reports whether the connection has to be looked after at a time for which nothing is set yet: it is earlier
// than what Due has accepted since the last Expire, or the first. The time is then taken for set. One that is set is never moved
// to later, as Expire may be early: that is cheaper than to move a timer with every packet.
func (d *Driver) Due(at time.Duration) bool {
	if at >= d.due || d.ended {
		return false
	}
	d.due = at
	return true
}

// NextTimeout is when the connection has to be looked after. While a flush is on that is never: what is due now waits for the
// flusher, and a timer could only come again and again, and take the lock from it.
func (d *Driver) NextTimeout() time.Duration {
	if d.flush.on {
		return Never
	}
	return d.Conn.NextTimeout()
}

// Await has Changed say when what was written is delivered or given up: Resolved. If it is to be discarded, it is resolved when
// the peer was told so.
func (d *Driver) Await(discard bool) { d.awaited, d.discards = true, discard }

// Ended reports whether Changed has said so.
func (d *Driver) Ended() bool { return d.ended }

// Opened reports whether Changed has said so.
func (d *Driver) Opened() bool { return d.opened }

// Join makes the connection a member of a pool, if there is one and it is none yet, from the end of its handshake: one of its peer's. It
// leaves at its end. The weight was checked.
func (d *Driver) Join(p *pool.Pool, weight int) {
	if p != nil && !d.shaper.Joined() && d.Conn.Established() && !d.ended {
		d.shaper.Join(p, limits.PeerOf(d.Conn.Remote().Addr()), weight)
	}
}

// ReadMatters reports whether a successful Read leaves something to be done: a window is due, the connection's own or its
// pool's.
func (d *Driver) ReadMatters() bool { return d.Conn.WindowDue() || d.shaper.Joined() }

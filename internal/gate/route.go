package gate

import (
	"net/netip"
	"time"

	"example.com/ebb/wire"
)

// Action is what becomes of a datagram.
type Action uint8

// The actions of a Verdict.
const (
	Drop    Action = iota // nothing; Verdict.Reason says why
	Deliver               // it belongs to Verdict.Conn
	Open                  // it opens a connection: Accept has to follow, then it is delivered
	Reply                 // Verdict.Reply goes back to where it came from
	Foreign               // it is not Ebb's
)

// Verdict is Route's answer.
type Verdict[C comparable] struct {
	Action Action
	Reason Reason  // Drop
	Conn   C       // Deliver
	Client wire.ID // Open: the client's ID
	Dst    wire.ID // Open: the destination that the client made up
	Proven bool    // Open: a cookie has proved the address
	Reply  []byte  // Reply: the caller's buffer with the answer appended
}

// Route says what becomes of a datagram from remote. The trailer of a long
// packet has been verified when it is delivered or opens a connection; that of
// a short packet has not. An answer is appended to reply, which may be nil.
func (g *Gate[C]) Route(now time.Duration, remote netip.AddrPort, b, reply []byte) Verdict[C] {
	if !wire.IsEbb(b) {
		g.count.Foreign++
		return Verdict[C]{Action: Foreign}
	}
	if wire.IsLong(b) {
		return g.routeLong(now, remote, b, reply)
	}
	id, ok := wire.ShortDst(b)
	if !ok {
		return g.drop(Malformed)
	}
	if e := g.conns[id]; e != nil {
		return g.deliver(e)
	}
	return g.orphan(now, id, b, reply)
}

func (g *Gate[C]) routeLong(now time.Duration, remote netip.AddrPort, b, reply []byte) Verdict[C] {
	version, dst, src, ok := wire.Invariants(b)
	if !ok {
		return g.drop(Malformed)
	}
	if version != wire.Version && version != 0 {
		return g.otherVersion(now, b, dst, src, reply)
	}
	h, payload, err := wire.ParseHeader(b)
	if err == wire.ErrInitialSize {
		return g.drop(Small)
	}
	if err != nil {
		return g.drop(Malformed)
	}
	if !wire.Verify(b, wire.Seed(h.Version, h.Dst, h.Src)) {
		return g.drop(Corrupt)
	}
	switch h.Type {
	case wire.Initial:
		return g.initial(now, remote, h, payload, reply)
	case wire.Accept, wire.Retry, wire.Refuse, wire.Versions:
		return g.answer(remote, h)
	case wire.Unknown:
		if e := g.pairs[pair{remote, h.Src}]; e != nil {
			return g.deliver(e)
		}
		return g.drop(Stray)
	}
	return g.drop(Malformed)
}

// answer routes what a server says to a dial of ours.
func (g *Gate[C]) answer(remote netip.AddrPort, h wire.Header) Verdict[C] {
	e := g.conns[h.Dst]
	if e == nil || !e.client || e.remote != remote {
		return g.drop(Stray)
	}
	switch h.Type {
	case wire.Accept:
		if e.peer == 0 {
			e.peer = h.Src
			g.pairs[pair{remote, e.peer}] = e
		}
		if e.peer != h.Src {
			return g.drop(Stray)
		}
	case wire.Refuse:
		// The peer's own dial has won and is about to complete this one; what
		// the peer says to ours is of no interest.
		if e.yielded {
			return g.drop(Crossed)
		}
	}
	if h.Type != wire.Accept && e.peer != 0 {
		return g.drop(Stray)
	}
	return g.deliver(e)
}

// initial routes an INITIAL whose trailer is right.
func (g *Gate[C]) initial(now time.Duration, remote netip.AddrPort, h wire.Header, payload, reply []byte) Verdict[C] {
	from := pair{remote, h.Src}
	if e := g.pairs[from]; e != nil && !e.client {
		return g.deliver(e)
	}
	if g.gone.holdsPair(now, from) {
		return g.drop(Late)
	}
	cookie, ok := opening(payload)
	if !ok {
		return g.drop(Malformed)
	}
	crossing, lost := g.cross(from)
	if lost {
		return g.drop(Crossed)
	}
	switch {
	case !crossing && !g.listening:
		return g.refuse(now, h, reply)
	case g.cfg.MaxHalfOpen >= 0 && g.count.HalfOpen >= g.cfg.MaxHalfOpen:
		return g.drop(HalfOpenFull)
	case !crossing && g.cfg.Backlog >= 0 && g.count.Queued >= g.cfg.Backlog:
		return g.drop(BacklogFull)
	}
	proven := g.cfg.RetryAfter >= 0 && g.count.HalfOpen >= g.cfg.RetryAfter
	if proven {
		if cookie == nil {
			return g.retry(now, remote, h, reply)
		}
		if !g.cookies.valid(now, cookie, remote, h.Src, h.Dst) {
			return g.drop(BadCookie)
		}
	}
	g.count.Opened++
	return Verdict[C]{Action: Open, Client: h.Src, Dst: h.Dst, Proven: proven}
}

// opening reports whether the payload can open a connection: whole, without
// a frame that an INITIAL may not carry, and with the client's parameters. The
// cookie is what a COOKIE frame in it holds, or nil.
func opening(payload []byte) (cookie []byte, ok bool) {
	var f wire.Frame
	parameters := false
	for len(payload) > 0 {
		n, err := f.ParseIn(wire.Initial, payload)
		if err != nil {
			return nil, false
		}
		payload = payload[n:]
		switch f.Type {
		case wire.FrameParameters:
			if _, err := wire.ParseParameters(f.Data); err != nil {
				return nil, false
			}
			parameters = true
		case wire.FrameCookie:
			cookie = f.Data
		case wire.FrameClose:
			return nil, false
		}
	}
	return cookie, parameters
}

// cross decides between the dials we have made to an address and one that came
// from it. The larger client ID wins: crossing says that the peer's does, lost
// that all of ours do, and neither that there is nothing to decide.
func (g *Gate[C]) cross(from pair) (crossing, lost bool) {
	waiting := g.dials[from.remote]
	for _, d := range waiting {
		if d.local == from.id {
			return false, false // a dial to ourselves
		}
		if d.local < from.id {
			crossing = true
		}
	}
	return crossing, !crossing && len(waiting) > 0
}

// yield marks the dials that lose to one from the peer, and reports if there are
// any.
func (g *Gate[C]) yield(to pair) bool {
	crossing, _ := g.cross(to)
	for _, d := range g.dials[to.remote] {
		if crossing && d.local < to.id {
			d.yielded = true
		}
	}
	return crossing
}

// unyield makes dials count again to which nothing has come in their place.
func (g *Gate[C]) unyield(remote netip.AddrPort) {
	for _, d := range g.dials[remote] {
		d.yielded = false
	}
}

// orphan routes a short packet to an ID that no connection has.
func (g *Gate[C]) orphan(now time.Duration, id wire.ID, b, reply []byte) Verdict[C] {
	if t := g.gone.find(now, id); t != nil {
		return g.haunt(now, t, b, reply)
	}
	if len(b) <= wire.UnknownSize {
		return g.drop(Small)
	}
	if !g.replies[unknown].take(now) {
		return g.drop(Limited)
	}
	g.count.Unknowns++
	return Verdict[C]{Action: Reply, Reply: appendUnknown(reply, id)}
}

func (g *Gate[C]) deliver(e *entry[C]) Verdict[C] {
	g.count.Delivered++
	return Verdict[C]{Action: Deliver, Conn: e.conn}
}

func (g *Gate[C]) drop(r Reason) Verdict[C] {
	g.count.Dropped[r]++
	return Verdict[C]{Action: Drop, Reason: r}
}

package router

import (
	"net/netip"
	"time"

	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// Action is what becomes of a datagram.
type Action uint8

// The actions of a Verdict.
const (
	Drop    Action = iota // nothing; Verdict.Reason says why
	Deliver               // it belongs to Verdict.Conn, which may be a dial that the INITIAL of another crosses
	Open                  // it opens a connection: Accept has to follow, then it is delivered
	Reply                 // Verdict.Reply goes back to where it came from
	Foreign               // it is not Ebb's
)

// Verdict is Route's answer.
type Verdict[C comparable] struct {
	Action    Action
	Reason    Reason  // Drop
	Conn      C       // Deliver
	Settled   bool    // Deliver: a short packet with the same destination is delivered too, and needs only be counted
	Client    wire.ID // Open: the client's ID
	Dst       wire.ID // Open: the destination that the client made up
	Proven    bool    // Open: a cookie has proved the address
	Yields    C       // Open: a dial of ours that yields to it, and gets the datagram too; the zero C if there is none
	Protected bool    // Open: it is a protected one, and may turn out not to be opened: see Forget
	// Displaced is a half-open connection whose place was taken, whatever the Action; the zero C if there is none. It is to end
	// without a word, for its peer may come again, and Remove follows.
	Displaced C
	Reply     []byte    // Reply: the caller's buffer with the answer appended
	Refused   wire.Code // Reply: why a dial is refused; 0: the answer says something else

	held *limits.Conn // Open: what is charged for it
}

// Route says what becomes of a datagram from remote. The trailer of a long
// packet has been verified when it is delivered or opens a connection; that of
// a short packet has not, and what is sealed was not opened. An answer is appended to reply, which may be nil.
func (r *Router[C]) Route(now time.Duration, remote netip.AddrPort, b, reply []byte) Verdict[C] {
	if !wire.IsEbb(b) {
		r.count.Foreign++
		return Verdict[C]{Action: Foreign}
	}
	if wire.IsLong(b) {
		return r.routeLong(now, remote, b, reply)
	}
	id, ok := wire.ShortDst(b)
	if !ok {
		return r.drop(Malformed)
	}
	e := r.conns[id]
	switch {
	case e == nil:
		return r.unknownID(now, remote, id, b, reply)
	case e.state == halfOpen && !e.sealed && !r.confirm(e, remote, b):
		return r.drop(BacklogFull)
	}
	v := r.deliver(e)
	v.Settled = e.state != halfOpen
	return v
}

// CountDelivered counts datagrams that were delivered without Route, because an earlier one was settled; less if n is negative.
func (r *Router[C]) CountDelivered(n int) { r.count.Delivered += uint64(n) }

func (r *Router[C]) routeLong(now time.Duration, remote netip.AddrPort, b, reply []byte) Verdict[C] {
	version, dst, src, ok := wire.Invariants(b)
	if !ok {
		return r.drop(Malformed)
	}
	if wire.IsSealed(b) {
		return r.routeSealed(now, remote, b, reply)
	}
	parse := wire.ParseHeader
	switch version {
	case wire.Version, 0:
	case wire.VersionProtected:
		parse = parseProtected
	default:
		return r.otherVersion(now, b, dst, src, reply)
	}
	h, payload, err := parse(b)
	if err == wire.ErrInitialSize {
		return r.drop(Small)
	}
	if err != nil {
		return r.drop(Malformed)
	}
	if !wire.Verify(b, wire.Seed(h.Version, h.Dst, h.Src)) {
		return r.drop(Corrupt)
	}
	switch h.Type {
	case wire.Initial:
		return r.initial(now, remote, h, payload, reply)
	case wire.Accept, wire.Retry, wire.Refuse, wire.Versions:
		return r.answer(now, remote, h)
	case wire.Unknown:
		if e := r.pairs[pair{remote, h.Src}]; e != nil {
			return r.deliver(e)
		}
		return r.drop(Stray)
	}
	return r.drop(Malformed)
}

// parseProtected parses a packet of the protected version that is not sealed.
func parseProtected(b []byte) (wire.Header, []byte, error) {
	return wire.ParseAnswer(b, wire.VersionProtected)
}

// answer routes what a server says to a dial of ours. ACCEPT and REFUSE end its wait here, and not when the dial has
// dealt with them: what is routed meanwhile must not cross it any more.
func (r *Router[C]) answer(now time.Duration, remote netip.AddrPort, h wire.Header) Verdict[C] {
	e := r.conns[h.Dst]
	if e == nil || !e.client || e.remote != remote || h.Version != 0 && h.Version != e.version() {
		return r.drop(Stray)
	}
	switch h.Type {
	case wire.Accept:
		if e.peer == 0 {
			e.peer = h.Src
			r.pairs[pair{remote, e.peer}] = e
		}
		if e.peer != h.Src {
			return r.drop(Stray)
		}
	case wire.Refuse:
		// The peer dials us too. Its own dial is about to complete this one, or it will let this one in; it
		// refused before it began.
		if e.yielded || now < e.ignoresRefusal {
			return r.drop(Crossed)
		}
	}
	if h.Type != wire.Accept && e.peer != 0 {
		return r.drop(Stray)
	}
	if e.state == dialling && (h.Type == wire.Accept || h.Type == wire.Refuse) {
		r.endDial(e)
	}
	return r.deliver(e)
}

// initial routes an INITIAL whose trailer is right.
func (r *Router[C]) initial(now time.Duration, remote netip.AddrPort, h wire.Header, payload, reply []byte) Verdict[C] {
	from := pair{remote, h.Src}
	if e := r.pairs[from]; e != nil && !e.client {
		if e.sealed {
			return r.drop(Stray)
		}
		return r.deliver(e)
	}
	if r.closed.holdsPair(now, from) {
		return r.drop(Late)
	}
	if !wire.Opens(payload) {
		return r.drop(Malformed)
	}
	if r.cfg.Protected {
		return r.plainToProtected(now, remote, h, reply)
	}
	crossing, lost := r.cross(from)
	switch {
	case lost:
		return r.deliver(r.answerCrossing(now, remote))
	case crossing && !r.listening && r.crossed[remote] >= len(r.dials[remote])+spareCrossings:
		return r.drop(Crossed)
	case !crossing && !r.listening && r.hosts[remote.Addr()] > 0:
		return r.drop(Crossed)
	case !crossing && !r.listening:
		return r.refuse(now, h, wire.CodeRefused, reply)
	case !crossing && r.queue.full():
		return r.drop(BacklogFull)
	}
	v := Verdict[C]{Action: Open, Client: h.Src, Dst: h.Dst}
	if crossing {
		v.Yields = r.least(from, false).conn
	}
	return r.charge(now, remote, h, v, reply)
}

// spareCrossings is how many more handshakes an address may begin with an endpoint that does not listen than there are
// dials to it for them to complete: one may be a stranger's in the peer's name.
const spareCrossings = 4

// cross decides between the dials we have made to an address and one that came
// from it. The larger client ID wins: crossing says that the peer's does, lost
// that all of ours do, and neither that there is nothing to decide.
func (r *Router[C]) cross(from pair) (crossing, lost bool) {
	waiting := 0
	for _, d := range r.dials[from.remote] {
		if d.sealed {
			continue // TLS's client and server are not the same, so such dials do not cross
		}
		if d.local == from.id {
			return false, false // a dial to ourselves
		}
		if d.local < from.id {
			crossing = true
		}
		waiting++
	}
	return crossing, !crossing && waiting > 0
}

// refusalDelay is for how long a dial that an INITIAL of the peer's has crossed ignores REFUSE: what the peer refused
// before it began to dial may arrive later. One that still holds comes again, as the dial repeats its INITIAL.
const refusalDelay = time.Second

// answerCrossing is the dial that goes again when the peer's has lost to it: if there are several, each in turn.
func (r *Router[C]) answerCrossing(now time.Duration, remote netip.AddrPort) *entry[C] {
	waiting := r.dials[remote]
	d := waiting[0]
	copy(waiting, waiting[1:])
	waiting[len(waiting)-1] = d
	d.ignoresRefusal = now + refusalDelay
	return d
}

// yield marks the dials that lose to one from the peer, and reports if there are
// any.
func (r *Router[C]) yield(to pair) bool {
	crossing, _ := r.cross(to)
	for _, d := range r.dials[to.remote] {
		if crossing && d.local < to.id {
			d.yielded = true
		}
	}
	return crossing
}

// unyield makes dials count again to which nothing has come in their place.
func (r *Router[C]) unyield(remote netip.AddrPort) {
	for _, d := range r.dials[remote] {
		d.yielded = false
	}
}

// confirm looks at a short packet for a half-open connection. If it completes the handshake, a place in the
// accept queue is kept for the connection from now on, as others may be routed before the connection gets
// it. It reports false if there is none: the packet is to be ignored, as TCP ignores the last ACK of a
// handshake then. The peer repeats it, and may find room as long as the connection is half-open.
func (r *Router[C]) confirm(e *entry[C], remote netip.AddrPort, b []byte) bool {
	if remote != e.remote || !wire.Verify(b, wire.Seed(wire.Version, e.local, e.peer)) {
		return true // it completes nothing
	}
	if _, _, _, _, err := wire.ParseShort(b); err != nil {
		return true
	}
	if !r.listening || r.lostTo(e) != nil {
		return true // it will not wait for Accept
	}
	if !r.queue.keep(e, r.cfg.Window) {
		return false
	}
	r.half.remove(e)
	e.state = confirmed
	return true
}

// unknownID routes a short packet to an ID that no connection has.
func (r *Router[C]) unknownID(now time.Duration, remote netip.AddrPort, id wire.ID, b, reply []byte) Verdict[C] {
	if t := r.closed.find(now, id); t != nil {
		if t.sealed {
			return r.repeatLastWords(now, remote, t, reply)
		}
		return r.replyToClosed(now, t, id, b, reply)
	}
	if len(b) <= wire.UnknownSize {
		return r.drop(Small)
	}
	if !r.replies[unknown].take(now) {
		return r.drop(Limited)
	}
	r.count.Unknowns++
	if len(b) < minTokenAsked {
		return Verdict[C]{Action: Reply, Reply: appendUnknown(reply, id)}
	}
	token := r.ResetToken(id)
	return Verdict[C]{Action: Reply, Reply: wire.Must(wire.AppendUnknownToken(reply, id, token[:]))}
}

func (r *Router[C]) deliver(e *entry[C]) Verdict[C] {
	r.count.Delivered++
	return Verdict[C]{Action: Deliver, Conn: e.conn}
}

func (r *Router[C]) drop(reason Reason) Verdict[C] {
	r.count.Dropped[reason]++
	return Verdict[C]{Action: Drop, Reason: reason}
}

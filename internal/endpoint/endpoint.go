package endpoint

import (
	"errors"
	"net/netip"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/router"
	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// Config is what an Endpoint is made from.
type Config struct {
	Bounds
	// Connected says that the endpoint's socket has one peer, and receives from no other.
	Connected bool
	// Numbers draws those of a connection.
	Numbers func() Numbers
}

// Endpoint is the tables of an endpoint. C is the caller's connection, a pointer. An Endpoint is guarded by the lock of
// the endpoint, and looks into no connection.
type Endpoint[C comparable] struct {
	router    *router.Router[C]
	connected bool
	numbers   func() Numbers
	vanishing vanishingTrains
	sweeping  bool // the caller was told when to sweep
}

// New makes an endpoint without connections.
func New[C comparable](c Config) *Endpoint[C] {
	return &Endpoint[C]{router: router.New[C](c.Bounds), connected: c.Connected, numbers: c.Numbers}
}

// SetListening says whether somebody accepts what peers open.
func (e *Endpoint[C]) SetListening(on bool) { e.router.SetListening(on) }

// SetBounds changes Bounds.RetryAfter, Backlog, Window and Admit.
func (e *Endpoint[C]) SetBounds(b Bounds) { e.router.SetBounds(b) }

// SetProtected says whether what is dialled and accepted from now on is protected. What is there remains what it is.
func (e *Endpoint[C]) SetProtected(on bool) { e.router.SetProtected(on) }

// Protected reports whether it is.
func (e *Endpoint[C]) Protected() bool { return e.router.Protected() }

// Route says what becomes of a datagram from remote. An answer is appended to reply. A verdict of Open asks for the
// method Open, before the next datagram is routed.
// If it has Displaced a connection, that is to be Cut, whatever the action.
func (e *Endpoint[C]) Route(now time.Duration, remote netip.AddrPort, b, reply []byte) Verdict[C] {
	return e.router.Route(now, remote, b, reply)
}

// CountDelivered counts datagrams that were delivered without Route, as Verdict.Settled allows; less if n is negative.
func (e *Endpoint[C]) CountDelivered(n int) { e.router.CountDelivered(n) }

// Open enters the connection that a verdict asks for as c, and returns what its Driver is started with. The datagram is to
// be delivered to it, and to the verdict's Yields if there is one. If the verdict is of a protected connection, the caller adds Params.Handshake.
func (e *Endpoint[C]) Open(now time.Duration, s *Settings, path Path, v Verdict[C], c C) Params {
	id := e.router.NewID()
	held := e.router.Accept(id, path.Remote, v, c)
	p := engine.Params{Local: id, Peer: v.Client, OriginalDst: v.Dst, Path: path, Validated: v.Proven}
	if v.Protected {
		p.ResetToken = e.router.ResetToken(id)
	}
	return e.params(now, s, p, held)
}

// Dial enters a dial as c, and returns what its Driver is started with. Somebody waits for it: Report will say once what
// became of it, unless GiveUp is first. If Protected, the caller adds Params.Handshake. An error says which limit is reached: then there is no dial.
func (e *Endpoint[C]) Dial(now time.Duration, s *Settings, path Path, c C) (Params, error) {
	id := e.router.NewID()
	held, err := e.router.Dial(id, path.Remote, c)
	if err != nil {
		return Params{}, err
	}
	p := engine.Params{Client: true, Local: id, Peer: e.router.NewID(), Path: path}
	if e.router.Protected() {
		p.ResetToken = e.router.ResetToken(id)
	}
	return e.params(now, s, p, held), nil
}

func (e *Endpoint[C]) params(now time.Duration, s *Settings, p engine.Params, held *limits.Conn) engine.Params {
	p = s.params(p, e.numbers(), held)
	p.TrainsVanish = e.vanishing.until(now, p.Path.Remote.Addr().Unmap())
	return p
}

// GiveUp reports that nobody waits for the dial with an ID any more, and returns whether somebody did: if not, Report has
// said what became of it.
func (e *Endpoint[C]) GiveUp(local wire.ID) (waited bool) { return e.router.GiveUp(local) }

// Next takes the connection that has waited longest for Accept. It may have ended.
func (e *Endpoint[C]) Next() (c C, ok bool) { return e.router.Next() }

// StopListening ends what SetListening has begun, and returns the connections that are to be aborted, because nobody will
// accept them.
func (e *Endpoint[C]) StopListening() (unaccepted []C) {
	e.router.SetListening(false)
	for c, ok := e.router.Next(); ok; c, ok = e.router.Next() {
		unaccepted = append(unaccepted, c)
	}
	return e.router.AppendUnaccepted(unaccepted)
}

// Events is what follows from a report, for the caller to do when no lock is held. In Dial, Result and Abort the zero C is
// none.
type Events[C comparable] struct {
	Dial   C             // whoever waits for this dial
	Result C             // gets this; none: the dial has failed
	Abort  C             // nobody wants it: it has lost to another, or nobody listens
	Refuse C             // it is complete, and there is no place for it: it is to be refused
	Queued bool          // Next has one more
	Sweep  time.Duration // when the caller has to call Sweep; Never: no other time than it knows
}

// Report takes note of news of a connection, and says what follows.
func (e *Endpoint[C]) Report(now time.Duration, c C, n News) Events[C] {
	ev := Events[C]{Sweep: Never}
	if n.Has(Opened) {
		if n.Peer != 0 {
			e.router.Meet(n.Local, n.Peer)
		}
		if n.Identity != [32]byte{} {
			e.router.Identify(n.Local, n.Identity)
		}
		e.open(now, c, n.Local, &ev)
	}
	if n.Has(Trains) {
		e.vanishing.note(now, n.Remote.Unmap(), n.TrainsVanish)
	}
	switch {
	case n.Has(Unbegun):
		e.router.Forget(n.Local)
	case n.Has(Ended):
		if e.router.Remove(now, n.Local, n.Final) {
			ev.Dial = c
		}
		e.router.LastWords(now, n.Local, n.LastWords)
		if !e.sweeping {
			ev.Sweep = e.Sweep(now)
		}
	}
	return ev
}

// open takes note that a handshake is complete.
func (e *Endpoint[C]) open(now time.Duration, c C, local wire.ID, ev *Events[C]) {
	fate, dial := e.router.Establish(now, local)
	switch fate {
	case router.Connected:
		ev.Dial, ev.Result = c, c
	case router.Queued:
		ev.Queued = true
	case router.Replaces:
		ev.Dial, ev.Result, ev.Abort = dial, c, dial
	case router.Unwanted:
		ev.Abort = c
	case router.Refused:
		ev.Refuse = c
	}
}

// Sweep forgets the closed connections that were remembered long enough, and returns when to call it again: Never if
// none are left.
func (e *Endpoint[C]) Sweep(now time.Duration) (next time.Duration) {
	next, e.sweeping = e.router.Sweep(now)
	if !e.sweeping {
		return Never
	}
	return next
}

// Unreachable finds the connections that may have sent a packet, of which the network says something and quotes the
// beginning. The hint is for each of them. Where too little is quoted to tell, it is for all if the socket has one peer: the
// system has compared the addresses.
func (e *Endpoint[C]) Unreachable(kind HintKind, mtu int, remote netip.AddrPort, quoted []byte) (h Hint, senders []C) {
	h = Hint{Kind: kind, MTU: mtu}
	if c, ok := e.router.SealedSender(remote, quoted); ok {
		return h, []C{c} // its number cannot be read
	}
	packet, err := wire.ParsePrefix(quoted)
	switch {
	case err == nil:
		if c, ok := e.router.Sender(remote, packet); ok {
			h.Quote(packet)
			senders = append(senders, c)
		}
	case e.connected && (len(quoted) == 0 || errors.Is(err, wire.ErrTruncated)):
		senders = e.Conns()
	}
	return h, senders
}

// Conns is the connections that have not ended, in the order of their IDs.
func (e *Endpoint[C]) Conns() []C { return e.router.Conns() }

// AppendConns appends these connections in no order: it takes less time under the endpoint's lock.
func (e *Endpoint[C]) AppendConns(to []C) []C { return e.router.AppendConns(to) }

// Len is how many these are.
func (e *Endpoint[C]) Len() int { return e.router.Len() }

// Counters is what the endpoint has done, and what is in its books now.
func (e *Endpoint[C]) Counters() Counters { return e.router.Counters() }

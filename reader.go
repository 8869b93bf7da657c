package ebb

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/udp"
)

// readLoop is the endpoint's reader: the goroutine that reads a socket until it is closed or a caller leads.
func (e *endpoint) readLoop(s *socket) {
	r := &loopReceiver{receiver: &s.reader.receiver}
	for {
		err := s.Receive(r)
		if r.handedOver {
			return // and a caller may have the receiver already
		}
		if r.untold() {
			e.goroutines.outside(r.tell)
		}
		if errors.Is(err, net.ErrClosed) {
			e.goroutines.outside(e.fail)
			return
		}
		if err != nil && !errors.Is(err, udp.ErrInterrupted) {
			e.pause(&r.trouble, err)
		}
	}
}

// pause waits before the next attempt at a socket that fails.
func (e *endpoint) pause(trouble *backoff, err error) {
	pause := trouble.next()
	if pause == 0 {
		return
	}
	if trouble.loggable() {
		e.goroutines.outside(func() {
			e.settings.Load().Logger.Warn("reading the socket fails", "local", e.local, "error", err, "attempts", trouble.failures)
		})
	}
	select {
	case <-e.done:
	case <-time.After(pause):
	}
}

// receiver is what a socket of the endpoint reads into. It belongs to whoever reads.
type receiver struct {
	endpoint *endpoint
	sock     *socket
	in       *receiveBatch // lent to the socket, or with something to tell
	home     *sync.Pool    // to which it goes back
	at       time.Duration // when the last batch came
}

// Lend is part of a udp.Receiver.
func (r *receiver) Lend() []udp.Message {
	r.home = r.endpoint.settings.Load().receiveBatches
	r.in = r.home.Get().(*receiveBatch)
	return r.in.messages
}

// take deals with a batch of n messages. It returns the connection that all of it was for, if there is such a one, and
// reports whether the Receive may go on: not if something is to be told.
func (r *receiver) take(n int) (sole *conn, more bool) {
	if n > 0 {
		r.endpoint.take(r.sock, r.in, n)
		r.at = r.in.at
		sole = r.in.recipient()
	}
	if r.in.untold() {
		return sole, false
	}
	r.putBack()
	return sole, true
}

// report deals with what ICMP says, and reports whether the Receive may go on.
func (r *receiver) report(rs []udp.Report) (more bool) {
	if events := r.endpoint.hint(rs); len(events) > 0 {
		if !r.untold() {
			r.Lend() // what is to be told is kept with a batch
		}
		r.in.events = append(r.in.events, events...)
	}
	return !r.untold()
}

// untold reports whether something is to be told.
func (r *receiver) untold() bool { return r.in != nil }

// tell does what must not be done during a Receive: it reports what a batch has brought about, and calls the application with
// what was not Ebb's. See report.go.
func (r *receiver) tell() {
	if !r.untold() {
		return
	}
	for _, ev := range r.in.events {
		if ev.noted {
			r.endpoint.conclude(ev.conn, ev.what)
		} else {
			r.endpoint.report(ev.conn, ev.what)
		}
	}
	for _, refused := range r.in.refusals {
		refused.log(r.endpoint.settings.Load().Logger)
	}
	if foreign := r.endpoint.settings.Load().Foreign; foreign != nil {
		for _, f := range r.in.foreign {
			foreign(f.seg, net.UDPAddrFromAddrPort(f.remote))
		}
	}
	r.putBack()
}

func (r *receiver) putBack() {
	r.in.reset()
	r.home.Put(r.in)
	r.in = nil
}

// callerReceiver is the receiver of a caller who reads.
type callerReceiver struct {
	receiver
	caller *serializer
	conn   *conn // the caller's
	others bool  // something was not for it
}

// Take implements udp.Receiver: it goes on until the caller has what it waits for.
func (r *callerReceiver) Take(n int) bool {
	l := &r.sock.leadership
	l.busy.Store(true)
	sole, more := r.take(n)
	if n > 0 && sole != r.conn {
		r.others = true
	}
	l.busy.Store(false) // before the look, or nobody would see a wake between the two
	return more && len(r.caller.wakeup) == 0
}

// Report implements udp.Receiver.
func (r *callerReceiver) Report(rs []udp.Report) bool {
	l := &r.sock.leadership
	l.busy.Store(true)
	more := r.report(rs)
	l.busy.Store(false)
	return more && len(r.caller.wakeup) == 0
}

// loopReceiver is the receiver of the endpoint's reader.
type loopReceiver struct {
	*receiver
	trouble    backoff
	handedOver bool // the callers of a connection lead now
}

// Take implements udp.Receiver: it lets the callers of the connection that a batch was for lead if they have come back at
// once often enough.
func (r *loopReceiver) Take(n int) bool {
	sole, more := r.take(n)
	if n == 0 {
		return more
	}
	r.trouble = backoff{}
	e, s := r.endpoint, r.sock
	switch {
	case !s.Interruptible():
	case sole == nil:
		s.leadership.noteMixed()
	case s.leadership.noteSole(sole.id(), r.at) && more:
		r.handedOver = e.handOver(s, sole)
	}
	return more && !r.handedOver
}

// Report implements udp.Receiver.
func (r *loopReceiver) Report(rs []udp.Report) bool { return r.report(rs) }

// backoff spaces the attempts at something that keeps failing. Sixteen failures
// in a row are taken for what ICMP said of sixteen earlier packets.
type backoff struct {
	failures int
	last     time.Duration
}

func (b *backoff) next() time.Duration {
	if b.failures++; b.failures > 16 {
		b.last = min(max(2*b.last, 5*time.Millisecond), time.Second)
	}
	return b.last
}

// loggable reports whether the last failure is worth a line: as often as the count of
// them doubles, so that a socket that fails for ever does not fill a disk.
func (b *backoff) loggable() bool { return b.failures&(b.failures-1) == 0 || b.failures == 17 }

// take gives every datagram of a batch that a socket has received where it belongs.
func (e *endpoint) take(s *socket, in *receiveBatch, n int) {
	e.route(s, in, in.messages[:n])
	e.deliver(in, 0)
	if len(in.strays) > 0 {
		routed := len(in.arrivals)
		e.routeStrays(s, in)
		e.deliver(in, routed)
	}
	for _, c := range in.displaced {
		in.events = e.noteWithin(c, c.cut(), in.events)
	}
	e.answer(s, in)
}

// deliver gives connections what has arrived for them, from an index on.
func (e *endpoint) deliver(in *receiveBatch, from int) {
	for i := from; i < len(in.arrivals); {
		j := i + 1
		for j < len(in.arrivals) && in.arrivals[j].conn == in.arrivals[i].conn {
			j++
		}
		c := in.arrivals[i].conn
		var t core.Topic
		if t, in.strays = c.input(in.arrivals[i:j], in.strays); t != 0 {
			in.events = e.noteWithin(c, t, in.events)
		}
		i = j
	}
}

// route asks the books about the datagrams of a batch.
func (e *endpoint) route(s *socket, in *receiveBatch, ms []udp.Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	in.at = now
	if e.closing {
		return
	}
	for i := range ms {
		m := &ms[i]
		a := arrival{came: &in.came[i], buf: m.Buf[:m.N], size: m.SegmentSize}
		if a.size <= 0 || a.size > m.N {
			a.size = m.N
		}
		came := a.came
		came.Local, came.Remote, came.At, came.ECN = e.localOf(m), m.Remote, m.At-s.early, core.ECN(m.ECN)
		for e.routeFirst(now, s, in, &a); len(a.buf) > 0; {
			e.routeFirst(now, s, in, &a)
		}
	}
}

// routeStrays asks the books about each datagram that came in a train and was not for the connection of the first.
func (e *endpoint) routeStrays(s *socket, in *receiveBatch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.books.CountDelivered(-len(in.strays))
	if e.closing {
		return
	}
	for i := range in.strays {
		e.routeFirst(in.at, s, in, &in.strays[i])
	}
}

// routeFirst asks the books about the first datagram of a train, and takes it out, with the others if they are taken for the
// same connection's. endpoint.mu is held.
func (e *endpoint) routeFirst(now time.Duration, s *socket, in *receiveBatch, a *arrival) {
	train, remote := *a, a.came.Remote
	seg := a.next()
	v := e.books.Route(now, remote, seg, in.replies.buf)
	if v.Displaced != nil {
		in.displaced = append(in.displaced, v.Displaced)
	}
	one := arrival{came: a.came, buf: seg, size: len(seg)}
	switch v.Action {
	case core.Open:
		if one.conn = v.Yields; v.Yields != nil {
			in.arrivals = append(in.arrivals, one)
		}
		one.conn = e.open(now, s, a.came.Path, v)
		in.arrivals = append(in.arrivals, one)
	case core.Deliver:
		if one.conn = v.Conn; v.Settled && len(a.buf) > 0 {
			e.books.CountDelivered((len(a.buf) + a.size - 1) / a.size)
			a.buf = nil
			one.buf, one.size = train.buf, train.size
		}
		in.arrivals = append(in.arrivals, one)
	case core.Reply:
		in.replies.add(v.Reply, core.Train{Path: a.came.Path})
		if e.tellsOfRefusal(now, v.Refused) {
			in.refusals = append(in.refusals, refusal{v.Refused, remote})
		}
	case core.Foreign:
		if e.settings.Load().Foreign != nil {
			in.foreign = append(in.foreign, foreign{seg: seg, remote: remote})
		}
	}
}

// localOf is the address that a message was sent to, as far as that is known. A link-local one has the zone of the sender's, for
// there is one link between the two.
func (e *endpoint) localOf(m *udp.Message) netip.AddrPort {
	if !m.Local.IsValid() || !e.local.Addr().IsUnspecified() {
		return e.local
	}
	a := m.Local
	if a.Is6() && a.IsLinkLocalUnicast() {
		a = a.WithZone(m.Remote.Addr().Zone())
	}
	return netip.AddrPortFrom(a, e.local.Port())
}

// answer sends what the router has answered. What the socket has no room for, or
// refuses, is lost: whoever needs it asks again.
func (e *endpoint) answer(s *socket, in *receiveBatch) {
	if len(in.replies.messages) > 0 {
		e.send(s, &in.replies, false)
	}
}

package ebb

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/router"
	"example.com/ebb/internal/udp"
)

// readLoop is the endpoint's reader: the goroutine that reads a socket until it is closed or a caller leads.
func (e *Endpoint) readLoop(s *socket) {
	r := &s.reader
	for {
		err := s.Receive(r)
		switch {
		case err == nil, errors.Is(err, net.ErrClosed):
			return
		case e.survives(err):
		default:
			if pause := r.trouble.next(); pause > 0 {
				if r.trouble.loggable() {
					e.config.Logger.Warn("reading the socket fails", "local", e.local, "error", err, "attempts", r.trouble.failures)
				}
				select {
				case <-e.done:
					return
				case <-time.After(pause):
				}
			}
		}
	}
}

// survives deals with errors that say nothing of the socket, and reports whether it is one.
func (e *Endpoint) survives(err error) bool {
	if e.connected && isRefusal(err) {
		e.refused(err)
		return true
	}
	return errors.Is(err, udp.ErrInterrupted)
}

// receiver is what a socket of the endpoint reads into. It belongs to whoever reads.
type receiver struct {
	endpoint *Endpoint
	sock     *socket
	in       *receiveBatch // lent to the socket
	trouble  backoff
	at       time.Duration // when the last batch came

	caller *serializer // of whoever reads; nil: the endpoint's reader does
	conn   *Conn       // the caller's
	others bool        // something was not for it
}

// Lend implements udp.Receiver.
func (r *receiver) Lend() []udp.Message {
	r.in = r.endpoint.receiveBatches.Get().(*receiveBatch)
	return r.in.messages
}

// Take implements udp.Receiver.
func (r *receiver) Take(n int) (more bool) {
	in := r.in
	r.in = nil
	more = true
	switch {
	case n == 0:
	case r.caller != nil:
		more = r.takeForCaller(in, n)
	default:
		more = r.takeForAll(in, n)
	}
	in.reset()
	r.endpoint.receiveBatches.Put(in)
	return more
}

// takeForCaller deals with a batch until the caller has what it waits for.
func (r *receiver) takeForCaller(in *receiveBatch, n int) (more bool) {
	l := &r.sock.leadership
	l.busy.Store(true)
	r.endpoint.take(r.sock, in, n)
	r.trouble, r.at = backoff{}, in.at
	if in.recipient() != r.conn {
		r.others = true
	}
	l.busy.Store(false) // before the look, or nobody would see a wake between the two
	return len(r.caller.wakeup) == 0
}

// takeForAll deals with a batch, and lets the callers of the connection that it was for lead if
// they have come back at once often enough.
func (r *receiver) takeForAll(in *receiveBatch, n int) (more bool) {
	e, s := r.endpoint, r.sock
	e.take(s, in, n)
	r.trouble, r.at = backoff{}, in.at
	if !s.Interruptible() {
		return true
	}
	c := in.recipient()
	if c == nil {
		s.leadership.noteMixed()
		return true
	}
	return !s.leadership.noteSole(c.id, in.at) || !e.handOver(s, c)
}

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
func (e *Endpoint) take(s *socket, in *receiveBatch, n int) {
	e.route(s, in, in.messages[:n])
	for i := 0; i < len(in.arrivals); {
		j := i + 1
		for j < len(in.arrivals) && in.arrivals[j].conn == in.arrivals[i].conn {
			j++
		}
		in.arrivals[i].conn.input(in.arrivals[i:j])
		i = j
	}
	e.answer(s, in)
	for _, f := range in.foreign {
		e.config.Foreign(f.seg, net.UDPAddrFromAddrPort(f.remote))
	}
}

// route asks the router about every datagram of a batch.
func (e *Endpoint) route(s *socket, in *receiveBatch, ms []udp.Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	in.at = now
	if e.closing {
		return
	}
	for i := range ms {
		m := &ms[i]
		size := m.SegmentSize
		if size <= 0 || size > m.N {
			size = m.N
		}
		path := engine.Path{Local: e.localOf(m), Remote: m.Remote}
		for rest := m.Buf[:m.N]; ; {
			seg := rest[:min(size, len(rest))]
			rest = rest[len(seg):]
			v := e.router.Route(now, m.Remote, seg, in.replies.buf)
			switch v.Action {
			case router.Open:
				if v.Yields != nil {
					in.arrivals = append(in.arrivals, arrival{conn: v.Yields, path: path, seg: seg})
				}
				v.Conn = e.open(s, path, v)
				fallthrough
			case router.Deliver:
				in.arrivals = append(in.arrivals, arrival{conn: v.Conn, path: path, ecn: engine.ECN(m.ECN), seg: seg})
			case router.Reply:
				in.reply(v.Reply, m.Remote, m.Local)
			case router.Foreign:
				if e.config.Foreign != nil {
					in.foreign = append(in.foreign, foreign{seg: seg, remote: m.Remote})
				}
			}
			if len(rest) == 0 {
				break
			}
		}
	}
}

// localOf is the address that a message was sent to, as far as that is known.
func (e *Endpoint) localOf(m *udp.Message) netip.AddrPort {
	if m.Local.IsValid() {
		return netip.AddrPortFrom(m.Local, e.local.Port())
	}
	return e.local
}

// answer sends what the router has answered. What the socket has no room for, or
// refuses, is lost: whoever needs it asks again.
func (e *Endpoint) answer(s *socket, in *receiveBatch) {
	if len(in.replies.messages) > 0 {
		e.send(s, &in.replies)
	}
}

// refused tells the dial of a connected socket that nobody listens.
func (e *Endpoint) refused(err error) {
	e.mu.Lock()
	conns := make([]*Conn, 0, 1)
	for c := range e.conns {
		conns = append(conns, c)
	}
	e.mu.Unlock()
	for _, c := range conns {
		c.refused(err)
	}
}

package ebb

import (
	"errors"
	"net"
	"net/netip"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/gate"
	"example.com/ebb/internal/udp"
)

// readLoop is the goroutine that reads a socket until it is closed.
func (e *Endpoint) readLoop(s *socket) {
	r := receiver{endpoint: e, sock: s}
	for {
		err := s.Receive(&r)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case e.connected && isRefusal(err):
			e.refused(err)
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

// receiver is what a socket of the endpoint reads into. It belongs to readLoop's goroutine.
type receiver struct {
	endpoint *Endpoint
	sock     *socket
	in       *intake // lent to the socket
	trouble  backoff
}

// Lend implements udp.Receiver.
func (r *receiver) Lend() []udp.Message {
	r.in = r.endpoint.intakes.Get().(*intake)
	return r.in.messages
}

// Take implements udp.Receiver.
func (r *receiver) Take(n int) bool {
	if n > 0 {
		r.trouble = backoff{}
		r.endpoint.take(r.sock, r.in, n)
	}
	r.in.reset()
	r.endpoint.intakes.Put(r.in)
	r.in = nil
	return true
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
func (e *Endpoint) take(s *socket, in *intake, n int) {
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

// route asks the gate about every datagram of a batch.
func (e *Endpoint) route(s *socket, in *intake, ms []udp.Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing {
		return
	}
	now := e.now()
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
			v := e.gate.Route(now, m.Remote, seg, in.replies.buf)
			switch v.Action {
			case gate.Open:
				v.Conn = e.open(s, path, v)
				fallthrough
			case gate.Deliver:
				in.arrivals = append(in.arrivals, arrival{conn: v.Conn, path: path, ecn: engine.ECN(m.ECN), seg: seg})
			case gate.Reply:
				in.reply(v.Reply, m.Remote, m.Local)
			case gate.Foreign:
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

// answer sends what the gate has answered. What the socket has no room for, or
// refuses, is lost: whoever needs it asks again.
func (e *Endpoint) answer(s *socket, in *intake) {
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

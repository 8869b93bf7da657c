package engine

import (
	"time"

	"example.com/ebb/wire"
)

// The packets of a handshake are few, and no congestion window is theirs: what an unproved address may be sent bounds a
// server's, and its timeouts a client's. Otherwise they are recovered as all packets are (RFC 9002).

// maxRepeated is how many packets of a handshake may wait for an ACK when something besides a timeout has one more sent.
const maxRepeated = 8

// handleHandshakeAck processes an ACK of a space of the handshake, which arrived at a time.
func (c *Conn) handleHandshakeAck(now, at time.Duration, s *cryptoSpace, f *wire.Ack) error {
	if f.Largest >= s.sent.next {
		c.stats.BadAcks++
		return protocolError("ACK of a packet that was never sent")
	}
	news := false
	for i := s.sent.records.base; i != s.sent.records.next; i++ {
		p := s.sent.records.at(i)
		if p.has(isAcked) || !names(f, p.number) {
			continue
		}
		// No ACK of a handshake is held back for longer than TLS takes: one that is late repeats another, which was lost.
		if p.number == f.Largest && !p.has(isLost) && f.Delay <= c.peerAckDelay {
			c.path.rtt.update(at-p.sentAt, 0)
		}
		news = true
		s.sent.removeFromFlight(p)
		p.flags |= isAcked
		for j := range uint32(p.frames) {
			switch f := s.sent.frames.at(p.first + j); f.kind {
			case wire.FrameCrypto:
				s.out.markAcked(f.offset, int(f.length))
			case wire.FrameAck:
				s.acks.forget(f.offset)
			}
		}
	}
	if !s.sent.anyAcked || f.Largest > s.sent.largestAcked {
		s.sent.largestAcked, s.sent.anyAcked = f.Largest, true
	}
	if news && !c.params.Client {
		s.loss.ptoCount = 0 // a client's back-off goes on until the server answers in full (RFC 9002 section 6.2.1)
	}
	c.detectHandshakeLosses(now, s)
	return nil
}

// names reports whether an ACK names a number.
func names(f *wire.Ack, number uint64) bool {
	for r := range f.Ranges() {
		if number >= r.First {
			return number <= r.Last
		}
	}
	return false
}

// detectHandshakeLosses declares lost what newer ACKs prove to be, and sets the time at which to look again.
func (c *Conn) detectHandshakeLosses(now time.Duration, s *cryptoSpace) {
	s.loss.due = Never
	delay := c.lossDelay()
	for i := s.sent.records.base; i != s.sent.records.next; i++ {
		p := s.sent.records.at(i)
		switch {
		case p.has(isAcked | isLost), !s.sent.anyAcked || p.number > s.sent.largestAcked:
		case s.sent.largestAcked-p.number >= packetThreshold, p.sentAt+delay <= now:
			c.stats.PacketsLost++
			if c.trace != nil {
				c.traceLost(now, c.handshakeType(s), p, s.sent.largestAcked-p.number >= packetThreshold)
			}
			s.lose(p)
		default:
			s.loss.due = min(s.loss.due, p.sentAt+delay)
		}
	}
	s.sent.trim(Never)
}

// lose queues again what a lost packet carried.
func (s *cryptoSpace) lose(p *sentPacket) {
	s.sent.removeFromFlight(p)
	p.flags |= isLost
	s.requeue(p)
}

// loseAll gives up what is on the way: whoever got it has not kept it.
func (s *cryptoSpace) loseAll() {
	for i := s.sent.records.base; i != s.sent.records.next; i++ {
		if p := s.sent.records.at(i); !p.has(isAcked | isLost) {
			s.lose(p)
		}
	}
	s.sent.trim(Never)
	s.loss.due, s.loss.ptoCount = Never, 0
}

// repeat has what is on the way sent again, unless that is much already.
func (s *cryptoSpace) repeat() {
	if s.sent.outstanding < maxRepeated {
		s.probe()
	}
}

// probe has the next packet carry what was sent and not acknowledged, without declaring it lost, or at least a PING.
func (s *cryptoSpace) probe() {
	s.loss.probes = 1
	for i := s.sent.records.base; i != s.sent.records.next; i++ {
		if p := s.sent.records.at(i); !p.has(isAcked | isLost) {
			s.requeue(p)
		}
	}
}

func (s *cryptoSpace) requeue(p *sentPacket) {
	for j := range uint32(p.frames) {
		if f := s.sent.frames.at(p.first + j); f.kind == wire.FrameCrypto {
			s.out.markLost(f.offset, int(f.length))
		}
	}
}

// handshakeTimeout is when advanceHandshake wants to be called.
func (c *Conn) handshakeTimeout() time.Duration {
	t := c.hs.deadline
	c.hs.spaces(func(s *cryptoSpace) bool {
		t = min(t, s.held)
		if s.loss.due != Never {
			t = min(t, s.loss.due)
		} else {
			t = min(t, c.handshakePTO(s))
		}
		return true
	})
	return t
}

// handshakePTO is when the next probe of a space is due (RFC 9002 section 6.2). A client sends one even if all that it said was
// acknowledged: the server may have to wait for it, as it must not send more to an address that is not proved. It is of the
// newest space that there is. Such a server has no timer.
func (c *Conn) handshakePTO(s *cryptoSpace) time.Duration {
	since := s.sent.elicitedAt
	newest := c.hs.second == nil || c.hs.second.seal == nil || s == c.hs.second
	switch {
	case !c.path.admits(minHandshakePacket):
		return Never
	case s.sent.outstanding > 0:
	case !c.params.Client || !newest || s.elicited == 0 && s == &c.hs.initial:
		return Never
	default:
		since = max(since, c.lastReceived)
	}
	return since + c.path.rtt.pto(0)<<min(s.loss.ptoCount, maxBackoff)
}

// advanceHandshake gives up, or does what a timer of the handshake asks for.
func (c *Conn) advanceHandshake(now time.Duration) {
	if now >= c.hs.deadline {
		c.finish(&Error{Kind: KindHandshakeTimeout, Code: wire.CodeTimeout, Reason: "no answer within " + c.hs.timeout.String()})
		return
	}
	c.hs.spaces(func(s *cryptoSpace) bool {
		if now >= s.held {
			s.held = Never
		}
		switch {
		case now >= s.loss.due:
			c.detectHandshakeLosses(now, s)
		case s.loss.due == Never && now >= c.handshakePTO(s):
			s.loss.ptoCount++
			s.probe()
		}
		return true
	})
}

package engine

import (
	"time"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// minHandshakePacket is the room below which a server waits until it may send more to an address that is not proved.
const minHandshakePacket = 64

// appendHandshake appends the next packet of the handshake, if one is to be sent.
func (c *Conn) appendHandshake(now time.Duration, dst []byte) []byte {
	if c.params.Client && !c.hs.begun {
		c.startHandshake()
		if err := c.hear(); err != nil {
			c.breach(now, err) // of TLS. Nobody is to be told
			c.finish(err)
			return dst
		}
	}
	before := len(dst)
	c.hs.spaces(func(s *cryptoSpace) bool {
		dst = c.appendSpace(now, s, dst)
		return len(dst) == before
	})
	return dst
}

// appendSpace appends the next packet of a space, if one is to be sent.
func (c *Conn) appendSpace(now time.Duration, s *cryptoSpace, dst []byte) []byte {
	if !s.out.waiting() && !s.owesAck() && s.loss.probes == 0 {
		return dst
	}
	p, ok := c.beginHandshake(now, s, dst)
	if !ok {
		return dst
	}
	c.appendHandshakeAck(now, s, &p)
	appendCrypto(s, &p)
	if s.loss.probes > 0 && !p.record.has(eliciting) {
		p.b = wire.AppendPing(p.b)
		p.record.flags |= eliciting
	}
	if !p.record.has(eliciting) && !s.owesAck() {
		return dst // what there is to say does not fit
	}
	return c.endHandshake(now, s, &p)
}

// newest is the space of the newest level whose keys there are.
func (h *handshakeState) newest() *cryptoSpace {
	if h.second != nil && h.second.seal != nil {
		return h.second
	}
	return &h.initial
}

// olderSpace is the space whose packets the peer can surely open, where it may not be able to open those of the newest level; nil: it
// is. A client knows that the server has the keys of HANDSHAKE, but not whether it has those of short packets before one of its own
// is acknowledged; a server does not know whether the client has those of HANDSHAKE.
func (c *Conn) olderSpace() *cryptoSpace {
	switch {
	case c.secure == nil || c.hs == nil || c.hs.second.seal == nil:
	case c.params.Client && c.hs.done:
		return c.hs.second
	case !c.params.Client && !c.hs.done && c.hs.initial.seal != nil:
		return &c.hs.initial
	}
	return nil
}

// appendHandshakeClose appends CLOSE in a packet of a space, if the peer's address may be sent one. The reason is for those who can
// open the newest.
func (c *Conn) appendHandshakeClose(now time.Duration, dst []byte, s *cryptoSpace) []byte {
	p, ok := c.beginHandshake(now, s, dst)
	if !ok {
		return dst
	}
	reason := c.closeReason()
	if s != c.hs.newest() || c.hs.done {
		reason = ""
	}
	p.b = wire.AppendClose(p.b, c.end.code, reason[:min(len(reason), max(0, p.room()-16))])
	return c.endHandshake(now, s, &p)
}

// beginHandshake begins a packet of the handshake, if there is room for one.
func (c *Conn) beginHandshake(now time.Duration, s *cryptoSpace, dst []byte) (packet, bool) {
	size := c.path.room(basePacket)
	if size < minHandshakePacket {
		return packet{}, false
	}
	h := wire.Header{
		Type: wire.Accept, Version: c.version(), Dst: c.peerID, Src: c.params.Local,
		Number: s.sent.next, NumberLen: handshakeNumberLen(&s.sent),
	}
	switch {
	case s.level == protect.LevelHandshake:
		h.Type = wire.Handshake
		if c.params.Client {
			h.Dst = c.hs.server
		}
	case c.params.Client:
		h.Type, h.Dst = wire.Initial, c.hs.firstDst
		if n := len(c.hs.cookies); n > 0 {
			h.Cookie = c.hs.cookies[n-1]
		}
	}
	p := packet{start: len(dst), limit: len(dst) + size - s.seal.Overhead(), record: s.sent.reserve(now)}
	p.b = wire.Must(wire.AppendHeader(dst, h))
	p.body = len(p.b)
	return p, true
}

// handshakeNumberLen is in how many bytes a number of the handshake is sent: in one as long as that is twice the distance
// to what was acknowledged.
func handshakeNumberLen(s *sentState) int {
	if s.next < 1<<6 {
		return 1
	}
	return wire.NumberLen(s.next, s.largestAcked, s.anyAcked)
}

// appendHandshakeAck repeats in every packet what has arrived.
func (c *Conn) appendHandshakeAck(now time.Duration, s *cryptoSpace, p *packet) {
	before := len(p.b)
	p.b = s.acks.append(now, p.b, p.room(), wire.Ack{Received: c.stamp(s.acks.largestAt)})
	if len(p.b) > before {
		p.acks = true
		s.sent.carry(p.record, sentFrame{kind: wire.FrameAck, offset: s.acks.largest})
	}
}

// appendCrypto fills the packet with bytes of the handshake.
func appendCrypto(s *cryptoSpace, p *packet) {
	for s.out.waiting() {
		offset, b := s.out.pending()
		n := min(len(b), p.room()-wire.CryptoHeaderLen(offset, len(b)))
		if n <= 0 {
			return
		}
		p.b = wire.Must(wire.AppendCrypto(p.b, offset, b[:n]))
		s.out.markSent(offset, n)
		s.sent.carry(p.record, sentFrame{kind: wire.FrameCrypto, offset: offset, length: uint32(n)})
		p.record.flags |= eliciting
	}
}

// endHandshake closes the packet and notes it. INITIAL is padded: it shows that the path carries packets of this size, and
// lets the server answer with more.
func (c *Conn) endHandshake(now time.Duration, s *cryptoSpace, p *packet) []byte {
	switch {
	case c.params.Client && s.level == protect.LevelInitial:
		p.b = wire.AppendPadding(p.b, wire.MinInitialSize-s.seal.Overhead()-(len(p.b)-p.start))
	case c.secure != nil:
		p.b = wire.AppendPadding(p.b, minSealed-1-(len(p.b)-p.body))
	}
	if c.trace != nil {
		c.traceSent(now, c.handshakeType(s), s.sent.next, len(p.b)-p.start+s.seal.Overhead(), p.b[p.body:], p.record)
	}
	p.b = s.seal.Seal(p.b, p.start, p.body, s.sent.next)
	size := len(p.b) - p.start
	if p.acks {
		s.acks.sent()
		s.held = Never
	}
	if p.record.has(eliciting) {
		s.elicited++
		s.loss.probes = 0
	}
	p.record.size = uint16(size)
	s.sent.push(p.record)
	c.path.sent += size
	c.path.bucket.Spend(now, size)
	c.stats.PacketsSent++
	c.stats.BytesSent += uint64(size)
	if c.params.Client && s.level == protect.LevelHandshake {
		c.hs.initial.giveUp() // RFC 9001 section 4.9.1
	}
	return p.b
}

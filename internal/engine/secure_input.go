package engine

import (
	"time"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// handleSealed takes a datagram of a protected connection. The packet is opened where it stands.
func (c *Conn) handleSealed(now time.Duration, a *Arrival, seg []byte) {
	if c.state == stateDone {
		return
	}
	if !wire.IsLong(seg) {
		c.handleSealedShort(now, a, seg)
		return
	}
	if !wire.IsSealed(seg) {
		c.handleAnswer(now, a, seg)
		return
	}
	h, at, err := wire.ParseSealed(seg)
	switch {
	case err != nil:
		c.stats.Malformed++
	case h.Type == wire.Initial && c.params.Client, h.Type == wire.Accept && !c.params.Client:
		c.stats.Unexpected++ // our own kind. Dials do not cross: who is TLS's client decides what is checked
	default:
		c.handleSealedLong(now, a, h, at, seg)
	}
}

// handleAnswer takes what is said without a connection. Nothing of it ends one that is established, but for a token.
func (c *Conn) handleAnswer(now time.Duration, a *Arrival, seg []byte) {
	h, payload, err := wire.ParseAnswer(seg, wire.VersionProtected)
	if err != nil {
		h, err = parseUnknown(seg, wire.Version) // it answers a packet that was too small for a token
	}
	if c.trace != nil && err == nil && wire.Verify(seg, wire.Seed(h.Version, h.Dst, h.Src)) {
		c.traceAnswer(now, h.Type)
	}
	switch {
	case err != nil:
		c.stats.Malformed++
	case !wire.Verify(seg, wire.Seed(h.Version, h.Dst, h.Src)):
		c.stats.BadTrailers++
	case h.Type == wire.Retry:
		c.handleRetry(h, payload)
	case h.Type == wire.Refuse:
		c.handleRefuse(h, payload)
	case h.Type == wire.Versions:
		c.handleVersions(h, payload)
	case h.Type == wire.Unknown:
		c.handleSealedUnknown(now, a, h, payload)
	default:
		c.stats.Unexpected++
	}
}

// handleSealedLong takes a packet of the handshake, which begins to be opened at the number.
func (c *Conn) handleSealedLong(now time.Duration, a *Arrival, h wire.Header, at int, seg []byte) {
	if c.hs == nil || !c.belongs(h) || a.Remote != c.path.Remote {
		c.stats.Unexpected++
		return
	}
	s := &c.hs.initial
	if h.Type == wire.Handshake {
		s = c.hs.second
	}
	if s.open == nil {
		if h.Type == wire.Handshake && c.params.Client {
			c.keep(a, seg)
		} else {
			c.stats.Unexpected++ // given up, or not begun
		}
		return
	}
	number, frames, ok := s.open.Open(seg, at, s.acks.largest, s.acks.any)
	switch {
	case !ok:
		c.stats.BadTrailers++
		return
	case s.acks.duplicate(number):
		c.stats.Duplicates++
		return
	case len(frames) == 0:
		c.breach(now, protocolError("a packet without frames"))
		return
	case !c.params.Client && !c.hs.begun && !wire.Opens(frames):
		c.stats.Malformed++
		return
	}
	c.noteFlight(a, h, len(seg))
	c.handleHandshake(now, a.At, s, h.Type, number, frames)
}

// belongs reports whether the IDs of a packet are those of the handshake.
func (c *Conn) belongs(h wire.Header) bool {
	switch {
	case c.params.Client:
		return h.Dst == c.params.Local && (c.hs.server == 0 && h.Type == wire.Accept || c.hs.server == h.Src)
	case h.Type == wire.Initial:
		return h.Dst == c.hs.firstDst && h.Src == c.peerID
	}
	return h.Dst == c.params.Local && h.Src == c.peerID
}

// noteFlight takes what follows from a packet of the handshake that was opened, whatever is in it.
func (c *Conn) noteFlight(a *Arrival, h wire.Header, size int) {
	switch {
	case c.params.Client:
		c.hs.server, c.path.Local = h.Src, a.Local
		c.path.received += size
	case h.Type == wire.Handshake:
		c.path.validated = true // the client has our ACCEPT (RFC 9000 section 8.1)
		c.hs.initial.giveUp()
	default:
		c.path.received += size
		c.beginServer(h)
	}
}

// handleSealedShort takes a short packet.
func (c *Conn) handleSealedShort(now time.Duration, a *Arrival, seg []byte) {
	dst, ok := wire.ShortDst(seg)
	k := c.secure.keys
	switch {
	case c.state == stateClosing:
		return // there may be no keys
	case !ok || dst != c.params.Local:
		c.stats.Malformed++
		return
	case a.Remote != c.path.Remote:
		c.stats.OtherPath++
		return
	case c.state == stateHandshake:
		if c.params.Client {
			c.stats.Unexpected++ // the server cannot be done before us
		} else {
			c.keep(a, seg)
		}
		return
	}
	number, frames, data, ok := c.openShort(seg)
	if !ok {
		c.stats.BadTrailers++
		if err := k.Err(); err != nil {
			c.breach(now, keyError(err))
		}
		return
	}
	if c.acks.duplicate(number) {
		c.stats.Duplicates++
		return
	}
	c.takeShort(now, a, number, frames, data)
	k.Advance(now, c.path.rtt.pto(c.peerAckDelay))
}

// maxHeldAck is how long an ACK waits for the handshaker. TLS takes a millisecond, and what it says then carries the ACK, or makes it
// needless: a handshake would have four packets more of fourteen, and a client would pad one of them to 1200 bytes.
const maxHeldAck = defaultAckDelay

// holdAck has the ACK of a packet of the handshake that has just been handled wait, if the handshaker was given something by it and
// has not answered. It leaves at once if the server may be waiting for it, because it may not send more to an address that is not
// proved.
func (c *Conn) holdAck(now time.Duration, s *cryptoSpace) {
	switch {
	case c.hs == nil || s.acks.owed == 0:
	case c.hs.fed && !s.out.waiting() && !c.starves():
		s.held = min(s.held, now+maxHeldAck)
	default:
		s.held = Never
	}
}

// starves reports whether the server may have nothing left that it may send us.
func (c *Conn) starves() bool {
	return c.params.Client && c.path.received > maxAmplification*c.path.sent-2*basePacket
}

// owesAck reports whether an ACK is to leave now.
func (s *cryptoSpace) owesAck() bool { return s.acks.owed > 0 && s.held == Never }

// handleLaterCrypto takes what the peer's handshaker says when the handshake is over.
func (c *Conn) handleLaterCrypto(f *wire.Frame, e *packetEffect) error {
	k := c.secure
	e.eliciting = true
	_, err := k.in.receive(f.Offset, f.Data)
	if err == errCryptoGaps {
		e.dropped = true
		return nil
	}
	if err != nil {
		return err
	}
	for b := k.in.take(); len(b) > 0; b = k.in.take() {
		if err := k.shaker.receive(protect.LevelData, b); err != nil {
			return err
		}
	}
	return c.hear()
}

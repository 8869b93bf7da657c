package engine

import (
	"time"

	"example.com/ebb/internal/protect"
	"example.com/ebb/internal/untrusted"
	"example.com/ebb/wire"
)

// handshakeState is the part of a connection that lives until both sides know
// each other's ID. A client repeats INITIAL until ACCEPT comes, a server ACCEPT
// until a short packet comes.
type handshakeState struct {
	timeout   time.Duration // bound on the handshake
	deadline  time.Duration // when the handshake fails; Never
	resendAt  time.Duration // when to repeat our packet
	backoff   int
	due       bool // our packet is to be sent now
	next      uint64
	sentAt    [8]time.Duration // of our last packets, by number
	cookie    []byte           // from a RETRY
	retried   bool
	yielded   bool // a dial of the peer's is about to take our place
	heard     bool // a server has had an INITIAL with parameters
	counted   bool // largest is valid: the newest number received
	largest   uint64
	largestAt time.Duration

	originalDst wire.ID // of the client's INITIAL, for a server
}

func (c *Conn) initHandshake(now time.Duration, p *Params) {
	c.hs = &handshakeState{
		timeout: p.HandshakeTimeout, deadline: Never, resendAt: Never,
		originalDst: p.OriginalDst, due: p.Client,
	}
	if p.HandshakeTimeout > 0 {
		c.hs.deadline = now + p.HandshakeTimeout
	}
}

// advanceHandshake repeats our packet, or gives up.
func (c *Conn) advanceHandshake(now time.Duration) {
	if now >= c.hs.deadline {
		c.finish(&Error{Kind: KindHandshakeTimeout, Code: wire.CodeTimeout, Reason: "no answer within " + c.hs.timeout.String()})
		return
	}
	if now >= c.hs.resendAt {
		c.hs.backoff++
		c.hs.due = true
		c.hs.resendAt = Never // set again when it is sent
	}
}

// appendHandshake appends our INITIAL or ACCEPT.
func (c *Conn) appendHandshake(now time.Duration, dst []byte) []byte {
	if !c.hs.due {
		return dst
	}
	h := wire.Header{Type: wire.Initial, Version: wire.Version, Dst: c.peerID, Src: c.params.Local, Number: c.hs.next, NumberLen: 1}
	if !c.params.Client {
		h.Type = wire.Accept
	}
	start := len(dst)
	dst = wire.Must(wire.AppendHeader(dst, h))
	if len(c.hs.cookie) > 0 {
		dst = wire.Must(wire.AppendCookie(dst, c.hs.cookie))
	}
	p := wire.Parameters{
		InitialWindow: c.recv.Limit(), MaxAckDelay: c.acks.delay,
		MaxDatagramSize: uint64(c.path.mtu.max), IdleTimeout: max(0, c.params.IdleTimeout),
	}
	dst = wire.Must(wire.AppendParameters(dst, &p))
	if c.params.Client {
		dst = wire.AppendPadding(dst, wire.MinInitialSize-wire.TrailerSize-(len(dst)-start))
	} else {
		a := wire.Ack{Delay: now - c.hs.largestAt, Received: c.stamp(c.hs.largestAt)}
		dst = wire.Must(wire.AppendAck(dst, &a, []wire.Range{{First: c.hs.largest, Last: c.hs.largest}}, 64))
	}
	dst = wire.AppendTrailer(dst, start, wire.Seed(wire.Version, h.Dst, h.Src))
	size := len(dst) - start
	if !c.path.admits(size) {
		c.hs.due = false
		return dst[:start]
	}
	c.path.sent += size
	c.hs.sentAt[c.hs.next%uint64(len(c.hs.sentAt))] = now
	c.hs.next++
	c.hs.due = false
	c.hs.resendAt = now + initialPTO<<min(c.hs.backoff, maxBackoff)
	c.path.bucket.Spend(now, size)
	c.stats.PacketsSent++
	c.stats.BytesSent += uint64(size)
	return dst
}

// handleLong processes a long packet whose trailer matched.
func (c *Conn) handleLong(now time.Duration, path Path, h wire.Header, payload []byte, size int) {
	switch h.Type {
	case wire.Initial:
		c.handleInitial(now, h, payload, size)
	case wire.Accept:
		c.handleAccept(now, path, h, payload)
	case wire.Retry:
		c.handleRetry(now, h, payload)
	case wire.Refuse:
		c.handleRefuse(h, payload)
	case wire.Versions:
		c.handleVersions(h, payload)
	case wire.Unknown:
		c.handleUnknown(path, h)
	default:
		c.stats.Unexpected++
	}
}

// handleCrossing takes the INITIAL of a dial that crosses ours. The larger ID wins. If it is ours, it goes again at once:
// the peer has sent something, so that its firewall lets ours in now. Otherwise the peer's connection is
// about to take our place, and we wait as long as its handshake may take.
func (c *Conn) handleCrossing(now time.Duration, theirs wire.ID) {
	switch {
	case c.state != stateHandshake:
		c.stats.Unexpected++
	case theirs < c.params.Local:
		c.hs.due = true
	case !c.hs.yielded && c.hs.deadline != Never:
		c.hs.yielded = true // once: what looks like the peer's INITIALs may be forged
		c.hs.deadline = now + c.hs.timeout
	}
}

// handleInitial takes the client's packet. Once the handshake is done it is a
// late duplicate.
func (c *Conn) handleInitial(now time.Duration, h wire.Header, payload []byte, size int) {
	if c.params.Client {
		c.handleCrossing(now, h.Src)
		return
	}
	if c.state != stateHandshake || h.Src != c.peerID || h.Dst != c.hs.originalDst {
		c.stats.Unexpected++
		return
	}
	c.path.received += size
	if !c.hs.heard {
		p, ok := c.handshakeParameters(wire.Initial, payload)
		if !ok {
			return
		}
		c.setPeer(p, c.peerID)
		c.hs.heard = true
	}
	number := wire.DecodeNumber(c.hs.largest, c.hs.counted, h.Number, h.NumberLen)
	if !c.hs.counted || number >= c.hs.largest {
		c.hs.counted = true
		c.hs.largest, c.hs.largestAt = number, now
	}
	c.hs.due = true
	c.lastReceived = now
}

// handshakeParameters finds the parameters in a handshake packet, which has them once.
func (c *Conn) handshakeParameters(t wire.PacketType, payload []byte) (p wire.Parameters, ok bool) {
	var f wire.Frame
	for len(payload) > 0 {
		n, err := f.Parse(payload)
		if err != nil || !f.Type.AllowedIn(t) {
			c.stats.Malformed++
			return p, false
		}
		if f.Type == wire.FrameParameters {
			if p, err = wire.ParseParameters(f.Data); err != nil || ok {
				c.stats.Malformed++
				return p, false
			}
			ok = true
		}
		payload = payload[n:]
	}
	return p, ok
}

// setPeer takes what the handshake says of the peer.
func (c *Conn) setPeer(p wire.Parameters, id wire.ID) {
	c.peerAckDelay, c.peerID = p.MaxAckDelay, id
	c.send.Admit(p.InitialWindow)
	c.offer.size = p.InitialWindow
	c.protection = protect.NewChecksum(wire.Version, c.params.Local, id)
	if p.MaxDatagramSize < uint64(c.path.mtu.max) {
		c.path.mtu.max = max(basePacket, int(p.MaxDatagramSize))
		c.path.mtu.high = min(c.path.mtu.high, c.path.mtu.max)
	}
}

// handleAccept completes a client's handshake. The CONFIRM that follows at once is
// any eliciting short packet: it is repeated until acknowledged, so that the server
// learns of us even if the application stays silent.
func (c *Conn) handleAccept(now time.Duration, path Path, h wire.Header, payload []byte) {
	if !c.params.Client || h.Dst != c.params.Local {
		c.stats.Unexpected++
		return
	}
	if c.state != stateHandshake {
		if c.state == stateEstablished && h.Src == c.peerID && !c.confirmed {
			c.due.add(wire.FramePing) // our CONFIRM was lost
		}
		return
	}
	p, ok := c.handshakeParameters(wire.Accept, payload)
	if !ok {
		return
	}
	c.sampleHandshake(now, payload)
	c.setPeer(p, h.Src)
	c.path.Local = path.Local
	c.establish(now)
	c.due.add(wire.FramePing)
}

// sampleHandshake takes the round trip from the ACK in an ACCEPT.
func (c *Conn) sampleHandshake(now time.Duration, payload []byte) {
	var f wire.Frame
	for len(payload) > 0 {
		n, err := f.Parse(payload)
		if err != nil {
			return
		}
		if f.Type == wire.FrameAck && f.Ack.Largest < c.hs.next && f.Ack.Largest+uint64(len(c.hs.sentAt)) >= c.hs.next {
			c.path.rtt.update(now-c.hs.sentAt[f.Ack.Largest%uint64(len(c.hs.sentAt))], 0)
		}
		payload = payload[n:]
	}
}

// confirmServer completes a server's handshake: the client has shown that it
// knows our ID. The round trip is known if ACCEPT left once (Karn's rule, RFC 6298 section 3).
func (c *Conn) confirmServer(now time.Duration) {
	if c.hs.next == 1 {
		c.path.rtt.update(now-c.hs.sentAt[0], 0)
	}
	c.establish(now)
}

func (c *Conn) establish(now time.Duration) {
	c.state = stateEstablished
	c.opened, c.hs = true, nil
	c.path.validated = true
	c.lastReceived, c.lastAcked, c.lastProgress = now, now, now
	c.offer.at = now
	c.setRate(now)
}

// handleRetry repeats the INITIAL with the server's cookie, once.
func (c *Conn) handleRetry(now time.Duration, h wire.Header, payload []byte) {
	var f wire.Frame
	if !c.answersDial(h) || c.hs.retried {
		c.stats.Unexpected++
		return
	}
	if _, err := f.Parse(payload); err != nil || f.Type != wire.FrameCookie {
		c.stats.Malformed++
		return
	}
	c.hs.cookie = append([]byte(nil), f.Data...)
	c.hs.retried, c.hs.due = true, true
	c.stats.Retries++
}

// handleRefuse ends a dial.
func (c *Conn) handleRefuse(h wire.Header, payload []byte) {
	var f wire.Frame
	if !c.answersDial(h) {
		c.stats.Unexpected++
		return
	}
	if _, err := f.Parse(payload); err != nil || f.Type != wire.FrameClose {
		c.stats.Malformed++
		return
	}
	c.finish(&Error{Kind: KindRefused, Code: f.Code, Reason: untrusted.Text(f.Data).String()})
}

// handleVersions ends a dial to a peer that does not speak ours.
func (c *Conn) handleVersions(h wire.Header, payload []byte) {
	if !c.answersDial(h) {
		c.stats.Unexpected++
		return
	}
	for v := range wire.ParseVersions(payload) {
		if v == wire.Version {
			c.stats.Unexpected++ // a forgery: it would have understood us
			return
		}
	}
	c.finish(&Error{Kind: KindVersion, Reason: "the peer does not speak this version of the protocol"})
}

// answersDial reports whether a packet echoes both IDs of our unanswered
// INITIAL, which only who saw it can do.
func (c *Conn) answersDial(h wire.Header) bool {
	return c.params.Client && c.state == stateHandshake && h.Dst == c.params.Local && h.Src == c.peerID
}

// handleUnknown ends a connection that the peer no longer knows: it was
// restarted.
func (c *Conn) handleUnknown(path Path, h wire.Header) {
	if h.Src != c.peerID || path.Remote != c.path.Remote || c.sent.next == 0 || c.state == stateDone {
		c.stats.Unexpected++
		return
	}
	c.end.code = wire.CodeReset
	c.finish(&Error{Kind: KindReset, Code: wire.CodeReset, Reason: "the peer does not know the connection: it was restarted or has given it up"})
}

// Opening reports whether this is a dial of which one packet, the first, was made and nothing was heard.
func (c *Conn) Opening() bool { return c.state == stateHandshake && c.params.Client && c.hs.next == 1 }

// SendFailed ends a dial whose first packet the system could not send.
func (c *Conn) SendFailed(err error) {
	c.stats.SendErrors++
	if c.Opening() {
		c.finish(&Error{Kind: KindUnreachable, Cause: err})
	}
}

package engine

import (
	"slices"
	"time"

	"example.com/ebb/internal/protect"
	"example.com/ebb/internal/stream"
	"example.com/ebb/internal/untrusted"
	"example.com/ebb/wire"
)

// handshakeState is the part of a connection that lives until both sides know each other: for a client until the
// handshaker is done, for a server until a short packet comes.
type handshakeState struct {
	timeout  time.Duration // bound on the handshake
	deadline time.Duration // when the handshake fails; Never
	yielded  bool          // a dial of the peer's is about to take our place

	shaker  handshaker
	begun   bool         // the handshaker is: a client's with its first packet, a server's with the client's
	plain   *plainState  // what this is part of; nil: a protected connection's
	initial cryptoSpace  // INITIAL and ACCEPT
	second  *cryptoSpace // HANDSHAKE; nil in plain connections
	done    bool         // the handshaker is
	fed     bool         // it was given something, by the packet that is being handled

	completedAt time.Duration // of a protected client

	firstDst wire.ID  // destination of the client's INITIAL
	server   wire.ID  // the server's ID; 0: not known yet
	cookies  [][]byte // a client: those of the RETRYs that it has followed, the newest last. A server: that of the first INITIAL
}

// cryptoSpace is a packet-number space of the handshake, and the crypto stream in it.
type cryptoSpace struct {
	space
	level level
	out   cryptoSend
	in    cryptoRecv
	seal  protect.Sealer // nil: the space has no keys, yet or any more
	open  protect.Opener // nil: likewise, or the peer is not known yet

	elicited int           // ack-eliciting packets sent
	held     time.Duration // until when an ACK waits for the handshaker, which is at work; Never: none does
}

func (s *cryptoSpace) init() {
	s.acks.due, s.loss.due, s.held = Never, Never, Never
	s.in.most = wire.MaxMessage
}

// giveUp ends a space that is not needed any more. What was on the way in it is neither acknowledged nor lost.
func (s *cryptoSpace) giveUp() { *s = cryptoSpace{level: s.level} }

// spaces calls f for those that have keys, in the order of their levels, until it returns false.
func (h *handshakeState) spaces(f func(s *cryptoSpace) bool) {
	if h.initial.seal != nil && !f(&h.initial) {
		return
	}
	if h.second != nil && h.second.seal != nil {
		f(h.second)
	}
}

// at is the space of a level of the handshake.
func (h *handshakeState) at(l level) *cryptoSpace {
	if l == protect.LevelInitial {
		return &h.initial
	}
	return h.second
}

func (c *Conn) initHandshake(now time.Duration, p *Params) {
	if p.Handshake == nil {
		plain := new(plainState)
		plain.plain, c.hs = plain, &plain.handshakeState
	} else {
		c.hs = new(handshakeState)
	}
	hs := c.hs
	hs.timeout, hs.deadline, hs.firstDst, hs.server = p.HandshakeTimeout, Never, p.OriginalDst, p.Local
	if p.HandshakeTimeout > 0 {
		hs.deadline = now + p.HandshakeTimeout
	}
	hs.initial.init()
	if p.Client {
		hs.firstDst, hs.server = p.Peer, 0
	}
	if hs.plain == nil {
		c.initSecure(p)
		return
	}
	hs.plain.init(p)
}

// plainState is what the handshake of a plain connection takes, unless packets of it are lost, in one allocation: there may be many
// dials.
type plainState struct {
	handshakeState
	exchange   plainHandshake
	seal, open protect.Checksum
	sent       sentTables
	received   [2]wire.Range
	acked, in  [1]stream.Span
	said, came message
}

func (h *plainState) init(p *Params) {
	h.exchange.client, h.shaker = p.Client, &h.exchange
	s := &h.initial
	s.sent.equip(&h.sent)
	s.acks.ranges = h.received[:0]
	s.out.b, s.out.acked = h.said[:0], h.acked[:0]
	s.in.b, s.in.have = h.came[:0], h.in[:0]
	h.seal = protect.NewChecksum(wire.Version, p.Local, p.Peer)
	s.seal = &h.seal
	if !p.Client {
		h.listen(protect.NewChecksum(wire.Version, p.OriginalDst, p.Peer))
	}
}

// listen has the packets opened that the other side seals.
func (h *plainState) listen(open protect.Checksum) {
	h.open = open
	h.initial.open = &h.open
}

// startHandshake starts the handshaker, once what our parameters repeat is known.
func (c *Conn) startHandshake() {
	ours := wire.Parameters{
		InitialWindow: c.recv.Limit(), MaxAckDelay: c.acks.delay,
		MaxDatagramSize: uint64(c.path.mtu.max), IdleTimeout: max(0, c.params.IdleTimeout),
		Version: c.version(), FirstDst: c.hs.firstDst, Src: c.params.Local,
	}
	if !c.params.Client {
		ours.Dst = c.peerID
		if len(c.hs.cookies) > 0 {
			ours.Cookie = c.hs.cookies[0]
		}
	}
	c.hs.begun = true
	c.hs.shaker.start(ours)
}

// hear does what follows from what the handshaker has learnt or has to say.
func (c *Conn) hear() error {
	for {
		if c.secure != nil {
			e := c.secure.shaker.next()
			if e.kind == eventNone {
				return nil
			}
			if err := c.hearSecure(&e); err != nil {
				return err
			}
			continue
		}
		switch e := c.hs.shaker.next(); e.kind {
		case eventSend:
			c.hs.initial.out.write(e.data)
		case eventPeer:
			if err := c.checkPeer(&e.peer); err != nil {
				return err
			}
			c.setPeer(&e.peer)
		case eventDone:
			c.hs.done = true
		default:
			return nil
		}
	}
}

// checkPeer compares what the peer says of the handshake with what we have seen of it (RFC 9000 section 7.3). Where packets
// are authenticated it shows that nobody has changed the headers of the first ones, which are not.
func (c *Conn) checkPeer(p *wire.Parameters) error {
	peer, dst := c.peerID, wire.ID(0)
	cookieSeen := len(p.Cookie) == 0
	if c.params.Client {
		peer, dst = c.hs.server, c.params.Local
		cookieSeen = cookieSeen || slices.ContainsFunc(c.hs.cookies, func(b []byte) bool { return string(b) == string(p.Cookie) })
	}
	switch {
	case p.Version != c.version():
		return parameterError("the handshake was begun with another version")
	case p.FirstDst != c.hs.firstDst, p.Src != peer, p.Dst != dst:
		return parameterError("the handshake was begun with other connection IDs")
	case !cookieSeen:
		return parameterError("the handshake was begun with another cookie")
	}
	return nil
}

// setPeer takes what the handshake says of the peer.
func (c *Conn) setPeer(p *wire.Parameters) {
	c.peerAckDelay, c.peerID = p.MaxAckDelay, p.Src
	c.send.Admit(p.InitialWindow)
	c.offer.size = p.InitialWindow
	if c.secure == nil {
		c.protection = protect.NewChecksum(wire.Version, c.params.Local, p.Src)
	}
	if p.MaxDatagramSize < uint64(c.path.mtu.max) {
		c.path.mtu.max = max(basePacket, int(p.MaxDatagramSize))
		c.path.mtu.high = min(c.path.mtu.high, c.path.mtu.max)
	}
}

// establish completes the handshake.
func (c *Conn) establish(now time.Duration) {
	c.state = stateEstablished
	c.opened, c.hs = true, nil
	c.path.validated = true
	c.lastReceived, c.lastAcked, c.lastProgress = now, now, now
	c.offer.at = now
	c.setRate(now)
	if c.rare != nil {
		c.rare.establish(now)
	}
}

// confirmServer completes a server's handshake: the client has shown that it
// knows our ID. The round trip is known if one packet alone was to be answered (Karn's rule, RFC 6298 section 3).
func (c *Conn) confirmServer(now, at time.Duration) {
	if s := &c.hs.initial; s.elicited == 1 && !s.sent.records.empty() && c.path.rtt.smoothed == 0 {
		c.path.rtt.update(at-s.sent.records.at(s.sent.records.base).sentAt, 0)
	}
	c.establish(now)
}

// handleInitial takes the client's packet. Once the handshake is done it is a
// late duplicate.
func (c *Conn) handleInitial(now, at time.Duration, h wire.Header, payload, seg []byte) {
	if c.params.Client {
		c.handleCrossing(now, h, seg)
		return
	}
	if c.state != stateHandshake || h.Src != c.peerID || h.Dst != c.hs.firstDst {
		c.stats.Unexpected++
		return
	}
	number, ok := c.openHandshake(h, payload, seg)
	if !ok {
		return
	}
	c.path.received += len(seg)
	c.beginServer(h)
	c.handleHandshake(now, at, &c.hs.initial, h.Type, number, payload)
}

// beginServer begins a server's handshake with the first INITIAL.
func (c *Conn) beginServer(h wire.Header) {
	if c.hs.begun {
		return
	}
	if len(h.Cookie) > 0 {
		c.hs.cookies = [][]byte{slices.Clone(h.Cookie)}
	}
	c.startHandshake()
}

// confirmDelay is how long a CONFIRM waits for bytes of the application that may come with it (Params.HoldConfirm). On a connection that
// begins with a request that saves two packets of ten: the CONFIRM, and the ACK of it and the request, which goes with the answer then.
const confirmDelay = time.Millisecond

// holdConfirm has the CONFIRM of a client whose handshake is complete wait for bytes, if that is wanted.
func (c *Conn) holdConfirm(now time.Duration) {
	c.confirms = true
	if c.hs != nil { // of a protected connection, where TLS has taken its time since the last packet
		c.hs.completedAt = now
	}
	if !c.params.HoldConfirm {
		c.Confirm()
	}
}

// confirmTime is when the CONFIRM leaves alone.
func (c *Conn) confirmTime() time.Duration {
	switch {
	case !c.confirms:
		return Never
	case c.hs != nil:
		return c.hs.completedAt + confirmDelay
	}
	return c.lastReceived + confirmDelay
}

// Confirm has the CONFIRM leave now if it waits for bytes, and reports whether it did: the application waits for the peer.
func (c *Conn) Confirm() bool {
	if !c.confirms {
		return false
	}
	c.confirms = false
	c.due.add(wire.FramePing)
	return true
}

// handleAccept takes the server's packet. The last of them completes a client's handshake. The CONFIRM that follows
// is any eliciting short packet: it is repeated until acknowledged, so that the server
// learns of us even if the application stays silent.
func (c *Conn) handleAccept(now time.Duration, a *Arrival, h wire.Header, payload, seg []byte) {
	switch {
	case !c.params.Client || h.Dst != c.params.Local:
		c.stats.Unexpected++
		return
	case c.state == stateEstablished && h.Src == c.peerID && !c.confirmed && wire.Verify(seg, wire.Seed(h.Version, h.Dst, h.Src)):
		c.due.add(wire.FramePing) // our CONFIRM was lost
		return
	case c.state != stateHandshake || c.hs.server != 0 && c.hs.server != h.Src:
		c.stats.Unexpected++
		return
	}
	if c.hs.server == 0 {
		c.hs.plain.listen(protect.NewChecksum(h.Version, h.Dst, h.Src))
	}
	number, ok := c.openHandshake(h, payload, seg)
	if !ok {
		return
	}
	c.hs.server, c.path.Local = h.Src, a.Local
	c.handleHandshake(now, a.At, &c.hs.initial, h.Type, number, payload)
}

// openHandshake verifies a packet of the handshake and returns its number, if it is new.
func (c *Conn) openHandshake(h wire.Header, payload, seg []byte) (number uint64, ok bool) {
	s := &c.hs.initial
	at := len(seg) - s.seal.Overhead() - len(payload) - h.NumberLen
	if number, _, ok = s.open.Open(seg, at, s.acks.largest, s.acks.any); !ok {
		c.stats.BadTrailers++
		return 0, false
	}
	if s.acks.duplicate(number) {
		c.stats.Duplicates++
		return 0, false
	}
	return number, true
}

// handleHandshake takes the frames of an INITIAL, ACCEPT or HANDSHAKE. A frame that breaks the protocol ends the handshake.
func (c *Conn) handleHandshake(now, at time.Duration, s *cryptoSpace, t wire.PacketType, number uint64, payload []byte) {
	if c.trace != nil {
		c.traceReceived(now, t, number, payload)
	}
	eliciting := false
	c.hs.fed = false
	for len(payload) > 0 && c.state < stateClosing {
		var f wire.Frame
		n, err := f.ParseIn(t, payload)
		if err != nil {
			c.breach(now, protocolError(err.Error()))
			return
		}
		payload = payload[n:]
		eliciting = eliciting || f.Type.AckEliciting()
		switch err = c.handleHandshakeFrame(now, at, s, &f); err {
		case nil:
		case errCryptoGaps:
			c.stats.GapDrops++
			return
		default:
			c.breach(now, err)
			return
		}
	}
	c.lastReceived = now
	s.acks.receive(now, at, number, eliciting, true)
	if c.secure != nil {
		c.holdAck(now, s)
		c.progress(now)
		return
	}
	if c.params.Client && c.state == stateHandshake && c.hs.done {
		c.establish(now)
		c.holdConfirm(now)
	}
}

// handleHandshakeFrame takes one frame of a packet of the handshake.
func (c *Conn) handleHandshakeFrame(now, at time.Duration, s *cryptoSpace, f *wire.Frame) error {
	switch f.Type {
	case wire.FrameAck, wire.FrameAckECN:
		return c.handleHandshakeAck(now, at, s, &f.Ack)
	case wire.FrameCrypto:
		return c.handleCrypto(s, f)
	case wire.FrameClose:
		err := peerError(f.Code, untrusted.Text(f.Data))
		if f.Code == wire.CodeRefused || f.Code == wire.CodeBusy {
			err.Kind = KindRefused
		}
		if c.trace != nil {
			c.tracePeerEnd(f.Code)
		}
		c.end.code = wire.CodeReset
		c.finish(err)
	}
	return nil
}

// handleCrypto takes bytes of the peer's handshake. If they are not new, the peer seems not to have got our answer: what is
// on the way of it is sent again before its timeout (RFC 9002 section 6.2.3).
func (c *Conn) handleCrypto(s *cryptoSpace, f *wire.Frame) error {
	fresh, err := s.in.receive(f.Offset, f.Data)
	if err != nil {
		return err
	}
	if !fresh {
		s.repeat()
		return nil
	}
	for b := s.in.take(); len(b) > 0; b = s.in.take() {
		if err := c.hs.shaker.receive(s.level, b); err != nil {
			return err
		}
		c.hs.fed = true
	}
	return c.hear()
}

// handleLong processes a long packet.
func (c *Conn) handleLong(now time.Duration, a *Arrival, h wire.Header, payload, seg []byte) {
	switch h.Type {
	case wire.Initial:
		c.handleInitial(now, a.At, h, payload, seg)
		return
	case wire.Accept:
		c.handleAccept(now, a, h, payload, seg)
		return
	}
	if !wire.Verify(seg, wire.Seed(h.Version, h.Dst, h.Src)) {
		c.stats.BadTrailers++
		return
	}
	if c.trace != nil {
		c.traceAnswer(now, h.Type)
	}
	switch h.Type {
	case wire.Retry:
		c.handleRetry(h, payload)
	case wire.Refuse:
		c.handleRefuse(h, payload)
	case wire.Versions:
		c.handleVersions(h, payload)
	case wire.Unknown:
		c.handleUnknown(a.Path, h)
	default:
		c.stats.Unexpected++
	}
}

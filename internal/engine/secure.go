package engine

import (
	"slices"
	"time"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// secured is what a protected connection has besides. Its handshake has two levels, whose packets are sealed with keys that
// the handshaker has made; what that says after the handshake travels in short packets.
type secured struct {
	shaker handshaker
	keys   *protect.DataKeys // nil: there are none yet
	peer   *wire.Parameters  // what the peer says, until the handshake shows that it is the peer; nil: nothing, or it was used
	early  []earlyPacket     // that came before their keys
	out    cryptoSend        // of the data level
	in     cryptoRecv        // likewise
	limits protect.Limits    // of keys
	last   []byte            // what a tombstone repeats; nil: the connection lives, or never did

	ours, theirs [wire.ResetTokenSize]byte // reset tokens
	told, known  bool                      // theirs is; the peer has ours
}

// earlyPacket is a packet that came before its keys.
type earlyPacket struct {
	Arrival
	seg []byte
}

const (
	// maxEarly is how many packets wait for keys. The handshaker may be at work on another goroutine while the rest of a
	// flight arrives, or the first data; without them each handshake would wait for a timeout (RFC 9001 section 5.7).
	maxEarly = 8
	// minSecureShort is the least size of an ack-eliciting short packet, so that UNKNOWN with a token may answer it.
	minSecureShort = 36
	// minSealed is how many bytes number and frames have at least.
	minSealed = 4
	// lastBatch is how many packets are left to a key, at least, when a batch begins.
	lastBatch = 64
)

// version is that of the connection.
func (c *Conn) version() uint32 {
	if c.secure != nil {
		return wire.VersionProtected
	}
	return wire.Version
}

// initSecure begins a protected connection. The keys of the initial level come from what the client made up.
func (c *Conn) initSecure(p *Params) {
	s := &c.hs.initial
	seal, open, err := protect.NewInitialKeys(c.hs.firstDst, p.Client)
	if err != nil {
		panic("BUG: AES-128-GCM is refused, which TLS needs: " + err.Error())
	}
	s.seal, s.open = seal, open
	c.hs.second = &cryptoSpace{level: protect.LevelHandshake}
	c.hs.second.init()
	h := &secureHandshake{make: p.Handshake}
	c.secure = &secured{shaker: h, limits: p.KeyLimits, ours: p.ResetToken}
	c.secure.in.most = wire.MaxMessage
	c.hs.shaker = h
}

// parameterList is what we say of ourselves, as TLS carries it: the message of a plain connection without its length.
func parameterList(p *wire.Parameters) []byte {
	list, ok, err := wire.CutMessage(wire.Must(wire.AppendParameters(nil, p)))
	if err != nil || !ok {
		panic("BUG: our own parameters are not whole")
	}
	return list
}

// secureHandshake is the handshaker of a protected connection: TLS, or what stands in for it in a simulation.
type secureHandshake struct {
	protect.Handshake // nil: it was not started
	make              func(ours []byte) protect.Handshake
}

func (h *secureHandshake) start(ours wire.Parameters) {
	h.Handshake = h.make(parameterList(&ours))
	h.Start()
}

func (h *secureHandshake) receive(l level, b []byte) error {
	if err := h.Receive(l, b); err != nil {
		return &Error{Kind: KindProtocol, Code: wire.CodeFlowControl, Reason: err.Error()}
	}
	return nil
}

func (h *secureHandshake) next() event {
	e := h.Next()
	switch e.Kind {
	case protect.EventSend:
		return event{kind: eventSend, level: e.Level, data: e.Data}
	case protect.EventSealSecret:
		return event{kind: eventSealSecret, level: e.Level, data: e.Data, suite: e.Suite}
	case protect.EventOpenSecret:
		return event{kind: eventOpenSecret, level: e.Level, data: e.Data, suite: e.Suite}
	case protect.EventPeer:
		p, err := wire.ParseParameters(e.Data)
		if err != nil {
			return event{kind: eventFailed, err: parameterError(err.Error())}
		}
		return event{kind: eventPeer, peer: p}
	case protect.EventDone:
		return event{kind: eventDone}
	case protect.EventFailed:
		return event{kind: eventFailed, err: &Error{
			Kind: KindTLS, Code: wire.CodeAlert + wire.Code(e.Alert), Reason: e.Err.Error(), Cause: e.Err,
		}}
	}
	return event{}
}

// hearSecure does what follows from an event of a protected handshake.
func (c *Conn) hearSecure(e *event) error {
	k := c.secure
	switch e.kind {
	case eventSend:
		if e.level == protect.LevelData {
			k.out.write(e.data)
			c.due.add(wire.FrameCrypto)
		} else if c.hs != nil {
			c.hs.at(e.level).out.write(e.data)
		}
	case eventSealSecret, eventOpenSecret:
		return c.install(e)
	case eventPeer:
		peer := e.peer // a copy, so that the other events need no memory
		peer.Cookie = slices.Clone(peer.Cookie)
		k.peer = &peer
	case eventDone:
		if k.peer == nil || k.keys == nil || !k.keys.Ready() {
			return protocolError("a handshake without parameters or keys")
		}
		if err := c.checkPeer(k.peer); err != nil {
			return err
		}
		c.setPeer(k.peer)
		c.hs.done, k.peer = true, nil
	case eventFailed:
		return e.err
	}
	return nil
}

// install takes a secret of the handshake.
func (c *Conn) install(e *event) (err error) {
	k := c.secure
	if e.level == protect.LevelData && k.keys == nil {
		k.keys, err = protect.NewDataKeys(e.suite, k.limits)
	}
	switch {
	case err != nil || c.hs == nil:
	case e.level == protect.LevelData && e.kind == eventSealSecret:
		err = k.keys.SetSend(e.data)
	case e.level == protect.LevelData:
		err = k.keys.SetRecv(e.data)
	case e.kind == eventSealSecret:
		c.hs.second.seal, err = protect.NewSealKey(e.suite, e.data)
	default:
		c.hs.second.open, err = protect.NewOpenKey(e.suite, e.data)
	}
	if c.trace != nil {
		c.traceSecret(e.level, e.kind == eventSealSecret)
	}
	if err != nil {
		return &Error{Kind: KindTLS, Code: wire.CodeInternal, Reason: err.Error(), Cause: err}
	}
	return nil
}

// HandshakeNews is to be called when the handshake that Params.Handshake has made has new events.
func (c *Conn) HandshakeNews(now time.Duration) {
	if c.secure == nil || c.secure.shaker == nil || c.state >= stateClosing || !c.Begun() {
		return
	}
	c.notice(now)
	if err := c.hear(); err != nil {
		c.breach(now, err)
		if c.params.Client && c.hs != nil && c.hs.server == 0 && c.hs.initial.sent.next == 0 {
			c.finish(err) // it was TLS here that did not begin, and nobody is to be told
		}
		return
	}
	c.progress(now)
}

// progress completes the handshake, if it is done, and opens what has waited for keys.
func (c *Conn) progress(now time.Duration) {
	if c.state == stateHandshake && c.hs.done && c.secure != nil {
		c.establishSecure(now)
	}
	if c.secure == nil || len(c.secure.early) == 0 {
		return
	}
	early := c.secure.early
	c.secure.early = nil
	for _, p := range early {
		c.handleSealed(now, &p.Arrival, p.seg) // which keeps what is still too early
	}
}

// establishSecure completes the handshake. For the client it is not confirmed yet: the server may lack the last of what it said.
func (c *Conn) establishSecure(now time.Duration) {
	hs := c.hs
	c.establish(now)
	if c.params.Client {
		c.hs = hs
		hs.initial.giveUp()
		c.holdConfirm(now)
		return
	}
	c.confirm()
}

// confirm is called when both sides are known to have all that the handshake needs.
func (c *Conn) confirm() {
	c.hs = nil
	c.secure.keys.Confirm()
	c.due.add(wire.FrameResetToken)
}

// sealLast makes what a tombstone repeats, as long as there are keys: the end of the stream, if the peer may lack it, and CLOSE.
func (c *Conn) sealLast() {
	k := c.secure
	if k == nil || k.keys == nil || !c.opened {
		return
	}
	b := wire.Must(wire.AppendShort(make([]byte, 0, maxLastWords), c.peerID, c.sent.next, 4))
	body := len(b)
	f := c.FinalState()
	if f.Fin {
		b = wire.Must(wire.AppendDataHeader(b, f.Final, 0, true, false))
	}
	if f.Stop {
		b = wire.AppendStop(b, wire.CodeNone)
	}
	k.last = k.keys.Seal(wire.AppendClose(b, f.Code, ""), 0, body, c.sent.next)
	k.keys, k.shaker = nil, nil
}

// maxLastWords is how many bytes LastWords has at most: a header, three frames with a number each or two, and the tag.
const maxLastWords = 80

// Begun reports whether the handshake has begun: whether a server has had a packet that opens a connection. Of a protected one
// nobody can tell before it is opened here; a connection that has not begun with its first packet is to be forgotten.
func (c *Conn) Begun() bool { return c.state != stateHandshake || c.hs.begun }

// LastWords is, of a protected connection that has ended, the one packet that answers what comes later; nil: there is no answer.
func (c *Conn) LastWords() []byte {
	if c.secure == nil {
		return nil
	}
	return c.secure.last
}

// keep keeps a packet that came before its keys.
func (c *Conn) keep(a *Arrival, seg []byte) {
	k := c.secure
	if len(k.early) == maxEarly || !c.path.validated {
		c.stats.Unexpected++
		return
	}
	k.early = append(k.early, earlyPacket{*a, slices.Clone(seg)})
}

// secureAck does what an ACK of a short packet means for keys. The first confirms the handshake (RFC 9001 section 4.1.2).
func (c *Conn) secureAck(largest uint64) error {
	if c.hs != nil && c.confirmed {
		c.confirm()
	}
	if !c.secure.keys.Acked(largest) {
		return keyError(c.secure.keys.Err())
	}
	return nil
}

// keyError is what ends a connection for its keys' sake.
func keyError(err error) *Error {
	code := wire.CodeKeyLimit
	if err == protect.ErrKeyUpdate {
		code = wire.CodeKeyUpdate
	}
	return &Error{Kind: KindProtocol, Code: code, Reason: err.Error(), Cause: err}
}

// spendKeys ends a connection whose keys are used up before it could not say so any more.
func (c *Conn) spendKeys(now time.Duration) {
	if c.secure != nil && c.state == stateEstablished && c.secure.keys.Room() < lastBatch {
		c.fail(now, keyError(protect.ErrLimit))
	}
}

// overhead is what a short packet ends in.
func (c *Conn) overhead() int {
	if c.secure != nil {
		return protect.TagSize
	}
	return wire.TrailerSize
}

// minShort is the least size of an ack-eliciting short packet.
func (c *Conn) minShort() int {
	if c.secure != nil {
		return minSecureShort
	}
	return wire.MinShortSize
}

// sealShort ends the short packet with a number that begins at b[start], and its frames at b[body].
func (c *Conn) sealShort(b []byte, start, body int, number uint64) []byte {
	if c.secure != nil {
		return c.secure.keys.Seal(b, start, body, number)
	}
	return c.protection.End(b, start)
}

// keysTime is when old keys go.
func (c *Conn) keysTime() time.Duration {
	if c.secure != nil {
		if at, ok := c.secure.keys.NextTimeout(); ok {
			return at
		}
	}
	return Never
}

package engine

import (
	"time"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// HandleSegment takes one datagram that arrived for the connection. seg is
// borrowed. Whatever is wrong with it is counted; only a frame that breaks the
// protocol inside a packet that is the peer's ends the connection.
//
// Two times are told. What is measured of the path (round trips, receive times, delivery rates, the delay of an ACK) counts
// from the arrival, so that a reader that comes late is no queue. What the connection does next, and its life, count
// from now.
func (c *Conn) HandleSegment(now time.Duration, a *Arrival, seg []byte) {
	if a.At > now {
		early := *a
		early.At = now
		a = &early
	}
	c.stats.PacketsReceived++
	c.stats.BytesReceived += uint64(len(seg))
	if c.state == stateDone {
		return
	}
	c.notice(now)
	if c.trace != nil {
		c.handleTraced(now, a, seg)
		return
	}
	c.handleSegment(now, a, seg)
}

// handleSegment is HandleSegment of a connection that lives.
func (c *Conn) handleSegment(now time.Duration, a *Arrival, seg []byte) {
	if c.secure != nil {
		c.handleSealed(now, a, seg)
		return
	}
	if wire.IsLong(seg) {
		h, payload, err := wire.ParseHeader(seg)
		if err != nil {
			h, err = parseUnknown(seg, wire.VersionProtected) // whoever lost the connection does not know its version
		}
		if err != nil {
			c.stats.Malformed++
			return
		}
		c.handleLong(now, a, h, payload, seg)
		return
	}
	c.handleShort(now, a, seg)
}

// parseUnknown is wire.ParseAnswer for UNKNOWN of a version alone.
func parseUnknown(seg []byte, version uint32) (wire.Header, error) {
	h, _, err := wire.ParseAnswer(seg, version)
	if err == nil && h.Type != wire.Unknown {
		err = wire.ErrMalformed
	}
	return h, err
}

// handleShort takes a short packet.
func (c *Conn) handleShort(now time.Duration, a *Arrival, seg []byte) {
	if c.protection == (protect.Checksum{}) {
		c.stats.Unexpected++ // the peer cannot know us yet
		return
	}
	if !c.protection.Verify(seg) {
		c.stats.BadTrailers++
		return
	}
	if a.Remote != c.path.Remote {
		c.stats.OtherPath++
		return
	}
	dst, truncated, numberLen, payload, err := wire.ParseShort(seg)
	if err != nil || dst != c.params.Local {
		c.stats.Malformed++
		return
	}
	number := wire.DecodeNumber(c.acks.largest, c.acks.any, truncated, numberLen)
	if c.acks.duplicate(number) {
		c.stats.Duplicates++
		return
	}
	if c.state == stateHandshake {
		if c.params.Client || !c.hs.done {
			c.stats.Unexpected++
			return
		}
		c.confirmServer(now, a.At)
	}
	c.takeShort(now, a, number, payload, nil)
}

// takeShort takes a short packet that is the peer's and is new. data is as of handleFrames.
func (c *Conn) takeShort(now time.Duration, a *Arrival, number uint64, payload, data []byte) {
	c.path.Local = a.Local
	c.lastReceived = now
	c.unanswered = Never
	c.believe()
	if c.handleFrames(now, a.At, number, payload, data) {
		c.ecnSeen[a.ECN&3]++
	}
}

// packetEffect is what the frames of a packet add up to.
type packetEffect struct {
	number    uint64 // the packet's
	eliciting bool
	urgent    bool // acknowledge at once
	dropped   bool // do not acknowledge: something did not fit
}

// handleFrames processes a packet's frames and notes its number. It reports whether the
// packet will be acknowledged. data, unless it is nil, is all that the frames are: the next bytes of the stream.
func (c *Conn) handleFrames(now, at time.Duration, number uint64, payload, data []byte) bool {
	if c.trace != nil {
		c.traceReceived(now, wire.Short, number, payload)
	}
	e := packetEffect{number: number}
	if len(payload) == 0 {
		c.breach(now, protocolError("a packet without frames"))
		return false
	}
	if data != nil {
		e.eliciting, payload = true, nil
		if err := c.handleData(c.recv.Next(), data, false, &e); err != nil {
			c.breach(now, err)
			return false
		}
	}
	for len(payload) > 0 && c.state == stateEstablished {
		n, err := c.handleFirst(now, at, payload, &e)
		if err != nil {
			c.breach(now, err)
			return false
		}
		payload = payload[n:]
	}
	if e.dropped {
		c.stats.GapDrops++
		return false
	}
	c.acks.receive(now, at, number, e.eliciting, e.urgent)
	c.closeIfDone(now)
	return true
}

// handleFirst processes the first frame of b and returns its size. DATA, which most are, goes
// past the frame that holds any.
func (c *Conn) handleFirst(now, at time.Duration, b []byte, e *packetEffect) (int, error) {
	if wire.IsData(b) {
		offset, data, fin, n, err := wire.ParseData(b)
		if err != nil {
			return 0, protocolError(err.Error())
		}
		e.eliciting = true
		return n, c.handleData(offset, data, fin, e)
	}
	var f wire.Frame
	n, err := f.Parse(b)
	if err == nil && f.Type == wire.FrameCrypto && c.secure != nil {
		return n, c.handleLaterCrypto(&f, e)
	}
	if err == nil && !f.Type.AllowedIn(wire.Short) {
		err = wire.ErrMalformed
	}
	if err != nil {
		return 0, protocolError(err.Error())
	}
	return n, c.handleFrame(now, at, &f, e)
}

// breach ends the connection because the peer broke the protocol.
func (c *Conn) breach(now time.Duration, err error) {
	c.stats.ProtocolErrors++
	e, ok := err.(*Error)
	if !ok {
		panic("BUG: a breach without a kind: " + err.Error())
	}
	c.fail(now, e)
}

func (c *Conn) handleFrame(now, at time.Duration, f *wire.Frame, e *packetEffect) error {
	e.eliciting = e.eliciting || f.Type.AckEliciting()
	if f.Type == wire.FrameAck || f.Type == wire.FrameAckECN {
		err := c.handleAck(now, at, &f.Ack, e.number)
		if err == nil && c.secure != nil {
			err = c.secureAck(f.Ack.Largest)
		}
		return err
	}
	control := controlFrameOf(f.Type)
	if control == nil {
		return protocolError("unexpected frame " + f.Type.String())
	}
	urgent, err := control.handle(c, now, *f)
	e.urgent = e.urgent || urgent
	return err
}

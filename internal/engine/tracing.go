package engine

import (
	"time"

	"example.com/ebb/internal/protect"
	"example.com/ebb/trace"
	"example.com/ebb/wire"
)

// This file tells a tracer what happens. Most connections have none, and pay a comparison with nil for each event.
// Packets are told of where they are sent and handled. Whatever is a state is compared with what was told last, after all that
// may change it, so that no place that changes it has to know of this.

// tracing is what a connection with a tracer has besides.
type tracing struct {
	tell  trace.Tracer
	event trace.Event // the one that is told, used again

	came   int   // size of the datagram that is being handled
	unused Stats // as of when a packet was last not used

	// What was told last.
	state      string
	limit      Limit
	size       int
	searched   bool
	ecn        markPhase
	sent, recv uint64 // phases of keys
	congestion string
	metrics    trace.Metrics
	measuredAt time.Duration
	queues     bool // the congestion controller measures queues, as it has met one

	peerEnded bool
	code      wire.Code // that the peer has ended the connection with
}

// minMeasured is the least time between two events of Measured, but for losses and timeouts, which are told at once. At 10 Gbit/s an ACK
// comes every few microseconds.
const minMeasured = time.Millisecond

// limitNone is no Limit: none was told.
const limitNone = Limits

// startTrace begins with what does not change.
func (c *Conn) startTrace(now time.Duration, tell trace.Tracer) {
	if tell == nil {
		return
	}
	c.trace = &tracing{tell: tell, limit: limitNone, size: c.path.mtu.size, ecn: c.path.ecn.phase}
	e := c.traced(now, trace.RecoverySet)
	e.Recovery = trace.Recovery{
		PacketThreshold: packetThreshold, TimeThreshold: 9. / 8, Granularity: granularity,
		DatagramSize: c.path.mtu.size, InitialWindow: c.path.cc.Window(), PersistentTimeout: persistentPTOs,
	}
	c.trace.tell(e)
	c.traceChanges(now)
}

// traced is the event to be told next.
func (c *Conn) traced(now time.Duration, kind trace.Kind) *trace.Event {
	e := &c.trace.event
	e.Kind, e.Time = kind, max(now, c.noticed, e.Time)
	return e
}

// traceSent tells of a packet that leaves. frames is what is in it, in clear.
func (c *Conn) traceSent(now time.Duration, t wire.PacketType, number uint64, size int, frames []byte, r *sentPacket) {
	e := c.traced(now, trace.Sent)
	e.Packet = trace.Packet{Type: t, Numbered: true, Number: number, Size: size, Frames: frames, SizeProbe: r.has(isProbe), Probe: c.loss.probes > 0}
	c.trace.tell(e)
	e.Packet.Frames = nil
}

// traceReceived tells of a packet of the peer's that was opened.
func (c *Conn) traceReceived(now time.Duration, t wire.PacketType, number uint64, frames []byte) {
	e := c.traced(now, trace.Received)
	e.Packet = trace.Packet{Type: t, Numbered: true, Number: number, Size: c.trace.came, Frames: frames}
	c.trace.tell(e)
	if c.trace != nil {
		e.Packet.Frames = nil
	}
}

// traceAnswer tells of one that answers without a connection.
func (c *Conn) traceAnswer(now time.Duration, t wire.PacketType) {
	e := c.traced(now, trace.Received)
	e.Packet = trace.Packet{Type: t, Size: c.trace.came}
	c.trace.tell(e)
}

// traceLost tells of a packet that is declared lost.
func (c *Conn) traceLost(now time.Duration, t wire.PacketType, p *sentPacket, counted bool) {
	e := c.traced(now, trace.Lost)
	e.Packet = trace.Packet{Type: t, Numbered: true, Number: p.number, Size: int(p.size), SizeProbe: p.has(isProbe)}
	e.Reason = trace.AfterTheDelay
	if counted {
		e.Reason = trace.AfterOthers
	}
	c.trace.tell(e)
}

// traceSpurious tells of a packet that was declared lost and has arrived.
func (c *Conn) traceSpurious(p *sentPacket) {
	e := c.traced(c.noticed, trace.Spurious)
	e.Packet = trace.Packet{Type: wire.Short, Numbered: true, Number: p.number, Size: int(p.size), SizeProbe: p.has(isProbe)}
	c.trace.tell(e)
}

// handleTraced is handleSegment where there is a tracer: what was counted as not used is told of.
func (c *Conn) handleTraced(now time.Duration, a *Arrival, seg []byte) {
	size, kind := len(seg), claimedType(seg) // it is opened where it stands
	c.trace.came = size
	c.handleSegment(now, a, seg)
	if c.trace == nil {
		return // it was the last
	}
	if c.stats.unused() != c.trace.unused.unused() {
		reason := dropped(&c.trace.unused, &c.stats)
		c.trace.unused = c.stats
		e := c.traced(now, trace.Dropped)
		e.Packet, e.Reason = trace.Packet{Type: kind, Size: size}, reason
		c.trace.tell(e)
	}
	c.traceChanges(now)
}

// noType is the type of a packet whose header says nothing.
const noType = wire.PacketType(0xff)

// claimedType is the type of a packet as its header has it, whoever has sent it.
func claimedType(seg []byte) wire.PacketType {
	if !wire.IsLong(seg) {
		return wire.Short
	}
	h, _, err := wire.ParseSealed(seg)
	if !wire.IsSealed(seg) {
		h, err = wire.ParsePrefix(seg)
	}
	if err != nil {
		return noType
	}
	return h.Type
}

// unused counts packets of which nothing was used.
func (s *Stats) unused() uint64 {
	return s.BadTrailers + s.Malformed + s.Duplicates + s.OtherPath + s.Unexpected + s.GapDrops
}

// dropped is why a packet was not used that has been counted since.
func dropped(before, after *Stats) string {
	switch {
	case after.BadTrailers != before.BadTrailers:
		return trace.BadTrailer
	case after.Malformed != before.Malformed:
		return trace.Malformed
	case after.Duplicates != before.Duplicates:
		return trace.Duplicate
	case after.OtherPath != before.OtherPath:
		return trace.OtherPath
	case after.Unexpected != before.Unexpected:
		return trace.Unexpected
	}
	return trace.NoRoom
}

// traceChanges tells of states that have changed. It follows whatever may have changed one.
func (c *Conn) traceChanges(now time.Duration) {
	t := c.trace
	if name := c.stateName(); name != t.state {
		c.traceChange(now, trace.StateChanged, t.state, name)
		t.state = name
	}
	if c.limit != t.limit && c.state == stateEstablished {
		old := ""
		if t.limit != limitNone {
			old = t.limit.String()
		}
		c.traceChange(now, trace.Limited, old, c.limit.String())
		t.limit = c.limit
	}
	if p := c.path.ecn.phase; p != t.ecn {
		c.traceChange(now, trace.ECNChanged, t.ecn.String(), p.String())
		t.ecn = p
	}
	if m := &c.path.mtu; m.size != t.size || t.searched != c.searched() {
		e := c.traced(now, trace.SizeChanged)
		e.Sizes = trace.Sizes{Old: t.size, New: m.size, Done: c.searched()}
		t.size, t.searched = m.size, c.searched()
		t.tell(e)
	}
	c.traceKeys(now)
}

// searched reports whether the search for the packet size has ended.
func (c *Conn) searched() bool { return c.path.mtu.again != Never || c.path.mtu.low == c.path.mtu.max }

// stateName is the state as it is told.
func (c *Conn) stateName() string {
	if c.state == stateEstablished && c.confirmed {
		return "confirmed"
	}
	return c.state.String()
}

func (c *Conn) traceChange(now time.Duration, kind trace.Kind, old, name string) {
	e := c.traced(now, kind)
	e.Change = trace.Change{Old: old, New: name}
	c.trace.tell(e)
}

// traceKeys tells of updates of keys.
func (c *Conn) traceKeys(now time.Duration) {
	if c.secure == nil || c.secure.keys == nil {
		return
	}
	t := c.trace
	sent, recv := c.secure.keys.Phases()
	byPeer := recv > t.sent // it was ahead of us
	if sent != t.sent {
		c.traceKey(now, trace.Key{Ours: true, Phase: sent, Peer: byPeer})
	}
	if recv != t.recv {
		c.traceKey(now, trace.Key{Phase: recv, Peer: byPeer})
	}
	t.sent, t.recv = sent, recv
}

func (c *Conn) traceKey(now time.Duration, k trace.Key) {
	e := c.traced(now, trace.KeyChanged)
	e.Key = k
	c.trace.tell(e)
}

// traceSecret tells of a key that the handshake has made.
func (c *Conn) traceSecret(l level, ours bool) {
	c.traceKey(c.noticed, trace.Key{Handshake: l == protect.LevelHandshake, Ours: ours})
}

// traceMetrics tells of what was measured, at once if it is urgent.
func (c *Conn) traceMetrics(now time.Duration, urgent bool) {
	t := c.trace
	if !urgent && now-t.measuredAt < minMeasured {
		return
	}
	stats := c.path.cc.Stats()
	name := stats.State
	if c.path.prr.active {
		name = "recovery"
	}
	if name != t.congestion {
		c.traceChange(now, trace.Congestion, t.congestion, name)
		t.congestion = name
	}
	t.queues = t.queues || stats.QueueDelay > 0
	m := trace.Metrics{
		MinRTT: c.path.rtt.min, SmoothedRTT: c.path.rtt.smoothed, LatestRTT: c.path.rtt.latest, RTTVariance: c.path.rtt.variance,
		Timeouts: int(c.loss.ptoCount), Window: c.path.cc.Window(), InFlight: c.sent.inFlight, PacketsInFlight: int(c.sent.outstanding),
		SSThresh: stats.SSThresh, Rate: max(c.path.rate, 0), QueueDelay: stats.QueueDelay, HasQueueDelay: t.queues,
		Delivered: uint64(c.path.delivery.delivered),
	}
	t.measuredAt = now
	if m == t.metrics {
		return
	}
	t.metrics = m
	e := c.traced(now, trace.Measured)
	e.Metrics = &t.metrics
	t.tell(e)
}

// tracePeerEnd notes that the peer ends the connection.
func (c *Conn) tracePeerEnd(code wire.Code) { c.trace.peerEnded, c.trace.code = true, code }

// traceEnd tells that the connection is done, and is the last of all.
func (c *Conn) traceEnd() {
	t := c.trace
	c.traceChange(c.noticed, trace.StateChanged, t.state, c.state.String())
	e := c.traced(c.noticed, trace.Closed)
	e.End = trace.End{Peer: t.peerEnded, Code: c.end.code}
	if t.peerEnded {
		e.End.Code = t.code
	}
	if c.err != nil {
		e.End.Kind, e.End.Reason = "error", c.err.Error()
	}
	if err, ok := c.err.(*Error); ok {
		e.End.Kind, e.End.Reason = err.Kind.String(), err.Reason
		if !t.peerEnded && err.Code != 0 {
			e.End.Code = err.Code
		}
	}
	t.tell(e)
	c.trace = nil
}

// handshakeType is the type of the packets that we send in a space of the handshake.
func (c *Conn) handshakeType(s *cryptoSpace) wire.PacketType {
	switch {
	case s.level == protect.LevelHandshake:
		return wire.Handshake
	case c.params.Client:
		return wire.Initial
	}
	return wire.Accept
}

// String names what is known of a mark.
func (p markPhase) String() string {
	return [...]string{"testing", "unknown", "capable", "failed"}[p]
}

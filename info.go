package ebb

import (
	"maps"
	"net/netip"
	"time"

	"example.com/ebb/congestion"
	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/udp"
	"example.com/ebb/limits"
)

// ConnInfo is a connection in numbers, as TCP_INFO is for TCP. Sizes are bytes,
// rates bytes per second of UDP payload; counts are since the connection began.
type ConnInfo struct {
	// ID is this side's name for the connection: what the peer's packets carry, and what wire.Describe prints as 16 hexadecimal digits. Of a
	// connection without Config.TLS it is half of what it takes to forge packets of it; the peer's ID is the other half.
	ID        uint64
	State     State
	Dialled   bool  // by this side
	Protected bool  // by TLS
	Err       error // why it is over; nil: it is not, or it has ended in order

	// Local and Remote are the UDP addresses of the two sides, whatever LocalAddr and RemoteAddr show.
	Local, Remote netip.AddrPort

	SmoothedRTT, RTTVariance, MinRTT, LatestRTT time.Duration // 0: no sample yet

	// SinceHeard and SinceAcked are how long ago a packet of the peer's arrived, and one that
	// acknowledged something new; the end of the handshake counts as both.
	SinceHeard, SinceAcked time.Duration

	Congestion       congestion.Stats // the congestion controller's; of the default one Own is a ledbat.Stats
	CongestionWindow int
	InFlight         int
	Rate             int64 // at which packets leave; 0: as fast as the window admits
	BandwidthLimit   int64 // Config.BandwidthLimit, or what SetBandwidthLimit has made of it
	LimitedBy        Limit
	Limits           LimitRates // the rate of each limit
	PacketSize       int        // UDP payload of a full packet
	ECN              bool       // packets are marked as ECN-capable, and the marks were seen to arrive

	DSCP int // of packets with data (see Config.DSCP); 0: none, or the path is known to drop what has one

	SendBuffered, SendBuffer       int // written and not acknowledged; bound on it now
	ReceiveBuffered, ReceiveWindow int // received and not read; bound on it now
	PeerWindow                     int // what the peer still admits

	PacketsSent, PacketsReceived uint64
	BytesSent, BytesReceived     uint64 // of UDP payload
	StreamBytesSent              uint64 // of the application's bytes, repeated ones included
	BytesRetransmitted           uint64 // of these, those sent before
	AcksSent                     uint64

	PacketsLost    uint64 // declared lost
	SpuriousLosses uint64 // of these, acknowledged after all
	PacketsMarked  uint64 // of those sent, marked by the path as having met congestion
	Probes         uint64 // timeouts that sent a probe
	Timeouts       uint64 // episodes of persistent congestion
	BlackHoles     uint64 // times the packet size fell back to 1200
	SendErrors     uint64 // packets that the network refused, as far as ICMP told

	// Dropped counts packets received and not used, by reason.
	Dropped map[string]uint64

	// Socket is the one that the connection sends on, which may be shared with others.
	Socket SocketInfo
}

// State is where a connection is in its life, in words.
type State string

// The states, in their order.
const (
	StateHandshake   State = "handshake"   // no packet that proves the peer has come yet
	StateEstablished State = "established" // until nothing is left to be delivered after Close
	StateClosing     State = "closing"     // the peer is told that it is over
	StateDone        State = "done"
)

// String is the state in words.
func (s State) String() string { return string(s) }

// Limit is what holds a sender back, in words.
type Limit string

// The limits. LimitRates has the rate of those that have one.
const (
	LimitApplication Limit = "application"       // there is nothing to send
	LimitReceiver    Limit = "receiver window"   // the peer's window is full
	LimitCongestion  Limit = "congestion window" // the congestion window is full
	LimitPacer       Limit = "pacer"             // the congestion controller's rate
	LimitPool        Limit = "pool"              // the share of Config.Pool
	LimitOwn         Limit = "own limit"         // BandwidthLimit
	LimitSocket      Limit = "socket"            // the system has no room for what is due
	LimitSilence     Limit = "peer silent"       // bytes were sent, timeouts have passed, and nothing is heard
)

// String is the limit in words.
func (l Limit) String() string { return string(l) }

// LimitRates is what each thing that limits a connection would admit alone, in bytes of UDP payload per
// second; Unlimited where it admits anything, or is not known yet. What the application offers and
// what the socket takes have no rate of their own.
type LimitRates struct {
	ReceiverWindow   int64 // the peer's window each round trip
	CongestionWindow int64 // the congestion window each round trip
	Pacer            int64 // what the congestion controller asks for
	Pool             int64 // the share of Config.Pool
	Own              int64 // BandwidthLimit
}

// limitRates takes over the engine's, which has 0 where there is no limit.
func limitRates(in *engine.Info) LimitRates {
	r := LimitRates{in.ReceiverRate, in.CongestionRate, in.ControlRate, in.BudgetRate, in.RateLimit}
	for _, rate := range []*int64{&r.ReceiverWindow, &r.CongestionWindow, &r.Pacer, &r.Pool, &r.Own} {
		if *rate <= 0 {
			*rate = Unlimited
		}
	}
	return r
}

// Info describes the connection as of now; after its end, as of then.
func (c *conn) Info() ConnInfo { return c.info(socketInfo(c.sock.Info())) }

// info is Info on a socket that was described already.
func (c *conn) info(socket SocketInfo) ConnInfo {
	c.mu.Lock()
	now, in := c.endpoint.now(), c.driver.Conn.Info()
	protected, err := c.tls != nil, c.driver.Conn.Err()
	limitedBy := Limit(in.Limit.String())
	if c.unsent != nil {
		limitedBy = LimitSocket
	}
	c.mu.Unlock()
	rates := limitRates(&in)
	return ConnInfo{
		ID: uint64(c.id()), State: State(in.State), Dialled: c.client(), Protected: protected, Err: explained(callRead, err), Local: *c.local, Remote: c.driver.Conn.Remote(),
		SinceHeard: now - in.LastReceived, SinceAcked: now - in.LastAcked, Socket: socket,
		SmoothedRTT: in.SmoothedRTT, RTTVariance: in.RTTVariance, MinRTT: in.MinRTT, LatestRTT: in.LatestRTT,
		Congestion: in.Congestion, CongestionWindow: in.Window, InFlight: in.InFlight,
		Rate: in.Rate, BandwidthLimit: rates.Own, LimitedBy: limitedBy, Limits: rates, PacketSize: in.PacketSize, ECN: in.ECN, DSCP: int(in.DSCP),
		SendBuffered: in.SendBuffered, SendBuffer: in.SendBuffer,
		ReceiveBuffered: in.ReceiveBuffered, ReceiveWindow: in.ReceiveWindow, PeerWindow: in.PeerWindow,
		PacketsSent: in.Stats.PacketsSent, PacketsReceived: in.Stats.PacketsReceived,
		BytesSent: in.Stats.BytesSent, BytesReceived: in.Stats.BytesReceived,
		StreamBytesSent: in.Stats.StreamBytesSent, BytesRetransmitted: in.Stats.BytesRetransmitted,
		AcksSent: in.Stats.AcksSent, PacketsLost: in.Stats.PacketsLost, SpuriousLosses: in.Stats.SpuriousLosses,
		PacketsMarked: in.Stats.PacketsMarked,
		Probes:        in.Stats.Probes, Timeouts: in.Stats.PersistentCongestion, BlackHoles: in.Stats.BlackHoles,
		SendErrors: in.Stats.SendErrors,
		Dropped: counted(map[string]uint64{
			"bad trailer": in.Stats.BadTrailers,
			"malformed":   in.Stats.Malformed,
			"duplicate":   in.Stats.Duplicates,
			"other path":  in.Stats.OtherPath,
			"unexpected":  in.Stats.Unexpected,
			"no room":     in.Stats.GapDrops,
			"bad ack":     in.Stats.BadAcks,
		}),
	}
}

// EndpointInfo is an endpoint in numbers. Counts are since it was made.
type EndpointInfo struct {
	Local     netip.AddrPort // of its socket
	Listening bool           // it has a listener
	Dialled   bool           // Dial has made it, for one connection

	Connections int // alive, those that are still delivering after Close included
	HalfOpen    int // of these: made to us, address not proved yet
	Queued      int // waiting for Accept, those included that have ended in order or with bytes to read
	Tombstones  int // connections that ended and are remembered for a while
	Blocked     int // connections that their socket has no room for at the moment

	QueuedBytes int64 // what those that wait for Accept may hold of what they receive

	Delivered uint64 // datagrams handed to a connection
	Opened    uint64 // datagrams that opened one
	Foreign   uint64 // datagrams that were not Ebb's

	// Answers given without a connection.
	Retries, Refusals, Unknowns, Versions, Closes uint64
	// BadCookies counts those of the Retries that answered a cookie that was too old, or another's.
	BadCookies uint64
	// Evicted counts tombstones that were replaced before their time.
	Evicted uint64
	// Dropped counts datagrams that no connection got, by reason.
	Dropped map[string]uint64

	// Limits is its books in Config.Limits, whose Snapshot has those of the process and of all peers.
	Limits limits.Usage

	Socket SocketInfo // of several sockets: sums, and of modes what all of them have
	// Sockets is each of several sockets (Config.Sockets); nil if there is one.
	Sockets []SocketInfo
}

// SocketInfo is what the system granted to a socket, and its counts.
type SocketInfo struct {
	Batch        bool // a system call moves many datagrams
	GSO          bool // the kernel cuts up what is sent; false also after it refused
	GRO          bool // the kernel joins what is received
	DontFragment bool // datagrams leave whole or not at all
	ECN          bool // marks of the IP header are read and written
	PacketInfo   bool // a wildcard socket answers from the address it was spoken to
	Stamps       bool // the kernel says when a datagram arrived, so that a reader who comes late is not taken for a queue; not on loopback

	ReceiveBuffer, SendBuffer int // granted, in bytes; 0: unknown

	DatagramsReceived, DatagramsSent uint64
	BytesReceived, BytesSent         uint64
	CallsReceived, CallsSent         uint64 // system calls

	Overflows     uint64 // datagrams that the system dropped for want of receive buffer
	Truncated     uint64 // datagrams longer than our buffer
	ReceiveErrors uint64
	SendErrors    map[string]uint64 // by kind
	Reported      uint64            // ICMP messages about datagrams that were sent
}

// Info describes the endpoint as of now.
func (e *endpoint) Info() EndpointInfo {
	e.mu.Lock()
	g, blocked := e.books.Counters(), 0
	listens, dialled := e.listener != nil, e.private && e.connected
	for _, s := range e.sockets {
		blocked += len(s.blocked)
	}
	e.mu.Unlock()
	all, each := e.socketInfos()
	dropped := make(map[string]uint64)
	for r := range core.Reasons {
		dropped[r.String()] = g.Dropped[r]
	}
	return EndpointInfo{
		Local: e.local, Listening: listens, Dialled: dialled,
		Connections: g.Connections, HalfOpen: g.HalfOpen, Queued: g.Queued, QueuedBytes: g.QueuedBytes,
		Tombstones: g.Tombstones, Blocked: blocked,
		Delivered: g.Delivered, Opened: g.Opened, Foreign: g.Foreign,
		Retries: g.Retries, BadCookies: g.BadCookies, Refusals: g.Refusals, Unknowns: g.Unknowns,
		Versions: g.Versions, Closes: g.Closes, Evicted: g.Evicted,
		Dropped: counted(dropped),
		Limits:  e.limits.Usage(),
		Socket:  all, Sockets: each,
	}
}

// socketInfos is the sockets together, and each of them if there are several.
func (e *endpoint) socketInfos() (all SocketInfo, each []SocketInfo) {
	all = socketInfo(e.sockets[0].Info())
	if len(e.sockets) == 1 {
		return all, nil
	}
	each = append(each, all)
	all.SendErrors = maps.Clone(all.SendErrors)
	for _, s := range e.sockets[1:] {
		i := socketInfo(s.Info())
		each = append(each, i)
		all.add(i)
	}
	return all, each
}

// add makes of s what EndpointInfo.Socket is of s and another.
func (s *SocketInfo) add(o SocketInfo) {
	s.Batch, s.GSO, s.GRO = s.Batch && o.Batch, s.GSO && o.GSO, s.GRO && o.GRO
	s.DontFragment, s.ECN, s.PacketInfo = s.DontFragment && o.DontFragment, s.ECN && o.ECN, s.PacketInfo && o.PacketInfo
	s.Stamps = s.Stamps && o.Stamps
	s.ReceiveBuffer += o.ReceiveBuffer
	s.SendBuffer += o.SendBuffer
	s.DatagramsReceived += o.DatagramsReceived
	s.DatagramsSent += o.DatagramsSent
	s.BytesReceived += o.BytesReceived
	s.BytesSent += o.BytesSent
	s.CallsReceived += o.CallsReceived
	s.CallsSent += o.CallsSent
	s.Overflows += o.Overflows
	s.Truncated += o.Truncated
	s.ReceiveErrors += o.ReceiveErrors
	s.Reported += o.Reported
	for kind, n := range o.SendErrors {
		s.SendErrors[kind] += n
	}
}

func socketInfo(s udp.Info) SocketInfo {
	return SocketInfo{
		Batch: s.Batch, GSO: s.GSO, GRO: s.GRO, DontFragment: s.DontFragment, ECN: s.ECN, PacketInfo: s.PacketInfo,
		Stamps:        s.Stamps,
		ReceiveBuffer: s.ReceiveBuffer, SendBuffer: s.SendBuffer,
		DatagramsReceived: s.Received.Datagrams, DatagramsSent: s.Sent.Datagrams,
		BytesReceived: s.Received.Bytes, BytesSent: s.Sent.Bytes,
		CallsReceived: s.Received.Calls, CallsSent: s.Sent.Calls,
		Overflows: s.Dropped, Truncated: s.Truncated, ReceiveErrors: s.ReceiveErrors, Reported: s.Reported,
		SendErrors: counted(map[string]uint64{
			"would block": s.SendErrors.WouldBlock,
			"no buffers":  s.SendErrors.NoBuffers,
			"unreachable": s.SendErrors.Unreachable,
			"refused":     s.SendErrors.Refused,
			"too big":     s.SendErrors.TooBig,
			"forbidden":   s.SendErrors.Forbidden,
			"other":       s.SendErrors.Other,
		}),
	}
}

// counted leaves out what did not happen.
func counted(m map[string]uint64) map[string]uint64 {
	for k, n := range m {
		if n == 0 {
			delete(m, k)
		}
	}
	return m
}

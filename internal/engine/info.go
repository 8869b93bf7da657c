package engine

import (
	"time"

	"example.com/ebb/congestion"
)

// Stats counts what happened on a connection since it began.
type Stats struct {
	PacketsSent, BytesSent         uint64 // datagrams, and their UDP payload
	PacketsReceived, BytesReceived uint64 // whatever became of them
	StreamBytesSent                uint64 // bytes of the stream, repeated ones included
	BytesRetransmitted             uint64 // of them, sent before
	AcksSent                       uint64

	PacketsLost          uint64 // declared lost
	SpuriousLosses       uint64 // of them, acknowledged after all
	PacketsMarked        uint64 // reported by the peer as marked with Congestion Experienced
	Probes               uint64 // timeouts that sent a probe
	PersistentCongestion uint64 // episodes
	BlackHoles           uint64 // times that large packets seemed to vanish
	IdleTimeouts         uint64
	Retries              uint64 // RETRY packets answered

	// Packets received and not used.
	BadTrailers, Malformed, Duplicates, OtherPath, Unexpected, GapDrops uint64
	BadAcks, ProtocolErrors                                             uint64

	SendErrors uint64 // packets that the network refused
}

// Info is a connection in numbers. Sizes are bytes, rates bytes per second.
type Info struct {
	State       string
	Established bool
	Stats       Stats
	Congestion  congestion.Stats

	SmoothedRTT, RTTVariance, MinRTT, LatestRTT time.Duration // 0: no sample yet

	Window          int   // congestion window
	InFlight        int   //
	Rate            int64 // at which packets leave; 0: unpaced
	ReceiverRate    int64 // the peer's window in a round trip, or for as long as it has been full; 0: no sample yet
	CongestionRate  int64 // the congestion window in a round trip; 0: no sample yet
	ControlRate     int64 // at which the controller paces; 0: it does not
	BudgetRate      int64 // the share of the budget; 0: there is none
	RateLimit       int64 // the own limit; ≤ 0: none
	Limit           Limit // what held the last flush back, or LimitSilence
	PacketSize      int   // UDP payload of a full packet
	ECN             bool  // packets are marked as ECN-capable, and the marks are known to arrive
	DSCP            uint8 // of packets with data; 0: none, or the path is known to drop it
	SendBuffered    int   // written, not acknowledged
	SendBuffer      int   // size of the send buffer now
	ReceiveBuffered int   // received, not read
	ReceiveWindow   int   // size of the window offered
	PeerWindow      int   // what the peer still admits beyond what was sent

	// When the peer was last heard, and last acknowledged something new; the end of the handshake if it has not. 0: before that.
	LastReceived, LastAcked time.Duration
}

// Stats is what has happened so far.
func (c *Conn) Stats() Stats { return c.stats }

// Info reports the connection's numbers.
func (c *Conn) Info() Info {
	return Info{
		State: c.state.String(), Established: c.Established(), Stats: c.stats, Congestion: c.path.cc.Stats(),
		SmoothedRTT: c.path.rtt.smoothed, RTTVariance: c.path.rtt.variance, MinRTT: c.path.rtt.min, LatestRTT: c.path.rtt.latest,
		Window: c.path.cc.Window(), InFlight: c.sent.inFlight, Rate: c.path.rate, RateLimit: c.rateLimit, Limit: c.limitNow(),
		ReceiverRate: c.receiverRate(), CongestionRate: c.perRoundTrip(uint64(c.path.cc.Window())),
		ControlRate: c.path.cc.PacingRate(c.path.rtt.smoothed), BudgetRate: c.budget.rate,
		PacketSize: c.path.mtu.size, ECN: c.path.ecn.phase == marksPass, DSCP: c.dscp(), SendBuffered: c.send.Buffered(), SendBuffer: c.sendLimit(),
		ReceiveBuffered: c.recv.Held(), ReceiveWindow: int(c.recv.Window()), PeerWindow: int(c.send.Credit()),
		LastReceived: c.lastReceived, LastAcked: c.lastAcked,
	}
}

// limitNow is what holds the connection back: the silence of the peer, if a timeout behind the tail probe has passed, or
// what held the last flush back.
func (c *Conn) limitNow() Limit {
	if c.state == stateEstablished && c.loss.ptoCount > 1 && c.silent() {
		return LimitSilence
	}
	return c.limit
}

// receiverRate is what the peer's window admits. A window that is full for a moment admits no less than before; one that
// stays full was all for that time.
func (c *Conn) receiverRate() int64 {
	rate := c.perRoundTrip(c.offer.size)
	if full := c.noticed - c.offer.at; c.send.Blocked() && full > c.path.rtt.smoothed && rate > 0 {
		rate = max(1, int64(float64(c.offer.size)/full.Seconds()))
	}
	return rate
}

// perRoundTrip is the rate at which n bytes leave each round trip, at least 1; 0 if none was measured.
func (c *Conn) perRoundTrip(n uint64) int64 {
	if c.path.rtt.smoothed == 0 {
		return 0
	}
	return max(1, int64(float64(n)/c.path.rtt.smoothed.Seconds()))
}

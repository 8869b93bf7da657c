// Package trace says what happens on a connection, event by event, to whoever looks into trouble or draws a picture of it.
// Config.Tracer of package ebb takes a Begin; package qlog has one that writes files.
//
// The package is pure: it holds values, and neither reads a clock nor writes anything.
package trace

import (
	"net/netip"
	"time"

	"example.com/ebb/wire"
)

// Begin is told of a connection that is about to begin, and returns what is to be told of its events; nil: nothing is. It is
// called under a lock of the endpoint: it must return at once, and call no method of package ebb. Calls may
// overlap.
type Begin func(Conn) Tracer

// Tracer is told of one event. The Event, and what it refers to, are valid during the call. It is called under the lock of the
// connection: everything that the connection does waits for it, so it must return at once, wait for nothing and call no method of
// package ebb. Calls for one connection follow each other. The last event is a Closed.
type Tracer func(*Event)

// Conn is what is known of a connection when it begins.
type Conn struct {
	Dialled       bool           // by this side
	Protected     bool           // by TLS
	Original      wire.ID        // destination of the first packet, the same for both sides
	ID            wire.ID        // our own
	Peer          wire.ID        // the peer's; 0: not known yet, as in a dial
	Local, Remote netip.AddrPort //
	Time          time.Duration  // of the beginning, as Event.Time has it
	Wall          time.Time      // the same by the wall clock
}

// Kind is what has happened. More of them may come: a Tracer passes over those that it does not know.
type Kind uint8

// The kinds. Behind each is the field of Event that says more.
const (
	RecoverySet  Kind = iota + 1 // what loss detection begins with: Recovery
	StateChanged                 // of the connection: Change
	Sent                         // a packet: Packet
	Received                     // a packet of the peer's, which was accepted: Packet
	Dropped                      // a datagram of which nothing was used: Packet, without a number, and Reason
	Lost                         // a packet was declared lost: Packet, without its frames, and Reason
	Spurious                     // a packet that was declared lost is acknowledged: Packet, likewise
	Measured                     // of the path and of the congestion controller: Metrics
	Congestion                   // the state of the congestion controller has changed: Change
	Limited                      // what holds the sender back has changed, in the words of ebb.Limit: Change
	SizeChanged                  // the size of a full packet: Sizes
	ECNChanged                   // what is known of ECN on the path: Change
	KeyChanged                   // a key of a protected connection: Key
	Closed                       // the connection has nothing left to do: End
)

// Event is one thing that has happened. Sizes are bytes of UDP payload. Kind says which of the fields mean something: the others may have
// any value, of events before.
type Event struct {
	Kind Kind
	// Time is when it happened, of the clock that Conn.Time is of. It never goes back.
	Time     time.Duration
	Packet   Packet
	Reason   string // why a packet was dropped or lost, one of the constants below
	Change   Change
	Metrics  *Metrics
	Sizes    Sizes
	Key      Key
	Recovery Recovery
	End      End
}

// Packet is a packet.
type Packet struct {
	Type      wire.PacketType
	Numbered  bool   // it has a Number
	Number    uint64 // in its space: short packets, those of the handshake, and INITIAL with ACCEPT each have one
	Size      int
	Frames    []byte // as on the wire and in clear, for wire.Frame.Parse; nil: not known
	SizeProbe bool   // it tests if the path carries its size
	Probe     bool   // a timeout has caused it
}

// The reasons for which packets are dropped and lost.
const (
	BadTrailer    = "bad trailer"
	Malformed     = "malformed"
	Duplicate     = "duplicate"
	OtherPath     = "other path"
	Unexpected    = "unexpected"
	NoRoom        = "no room"
	AfterOthers   = "later packets have arrived" // RFC 9002 section 6.1.1
	AfterTheDelay = "time"                       // RFC 9002 section 6.1.2
)

// Change is a change of state in words. Old is empty in the first.
type Change struct{ Old, New string }

// Metrics is what was measured. Zero is not known or none.
type Metrics struct {
	MinRTT, SmoothedRTT, LatestRTT, RTTVariance time.Duration
	Timeouts                                    int   // in a row, of the retransmission timer
	Window                                      int   // congestion window
	InFlight, PacketsInFlight                   int   //
	SSThresh                                    int   // of the congestion controller
	Rate                                        int64 // at which packets leave, bytes per second
	QueueDelay                                  time.Duration
	HasQueueDelay                               bool   // the congestion controller measures it
	Delivered                                   uint64 // bytes that the peer has acknowledged, since the beginning
}

// Sizes is a change of the packet size, and whether the search has ended.
type Sizes struct {
	Old, New int
	Done     bool
}

// Key is a key that is in use from here on. What it is, is nobody's to know.
type Key struct {
	Handshake bool   // of the handshake; false: of short packets
	Ours      bool   // for what we send
	Phase     uint64 // of short packets: how many updates came before
	Peer      bool   // the peer began the update
}

// Recovery is what loss detection and congestion control begin with.
type Recovery struct {
	PacketThreshold   int           // packets that arrive after one that is lost
	TimeThreshold     float64       // round trips after which a packet is lost if a later one has arrived
	Granularity       time.Duration // of timers
	DatagramSize      int
	InitialWindow     int
	PersistentTimeout int // timeouts that make congestion persistent
}

// End is why a connection has ended.
type End struct {
	Peer   bool      // the peer has said so
	Code   wire.Code // on the wire, sent or received
	Reason string    // in words, possibly the peer's, escaped
	Kind   string    // of the error, in words; empty: an orderly end
}

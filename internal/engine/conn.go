package engine

import (
	"math"
	"net/netip"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/protect"
	"example.com/ebb/internal/stream"
	"example.com/ebb/trace"
	"example.com/ebb/wire"
)

// Never is a deadline that does not come.
const Never = time.Duration(math.MaxInt64)

const wireMinInitial = wire.MinInitialSize

// ECN is the two bits of the IP header (RFC 3168 section 5).
type ECN uint8

// The four code points.
const (
	NotECT ECN = iota
	ECT1
	ECT0
	CE
)

// Path is the two addresses that a packet travels between.
type Path struct{ Local, Remote netip.AddrPort }

// Arrival is where, when and how a datagram came.
type Arrival struct {
	Path
	// At is when it arrived at this machine, which is before it is handled if nobody was there to read it.
	At  time.Duration
	ECN ECN
}

// Train is where and how the segments that AppendSegments returns go: one path, all
// of SegmentSize bytes but the last, which may be shorter.
type Train struct {
	Path
	SegmentSize int
	ECN         ECN
	DSCP        uint8 // 0 to 63 (RFC 2474)
}

// Params is what a connection is made from. Durations of zero or less switch
// off what they time.
type Params struct {
	Client bool
	// Local is the ID that the peer will address. Peer is, for a client, the random
	// destination of its first packet; for a server, the client's ID.
	Local, Peer wire.ID
	// OriginalDst is, for a server, the destination of the client's INITIAL.
	OriginalDst wire.ID
	Path        Path
	// Validated says that the peer's address was proven by a cookie.
	Validated bool

	Controller congestion.Controller
	Chunks     stream.Allocator

	SendBuffer, ReceiveBuffer int // bytes, upper bounds

	KeepAlive        time.Duration // silence after which the client probes
	IdleTimeout      time.Duration // silence despite probes that ends the connection
	HandshakeTimeout time.Duration // bound on the handshake
	LingerTimeout    time.Duration // after Close: bound on the time without progress
	UserTimeout      time.Duration // bound on the time for which what was sent may stay unacknowledged
	HealthCheck      time.Duration // time without a byte of the application's after which the peer is asked for an answer
	MaxAge           time.Duration // bound on the time from the end of the handshake on

	// HoldConfirm has a client wait for at most a millisecond, or until Confirm, whether the application has bytes that can go with its
	// CONFIRM.
	HoldConfirm bool

	MaxAckDelay time.Duration // for which the ACK of a single packet waits for company; 0: 10 ms
	MaxDatagram int           // largest UDP payload to try; at least 1200
	Rate        int64         // own limit in bytes/s; ≤ 0: unlimited
	Stamp       uint32        // what the receive clock shows at time 0, µs
	NoECN       bool          // send no packet marked as ECN-capable
	DSCP        uint8         // of packets with data, 0 to 63; 0: none
	// TrainsVanish is until when packets leave one by one, because trains to the peer are known to get lost;
	// then one is tried. 0: they are not.
	TrainsVanish time.Duration
	Seed         uint64 // of what the peer must not foresee

	// Handshake, if not nil, makes the connection a protected one: it returns what agrees with the peer on secrets,
	// and says ours of this side.
	Handshake func(ours []byte) protect.Handshake
	KeyLimits protect.Limits // of a protected connection's keys; the zero value: those of the suite
	// ResetToken is, of a protected connection, what tells the peer that UNKNOWN for Local is our word.
	ResetToken [wire.ResetTokenSize]byte

	Trace trace.Tracer // is told what happens; nil: nobody is
}

// state is where a connection is in its life.
type state uint8

const (
	stateHandshake state = iota // no packet that proves the peer yet
	stateEstablished
	stateClosing // a CLOSE is to be sent, then nothing
	stateDone
)

// String names the state.
func (s state) String() string {
	return [...]string{"handshake", "established", "closing", "done"}[s]
}

// settings is what is needed of Params beyond the beginning.
type settings struct {
	Client      bool
	HoldConfirm bool
	Stamp       uint32
	Local       wire.ID

	SendBuffer                            int
	KeepAlive, IdleTimeout, LingerTimeout time.Duration
	UserTimeout                           time.Duration
}

// Conn is one connection. See the package comment for the rules of its use. There may be many that
// are idle: what only a handshake needs, or something rare, is not in it.
type Conn struct {
	params     settings
	state      state
	opened     bool     // the handshake was completed
	confirms   bool     // a CONFIRM waits for bytes that may come with it
	confirmed  bool     // the peer acknowledged a short packet
	keepsAlive bool     // SetKeepAlive: whichever side it is probes
	appLimited bool     // nothing to send although the window would admit it
	limit      Limit    // what held the last flush back
	due        frameSet // control frames to be sent
	err        error    // why it ended, nil after an orderly end
	path       path     // on which packets are sent
	stats      Stats

	peerID       wire.ID         // destination of our packets
	peerAckDelay time.Duration   // for which the peer may hold an ACK back
	hs           *handshakeState // nil once it is completed

	byteStream
	space                       // of short packets
	protection protect.Checksum // likewise; the zero value: the peer is not known yet
	secure     *secured         // of a protected connection, in place of protection; nil: a plain one

	rateLimit  int64         // own limit
	cork       corkState     // what waits for more bytes
	budget     budget        // share of what is common with others
	offer      windowOffer   // the peer's window
	opening    *windowBudget // the same for receiving; nil: there is none
	pacedUntil time.Duration // data waits for the pacer; Never: it does not

	window    windowState
	blockedAt uint64         // one more than the limit at which the peer was told that its window holds us back; 0: it was not
	responses *pathResponses // to PATH_CHALLENGE; nil: never challenged

	ecnSeen [4]uint64 // codepoints of packets received

	end       closeState
	suspicion *suspicion // that the peer is dead; nil: never hinted at
	rare      *rare      // what few connections need; nil: this one does not
	trace     *tracing   // nil: nobody is told what happens

	lastReceived time.Duration // of a valid packet
	lastAcked    time.Duration // when the peer last acknowledged anything new
	unanswered   time.Duration // first eliciting packet sent since; Never
	lastProgress time.Duration // when the peer last acknowledged new bytes
	waitsSince   time.Duration // for how long the oldest thing that was sent has been unacknowledged; Never: nothing is
	heldSince    time.Duration // when our own limit began to hold back the oldest byte that the peer lacks; Never: it does not
	noticed      time.Duration // the last moment at which something happened to the connection
}

// New makes a connection. A client has an INITIAL to send; a server waits for
// HandleSegment with the client's.
func New(now time.Duration, p Params) *Conn {
	c := &Conn{
		params: settings{
			Client: p.Client, HoldConfirm: p.HoldConfirm, Stamp: p.Stamp, Local: p.Local, SendBuffer: p.SendBuffer,
			KeepAlive: p.KeepAlive, IdleTimeout: p.IdleTimeout, LingerTimeout: p.LingerTimeout,
			UserTimeout: p.UserTimeout,
		},
		path: newPath(&p), peerID: p.Peer,
		peerAckDelay: wire.DefaultParameters().MaxAckDelay,
		rateLimit:    p.Rate, pacedUntil: Never, unanswered: Never, waitsSince: Never, heldSince: Never,
		lastReceived: now, lastProgress: now,
	}
	c.send = stream.NewSend(p.Chunks)
	c.recv = stream.NewRecv(p.Chunks, uint64(max(p.ReceiveBuffer, wireMinInitial)))
	c.sent.skip.init(p.Seed)
	c.acks.due, c.loss.due = Never, Never
	c.acks.delay = min(p.MaxAckDelay, wire.MaxAckDelayLimit)
	if c.acks.delay <= 0 {
		c.acks.delay = defaultAckDelay
	}
	c.loss.multiplier = 1
	c.end.lingerUntil = Never
	if p.HealthCheck > 0 || p.MaxAge > 0 {
		r := c.rarely()
		r.healthCheck, r.maxAge = max(p.HealthCheck, 0), max(p.MaxAge, 0)
	}
	c.initHandshake(now, &p)
	c.setRate(now)
	c.startTrace(now, p.Trace)
	return c
}

// FirstWindow is how many bytes a connection with a receive buffer may be sent before any of them is read.
func FirstWindow(receiveBuffer int) int {
	return min(stream.InitialWindow, max(receiveBuffer, wireMinInitial))
}

// Local is our ID. It never changes.
func (c *Conn) Local() wire.ID { return c.params.Local }

// Peer is the peer's ID, once the connection is Established.
func (c *Conn) Peer() wire.ID { return c.peerID }

// Client reports whether we dialled. It never changes.
func (c *Conn) Client() bool { return c.params.Client }

// Remote is the peer's address. It never changes.
func (c *Conn) Remote() netip.AddrPort { return c.path.Remote }

// Established reports whether the handshake is done: a dial may return, an
// accept may hand the connection out.
func (c *Conn) Established() bool { return c.state >= stateEstablished && c.opened }

// Read copies received bytes into p. (0, nil) means that there is none yet. At
// the end of the stream the error is io.EOF, after a failure an *Error.
func (c *Conn) Read(p []byte) (int, error) {
	if n := c.recv.Take(p); n > 0 {
		c.renewWindow()
		return n, nil
	}
	if c.recv.Ready() { // p is empty
		return 0, nil
	}
	return 0, c.tell(c.readError())
}

// Lend has bytes put straight into the memory of a caller who waits because Read had none for it. Reclaim
// must follow before the caller uses its memory again, and before the next Read.
func (c *Conn) Lend(l *stream.Lease) { c.recv.Lend(l) }

// Reclaim ends a Lend and returns how many bytes the caller has now.
func (c *Conn) Reclaim() int {
	n := c.recv.Reclaim()
	if n > 0 {
		c.renewWindow()
	}
	return n
}

// Readable reports whether Read would return something, or has a Lease something.
func (c *Conn) Readable() bool {
	return c.recv.Ready() || c.recv.Leased() || c.readError() != nil
}

// Write takes as much of p as the send buffer admits, and the memory under it. (0, nil) means that it is
// full, or there is no memory: AwaitMemory follows where the caller waits.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.writeError(); err != nil {
		return 0, c.tell(err)
	}
	if c.send.Stopped() {
		return c.send.Write(p), nil
	}
	n := min(c.room(), len(p))
	if n > 0 {
		if n = c.send.Write(p[:n]); n == 0 {
			c.rarely().starved = true
		}
	}
	return n, nil
}

// Writable reports whether Write would take a worthwhile part or fail.
func (c *Conn) Writable() bool {
	return c.send.Stopped() || c.room() >= c.sendLimit()/4 && !c.starved() || c.writeError() != nil
}

const (
	// minSendBuffer is the least send buffer, in bytes.
	minSendBuffer = 64 << 10
	// blockedSendBuffer is the least one while the peer's window holds everything back. Two programs that both write
	// before they read then get this much rid of, as they do over TCP. It is memory that only they take. When the window opens it
	// shrinks by half of what the peer acknowledges: if it shrank at once, no Write would be admitted, however small, until
	// the peer had nearly all of that.
	blockedSendBuffer = 1 << 20
)

// sendLimit is the size of the send buffer now: twice what may be in flight,
// so that an ACK finds the next window's bytes waiting, within the bound.
func (c *Conn) sendLimit() int {
	limit := max(minSendBuffer, 2*c.path.cc.Window())
	if c.send.Blocked() {
		limit = max(limit, blockedSendBuffer)
	} else if c.rare != nil {
		limit = max(limit, c.rare.leftOfBlocked(c.send.Base()))
	}
	return min(limit, max(c.params.SendBuffer, 1))
}

// room is what the send buffer admits now. Bytes that the peer has, behind one that it lacks,
// count towards the bound alone: with losses in every round trip they are as many as are in
// flight, and the sender would run dry.
func (c *Conn) room() int {
	waiting := int(c.send.Unsent()) + c.sent.inFlight
	return max(0, min(c.sendLimit()-waiting, max(c.params.SendBuffer, 1)-c.send.Buffered()))
}

// SetRate sets the own limit, in bytes per second; zero or less is none.
func (c *Conn) SetRate(now time.Duration, rate int64) {
	c.rateLimit = rate
	c.setRate(now)
}

// SetKeepAlive sets the silence after which a probe is sent, by the side that is asked; zero or less is
// none.
func (c *Conn) SetKeepAlive(d time.Duration) { c.params.KeepAlive, c.keepsAlive = d, true }

// SetIdleTimeout sets how long a silence goes on despite probes until the connection ends; zero or less is without end.
func (c *Conn) SetIdleTimeout(d time.Duration) { c.params.IdleTimeout = d }

// SetSendBuffer sets the bound on what was written and not acknowledged, in bytes.
func (c *Conn) SetSendBuffer(n int) { c.params.SendBuffer = n }

// SetReceiveBuffer sets the bound on what was received and not read, in bytes. It does not take back what was offered.
func (c *Conn) SetReceiveBuffer(n int) { c.recv.Bound(uint64(max(n, wireMinInitial))) }

// stamp is the receive clock: microseconds that wrap.
func (c *Conn) stamp(t time.Duration) uint32 { return c.params.Stamp + uint32(t/time.Microsecond) }

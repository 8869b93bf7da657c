package simnet

import (
	"math/bits"
	"time"

	"example.com/ebb/internal/endpoint"
)

// DefaultOverhead is what a datagram costs on a link beyond its payload: the
// headers of IPv4 and UDP, in bytes.
const DefaultOverhead = 28

// LinkConfig says what one direction of a path does to datagrams. The zero
// value delivers everything at once and in order.
//
// Fractions are probabilities per datagram; at or below 0 means never, at or
// above 1 always. What happens to the n-th datagram depends on the seed, n and
// the fraction alone: a datagram lost at 1 % is also lost at 2 %, and turning
// on duplication does not change which datagrams are lost.
type LinkConfig struct {
	// Rate is the speed of the bottleneck, in bytes per second of payload and
	// Overhead. 0 or less: infinite.
	Rate int64
	// Queue is how many bytes, Overhead included, may be queued at the
	// bottleneck; what remains of the datagram on the wire counts. A datagram
	// that does not fit is dropped, unless it finds the link idle. 0 or less:
	// unlimited.
	Queue int
	// Delay is the propagation delay, behind the bottleneck.
	Delay time.Duration
	// Jitter is the largest extra delay, uniform from zero. It keeps the order:
	// a datagram waits for the one before it.
	Jitter time.Duration
	// FreeJitter is the largest extra delay, uniform from zero, of one datagram
	// apart from the others: a later one may overtake it.
	FreeJitter time.Duration
	// Schedule, if not nil, says when the bottleneck may send; otherwise it does so
	// whenever something is queued. What a Schedule has let go is not queued.
	Schedule Schedule
	// Policer drops what exceeds a token bucket, before the bottleneck.
	Policer Policer
	// Aggregate is the time between two departures from the bottleneck: what
	// it has served leaves together at the next multiple, as from a radio
	// that sends several packets at a time. 0 or less: each leaves when served.
	// It needs no rate and draws nothing; a link that waits its turn has Aggregates.
	Aggregate time.Duration
	// Loss is the fraction lost independently of each other. They do not use
	// the bottleneck.
	Loss float64
	// Burst adds losses that come together.
	Burst Burst
	// Reorder is the fraction that arrives early by ReorderBy, overtaking
	// what was sent before.
	Reorder float64
	// ReorderBy is how much earlier, at most the time since leaving the
	// bottleneck. 0: half of Delay.
	ReorderBy time.Duration
	// Duplicate is the fraction that arrives twice. The copy is made behind
	// the bottleneck.
	Duplicate float64
	// DuplicateBy is how long after the original the copy arrives. 0: right
	// behind it.
	DuplicateBy time.Duration
	// Corrupt is the fraction of arrivals with one bit flipped that UDP's
	// checksum did not catch. A copy is drawn for separately.
	Corrupt float64
	// MTU is the largest IP packet, payload and Overhead; a larger one
	// vanishes silently. 0 or less: none.
	MTU int
	// Overhead is what each datagram costs beyond its payload, in bytes. 0:
	// DefaultOverhead; negative: none.
	Overhead int
	// Drop, if not nil, is asked about each datagram and loses those for which
	// it answers true. The first datagram of the link has n = 0. b is
	// borrowed.
	Drop func(n int, b []byte) bool
	// Remark, if not nil, says which ECN codepoint the n-th datagram leaves the
	// link with, given the one it came with. It is asked before Drop.
	Remark func(n int, ecn endpoint.ECN) endpoint.ECN
	// Rules are for some datagrams only. They are asked after Remark and before Drop.
	Rules []Rule
}

// Burst is the Gilbert-Elliott model: a link that is in a good or a bad state
// and may change before each datagram. The zero value stays good.
type Burst struct {
	Enter float64 // probability, per datagram, of going from good to bad
	Leave float64 // probability, per datagram, of going from bad to good
	Loss  float64 // fraction lost in the bad state; 0: all of them
}

// BurstLoss is the Burst that loses the given fraction of all datagrams, in
// runs of the given mean length, at least 1. Runs of that length lose at most
// length/(length+1) of everything, or 1: a larger fraction is moved into range.
func BurstLoss(fraction, length float64) Burst {
	leave := 1 / max(length, 1)
	switch {
	case fraction <= 0:
		return Burst{Leave: leave}
	case fraction >= 1:
		return Burst{Enter: 1}
	}
	return Burst{Enter: min(fraction*leave/(1-fraction), 1), Leave: leave}
}

// Arrival is a datagram at the far end of a Link.
type Arrival struct {
	At        time.Duration // when, on the clock of Send's now
	Corrupted bool          // one bit is not what was sent
	Bit       int           // which, if Corrupted: bit Bit%8 of byte Bit/8
	ECN       endpoint.ECN  // the codepoint that it arrives with
}

// Apply makes b, which must hold the datagram as it was sent, what arrives.
func (a Arrival) Apply(b []byte) {
	if a.Corrupted {
		b[a.Bit/8] ^= 1 << (a.Bit % 8)
	}
}

// LinkStats counts datagrams since the link began. Sent is the sum of
// Delivered, Scripted, TooLarge, Lost, Policed and Dropped.
type LinkStats struct {
	Sent       int // offered to the link
	Delivered  int // arrive; copies not counted
	Scripted   int // lost to LinkConfig.Drop or a Rule
	TooLarge   int // lost to the MTU
	Lost       int // lost to Loss and Burst
	Policed    int // exceeded the Policer
	Dropped    int // found the queue full
	Duplicated int // arrive twice
	Reordered  int // arrive before one that was sent earlier
	Corrupted  int // arrivals, copies included, with a flipped bit

	Bytes         int64         // passed the bottleneck, Overhead included
	MaxQueue      int           // most bytes queued, in bytes
	MaxQueueDelay time.Duration // longest wait for the bottleneck
}

// Link is one direction of a path. Equal seeds, configurations and calls give
// equal results. It has no lock: one goroutine uses it at a time.
type Link struct {
	cfg    LinkConfig
	rolls  dice
	bad    bool // state of Burst
	bucket tokenBucket

	// The bottleneck is busy until free plus part/Rate nanoseconds; part is
	// carried so that rounding does not add up.
	free time.Duration
	part uint64
	play schedulePlay
	last time.Duration // latest arrival of those that keep the order
	late time.Duration // latest arrival of those that a Rule made late

	matched []int // for each Rule, how many datagrams it was for
	stats   LinkStats
}

// NewLink makes an idle link.
func NewLink(cfg LinkConfig, seed uint64) *Link {
	l := &Link{cfg: cfg, rolls: dice{seed: seed}, bucket: newTokenBucket(cfg.Policer), matched: make([]int, len(cfg.Rules))}
	l.play.begin(0, cfg.Schedule, l.rolls)
	return l
}

// Config is the configuration in force.
func (l *Link) Config() LinkConfig { return l.cfg }

// Stats is what has happened so far.
func (l *Link) Stats() LinkStats { return l.stats }

// SetConfig changes the link from now on. What is queued counts as queued for
// the new rate too; the arrivals that Send has announced stand, and what is
// sent later does not overtake them. On a Schedule what is queued leaves when it
// would have, and a new one begins behind it.
func (l *Link) SetConfig(now time.Duration, cfg LinkConfig) {
	if cfg.Schedule != l.cfg.Schedule {
		l.free = max(l.free, l.play.taken)
		l.play.begin(max(now, l.free), cfg.Schedule, l.rolls)
	} else if cfg.Rate != l.cfg.Rate && l.play.playing == nil {
		queued := l.Queued(now)
		l.cfg.Rate = cfg.Rate
		l.free, l.part = now, 0
		l.occupy(queued)
	}
	l.cfg = cfg
	l.matched = make([]int, len(cfg.Rules))
}

// Queued is the number of bytes at the bottleneck, Overhead and what remains
// of the datagram on the wire included.
func (l *Link) Queued(now time.Duration) int {
	if l.play.playing != nil {
		return l.play.queued(now)
	}
	if l.cfg.Rate <= 0 || l.free <= now {
		return 0
	}
	// The wait is exact in units of 1/Rate nanoseconds; a begun byte counts.
	hi, lo := bits.Mul64(uint64(l.free-now), uint64(l.cfg.Rate))
	lo, carry := bits.Add64(lo, l.part, 0)
	lo, carry2 := bits.Add64(lo, uint64(time.Second)-1, 0)
	bytes, _ := bits.Div64(hi+carry+carry2, lo, uint64(time.Second))
	return int(bytes)
}

// QueueDelay is how long a datagram sent now would wait for the bottleneck,
// its own serialisation excluded.
func (l *Link) QueueDelay(now time.Duration) time.Duration {
	if l.play.playing != nil {
		return l.play.next(now, l.cfg.Rate) - now
	}
	return max(l.free-now, 0)
}

// Probe is by how much more than Delay a small datagram would be under way that were sent now and met with nothing
// else: it waits for the bottleneck, and jitter delays it. n numbers the draws, which are its own.
func (l *Link) Probe(now time.Duration, n int) time.Duration {
	left := now + l.QueueDelay(now)
	if l.play.playing != nil {
		left += l.play.playing.late()
	}
	left = l.aggregate(left)
	at := max(left+max(l.cfg.Delay, 0)+l.rolls.upTo(rollProbe, n, l.cfg.Jitter), l.last)
	return at + l.rolls.upTo(rollProbeFree, n, l.cfg.FreeJitter) - now - max(l.cfg.Delay, 0)
}

// Send puts one datagram on the link and returns its arrivals: none if it is
// lost, one, or two with a duplicate. b is borrowed. Time does not run
// backward from call to call. The datagram is not ECN-capable.
func (l *Link) Send(now time.Duration, b []byte) (arrivals [2]Arrival, n int) {
	return l.SendECN(now, b, endpoint.NotECT)
}

// SendECN is Send for a datagram with an ECN codepoint.
func (l *Link) SendECN(now time.Duration, b []byte, ecn endpoint.ECN) (arrivals [2]Arrival, n int) {
	f := l.pass(Packet{At: now, Payload: b, ECN: ecn})
	return f.arrivals, f.n
}

// fate is what becomes of a packet on a link.
type fate struct {
	arrivals [2]Arrival
	n        int
	report   ICMPCode // what the sender is told of a lost one, if anything
	reportAt time.Duration
}

// pass puts a packet on the link. It fills in the rest of what rules see: of a train, p tells the number of
// segments and their payload together.
func (l *Link) pass(p Packet) (f fate) {
	p.N = l.stats.Sent
	l.stats.Sent++
	p.Size = len(p.Payload) + l.overhead()
	p.Segments = max(p.Segments, 1)
	p.Train = max(p.Train, len(p.Payload)) + l.overhead()
	if l.cfg.Remark != nil {
		p.ECN = l.cfg.Remark(p.N, p.ECN)
	}
	r := l.rule(&p)
	if !l.admit(&p, r.lost) {
		f.report, f.reportAt = r.report, p.At+max(l.cfg.Delay, 0)
		return f
	}
	l.stats.Delivered++
	left, late := l.serialise(p.At, p.Size)
	at := l.transit(p.N, left, late, r.late)
	f.n = 1
	f.arrivals[0] = l.arrival(at, &p, rollCorrupt)
	if l.rolls.chance(rollDuplicate, p.N, l.cfg.Duplicate) {
		l.stats.Duplicated++
		f.n = 2
		f.arrivals[1] = l.arrival(at+max(l.cfg.DuplicateBy, 0), &p, rollCorruptCopy)
	}
	return f
}

func (l *Link) overhead() int {
	if l.cfg.Overhead == 0 {
		return DefaultOverhead
	}
	return max(l.cfg.Overhead, 0)
}

// admit says whether a datagram passes the bottleneck, and counts why not; scripted is what the rules say.
func (l *Link) admit(p *Packet, scripted bool) bool {
	// The state of Burst moves with every datagram, whatever becomes of it.
	lost := l.burst(p.N)
	switch {
	case scripted, l.cfg.Drop != nil && l.cfg.Drop(p.N, p.Payload):
		l.stats.Scripted++
	case l.cfg.MTU > 0 && p.Size > l.cfg.MTU:
		l.stats.TooLarge++
	case lost, l.rolls.chance(rollLoss, p.N, l.cfg.Loss):
		l.stats.Lost++
	case !l.bucket.spend(p.At, l.cfg.Policer, p.Size):
		l.stats.Policed++
	case l.full(p.At, p.Size):
		l.stats.Dropped++
	default:
		return true
	}
	return false
}

// burst moves the Gilbert-Elliott state and says whether it takes the datagram.
func (l *Link) burst(number int) bool {
	if l.bad {
		l.bad = !l.rolls.chance(rollBurst, number, l.cfg.Burst.Leave)
	} else {
		l.bad = l.rolls.chance(rollBurst, number, l.cfg.Burst.Enter)
	}
	if !l.bad {
		return false
	}
	return l.cfg.Burst.Loss == 0 || l.rolls.chance(rollBurstLoss, number, l.cfg.Burst.Loss)
}

func (l *Link) full(now time.Duration, size int) bool {
	if l.cfg.Queue <= 0 {
		return false
	}
	waits := l.free > now
	if l.play.playing != nil {
		waits = l.play.taken > now
	}
	return waits && l.Queued(now)+size > l.cfg.Queue
}

// serialise passes size bytes through the bottleneck and returns when the last
// of them leaves it, rounded down to a nanosecond, and how late its Schedule lets
// them arrive.
func (l *Link) serialise(now time.Duration, size int) (left, late time.Duration) {
	var began time.Duration
	if l.play.playing != nil {
		began, left, late = l.play.send(now, size, l.cfg.Rate)
	} else {
		if l.free < now {
			l.free, l.part = now, 0
		}
		began = l.free
		l.occupy(size)
		left = l.free
	}
	l.stats.MaxQueueDelay = max(l.stats.MaxQueueDelay, began-now)
	l.stats.Bytes += int64(size)
	l.stats.MaxQueue = max(l.stats.MaxQueue, l.Queued(now))
	return left, late
}

// occupy keeps the bottleneck busy for size bytes more.
func (l *Link) occupy(size int) {
	if l.cfg.Rate <= 0 {
		return
	}
	ns, part := serialisation(size, l.cfg.Rate, l.part)
	l.free += ns
	l.part = part
}

// serialisation is how long size bytes take at a rate. part is what the bytes
// before have left of a nanosecond, in units of 1/rate, then what these leave.
func serialisation(size int, rate int64, part uint64) (time.Duration, uint64) {
	hi, lo := bits.Mul64(uint64(size), uint64(time.Second))
	lo, carry := bits.Add64(lo, part, 0)
	ns, rest := bits.Div64(hi+carry, lo, uint64(rate))
	return time.Duration(ns), rest
}

// aggregate is when what is served at a time leaves.
func (l *Link) aggregate(served time.Duration) time.Duration {
	if a := l.cfg.Aggregate; a > 0 {
		return (served + a - 1) / a * a
	}
	return served
}

// transit is the way from the bottleneck to the far end, late by what the Schedule and what a Rule adds. Nothing
// overtakes what the Schedule has made late.
func (l *Link) transit(number int, left, held, late time.Duration) time.Duration {
	left = l.aggregate(left)
	at := left + held + max(l.cfg.Delay, 0) + l.rolls.upTo(rollJitter, number, l.cfg.Jitter)
	if l.rolls.chance(rollReorder, number, l.cfg.Reorder) {
		by := l.cfg.ReorderBy
		if by <= 0 {
			by = l.cfg.Delay / 2
		}
		at = max(at-by, left)
	} else {
		l.last = max(l.last, at)
		at = l.last
	}
	late += l.rolls.upTo(rollFreeJitter, number, l.cfg.FreeJitter)
	at += late
	if at < max(l.last, l.late) {
		l.stats.Reordered++
	}
	if late > 0 {
		l.late = max(l.late, at)
	}
	return at
}

func (l *Link) arrival(at time.Duration, p *Packet, roll roll) Arrival {
	a := Arrival{At: at, ECN: p.ECN}
	size := len(p.Payload)
	if size > 0 && l.rolls.chance(roll, p.N, l.cfg.Corrupt) {
		a.Corrupted = true
		a.Bit = l.rolls.below(roll+1, p.N, 8*size)
		l.stats.Corrupted++
	}
	return a
}

package bbr

import (
	"math/bits"
	"math/rand/v2"
	"time"

	"example.com/ebb/congestion"
)

// Windows, in packets.
const (
	initialWindow = 10 // TCP_INIT_CWND (RFC 6928 section 2)
	minWindow     = 2  // the least that a congestion.Controller may have
)

// maxBytes bounds the window in bytes, whatever the size of a packet.
const maxBytes = 1_000_000_000

// maxPacket is the largest payload of UDP, in bytes. A size that no packet has is not believed.
const maxPacket = 65527

// Gains are in units of 1/unit, as in tcp_bbr.
const (
	unit      = 256
	highGain  = unit*2885/1000 + 1 // 2/ln 2: doubles the rate every round trip
	drainGain = unit * 1000 / 2885
	cwndGain  = 2 * unit

	phases          = 8 // phases of ProbeBW
	probeGain       = unit * 5 / 4
	yieldGain       = unit * 3 / 4
	leastWindow     = 4  // packets
	bandwidthRounds = 10 // round trips in the bandwidth filter: a cycle and two more

	minRTTWindow  = 10 * time.Second
	probeRTTTime  = 200 * time.Millisecond
	fullGrowth    = unit * 5 / 4 // a round with less has found the pipe full,
	fullRounds    = 3            // three in a row are believed
	marginPercent = 1            // paced below the estimate, so that the queue drains

	minTSORate = 1_200_000 / 8 // bytes/s below which one packet leaves at a time
	maxBurst   = 64<<10 - 1 - 320
)

// mode is the state of the state machine.
type mode uint8

const (
	startup mode = iota
	drain
	probeBW
	probeRTT
)

func (m mode) String() string {
	return [...]string{"startup", "drain", "probe bandwidth", "probe round trip"}[m]
}

// controller is BBR version 1 as in tcp_bbr: a model of the path by the largest delivery rate and the
// least round trip, paced at the one, with a window of twice the product. Sizes are bytes.
type controller struct {
	size int64 // of a full packet
	next uint64
	rng  *rand.Rand
	now  time.Duration

	mode       mode
	pacingGain int64
	windowGain int64
	rate       int64 // bytes/s to pace at; 0: no round trip yet
	cwnd       int64
	prior      int64 // the window before recovery or ProbeRTT

	path      path
	full      fullPipe
	cycle     cycleState
	probe     visit
	aggregate aggregation
	policer   policer
	recovery  recovery

	idle     bool // the last ACK left the sender without data
	restart  bool // sending again after that
	timeouts int
}

// Factory makes controllers that follow BBR version 1 as Linux does: Startup and Drain with gains of
// 2.89 and 0.35, a cycle of eight phases, ProbeRTT every ten seconds, no answer to loss but packet
// conservation for a round trip, and the detection of policers. Their rate must be asked for after
// every ACK: a phase lasts one round trip.
func Factory() congestion.Factory { return makeController }

func makeController(p congestion.Params) congestion.Controller {
	return newController(int64(min(max(p.MaxDatagramSize, 1), maxPacket)), rand.New(rand.NewPCG(p.Seed, 0xbb)))
}

func newController(size int64, rng *rand.Rand) *controller {
	return &controller{
		size: size, rng: rng, cwnd: initialWindow * size,
		pacingGain: highGain, windowGain: highGain,
	}
}

// OnSend reports one packet that was just sent.
func (b *controller) OnSend(now time.Duration, e congestion.SendEvent) {
	b.advance(now)
	b.next = max(b.next, e.Number+1)
	if e.InFlight == e.Bytes && b.idle {
		b.restartFromIdle()
	}
}

// OnAck updates the model of the path and what follows from it (bbr_main).
func (b *controller) OnAck(now time.Duration, e congestion.AckEvent) {
	b.advance(now)
	b.next = max(b.next, e.LargestSent+1)
	b.idle = e.AppLimited
	if e.CE > 0 {
		b.mark(e.LargestAcked)
	}
	a := ack{AckEvent: e, lost: b.recovery.takeLost()}
	b.recovery.advance(e.LargestAcked)
	b.updateBandwidth(&a)
	b.updateAggregation(&a)
	b.updateCycle(&a)
	b.checkFull(&a)
	b.checkDrain(&a)
	b.updateMinRTT(&a)
	b.updateGains()
	b.setRate(b.bandwidth(), b.pacingGain, e.SmoothedRTT)
	b.setWindow(&a)
}

// OnLoss reports packets declared lost together.
func (b *controller) OnLoss(now time.Duration, e congestion.LossEvent) {
	b.advance(now)
	b.next = max(b.next, e.LargestSent+1)
	b.path.lost += int64(e.Bytes)
	b.recovery.lost += int64(e.Bytes)
	b.enterRecovery()
}

// OnSpuriousLoss looks for a full pipe again: the losses said nothing (bbr_undo_cwnd).
func (b *controller) OnSpuriousLoss(time.Duration, congestion.LossEvent) {
	b.full.bandwidth, b.full.rounds = 0, 0
	b.policer = policer{}
}

// OnTimeout keeps the model of the path; the window begins at its least and is restored when the
// timeout is over (bbr_set_state).
func (b *controller) OnTimeout(now time.Duration) {
	b.advance(now)
	b.timeouts++
	b.saveWindow()
	r := &b.recovery
	r.active, r.was, r.end, r.conserve = true, true, b.next, false
	b.full.bandwidth = 0
	b.path.roundStart = true
	b.cwnd = minWindow * b.size
}

// OnMaxDatagramSize reports the size of a full packet from now on. The window stays the same
// number of packets.
func (b *controller) OnMaxDatagramSize(size int) {
	if size > 0 && size <= maxPacket {
		b.cwnd = b.cwnd / b.size * int64(size)
		b.size = int64(size)
	}
}

// OnPathChange begins anew.
func (b *controller) OnPathChange(time.Duration) { *b = *newController(b.size, b.rng) }

// Window is the number of bytes that may be in flight, from two packets to 1e9.
func (b *controller) Window() int { return int(min(max(b.cwnd, minWindow*b.size), maxBytes)) }

// PacingRate is the rate in bytes per second, or 0 before there is a round trip.
func (b *controller) PacingRate(time.Duration) int64 { return b.rate }

// Stats describes the controller. SSThresh is not part of BBR.
func (b *controller) Stats() congestion.Stats {
	return congestion.Stats{
		Name: "bbr", State: b.mode.String(), Window: b.Window(),
		BaseDelay: b.path.minRTT, Timeouts: b.timeouts,
	}
}

func (b *controller) advance(now time.Duration) { b.now = max(b.now, now) }

// ack is an ACK with the bytes lost since the one before.
type ack struct {
	congestion.AckEvent
	lost int64
}

// most is where rates and sizes end, so that their products with gains fit 64 bits.
const most = 1 << 50

// mulDiv is a·b/c, at most most; 0 where a or b is not positive. What would be infinite is most.
func mulDiv(a, b, c int64) int64 {
	if a <= 0 || b <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if c <= 0 || hi >= uint64(c) {
		return most
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, most))
}

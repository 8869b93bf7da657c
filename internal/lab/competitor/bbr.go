package competitor

import (
	"math/bits"
	"math/rand/v2"
	"time"

	"example.com/ebb/congestion"
)

// Gains are in units of 1/bbrUnit, as in tcp_bbr.
const (
	bbrUnit      = 256
	bbrHighGain  = bbrUnit*2885/1000 + 1 // 2/ln 2: doubles the rate every round trip
	bbrDrainGain = bbrUnit * 1000 / 2885
	bbrCwndGain  = 2 * bbrUnit

	bbrCycle        = 8 // phases of ProbeBW
	bbrProbeGain    = bbrUnit * 5 / 4
	bbrYieldGain    = bbrUnit * 3 / 4
	bbrMinWindow    = 4  // packets
	bbrBandwidthWin = 10 // round trips in the bandwidth filter: a cycle and two more

	bbrMinRTTWindow  = 10 * time.Second
	bbrProbeRTTTime  = 200 * time.Millisecond
	bbrFullGrowth    = bbrUnit * 5 / 4 // a round with less has found the pipe full,
	bbrFullRounds    = 3               // three in a row are believed
	bbrMarginPercent = 1               // paced below the estimate, so that the queue drains

	bbrMinTSORate = 1_200_000 / 8 // bytes/s below which one packet leaves at a time
	bbrMaxBurst   = 64<<10 - 1 - 320
)

// bbrMode is the state of the state machine.
type bbrMode uint8

const (
	bbrStartup bbrMode = iota
	bbrDrain
	bbrProbeBW
	bbrProbeRTT
)

func (m bbrMode) String() string {
	return [...]string{"startup", "drain", "probe bandwidth", "probe round trip"}[m]
}

// bbr is BBR version 1 as in tcp_bbr: a model of the path by the largest delivery rate and the
// least round trip, paced at the one, with a window of twice the product. Sizes are bytes.
type bbr struct {
	size int64 // of a full packet
	next uint64
	rng  *rand.Rand
	now  time.Duration

	mode       bbrMode
	pacingGain int64
	windowGain int64
	rate       int64 // bytes/s to pace at; 0: no round trip yet
	cwnd       int64
	prior      int64 // the window before recovery or ProbeRTT

	path      bbrPath
	full      bbrFull
	cycle     bbrCycleState
	probe     bbrProbeState
	aggregate bbrAggregation
	policer   bbrPolicer
	recovery  bbrRecovery

	idle     bool // the last ACK left the sender without data
	restart  bool // sending again after that
	timeouts int
}

// BBR makes a controller that follows BBR version 1 as Linux does: Startup and Drain with gains of
// 2.89 and 0.35, a cycle of eight phases, ProbeRTT every ten seconds, no answer to loss but packet
// conservation for a round trip, and the detection of policers. Its rate must be asked for after
// every ACK: a phase lasts one round trip.
func BBR(p congestion.Params) congestion.Controller {
	return newBBR(int64(max(p.MaxDatagramSize, 1)), rand.New(rand.NewPCG(p.Seed, 0xbb)))
}

func newBBR(size int64, rng *rand.Rand) *bbr {
	return &bbr{
		size: size, rng: rng, cwnd: initialWindow * size,
		pacingGain: bbrHighGain, windowGain: bbrHighGain,
	}
}

// OnSend reports one packet that was just sent.
func (b *bbr) OnSend(now time.Duration, e congestion.SendEvent) {
	b.advance(now)
	b.next = max(b.next, e.Number+1)
	if e.InFlight == e.Bytes && b.idle {
		b.restartFromIdle()
	}
}

// OnAck updates the model of the path and what follows from it (bbr_main).
func (b *bbr) OnAck(now time.Duration, e congestion.AckEvent) {
	b.advance(now)
	b.next = max(b.next, e.LargestSent+1)
	b.idle = e.AppLimited
	a := bbrAck{AckEvent: e, lost: b.recovery.takeLost()}
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
func (b *bbr) OnLoss(now time.Duration, e congestion.LossEvent) {
	b.advance(now)
	b.next = max(b.next, e.LargestSent+1)
	b.path.lost += int64(e.Bytes)
	r := &b.recovery
	r.lost += int64(e.Bytes)
	if !r.active && e.Largest >= r.end {
		b.saveWindow()
		r.active, r.end = true, b.next
	}
}

// OnSpuriousLoss looks for a full pipe again: the losses said nothing (bbr_undo_cwnd).
func (b *bbr) OnSpuriousLoss(time.Duration, congestion.LossEvent) {
	b.full.bandwidth, b.full.rounds = 0, 0
	b.policer = bbrPolicer{}
}

// OnTimeout keeps the model of the path; the window begins at its least and is restored when the
// timeout is over (bbr_set_state).
func (b *bbr) OnTimeout(now time.Duration) {
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
func (b *bbr) OnMaxDatagramSize(size int) {
	if size > 0 {
		b.cwnd = b.cwnd / b.size * int64(size)
		b.size = int64(size)
	}
}

// OnPathChange begins anew.
func (b *bbr) OnPathChange(time.Duration) { *b = *newBBR(b.size, b.rng) }

// Window is the number of bytes that may be in flight, at least two packets.
func (b *bbr) Window() int { return int(max(b.cwnd, minWindow*b.size)) }

// PacingRate is the rate in bytes per second, or 0 before there is a round trip.
func (b *bbr) PacingRate(time.Duration) int64 { return b.rate }

// Stats describes the controller. SSThresh is not part of BBR.
func (b *bbr) Stats() congestion.Stats {
	return congestion.Stats{
		Name: "bbr", State: b.mode.String(), Window: b.Window(),
		BaseDelay: b.path.minRTT, Timeouts: b.timeouts,
	}
}

func (b *bbr) advance(now time.Duration) { b.now = max(b.now, now) }

// bbrAck is an ACK with the bytes lost since the one before.
type bbrAck struct {
	congestion.AckEvent
	lost int64
}

// mulDiv is a·b/c, without overflow as long as the result has none. a and b are not negative, c
// is positive.
func mulDiv(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(q)
}

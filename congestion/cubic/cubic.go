package cubic

import (
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/internal/lossbased"
)

const (
	// betaNumerator over betaDenominator is β of RFC 9438 section 4.6: 0.7 in the kernel's units.
	betaNumerator, betaDenominator = 717, 1024
	// friendlyNumerator over friendlyDenominator is 1/α of RFC 9438 section 4.3, the packets
	// per packet of window that W_est waits for: (1+β)/(3·(1-β)), cut to eighths as in the kernel.
	friendlyNumerator, friendlyDenominator = 15, 8
	// slowestUnknown is the least growth, a packet for so many acknowledged, before the first
	// loss has told the size of the path.
	slowestUnknown = 20
	// flatGrowth times the window is how many packets a packet waits for at the plateau.
	flatGrowth = 100
	// fastestGrowth: at most one packet for two acknowledged (RFC 9438 section 4.2, 1.5·cwnd).
	fastestGrowth = 2
	// maxEpoch bounds the time in the cube, in ms, so that it fits 64 bits.
	maxEpoch = 1_000_000
)

// Factory makes controllers that follow RFC 9438 as Linux does, with the Reno-friendly region, fast
// convergence and HyStart, from a window of ten packets; and paced.
func Factory() congestion.Factory { return paced }

// Unpaced makes the same controllers without pacing, as TCP has none on Linux without the queueing
// discipline fq: for comparisons with that.
func Unpaced() congestion.Factory { return unpaced }

func paced(p congestion.Params) congestion.Controller {
	return lossbased.New("cubic", p, true, &law{hystart: hystart{paced: true}})
}

func unpaced(p congestion.Params) congestion.Controller {
	return lossbased.New("cubic", p, false, &law{})
}

// law is CUBIC's: a curve over the time since the last reduction.
type law struct {
	curve   curve
	hystart hystart
}

var _ lossbased.Law = (*law)(nil)

// Reduce leaves 0.7 of the window (RFC 9438 section 4.6).
func (l *law) Reduce(cwnd int64) int64 {
	l.curve.saved, l.curve.savedMax = l.curve.previous(), l.curve.max
	return l.curve.reduce(cwnd)
}

// Undo takes the last reduction back (RFC 9438 section 4.9.2).
func (l *law) Undo() { l.curve.restore() }

// Every follows the curve, a round trip ahead.
func (l *law) Every(now time.Duration, cwnd, acked int64) int64 {
	return l.curve.every(now, cwnd, acked, l.hystart.least)
}

// Sample shows the round trip to HyStart. Samples of the second after a reduction still hold
// the queue that it answered; they are not used (cubictcp_acked).
func (l *law) Sample(now, rtt time.Duration, newRound, slowStart bool, cwnd int64) bool {
	if l.curve.begun && now-l.curve.start < time.Second {
		return false
	}
	l.hystart.sample(now, rtt, newRound)
	return slowStart && cwnd >= hystartLowWindow && l.hystart.full(now)
}

// Pause stops the curve's time while the window is not used (RFC 9438 section 5.8, cubictcp_cwnd_event).
func (l *law) Pause(now, idle time.Duration) { l.curve.pause(now, idle) }

// Restart begins anew (RFC 9438 section 4.8): K = 0 and W_max is the window that avoidance starts at.
func (l *law) Restart() { l.curve, l.hystart = curve{}, hystart{paced: l.hystart.paced} }

// BaseDelay is the least round trip.
func (l *law) BaseDelay() time.Duration { return l.hystart.least }

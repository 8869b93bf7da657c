package competitor

import (
	"time"

	"example.com/ebb/congestion"
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

// cubic is RFC 9438 as Linux has it. It departs in this: the time ahead in the curve is the least
// round trip and not the smoothed one, W_est keeps growing by α and never by a whole packet, and
// slow start ends by HyStart (RFC 9438 section 4.10 prefers HyStart++).
type cubic struct {
	lossBased
	curve   curve
	hystart hystart
}

// CUBIC makes a controller that follows RFC 9438 as Linux does, with the Reno-friendly region, fast
// convergence and HyStart, from a window of ten packets. It is not paced.
func CUBIC(p congestion.Params) congestion.Controller {
	return &cubic{lossBased: newLossBased(p)}
}

// OnAck moves the window.
func (c *cubic) OnAck(now time.Duration, e congestion.AckEvent) {
	acked, newRound := c.begin(&e)
	if e.CE > 0 {
		c.OnLoss(now, markEvent(&e))
	}
	c.sampleDelay(now, &e, newRound)
	if c.reduce(&e, acked) || !c.limited(&e) {
		return
	}
	if acked = c.slowStart(acked); acked > 0 {
		c.avoid(c.curve.every(now, c.cwnd, acked, c.hystart.least), acked)
	}
}

// sampleDelay shows the round trip to HyStart. Samples of the second after a reduction still hold
// the queue that it answered; they are not used (cubictcp_acked).
func (c *cubic) sampleDelay(now time.Duration, e *congestion.AckEvent, newRound bool) {
	if e.RTT <= 0 || c.curve.begun && now-c.curve.start < time.Second {
		return
	}
	c.hystart.sample(now, e.RTT, newRound)
	if c.inSlowStart() && !c.recovery.active && c.cwnd >= hystartLowWindow && c.hystart.full(now) {
		c.ssthresh = c.cwnd
	}
}

// OnLoss reduces the window to 0.7 of it, once for all packets in flight then.
func (c *cubic) OnLoss(_ time.Duration, e congestion.LossEvent) {
	if c.enter(e) {
		c.curve.saved, c.curve.savedMax = c.curve.previous(), c.curve.max
		c.ssthresh = c.curve.reduce(c.cwnd)
		c.admit(e)
	}
}

// OnSpuriousLoss takes a reduction back that answered losses which were none (RFC 9438 section
// 4.9.2).
func (c *cubic) OnSpuriousLoss(_ time.Duration, e congestion.LossEvent) {
	if c.undo(e) {
		c.curve.restore()
	}
}

// OnTimeout begins anew with the least window (RFC 9438 section 4.8).
func (c *cubic) OnTimeout(time.Duration) {
	ssthresh := c.curve.reduce(c.cwnd)
	c.curve = curve{} // K = 0 and W_max the window that avoidance starts at
	c.hystart = hystart{}
	c.timeout(ssthresh)
}

// OnPathChange begins anew.
func (c *cubic) OnPathChange(time.Duration) { *c = cubic{lossBased: c.anew()} }

// Stats describes the controller. SSThresh is 0 until HyStart or a loss sets it.
func (c *cubic) Stats() congestion.Stats {
	s := c.stats("cubic")
	s.BaseDelay = c.hystart.least
	return s
}

package competitor

import "time"

// bbrCycleState is the position in ProbeBW's cycle of gains.
type bbrCycleState struct {
	phase int
	start time.Duration
}

// gain of a phase: a quarter more for a round trip, a quarter less to drain what that has queued,
// six at the estimate.
func (c *bbrCycleState) gain() int64 {
	switch c.phase {
	case 0:
		return bbrProbeGain
	case 1:
		return bbrYieldGain
	}
	return bbrUnit
}

// enterProbeBW starts the cycle anywhere but in the draining phase (bbr_reset_probe_bw_mode).
func (b *bbr) enterProbeBW() {
	b.mode = bbrProbeBW
	b.cycle.phase = bbrCycle - 1 - b.rng.IntN(bbrCycle-1)
	b.nextPhase()
}

func (b *bbr) nextPhase() {
	b.cycle.phase = (b.cycle.phase + 1) % bbrCycle
	b.cycle.start = b.now
}

// updateCycle goes on to the next phase when this one has done its work (bbr_update_cycle_phase).
func (b *bbr) updateCycle(a *bbrAck) {
	if b.mode == bbrProbeBW && b.phaseDone(a) {
		b.nextPhase()
	}
}

func (b *bbr) phaseDone(a *bbrAck) bool {
	long := b.now-b.cycle.start > b.path.minRTT
	inFlight := b.atDeparture(int64(a.PriorInFlight))
	bandwidth := b.path.bandwidth.best()
	switch {
	case b.pacingGain > bbrUnit:
		// A round trip, and until the larger flight was reached or did not fit.
		return long && (a.lost > 0 || inFlight >= b.target(bandwidth, b.pacingGain))
	case b.pacingGain < bbrUnit:
		return long || inFlight <= b.target(bandwidth, bbrUnit)
	}
	return long
}

// checkDrain leaves Startup for Drain, and that when the queue is gone (bbr_check_drain).
func (b *bbr) checkDrain(a *bbrAck) {
	if b.mode == bbrStartup && b.full.reached {
		b.mode = bbrDrain
	}
	if b.mode == bbrDrain &&
		b.atDeparture(int64(a.InFlight)) <= b.target(b.path.bandwidth.best(), bbrUnit) {
		b.enterProbeBW()
	}
}

// bbrProbeState is the visit to ProbeRTT.
type bbrProbeState struct {
	timed     bool          // the flight has become small
	until     time.Duration // it stays so at least until then,
	roundDone bool          // and for a round
}

// updateMinRTT takes the round trip, and goes to ProbeRTT when the least one is ten seconds old
// (bbr_update_min_rtt).
func (b *bbr) updateMinRTT(a *bbrAck) {
	p := &b.path
	expired := p.minRTT > 0 && b.now > p.minRTTAt+bbrMinRTTWindow
	if a.RTT > 0 && (p.minRTT == 0 || a.RTT < p.minRTT || expired) {
		p.minRTT, p.minRTTAt = a.RTT, b.now
	}
	if expired && !b.restart && b.mode != bbrProbeRTT {
		b.saveWindow()
		b.mode = bbrProbeRTT
		b.probe = bbrProbeState{}
		p.limitedFrom = p.delivered
	}
	if b.mode == bbrProbeRTT {
		b.probeRTT(a)
	}
	if a.Delivery.Delivered > a.Delivery.PriorDelivered {
		b.restart = false
	}
}

func (b *bbr) probeRTT(a *bbrAck) {
	p, s := &b.path, &b.probe
	p.limitedUntil = max(p.delivered+int64(a.InFlight), 1)
	switch {
	case !s.timed && int64(a.InFlight) <= bbrMinWindow*b.size:
		s.timed, s.until = true, b.now+bbrProbeRTTTime
		p.roundEnd = p.delivered
	case s.timed:
		s.roundDone = s.roundDone || p.roundStart
		if s.roundDone {
			b.leaveProbeRTT()
		}
	}
}

func (b *bbr) leaveProbeRTT() {
	if !b.probe.timed || b.now <= b.probe.until {
		return
	}
	b.path.minRTTAt = b.now
	b.cwnd = max(b.cwnd, b.prior)
	if b.full.reached {
		b.enterProbeBW()
	} else {
		b.mode = bbrStartup
	}
}

// updateGains sets the gains that belong to the state (bbr_update_gains).
func (b *bbr) updateGains() {
	switch b.mode {
	case bbrStartup:
		b.pacingGain, b.windowGain = bbrHighGain, bbrHighGain
	case bbrDrain:
		b.pacingGain, b.windowGain = bbrDrainGain, bbrHighGain
	case bbrProbeBW:
		b.pacingGain, b.windowGain = b.cycle.gain(), bbrCwndGain
		if b.policer.inForce {
			b.pacingGain = bbrUnit
		}
	case bbrProbeRTT:
		b.pacingGain, b.windowGain = bbrUnit, bbrUnit
	}
}

// restartFromIdle paces at the estimate and not above it when data comes after a pause
// (bbr_cwnd_event).
func (b *bbr) restartFromIdle() {
	b.restart = true
	b.aggregate.start, b.aggregate.acked = b.now, 0
	switch b.mode {
	case bbrProbeBW:
		b.setRate(b.bandwidth(), bbrUnit, 0)
	case bbrProbeRTT:
		b.leaveProbeRTT()
	}
}

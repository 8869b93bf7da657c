package bbr

import "time"

// cycleState is the position in ProbeBW's cycle of gains.
type cycleState struct {
	phase int
	start time.Duration
}

// gain of a phase: a quarter more for a round trip, a quarter less to drain what that has queued,
// six at the estimate.
func (c *cycleState) gain() int64 {
	switch c.phase {
	case 0:
		return probeGain
	case 1:
		return yieldGain
	}
	return unit
}

// enterProbeBW starts the cycle anywhere but in the draining phase (bbr_reset_probe_bw_mode).
func (b *controller) enterProbeBW() {
	b.mode = probeBW
	b.cycle.phase = phases - 1 - b.rng.IntN(phases-1)
	b.nextPhase()
}

func (b *controller) nextPhase() {
	b.cycle.phase = (b.cycle.phase + 1) % phases
	b.cycle.start = b.now
}

// updateCycle goes on to the next phase when this one has done its work (bbr_update_cycle_phase).
func (b *controller) updateCycle(a *ack) {
	if b.mode == probeBW && b.phaseDone(a) {
		b.nextPhase()
	}
}

func (b *controller) phaseDone(a *ack) bool {
	long := b.now-b.cycle.start > b.path.minRTT
	inFlight := b.atDeparture(int64(a.PriorInFlight))
	bandwidth := b.path.bandwidth.best()
	switch {
	case b.pacingGain > unit:
		// A round trip, and until the larger flight was reached or did not fit.
		return long && (a.lost > 0 || inFlight >= b.target(bandwidth, b.pacingGain))
	case b.pacingGain < unit:
		return long || inFlight <= b.target(bandwidth, unit)
	}
	return long
}

// checkDrain leaves Startup for Drain, and that when the queue is gone (bbr_check_drain).
func (b *controller) checkDrain(a *ack) {
	if b.mode == startup && b.full.reached {
		b.mode = drain
	}
	if b.mode == drain &&
		b.atDeparture(int64(a.InFlight)) <= b.target(b.path.bandwidth.best(), unit) {
		b.enterProbeBW()
	}
}

// visit is the visit to ProbeRTT.
type visit struct {
	timed     bool          // the flight has become small
	until     time.Duration // it stays so at least until then,
	roundDone bool          // and for a round
}

// updateMinRTT takes the round trip, and goes to ProbeRTT when the least one is ten seconds old
// (bbr_update_min_rtt).
func (b *controller) updateMinRTT(a *ack) {
	p := &b.path
	expired := p.minRTT > 0 && b.now > p.minRTTAt+minRTTWindow
	if a.RTT > 0 && (p.minRTT == 0 || a.RTT < p.minRTT || expired) {
		p.minRTT, p.minRTTAt = a.RTT, b.now
	}
	if expired && !b.restart && b.mode != probeRTT {
		b.saveWindow()
		b.mode = probeRTT
		b.probe = visit{}
		p.limitedFrom = p.delivered
	}
	if b.mode == probeRTT {
		b.probeRTT(a)
	}
	if a.Delivery.Delivered > a.Delivery.PriorDelivered {
		b.restart = false
	}
}

func (b *controller) probeRTT(a *ack) {
	p, s := &b.path, &b.probe
	p.limitedUntil = max(p.delivered+int64(a.InFlight), 1)
	switch {
	case !s.timed && int64(a.InFlight) <= leastWindow*b.size:
		s.timed, s.until = true, b.now+probeRTTTime
		p.roundEnd = p.delivered
	case s.timed:
		s.roundDone = s.roundDone || p.roundStart
		if s.roundDone {
			b.leaveProbeRTT()
		}
	}
}

func (b *controller) leaveProbeRTT() {
	if !b.probe.timed || b.now <= b.probe.until {
		return
	}
	b.path.minRTTAt = b.now
	b.cwnd = max(b.cwnd, b.prior)
	if b.full.reached {
		b.enterProbeBW()
	} else {
		b.mode = startup
	}
}

// updateGains sets the gains that belong to the state (bbr_update_gains).
func (b *controller) updateGains() {
	switch b.mode {
	case startup:
		b.pacingGain, b.windowGain = highGain, highGain
	case drain:
		b.pacingGain, b.windowGain = drainGain, highGain
	case probeBW:
		b.pacingGain, b.windowGain = b.cycle.gain(), cwndGain
		if b.policer.inForce {
			b.pacingGain = unit
		}
	case probeRTT:
		b.pacingGain, b.windowGain = unit, unit
	}
}

// restartFromIdle paces at the estimate and not above it when data comes after a pause
// (bbr_cwnd_event).
func (b *controller) restartFromIdle() {
	b.restart = true
	b.aggregate.start, b.aggregate.acked = b.now, 0
	switch b.mode {
	case probeBW:
		b.setRate(b.bandwidth(), unit, 0)
	case probeRTT:
		b.leaveProbeRTT()
	}
}

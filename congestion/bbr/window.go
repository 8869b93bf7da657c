package bbr

import "time"

// recovery is the episode of loss recovery. BBR does not take loss for a full path; it only
// conserves packets for a round trip.
type recovery struct {
	active, was bool   // now; at the last ACK
	end         uint64 // over when this number, sent in it, is acknowledged
	conserve    bool
	lost        int64 // bytes since the last ACK
}

func (r *recovery) takeLost() int64 {
	lost := r.lost
	r.lost = 0
	return lost
}

func (r *recovery) advance(acked uint64) {
	if r.active && acked >= r.end {
		r.active = false
	}
}

// enterRecovery begins an episode. It goes on until something is acknowledged that was sent after the last loss was
// found, as the kernel's goes on while a hole is open: only its first round conserves packets, so that a path
// which always loses some is not slowed (tcp_fastretrans_alert, bbr_set_cwnd_to_recover_or_restore).
func (b *controller) enterRecovery() {
	r := &b.recovery
	if !r.active {
		b.saveWindow()
		r.active = true
	}
	r.end = b.next
}

// mark answers marks of Congestion Experienced as the loss of a packet, once for all in flight then. tcp_bbr leaves them
// unanswered; RFC 3168 section 6.1.2 asks for what a drop gets.
func (b *controller) mark(largest uint64) {
	if r := &b.recovery; !r.active && largest >= r.end {
		b.enterRecovery()
	}
}

// setRate paces at the gain times the bandwidth, less a margin. Until the pipe was found full the
// rate only rises (bbr_set_pacing_rate).
func (b *controller) setRate(bandwidth, gain int64, srtt time.Duration) {
	if b.rate == 0 && srtt > 0 {
		first := mulDiv(b.cwnd, int64(time.Second), int64(srtt))
		b.rate = b.paced(first, highGain)
	}
	if rate := b.paced(bandwidth, gain); b.full.reached || rate > b.rate {
		b.rate = max(rate, 1)
	}
}

func (b *controller) paced(bandwidth, gain int64) int64 {
	return mulDiv(bandwidth, gain*(100-marginPercent), unit*100)
}

// saveWindow remembers the window to come back to (bbr_save_cwnd).
func (b *controller) saveWindow() {
	if !b.recovery.was && b.mode != probeRTT {
		b.prior = b.cwnd
		return
	}
	b.prior = max(b.prior, b.cwnd)
}

// setWindow moves the window towards the gain times the bandwidth-delay product (bbr_set_cwnd).
func (b *controller) setWindow(a *ack) {
	acked := int64(a.Bytes)
	if acked > 0 && !b.conserve(a) {
		target := b.product(b.bandwidth(), b.windowGain) + b.extraAcked()
		target = b.quantise(target)
		if b.full.reached {
			b.cwnd = min(b.cwnd+acked, target)
		} else if b.cwnd < target || b.path.delivered < initialWindow*b.size {
			b.cwnd += acked
		}
		b.cwnd = max(b.cwnd, leastWindow*b.size)
	}
	b.cwnd = min(b.cwnd, maxBytes)
	if b.mode == probeRTT {
		b.cwnd = min(b.cwnd, leastWindow*b.size)
	}
}

// conserve sets the window in recovery and at its end, and reports whether only what was delivered
// may be replaced (bbr_set_cwnd_to_recover_or_restore).
func (b *controller) conserve(a *ack) bool {
	r := &b.recovery
	refill := int64(a.InFlight) + int64(a.Bytes)
	if a.lost > 0 {
		b.cwnd = max(b.cwnd-a.lost, b.size)
	}
	switch {
	case r.active && !r.was:
		r.conserve = true
		b.path.roundEnd = b.path.delivered
		b.cwnd = refill
	case !r.active && r.was:
		b.cwnd = max(b.cwnd, b.prior)
		r.conserve = false
	}
	r.was = r.active
	if r.conserve {
		b.cwnd = max(b.cwnd, refill)
	}
	return r.conserve
}

// product is the gain times the bandwidth-delay product, in bytes.
func (b *controller) product(bandwidth, gain int64) int64 {
	if b.path.minRTT == 0 {
		return initialWindow * b.size
	}
	bdp := mulDiv(bandwidth, int64(b.path.minRTT), int64(time.Second))
	return (bdp*gain + unit - 1) / unit
}

// target is the flight that a gain aims at.
func (b *controller) target(bandwidth, gain int64) int64 {
	return b.quantise(b.product(bandwidth, gain))
}

// quantise adds what offloads and delayed ACKs keep from the network: three bursts, an even number
// of packets, and two more when probing (bbr_quantization_budget).
func (b *controller) quantise(window int64) int64 {
	packets := (window+b.size-1)/b.size + 3*b.burst()
	packets = (packets + 1) &^ 1
	if b.mode == probeBW && b.cycle.phase == 0 {
		packets += 2
	}
	return packets * b.size
}

// burst is how many packets leave back to back: a millisecond of the rate (bbr_tso_segs_goal).
func (b *controller) burst() int64 {
	least := int64(2)
	if b.rate < minTSORate {
		least = 1
	}
	return min(max(min(b.rate>>10, maxBurst)/b.size, least), 127)
}

// extraAcked is the window that aggregated ACKs need, at most 100 ms of the bandwidth.
func (b *controller) extraAcked() int64 {
	if !b.full.reached {
		return 0
	}
	bound := mulDiv(b.bandwidth(), int64(extraTime), int64(time.Second))
	return min(max(b.aggregate.extra[0], b.aggregate.extra[1]), bound)
}

// atDeparture is a flight as it will be when the burst that is being paced has left
// (bbr_packets_in_net_at_edt).
func (b *controller) atDeparture(inFlight int64) int64 {
	if b.pacingGain > unit {
		inFlight += b.burst() * b.size
	}
	return inFlight
}

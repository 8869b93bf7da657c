package ledbat

import "time"

const (
	// reverseMargin is how much more of a queue the round trip must show than the
	// one-way delay before the difference is put down to the ACKs' path (A1). It covers
	// what two clocks drift apart between two drains: 200 ppm in 10 s are 2 ms.
	reverseMargin = 5 * time.Millisecond
	// localBase is the base delay below which a path is inside a machine or a rack (A1, A8).
	localBase = 500 * time.Microsecond
	// ackHoldingMargin is how much of that difference must vary within two rounds to
	// count as ACKs that were delayed (A1).
	ackHoldingMargin = time.Millisecond
	// clockStep is how far below the base a one-way delay must be to say that a
	// clock was set and not that the path became shorter (A2).
	clockStep = 10 * time.Millisecond
	// smallFall is how far below the base a single sample is believed (A18): less than the
	// path can be mistaken for, and more than clocks and timers are out.
	smallFall = 2 * time.Millisecond
	// firstSamples is how many samples may show that the very first was early, and agreeing how many must agree with it
	// before it is believed (A18): where one packet in twenty is early, one of the next sixteen most often is, too.
	firstSamples = 16
	agreeing     = 2
	settled      = 255
	// manySamples is how many samples of a round must all be below the base to lower it, although their packets
	// overtook others (A18). Where few packets are early, so many are not in one round without a single other.
	manySamples = 24
	// maxOneWay bounds one-way delays, whatever the peer says its clock shows.
	maxOneWay = time.Duration(1) << 60
)

// delaySignal turns round trips and one-way delays into the queue on the way to
// the peer. The round trip cannot be forged downwards but counts a queue on the
// ACKs' path as well; the one-way delay does not, but contains the difference of
// two clocks. So the one-way delay is used only where it shows a queue on the
// ACKs' path that is too large for a drift (A1).
type delaySignal struct {
	base       time.Duration // the least round trip; 0 without a sample
	baseOneWay time.Duration // the least one-way delay, if hasOneWay
	recent     recentDelays
	others     sample        // the least of each beside the first sample and those that agree with it, until it is settled
	queue      time.Duration // as of the last sample
	ackHolding ackHolding

	hasOneWay bool
	agreed    uint8 // samples since the first that agree with it
	doubts    uint8 // those that do not, or settled
	reverse   bool  // the last sample put the round trip's queue down to the ACKs' path
	thin      bool  // the path holds so little that every flow has a queue on it, which varies by whole packets
}

// ackHolding is by how much more the round trips of this round, and of the one before,
// exceed their base than the one-way delays do. Clocks do not drift milliseconds apart
// within a round: what varies in one is how long ACKs were delayed (A1).
type ackHolding struct {
	least, most  time.Duration // if seen
	leastBefore  time.Duration // if seenBefore
	spreadBefore time.Duration
	seen         bool
	seenBefore   bool
}

func (h *ackHolding) add(back time.Duration) {
	if !h.seen || back < h.least {
		h.least = back
	}
	h.most = max(h.most, back)
	h.seen = true
}

// endRound begins another round.
func (h *ackHolding) endRound() {
	if h.seen {
		*h = ackHolding{seenBefore: true, leastBefore: h.least, spreadBefore: h.most - h.least}
	}
}

// constant is the part that two rounds have in common. It may be a drift.
func (h *ackHolding) constant() time.Duration {
	if h.seenBefore {
		return min(h.least, h.leastBefore)
	}
	return h.least
}

// spread is how long the ACKs of two rounds were delayed, at most.
func (h *ackHolding) spread() time.Duration { return max(h.most-h.least, h.spreadBefore) }

// add takes the samples of one packet (A1). overtook says that it came ahead of others (A17),
// noisy that delays vary of themselves (A18).
func (d *delaySignal) add(s sample, overtook, noisy bool) {
	s.rtt = min(s.rtt, maxDelay)
	s.oneWay = min(max(s.oneWay, -maxOneWay), maxOneWay)
	if !overtook {
		d.recent.add(s)
		d.confirm(s)
	}
	low := s
	if d.base > 0 && (s.rtt < d.base || s.hasOneWay && d.hasOneWay && s.oneWay < d.baseOneWay) {
		low = d.credible(s, overtook || noisy)
	}
	if d.base == 0 || low.rtt < d.base {
		d.base = low.rtt
	}
	d.queue, d.reverse = max(0, s.rtt-d.base), false
	switch {
	case d.local(): // A1: nothing is asked of the peer's clock
		d.hasOneWay, d.ackHolding = false, ackHolding{}
	case s.hasOneWay:
		d.addOneWay(s.oneWay, low.oneWay)
	}
}

// local says whether the path is so short that what varies is when programs are scheduled and not what the path holds. A window
// that covers such a time makes both ends busier, ACKs later, and the time longer; and it is larger than caches and the
// buffers of sockets. So it counts as a queue, on whichever way it was (A1), and nothing is allowed for it (A8).
func (d *delaySignal) local() bool { return d.base < localBase }

// confirm takes a sample that may show that the first was early (A18): firstSamples or more are above smallFall of the base before
// agreeing ones are not. If most of the recent ones are that close to the least of all, that is the base. If they are not,
// but one of them is, delays vary of themselves, and the base is what most of the recent ones do not exceed, as for any fall
// on a noisy path. In a queue that grows none of them is, and on a thin path they say nothing.
func (d *delaySignal) confirm(s sample) {
	if d.base == 0 || d.doubts == settled {
		return
	}
	if s.rtt-d.base <= smallFall {
		if d.agreed++; d.agreed == agreeing {
			d.doubts = settled
		}
		return
	}
	if d.doubts == 0 {
		d.others = s
	}
	d.others.rtt, d.others.oneWay = min(d.others.rtt, s.rtt), min(d.others.oneWay, s.oneWay)
	if d.doubts++; d.doubts < firstSamples {
		return
	}
	near := d.others.rtt + smallFall
	switch typical := d.recent.typical(d.others); {
	case typical.rtt < near:
		d.base, d.baseOneWay, d.doubts = d.others.rtt, d.others.oneWay, settled
	case d.recent.least() <= near && !d.thin:
		d.base, d.baseOneWay, d.doubts = typical.rtt, typical.oneWay, settled
	}
}

// credible is the part of a sample below the base that may lower it (A18).
func (d *delaySignal) credible(s sample, doubtful bool) sample {
	most := d.recent.most(sample{rtt: d.base, oneWay: d.baseOneWay})
	if doubtful || d.base-s.rtt > smallFall {
		s.rtt = most.rtt
	}
	if d.hasOneWay && (doubtful || d.baseOneWay-s.oneWay > smallFall) {
		s.oneWay = most.oneWay
	}
	return s
}

// lower makes the longest round trip of a round the base, if the round had many samples and all are below it (A18). Where every
// packet is delayed by itself, nearly all samples are of packets that overtook others, and the rest say too seldom
// what the path is like. What was no part of the path is in the one-way base as well.
func (d *delaySignal) lower(r *round) {
	if fall := d.base - r.longest; r.samples >= manySamples && fall > smallFall {
		d.base -= fall
		d.baseOneWay -= fall
	}
}

// addOneWay takes a one-way delay, of which low may lower the base.
func (d *delaySignal) addOneWay(oneWay, low time.Duration) {
	switch {
	case !d.hasOneWay:
		d.hasOneWay, d.baseOneWay = true, oneWay-d.queue
	case d.baseOneWay-low > clockStep:
		// A2: the base of the new clock. The queue that the round trip shows is
		// in the sample. Ordinary minima are not corrected like this, because a
		// queue on the ACKs' path would spoil the base.
		d.baseOneWay = low - d.queue
	case low < d.baseOneWay:
		d.baseOneWay = low
	}
	forward := max(0, oneWay-d.baseOneWay)
	back := max(0, d.queue-forward)
	d.ackHolding.add(back)
	queue := forward
	if back <= reverseMargin {
		queue += min(back, d.ackHolding.constant())
	}
	if d.queue-queue > ackHoldingMargin {
		d.queue, d.reverse = queue, true
	}
}

// accept makes the minima the base. Nothing else raises it.
func (d *delaySignal) accept(m minima) {
	d.base = m.rtt
	d.refresh(m)
}

// refresh sets the one-way base alone, so that clocks that drift do not move it away
// from the truth.
func (d *delaySignal) refresh(m minima) {
	d.baseOneWay, d.hasOneWay = m.oneWay, m.hasOneWay
}

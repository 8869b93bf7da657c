package competitor

import "time"

// The detection of token buckets: two intervals with a fifth lost and about the same rate.
const (
	bbrPolicerMinRounds = 4
	bbrPolicerMaxRounds = 16
	bbrPolicerLoss      = 50       // of bbrUnit: 20 %
	bbrPolicerClose     = 8        // rates that differ by less than 1/8 are the same,
	bbrPolicerDiff      = 4000 / 8 // or by so many bytes/s
	bbrPolicerRounds    = 48       // for which the estimate is used
)

// bbrPolicer is the long-term rate of a path that looks policed (bbr_lt_bw_sampling).
type bbrPolicer struct {
	sampling  bool
	inForce   bool
	rounds    int
	bandwidth int64 // of the interval before; in force: the estimate
	start     time.Duration
	delivered int64 // at the start of the interval
	lost      int64 // likewise
}

// samplePolicer takes an ACK into the interval.
func (b *bbr) samplePolicer(a *bbrAck, limited bool) {
	l := &b.policer
	if l.inForce {
		if b.mode == bbrProbeBW && b.path.roundStart {
			if l.rounds++; l.rounds >= bbrPolicerRounds {
				*l = bbrPolicer{}
				b.enterProbeBW()
			}
		}
		return
	}
	if !l.sampling {
		if a.lost == 0 {
			return
		}
		b.policerInterval()
		l.sampling = true
	}
	if limited {
		*l = bbrPolicer{}
		return
	}
	if b.path.roundStart {
		l.rounds++
	}
	switch {
	case l.rounds < bbrPolicerMinRounds:
		return
	case l.rounds > bbrPolicerMaxRounds:
		*l = bbrPolicer{}
		return
	case a.lost == 0:
		return // an interval ends with a loss: the tokens are spent
	}
	lost, delivered := b.path.lost-l.lost, b.path.delivered-l.delivered
	took := b.now - l.start
	if delivered <= 0 || lost*bbrUnit < bbrPolicerLoss*delivered || took < time.Millisecond {
		return
	}
	b.judgePolicer(mulDiv(delivered, int64(time.Second), int64(took)))
}

// judgePolicer compares the rate of an interval with that of the one before.
func (b *bbr) judgePolicer(bandwidth int64) {
	l := &b.policer
	if l.bandwidth > 0 {
		diff := max(bandwidth-l.bandwidth, l.bandwidth-bandwidth)
		if diff*bbrPolicerClose <= l.bandwidth || diff <= bbrPolicerDiff {
			l.bandwidth = (bandwidth + l.bandwidth) / 2
			l.inForce = true
			l.rounds = 0
			b.pacingGain = bbrUnit
			return
		}
	}
	l.bandwidth = bandwidth
	b.policerInterval()
}

func (b *bbr) policerInterval() {
	l := &b.policer
	l.start, l.delivered, l.lost, l.rounds = b.now, b.path.delivered, b.path.lost, 0
}

package bbr

import "time"

// The detection of token buckets: two intervals with a fifth lost and about the same rate.
const (
	policerMinRounds = 4
	policerMaxRounds = 16
	policerLoss      = 50       // of unit: 20 %
	policerClose     = 8        // rates that differ by less than 1/8 are the same,
	policerDiff      = 4000 / 8 // or by so many bytes/s
	policerRounds    = 48       // for which the estimate is used
)

// policer is the long-term rate of a path that looks policed (bbr_lt_bw_sampling).
type policer struct {
	sampling  bool
	inForce   bool
	rounds    int
	bandwidth int64 // of the interval before; in force: the estimate
	start     time.Duration
	delivered int64 // at the start of the interval
	lost      int64 // likewise
}

// samplePolicer takes an ACK into the interval.
func (b *controller) samplePolicer(a *ack, limited bool) {
	l := &b.policer
	if l.inForce {
		if b.mode == probeBW && b.path.roundStart {
			if l.rounds++; l.rounds >= policerRounds {
				*l = policer{}
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
		*l = policer{}
		return
	}
	if b.path.roundStart {
		l.rounds++
	}
	switch {
	case l.rounds < policerMinRounds:
		return
	case l.rounds > policerMaxRounds:
		*l = policer{}
		return
	case a.lost == 0:
		return // an interval ends with a loss: the tokens are spent
	}
	lost, delivered := b.path.lost-l.lost, b.path.delivered-l.delivered
	took := b.now - l.start
	if delivered <= 0 || lost*unit < policerLoss*delivered || took < time.Millisecond {
		return
	}
	b.judgePolicer(mulDiv(delivered, int64(time.Second), int64(took)))
}

// judgePolicer compares the rate of an interval with that of the one before.
func (b *controller) judgePolicer(bandwidth int64) {
	l := &b.policer
	if l.bandwidth > 0 {
		diff := max(bandwidth-l.bandwidth, l.bandwidth-bandwidth)
		if diff*policerClose <= l.bandwidth || diff <= policerDiff {
			l.bandwidth = (bandwidth + l.bandwidth) / 2
			l.inForce = true
			l.rounds = 0
			b.pacingGain = unit
			return
		}
	}
	l.bandwidth = bandwidth
	b.policerInterval()
}

func (b *controller) policerInterval() {
	l := &b.policer
	l.start, l.delivered, l.lost, l.rounds = b.now, b.path.delivered, b.path.lost, 0
}

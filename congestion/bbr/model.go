package bbr

import "time"

// path is the model of the path.
type path struct {
	bandwidth  maxFilter     // bytes/s over ten round trips
	minRTT     time.Duration // 0: no sample yet
	minRTTAt   time.Duration // when it was taken
	rounds     uint32
	roundEnd   int64 // the round ends with the ACK of a packet sent after so many were delivered
	roundStart bool  // this ACK begins a round
	delivered  int64 // bytes, as of the last ACK
	lost       int64 // bytes, over the connection's life

	// Rate samples of packets sent in ProbeRTT are of our own making: those sent with a count of
	// delivered bytes in [limitedFrom, limitedUntil) count as application-limited.
	limitedFrom, limitedUntil int64
}

// sample is the delivery rate of an ACK in bytes/s, whether it is one, and whether it says only
// what the sender offered, for lack of data or because of a bandwidth limit of its own.
func (p *path) sample(a *ack) (rate int64, limited, ok bool) {
	d := &a.Delivery
	if d.Interval <= 0 || d.Delivered < d.PriorDelivered {
		return 0, false, false
	}
	limited = d.AppLimited || a.Throttled || d.PriorDelivered >= p.limitedFrom && d.PriorDelivered < p.limitedUntil
	return mulDiv(d.Delivered-d.PriorDelivered, int64(time.Second), int64(d.Interval)), limited, true
}

// bandwidth is the estimate in force, in bytes/s.
func (b *controller) bandwidth() int64 {
	if b.policer.inForce {
		return b.policer.bandwidth
	}
	return b.path.bandwidth.best()
}

// updateBandwidth counts rounds and takes the rate sample (bbr_update_bw).
func (b *controller) updateBandwidth(a *ack) {
	p := &b.path
	p.roundStart = false
	p.delivered = max(p.delivered, a.Delivery.Delivered)
	rate, limited, ok := p.sample(a)
	if !ok {
		return
	}
	if a.Delivery.PriorDelivered >= p.roundEnd {
		p.roundEnd = p.delivered
		p.rounds++
		p.roundStart = true
		b.recovery.conserve = false
	}
	b.samplePolicer(a, limited)
	if !limited || rate >= p.bandwidth.best() {
		p.bandwidth.update(p.rounds, rate)
	}
}

// fullPipe is the search for the end of Startup.
type fullPipe struct {
	bandwidth int64 // the largest that grew enough
	rounds    int   // since it grew enough
	reached   bool
}

// checkFull finds the pipe full when three rounds have brought less than a quarter more
// (bbr_check_full_bw_reached).
func (b *controller) checkFull(a *ack) {
	f := &b.full
	_, limited, _ := b.path.sample(a)
	if f.reached || !b.path.roundStart || limited {
		return
	}
	if best := b.path.bandwidth.best(); best >= f.bandwidth*fullGrowth/unit {
		f.bandwidth, f.rounds = best, 0
		return
	}
	f.rounds++
	f.reached = f.rounds >= fullRounds
}

// aggregation measures how far ACKs run ahead of the bandwidth, in bytes: receivers and links
// that acknowledge in clumps need a larger window (bbr_update_ack_aggregation).
type aggregation struct {
	start  time.Duration // of the epoch
	acked  int64         // in it
	extra  [2]int64      // the largest of this window of rounds and the last
	index  int
	rounds int // of this window
}

const (
	extraRounds = 5
	extraReset  = 1 << 20 // packets after which an epoch ends
	extraTime   = 100 * time.Millisecond
)

func (b *controller) updateAggregation(a *ack) {
	g := &b.aggregate
	if _, _, ok := b.path.sample(a); !ok || a.Bytes <= 0 {
		return
	}
	if b.path.roundStart {
		if g.rounds++; g.rounds >= extraRounds {
			g.rounds = 0
			g.index = 1 - g.index
			g.extra[g.index] = 0
		}
	}
	acked := int64(a.Bytes)
	expected := mulDiv(b.bandwidth(), int64(b.now-g.start), int64(time.Second))
	if g.acked <= expected || g.acked+acked >= extraReset*b.size {
		g.acked, g.start, expected = 0, b.now, 0
	}
	g.acked += acked
	g.extra[g.index] = max(g.extra[g.index], min(g.acked-expected, b.cwnd))
}

// maxFilter is the running maximum over bandwidthRounds rounds by the best three samples
// (Nichols' algorithm, win_minmax).
type maxFilter [3]struct {
	at    uint32
	value int64
}

func (f *maxFilter) best() int64 { return f[0].value }

func (f *maxFilter) update(at uint32, value int64) {
	const window = bandwidthRounds
	s := maxFilter{{at, value}, {at, value}, {at, value}}
	if value >= f[0].value || at-f[2].at > window {
		*f = s
		return
	}
	if value >= f[1].value {
		f[1], f[2] = s[0], s[0]
	} else if value >= f[2].value {
		f[2] = s[0]
	}
	age := at - f[0].at
	switch {
	case age > window:
		f[0], f[1], f[2] = f[1], f[2], s[0]
		if at-f[0].at > window {
			f[0], f[1], f[2] = f[1], f[2], s[0]
		}
	case f[1].at == f[0].at && age > window/4:
		f[1], f[2] = s[0], s[0]
	case f[2].at == f[1].at && age > window/2:
		f[2] = s[0]
	}
}

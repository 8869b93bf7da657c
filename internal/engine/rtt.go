package engine

import "time"

const (
	// granularity is the least variance term of a timeout (RFC 9002, kGranularity).
	granularity = time.Millisecond
	// initialPTO is the first timeout, before any sample (RFC 6298 section 2.1).
	initialPTO = time.Second
	// minTailProbe is the least wait before a tail probe: timers and
	// schedulers are no finer than this.
	minTailProbe = 10 * time.Millisecond
)

// rttState estimates the round trip (RFC 9002 section 5).
type rttState struct {
	latest   time.Duration
	smoothed time.Duration // 0: no sample yet
	variance time.Duration
	min      time.Duration
	silence  uint64 // packets below that number were on the way during a silence, and give no sample; 0: all give one
}

// update takes a sample of which ackDelay was spent at the peer, as it says, and returns
// the sample without that.
func (r *rttState) update(sample, ackDelay time.Duration) time.Duration {
	sample = max(sample, 1)
	r.latest = sample
	if r.smoothed == 0 {
		r.min = sample
		r.smoothed, r.variance = sample, sample/2
		return sample
	}
	r.min = min(r.min, sample)
	adjusted := sample
	if sample >= r.min+ackDelay {
		adjusted = sample - ackDelay
	}
	r.variance += (abs(r.smoothed-adjusted) - r.variance) / 4
	r.smoothed += (adjusted - r.smoothed) / 8
	return adjusted
}

// pto is the time after which silence is a sign of loss (RFC 9002 section 6.2.1).
func (r *rttState) pto(maxAckDelay time.Duration) time.Duration {
	if r.smoothed == 0 {
		return initialPTO
	}
	return r.smoothed + max(4*r.variance, granularity) + maxAckDelay
}

// tailProbe is the wait before the first probe: two round trips, and what the
// peer may hold back its ACK if it has a single packet (RFC 8985 section 7.2).
func (r *rttState) tailProbe(maxAckDelay time.Duration, single bool) time.Duration {
	if r.smoothed == 0 {
		return initialPTO
	}
	wait := max(2*r.smoothed, minTailProbe)
	if single {
		wait += maxAckDelay
	}
	return wait
}

func abs(d time.Duration) time.Duration {
	if d < 0 {
		return -d
	}
	return d
}

// oneWayState turns 32-bit receive times into one-way delays that do not wrap.
// They contain the difference of two clocks, so only their changes mean
// anything.
type oneWayState struct {
	delay time.Duration
	last  uint32 // the last difference seen, µs
	any   bool
}

// update takes the time a packet left, by our clock, and the time it arrived,
// by the peer's.
func (o *oneWayState) update(sent, received uint32) time.Duration {
	diff := received - sent
	if o.any {
		o.delay += time.Duration(int32(diff-o.last)) * time.Microsecond
	}
	o.last, o.any = diff, true
	return o.delay
}

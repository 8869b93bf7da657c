package cubic

import (
	"time"

	"example.com/ebb/congestion/internal/lossbased"
)

// curve is the growth of CUBIC in congestion avoidance, in packets and milliseconds.
type curve struct {
	max    int64         // W_max: the window before the last reduction; 0: none yet
	begun  bool          // an epoch is running
	start  time.Duration // t_epoch
	origin int64         // where the plateau is
	k      int64         // K, ms
	acked  int64         // since the last packet that W_est grew by
	est    int64         // W_est: what Reno would have

	saved    epoch // what a reduction replaced, for the undo
	savedMax int64
}

// epoch is the part of a curve that a reduction forgets.
type epoch struct {
	begun          bool
	start          time.Duration
	origin, k, est int64
}

func (v *curve) previous() epoch { return epoch{v.begun, v.start, v.origin, v.k, v.est} }

func (v *curve) restore() {
	v.begun, v.start = v.saved.begun, v.saved.start
	v.origin, v.k, v.est = v.saved.origin, v.saved.k, v.saved.est
	v.max = v.savedMax
}

// pause moves the epoch by a time in which the window was not used.
func (v *curve) pause(now, idle time.Duration) {
	if v.begun && idle > 0 {
		v.start = min(v.start+idle, now)
	}
}

// reduce ends the epoch at a window and returns the new ssthresh (RFC 9438 sections 4.6 and 4.7).
func (v *curve) reduce(cwnd int64) int64 {
	v.begun = false
	if cwnd < v.max {
		// Fast convergence: the path has less for this flow than it had; leave some to others.
		v.max = cwnd * (betaDenominator + betaNumerator) / (2 * betaDenominator)
	} else {
		v.max = cwnd
	}
	return max(cwnd*betaNumerator/betaDenominator, lossbased.MinWindow)
}

// every is how many packets must be acknowledged for the window to grow by one, given that so many
// just were (RFC 9438 sections 4.2 to 4.5; bictcp_update).
func (v *curve) every(now time.Duration, cwnd, acked int64, rtt time.Duration) int64 {
	v.acked += acked
	if !v.begun {
		v.begin(now, cwnd, acked)
	}
	n := flatGrowth * cwnd
	if target := v.at(now - v.start + rtt); target > cwnd {
		n = cwnd / (target - cwnd)
	}
	if v.max == 0 {
		n = min(n, slowestUnknown)
	}
	// The Reno-friendly region: W_est grows by a packet for every 15/8 windows, and is caught
	// up with within a round trip.
	per := max(cwnd*friendlyNumerator/friendlyDenominator, 1)
	if v.acked > per {
		grown := (v.acked - 1) / per
		v.acked -= grown * per
		v.est += grown
	}
	if v.est > cwnd {
		n = min(n, cwnd/(v.est-cwnd))
	}
	return max(n, fastestGrowth)
}

// begin starts an epoch: K is the time until the window is W_max again (RFC 9438 figure 2).
func (v *curve) begin(now time.Duration, cwnd, acked int64) {
	v.begun, v.start = true, now
	v.acked, v.est = acked, cwnd
	v.origin, v.k = cwnd, 0
	if v.max > cwnd {
		v.origin = v.max
		v.k = cubeRoot((v.max - cwnd) * 5 / 2 * 1e9)
	}
}

// at is W_cubic(t) of RFC 9438 figure 1, with C = 0.4.
func (v *curve) at(t time.Duration) int64 {
	d := min(max(t.Milliseconds()-v.k, -maxEpoch), maxEpoch)
	return min(v.origin+2*(d*d*d/5)/1e9, 2*lossbased.MaxWindow)
}

// cubeRoot is the integer part of the cube root of n ≥ 0.
func cubeRoot(n int64) int64 {
	lo, hi := int64(0), int64(1<<21) // (2^21)^3 = 2^63
	for hi-lo > 1 {
		if mid := (lo + hi) / 2; mid*mid <= n/mid {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

package ledbat

import (
	"math"
	"slices"
	"time"

	"example.com/ebb/congestion"
)

const (
	// minRound is the least length of a round. On a path shorter than that a
	// round is several round trips. So a delay by a scheduler or a timer does not
	// pass for a queue, which lasts longer.
	minRound = 5 * time.Millisecond
	// flightRounds is how many rounds the largest flight is remembered for (A14).
	flightRounds = 10
	// maxFlight is more than any window.
	maxFlight = math.MaxUint32
)

// round is what is measured between the sending of a packet and the
// acknowledgement of one sent later.
type round struct {
	began time.Duration
	end   uint64 // the round trip ends when this number is acknowledged
	trips int64  // round trips so far, the running one included

	samples   int32
	reverse   bool          // a queue on the ACKs' path was told from one on ours
	early     bool          // all samples so far are of packets that overtook others
	marked    bool          // marks were answered
	lostCount int           // packets, of those in lost
	least     time.Duration // queue
	most      time.Duration
	sum       time.Duration
	rise      time.Duration // the most by which it rose from one sample to the next
	rtt       time.Duration // the least
	longest   time.Duration // round trip, also of packets that overtook others

	acked     int64         // bytes
	lost      int64         // bytes, of packets sent since the last cut
	atLoss    time.Duration // the least queue at the time of a loss
	limited   int64         // bytes acknowledged while the application had no more
	throttled int64         // bytes acknowledged while a bandwidth limit throttled the sender
	rate      int64         // the best delivery rate, bytes per second

	flight int64 // the most bytes in flight
}

// sample takes the queue that a packet saw. rise is what it is more than that of the
// sample before. One that overtook others counts as the round's least only if there
// is no other (A17).
func (r *round) sample(d *delaySignal, rtt, rise time.Duration, overtook bool) {
	switch first := r.samples == 0 || r.early && !overtook; {
	case first:
		r.least, r.rtt, r.early = d.queue, rtt, overtook
	case r.early || !overtook:
		r.least, r.rtt = min(r.least, d.queue), min(r.rtt, rtt)
	}
	r.longest = max(r.longest, rtt)
	r.rise = max(r.rise, rise)
	r.sum += d.queue
	r.most = max(r.most, d.queue)
	r.reverse = r.reverse || d.reverse
	r.samples++
}

func (r *round) ack(e *congestion.AckEvent, base time.Duration) {
	r.acked += int64(e.Bytes)
	r.flight = max(r.flight, int64(e.PriorInFlight))
	switch {
	case e.AppLimited:
		r.limited += int64(e.Bytes)
	case e.Throttled:
		r.throttled += int64(e.Bytes)
	}
	// An interval well below the round trip was measured over ACKs that were
	// delayed and came together.
	d := &e.Delivery
	if d.AppLimited || d.Interval <= 0 || d.Interval < base*9/10 || d.Delivered <= d.PriorDelivered {
		return
	}
	r.rate = max(r.rate, scale(d.Delivered-d.PriorDelivered, int64(time.Second), int64(d.Interval)))
}

// heldBy is what a path with the given base holds, bytes, at the delivery rate of a sample.
func heldBy(d *congestion.Delivery, base time.Duration) int64 {
	return scale(d.Delivered-d.PriorDelivered, int64(base), int64(max(d.Interval, 1)))
}

// appLimited says whether the application had no more to send for most of the round.
func (r *round) appLimited() bool { return 2*r.limited > r.acked }

// wasThrottled says whether a bandwidth limit throttled the sender for most of the round.
func (r *round) wasThrottled() bool { return 2*r.throttled > r.acked }

// flights is the largest flight of each of the last rounds.
type flights struct {
	most [flightRounds]uint32 // bytes, at most maxFlight
	next uint8
	max  int64
}

func (f *flights) add(n int64) {
	f.most[f.next] = uint32(min(n, maxFlight))
	f.next = (f.next + 1) % flightRounds
	f.max = int64(slices.Max(f.most[:]))
}

package ledbat

import (
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
	// jitterRounds is how many rounds must all show a jitter, with jitterSamples
	// samples each (A8).
	jitterRounds  = 8
	jitterSamples = 8
)

// round is what is measured between the sending of a packet and the
// acknowledgement of one sent later.
type round struct {
	began time.Duration
	end   uint64 // the round trip ends when this number is acknowledged
	trips int64  // round trips so far, the running one included

	samples int
	least   time.Duration // queue
	most    time.Duration
	rtt     time.Duration // the least
	reverse bool          // a queue on the ACKs' path was told from one on ours

	acked     int64 // bytes
	lost      int64 // bytes, of packets sent since the last cut
	lostCount int   // packets, likewise
	limited   int64 // bytes acknowledged while the application had no more
	throttled int64 // bytes acknowledged while a bandwidth limit throttled the sender
	rate      int64 // the best delivery rate, bytes per second

	flight int64 // the most bytes in flight
}

func (r *round) sample(d *delaySignal, rtt time.Duration) {
	if r.samples == 0 || d.queue < r.least {
		r.least = d.queue
	}
	if r.samples == 0 || rtt < r.rtt {
		r.rtt = rtt
	}
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

// appLimited says whether the application had no more to send for most of the round.
func (r *round) appLimited() bool { return 2*r.limited > r.acked }

// wasThrottled says whether a bandwidth limit throttled the sender for most of the round.
func (r *round) wasThrottled() bool { return 2*r.throttled > r.acked }

// jitter is how much delays vary within a round whatever the queue does: the least
// range of the last rounds (A8). The queue of another flow varies too, but not in each
// of so many rounds.
type jitter struct {
	ranges [jitterRounds]time.Duration
	next   int
	least  time.Duration
}

func (j *jitter) add(r *round) {
	j.ranges[j.next] = 0
	if r.samples >= jitterSamples {
		j.ranges[j.next] = r.most - r.least
	}
	j.next = (j.next + 1) % jitterRounds
	j.least = j.ranges[0]
	for _, d := range j.ranges {
		j.least = min(j.least, d)
	}
}

// flights is the largest flight of each of the last rounds.
type flights struct {
	most [flightRounds]int64
	next int
	max  int64
}

func (f *flights) add(n int64) {
	f.most[f.next] = n
	f.next = (f.next + 1) % flightRounds
	f.max = 0
	for _, m := range f.most {
		f.max = max(f.max, m)
	}
}

package ledbat

import "time"

const (
	target   = 60 * time.Millisecond // L2
	exitAt   = target * 3 / 4        // L4
	noSample = time.Duration(1<<63 - 1)
	maxDelay = time.Hour // what a longer one is taken for

	baseHistory   = 10 // minutes, RFC 6817 section 2.5
	currentFilter = 4  // samples, RFC 6817 section 2.5
	maxDivisor    = 16 // L3
)

// delayFilter turns delay samples into the two numbers the window follows: the
// base delay, which is the least of the last ten minutes, and the current one,
// which is the least of the last four samples (L1; RFC 6817 section 2.4.2).
type delayFilter struct {
	minutes [baseHistory]time.Duration // the least of a minute each; noSample if none
	tail    int                        // the running minute in minutes
	minute  int64                      // its number since the origin of time
	least   time.Duration              // the least of minutes; noSample before the first
	inverse int64                      // 1/GAIN, which follows from least

	recent [currentFilter]delaySample
	next   int // the oldest of recent
	count  int
	low    time.Duration // the least of recent, as of the last sample
}

type delaySample struct {
	delay, at time.Duration
}

func newDelayFilter() delayFilter {
	f := delayFilter{least: noSample, inverse: maxDivisor}
	for i := range f.minutes {
		f.minutes[i] = noSample
	}
	return f
}

// add takes a sample that arrived at now on a path with the given round trip.
// A delay that is not positive is no sample, and no delay is above an hour.
func (f *delayFilter) add(now, delay, rtt time.Duration) {
	if delay <= 0 {
		return
	}
	delay = min(delay, maxDelay)
	f.addBase(now, delay)
	f.addCurrent(now, delay, rtt)
}

// known says whether there has been a sample.
func (f *delayFilter) known() bool { return f.count > 0 }

// base is the base delay, or 0 before the first sample.
func (f *delayFilter) base() time.Duration {
	if !f.known() {
		return 0
	}
	return f.least
}

// queue is the current delay above the base: what the path holds in queues.
func (f *delayFilter) queue() time.Duration {
	if !f.known() {
		return 0
	}
	return max(0, f.low-f.least)
}

// divisor is 1/GAIN (L3): 16 up to a base delay of 7.5 ms or without one, down
// to 1 from 120 ms on.
func (f *delayFilter) divisor() int64 { return f.inverse }

// addBase keeps the minima by minute. Minutes without samples count as well, so
// that the history ages while the connection is idle, and begins anew after ten
// minutes of silence.
func (f *delayFilter) addBase(now, delay time.Duration) {
	before := f.least
	if minute := int64(now / time.Minute); minute > f.minute {
		f.rollOver(minute)
	}
	f.minutes[f.tail] = min(f.minutes[f.tail], delay)
	if f.least = min(f.least, delay); f.least != before {
		f.inverse = min(maxDivisor, int64((2*target+f.least-1)/f.least))
	}
}

// rollOver begins a minute, and drops those that are ten minutes old.
func (f *delayFilter) rollOver(minute int64) {
	for range min(minute-f.minute, baseHistory) {
		f.tail = (f.tail + 1) % baseHistory
		f.minutes[f.tail] = noSample
	}
	f.minute = minute
	f.least = noSample
	for _, m := range f.minutes {
		f.least = min(f.least, m)
	}
}

// addCurrent keeps the last four samples, and of them those not older than a
// round trip (RFC 6817 section 2.5). The newest always counts.
func (f *delayFilter) addCurrent(now, delay, rtt time.Duration) {
	f.recent[f.next] = delaySample{delay, now}
	f.next = (f.next + 1) % currentFilter
	f.count = min(f.count+1, currentFilter)
	f.low = delay
	oldest := now - max(delay, rtt)
	for _, s := range f.recent[:f.count] {
		if s.at >= oldest {
			f.low = min(f.low, s.delay)
		}
	}
}

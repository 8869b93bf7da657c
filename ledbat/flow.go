package ledbat

import (
	"math/bits"
	"time"

	"example.com/ebb/congestion"
)

// flow is what the modes have in common: time, packet numbers, the window and its
// bounds, ssthresh and the floor under it.
type flow struct {
	congestion.Base // OnPathChange is the Controller's

	minSSThresh   int64 // as configured: 0 for the remembered floor, negative for none
	configuredMin int64 // as configured
	minWindow     int64
	datagramSize  int64

	now        time.Duration // never goes back
	srtt       time.Duration // 0 without a sample
	nextNumber uint64        // one above the largest number sent

	window   int64         // [minWindow, maxWindow]
	ssthresh int64         // maxWindow until something sets it
	base     time.Duration // the base delay; 0 without a sample
	exit     exitPoint
	timeouts int
}

// exitPoint is where the initial slow start found a queue.
type exitPoint struct {
	window int64         // 0 if it has not, or was ended by loss
	base   time.Duration // the base delay then
}

func newFlow(config Config) flow {
	f := flow{
		minSSThresh:   int64(config.MinSSThresh),
		configuredMin: int64(config.MinWindow),
		ssthresh:      maxWindow,
	}
	size := config.MaxDatagramSize
	if size == 0 {
		size = defaultDatagramSize
	}
	f.setDatagramSize(int64(size))
	return f
}

// initialWindow is ten packets, or what the Config says.
func initialWindow(config Config, datagramSize int64) int64 {
	if config.InitialWindow > 0 {
		return int64(config.InitialWindow)
	}
	return min(initialPackets*datagramSize, initialBytes)
}

func (f *flow) advance(now time.Duration, sent uint64) {
	f.advanceTime(now)
	f.nextNumber = max(f.nextNumber, sent+1)
}

func (f *flow) advanceTime(now time.Duration) { f.now = max(f.now, now) }

// OnMaxDatagramSize reports the size of a full packet from now on. A size that
// no packet has, below 1 or above 65527, changes nothing.
func (f *flow) OnMaxDatagramSize(size int) {
	if size < 1 || size > maxDatagramSize {
		return
	}
	f.setDatagramSize(int64(size))
	f.setWindow(f.window)
}

// Window is the number of bytes that may be in flight, between the minimum
// window and 1e9.
func (f *flow) Window() int { return int(f.window) }

func (f *flow) setDatagramSize(size int64) {
	f.datagramSize = size
	f.minWindow = max(f.configuredMin, minPackets*size)
}

func (f *flow) setWindow(w int64) {
	f.window = min(max(w, f.minWindow), maxWindow)
}

// floor is the least that ssthresh is ever set to.
func (f *flow) floor() int64 {
	least := 2 * f.minWindow
	switch {
	case f.minSSThresh > 0:
		return max(f.minSSThresh, least)
	case f.minSSThresh == 0 && f.exit.window > 0 && samePath(f.exit.base, f.base):
		return max(f.exit.window, least)
	}
	return least
}

// samePath says whether two base delays differ by no more than half of the
// lesser.
func samePath(a, b time.Duration) bool {
	a, b = min(a, b), max(a, b)
	return b-a <= a/2
}

// setSSThresh is the only place that sets ssthresh, but for the undoing of it.
func (f *flow) setSSThresh(n int64) {
	f.ssthresh = min(max(n, f.floor()), maxWindow)
}

// usage is how much of the window is used: the most bytes in flight in this round trip
// or the last. The flight at one moment says too little: while ACKs come in a burst, or
// the pacer waits, it is below the window even of a sender that the window limits.
type usage struct {
	roundEnd       uint64 // the round trip ends when this number is acknowledged
	flight         int64  // the most in this one
	previousFlight int64  // and in the one before
}

// track notes the flight before an ACK. That is enough: between two ACKs the flight only
// grows.
func (u *usage) track(e *congestion.AckEvent, next uint64) {
	if e.LargestAcked >= u.roundEnd {
		u.roundEnd = next
		u.previousFlight, u.flight = u.flight, 0
	}
	u.flight = max(u.flight, int64(e.PriorInFlight))
}

func (u *usage) most() int64 { return max(u.flight, u.previousFlight) }

// stats is what every mode knows of itself.
func (f *flow) stats(mode Mode, state string, slowdowns int) congestion.Stats {
	s := congestion.Stats{
		Name:      mode.String(),
		State:     state,
		Window:    int(f.window),
		BaseDelay: f.base,
		Timeouts:  f.timeouts,
		Own:       Stats{MinSSThresh: int(f.floor()), Slowdowns: slowdowns},
	}
	if f.ssthresh < maxWindow {
		s.SSThresh = int(f.ssthresh)
	}
	return s
}

// How much faster than a window per round trip packets leave, in quarters: twice
// while the window doubles, so that it can, and 1.25 times otherwise, so that the
// window is used although the pacer stalls.
const (
	steadyPace = 5
	fastPace   = 8
)

// paced is window bytes per round trip times quarters/4, in bytes per second, and
// 0, no pacing, before there is a round trip.
func paced(window int64, srtt time.Duration, quarters int64) int64 {
	if srtt <= 0 {
		return 0
	}
	return max(1, window*int64(time.Second)/int64(srtt)*quarters/4)
}

// scale is a·b/c, rounded down, without overflow on the way. None is negative, c
// is above 0, and what does not fit an int64 is the largest.
func scale(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return 1<<63 - 1
	}
	q, _ := bits.Div64(hi, lo, uint64(c))
	return int64(min(q, 1<<63-1))
}

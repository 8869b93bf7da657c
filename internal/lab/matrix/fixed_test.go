package matrix

import (
	"time"

	"example.com/ebb/congestion"
)

// fixed is a window that never changes, unpaced: what it does to a path can be computed.
type fixed struct {
	congestion.Base
	window int
}

func (f *fixed) Window() int                    { return f.window }
func (f *fixed) PacingRate(time.Duration) int64 { return 0 }
func (f *fixed) Stats() congestion.Stats        { return congestion.Stats{Name: "fixed", Window: f.window} }

// packetBytes is a full packet without IP and UDP headers.
const packetBytes = 1472

// packets makes controllers with a window of n full packets.
func packets(n int) congestion.Factory {
	return func(congestion.Params) congestion.Controller { return &fixed{window: n * packetBytes} }
}

// relapsing has the faults that a LEDBAT in the field died of on long paths: a timeout leaves of the
// threshold half of what the window was at that instant, with no floor but twice the least window, so
// that two of them in a row leave nothing; slow start ends there; and the periodic slowdown, the
// only other way up, does not begin again. floor, if positive, is the cure.
type relapsing struct {
	fixed
	ssthresh, floor int
	base            time.Duration
	cutUntil        uint64 // losses of packets below belong to a cut that was made
}

const leastWindow = 2 * packetBytes

func relapses(floor int) congestion.Factory {
	return func(congestion.Params) congestion.Controller {
		return &relapsing{fixed: fixed{window: 38_000}, ssthresh: 1 << 20, floor: max(floor, 2*leastWindow)}
	}
}

func (r *relapsing) OnAck(_ time.Duration, e congestion.AckEvent) {
	if e.RTT > 0 && (r.base == 0 || e.RTT < r.base) {
		r.base = e.RTT
	}
	queue := max(e.RTT-r.base, 0)
	switch {
	case e.AppLimited:
	case r.window < r.ssthresh && queue < 45*time.Millisecond:
		r.window += e.Bytes
	case r.window < r.ssthresh:
		r.ssthresh = max(r.window, r.floor)
		r.window = r.window * 9 / 10
	case queue < 60*time.Millisecond: // a packet a round trip: GAIN is 1 above 120 ms
		r.window += packetBytes * e.Bytes / r.window
	default:
		r.window = max(r.window-packetBytes*e.Bytes/r.window, leastWindow)
	}
}

func (r *relapsing) OnLoss(_ time.Duration, e congestion.LossEvent) {
	if e.Largest < r.cutUntil {
		return
	}
	r.cutUntil = e.LargestSent + 1
	r.ssthresh = max(r.window/2, r.floor)
	r.window = max(r.window/2, leastWindow)
}

func (r *relapsing) OnTimeout(time.Duration) {
	r.ssthresh = max(r.window/2, r.floor)
	r.window = max(leastWindow, r.floor/4)
}

func (r *relapsing) PacingRate(srtt time.Duration) int64 {
	if srtt <= 0 {
		return 0
	}
	return max(1, int64(r.window)*int64(time.Second)/int64(srtt)*5/4)
}

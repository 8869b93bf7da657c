package reno

import (
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/internal/lossbased"
)

// Factory makes controllers that follow RFC 5681 as Linux does: a window of ten packets, slow start to
// the first loss, one packet a round trip after it, half at every loss; and paced.
func Factory() congestion.Factory { return paced }

// Unpaced makes the same controllers without pacing, as TCP has none on Linux without the queueing
// discipline fq: for comparisons with that.
func Unpaced() congestion.Factory { return unpaced }

func paced(p congestion.Params) congestion.Controller {
	return lossbased.New("reno", p, true, law{})
}

func unpaced(p congestion.Params) congestion.Controller {
	return lossbased.New("reno", p, false, law{})
}

// law is NewReno's. It has no state.
type law struct{}

var _ lossbased.Law = law{}

// Reduce is half of the window (RFC 5681 equation 4).
func (law) Reduce(cwnd int64) int64 { return max(cwnd/2, lossbased.MinWindow) }

// Every is a packet for a window, a round trip (RFC 5681 section 3.1).
func (law) Every(_ time.Duration, cwnd, _ int64) int64 { return cwnd }

// Sample lets slow start run to the first loss.
func (law) Sample(time.Duration, time.Duration, bool, bool, int64) bool { return false }

// Undo has nothing to take back.
func (law) Undo() {}

// Pause has no time to stop.
func (law) Pause(time.Duration, time.Duration) {}

// Restart has nothing to forget.
func (law) Restart() {}

// BaseDelay is not known.
func (law) BaseDelay() time.Duration { return 0 }

package cubic

import "time"

// HyStart's constants in tcp_cubic.
const (
	hystartLowWindow  = 16 // packets: below it slow start goes on
	hystartSamples    = 8  // round trips that a round needs to be judged
	hystartMinDelay   = 4 * time.Millisecond
	hystartMaxDelay   = 16 * time.Millisecond
	hystartAckSpacing = 2 * time.Millisecond // ACKs closer than this are one train
	// hystartAckAllowance is what the receiver's aggregation may add to a train, for rates below
	// 256 MB/s (hystart_ack_delay).
	hystartAckAllowance = time.Millisecond
)

// hystart ends slow start before the queue overflows: when the smallest of a round's first samples
// is an eighth above the least round trip ever, or when ACKs come in a train that is half of it
// long, or as long as it where packets are paced (Ha and Rhee, "Taming the elephants"; HYSTART_DELAY and HYSTART_ACK_TRAIN of tcp_cubic).
type hystart struct {
	paced      bool          // packets leave over half of the round trip, and so do their ACKs
	least      time.Duration // the least round trip; 0: none
	current    time.Duration // the least of this round
	samples    int           // of this round
	roundStart time.Duration
	lastAck    time.Duration // of the train
	found      bool
}

// sample takes a round trip, the first of a new round or not.
func (h *hystart) sample(now, rtt time.Duration, newRound bool) {
	if h.least == 0 || rtt < h.least {
		h.least = rtt
	}
	if newRound {
		h.roundStart, h.lastAck = now, now
		h.current, h.samples = 0, 0
	}
	if h.current == 0 || rtt < h.current {
		h.current = rtt
	}
	h.samples++
}

// full reports whether the samples so far say that the path is full.
func (h *hystart) full(now time.Duration) bool {
	if h.found {
		return false // slow start was left once; after a timeout it runs to ssthresh
	}
	if now-h.lastAck <= hystartAckSpacing {
		h.lastAck = now
		train := h.least + hystartAckAllowance
		if !h.paced {
			train /= 2
		}
		if now-h.roundStart > train {
			h.found = true
		}
	}
	rise := min(max(h.least/8, hystartMinDelay), hystartMaxDelay)
	if h.samples > hystartSamples && h.current > h.least+rise {
		h.found = true
	}
	return h.found
}

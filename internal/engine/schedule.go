package engine

import "time"

// maxTrain is what segmentation offload takes at once, in bytes.
const maxTrain = 64 << 10

// trainSize is how many bytes should leave back to back at a rate in bytes per second: one millisecond of it, at least two packets
// of the given size, at most 64 KB; and 64 KB if the rate is 0 or less, for none. Its caller rounds down to whole
// packets, and to what the socket accepts.
func trainSize(rate int64, packet int) int {
	if rate <= 0 {
		return maxTrain
	}
	packet = min(max(packet, 1), maxTrain)
	return int(min(max(int64(2*packet), rate/1000), maxTrain))
}

// updateInterval is how often the rate of a connection with the given round trip is worked out again: 50 ms below a
// round trip of 10 ms or without one, 100 ms rising to 200 ms between 10 and 100 ms, 500 ms above.
func updateInterval(rtt time.Duration) time.Duration {
	const short, long = 10 * time.Millisecond, 100 * time.Millisecond
	switch {
	case rtt < short:
		return 50 * time.Millisecond
	case rtt <= long:
		return 100*time.Millisecond + (rtt-short)*100/90
	default:
		return 500 * time.Millisecond
	}
}

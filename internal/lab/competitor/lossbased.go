package competitor

import (
	"math"
	"time"

	"example.com/ebb/congestion"
)

const (
	// initialWindow is TCP_INIT_CWND, in packets (RFC 6928 section 2).
	initialWindow = 10
	// minWindow is the least window after a loss, in packets (RFC 5681 equation 4), and the least
	// that a congestion.Controller may have.
	minWindow = 2
	// noThreshold is ssthresh before the first reduction, in packets (RFC 5681 section 3.1:
	// arbitrarily high).
	noThreshold = math.MaxInt32
	// maxWindow bounds the window, in packets.
	maxWindow = 1 << 20
)

// lossBased is what Reno and CUBIC have in common: slow start, the validation of the window, and
// the course of a reduction. Windows are in packets.
type lossBased struct {
	size     int64  // bytes of a full packet
	next     uint64 // one above the largest number sent
	cwnd     int64
	ssthresh int64
	partial  int64 // bytes acknowledged that are not a packet yet
	count    int64 // packets acknowledged towards the next packet of the window

	// A round ends when a packet sent after its start is acknowledged.
	roundEnd       uint64
	used, usedLast usage // in this round and the one before

	recovery recovery
	timeouts int
}

// usage is how much of the window was used in a round.
type usage struct {
	flight int64 // the most in flight, in packets
	full   bool  // the window limited the sender
}

func newLossBased(p congestion.Params) lossBased {
	return lossBased{size: int64(max(p.MaxDatagramSize, 1)), cwnd: initialWindow, ssthresh: noThreshold}
}

// anew is what the controller begins with on another path.
func (l *lossBased) anew() lossBased {
	return newLossBased(congestion.Params{MaxDatagramSize: int(l.size)})
}

// OnSend reports one packet that was just sent.
func (l *lossBased) OnSend(_ time.Duration, e congestion.SendEvent) {
	l.next = max(l.next, e.Number+1)
	l.recovery.out++
}

// OnMaxDatagramSize reports the size of a full packet from now on. The window stays the same
// number of packets, as TCP's does.
func (l *lossBased) OnMaxDatagramSize(size int) {
	if size > 0 {
		l.size = int64(size)
	}
}

// Window is the number of bytes that may be in flight, at least two packets.
func (l *lossBased) Window() int { return int(max(l.cwnd, minWindow) * l.size) }

// PacingRate is 0: without the fq queueing discipline the kernel paces neither Reno nor CUBIC.
func (l *lossBased) PacingRate(time.Duration) int64 { return 0 }

// stats is what the controllers have to show.
func (l *lossBased) stats(name string) congestion.Stats {
	s := congestion.Stats{
		Name: name, State: "congestion avoidance", Window: l.Window(), Timeouts: l.timeouts,
	}
	if l.ssthresh < noThreshold {
		s.SSThresh = int(l.ssthresh * l.size)
	}
	switch {
	case l.recovery.active:
		s.State = "recovery"
	case l.inSlowStart():
		s.State = "slow start"
	}
	return s
}

func (l *lossBased) inSlowStart() bool { return l.cwnd < l.ssthresh }

// packets is a number of bytes in packets, rounded up.
func (l *lossBased) packets(bytes int) int64 { return (int64(bytes) + l.size - 1) / l.size }

// begin takes note of an ACK and returns the packets that it acknowledges.
func (l *lossBased) begin(e *congestion.AckEvent) (acked int64, newRound bool) {
	l.next = max(l.next, e.LargestSent+1)
	if e.LargestAcked >= l.roundEnd {
		l.roundEnd = l.next
		l.usedLast, l.used = l.used, usage{}
		newRound = true
	}
	flight := l.packets(e.PriorInFlight)
	l.used.flight = max(l.used.flight, flight)
	l.used.full = l.used.full || flight >= l.cwnd
	l.partial += int64(e.Bytes)
	acked = l.partial / l.size
	l.partial -= acked * l.size
	return acked, newRound
}

// limited reports whether the window is what limits the sender, in this round or the last: else it
// must not grow (RFC 7661; in slow start a flight of half the window is enough, as in
// tcp_is_cwnd_limited).
func (l *lossBased) limited(e *congestion.AckEvent) bool {
	if e.AppLimited {
		return false
	}
	if l.inSlowStart() {
		return l.cwnd < 2*max(l.used.flight, l.usedLast.flight)
	}
	return l.used.full || l.usedLast.full
}

// slowStart adds what was acknowledged, up to ssthresh, and returns what is left for congestion
// avoidance (RFC 5681 section 3.1, byte counting without a limit as in Linux).
func (l *lossBased) slowStart(acked int64) (left int64) {
	if !l.inSlowStart() {
		return acked
	}
	grown := min(l.cwnd+acked, l.ssthresh, maxWindow)
	left = acked - (grown - l.cwnd)
	l.cwnd = grown
	return left
}

// avoid adds one packet to the window for every so many acknowledged (tcp_cong_avoid_ai).
func (l *lossBased) avoid(every, acked int64) {
	if l.count >= every {
		l.count = 0
		l.cwnd++
	}
	l.count += acked
	if l.count >= every {
		l.cwnd += l.count / every
		l.count %= every
	}
	l.cwnd = min(l.cwnd, maxWindow)
}

// timeout is the answer to persistent congestion (RFC 5681 section 3.1, equation 4).
func (l *lossBased) timeout(ssthresh int64) {
	l.timeouts++
	l.recovery = recovery{}
	l.ssthresh = ssthresh
	l.cwnd = minWindow
	l.count = 0
}

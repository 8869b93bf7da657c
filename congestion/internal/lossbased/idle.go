package lossbased

import (
	"time"

	"example.com/ebb/congestion"
)

const (
	// minTimeout is what a retransmission timeout has above the round trip in Linux, at least
	// (TCP_RTO_MIN): the time after which a window that is not used begins to expire.
	minTimeout = 200 * time.Millisecond
	// firstTimeout is the timeout before there is a round trip (RFC 6298 section 2.1).
	firstTimeout = time.Second
	// maxTimeout bounds it (TCP_RTO_MAX is 120 s).
	maxTimeout = 120 * time.Second
)

// idleness is what is known of the time in which the window is not used.
type idleness struct {
	any      bool          // something was sent
	lastSent time.Duration // when
	lastAck  time.Duration // when something was acknowledged
	srtt     time.Duration // smoothed round trip; 0: none
	filled   time.Duration // when the window last limited the sender, or was reduced for want of that
	peak     int64         // the most in flight since then, in packets
	starved  bool          // the last ACK left the sender without data,
	since    time.Duration // at this time
}

func (i *idleness) sent(now time.Duration) { i.any, i.lastSent = true, max(i.lastSent, now) }

func (i *idleness) acked(now, srtt time.Duration) {
	i.lastAck, i.srtt = max(i.lastAck, now), min(max(srtt, 0), maxTimeout)
	if i.filled == 0 {
		i.filled = now
	}
}

// timeout is the retransmission timeout of a path whose round trip does not vary, which the
// controller is not told.
func (i *idleness) timeout() time.Duration {
	if i.srtt == 0 {
		return firstTimeout
	}
	return min(i.srtt+minTimeout, maxTimeout)
}

// resume is called for a packet that is sent while no other is in flight. A window that was not used
// for longer than the timeout is halved for every timeout that has passed, down to the initial one
// (RFC 5681 section 4.1 and RFC 9002 section 7.8; tcp_cwnd_restart).
func (c *Controller) resume(now time.Duration) {
	i := &c.idle
	if !i.any || now <= i.lastSent {
		return
	}
	c.law.Pause(now, now-max(i.lastSent, i.lastAck))
	i.since = now
	idle, timeout := now-i.lastSent, i.timeout()
	if idle <= timeout || c.recovery.active {
		return
	}
	if c.cwnd > initialWindow {
		c.keepThreshold()
	}
	least := min(c.cwnd, initialWindow)
	for ; idle > timeout && c.cwnd > least; idle -= timeout {
		c.cwnd /= 2
	}
	c.cwnd = max(c.cwnd, least)
	c.count = 0
	i.filled, i.peak = now, 0
}

// keepThreshold lets slow start lead back to three quarters of the window (tcp_current_ssthresh).
func (c *Controller) keepThreshold() { c.ssthresh = max(c.ssthresh, c.cwnd*3/4) }

// limited reports whether the window is what limits the sender, in this round or the last: else it
// must not grow (RFC 9002 section 7.8; in slow start a flight of half the window is enough, as in
// tcp_is_cwnd_limited).
func (c *Controller) limited(now time.Duration, e *congestion.AckEvent) bool {
	full := c.used.full || c.usedLast.full
	if c.inSlowStart() {
		full = c.cwnd < 2*max(c.used.flight, c.usedLast.flight)
	}
	i := &c.idle
	if full {
		i.filled, i.peak = now, 0
	}
	if e.AppLimited {
		c.starve(now, full)
		return false
	}
	i.starved = false
	return full
}

// starve is an ACK while the application has no more to send. Unless the window was full lately, no growth is
// owed for the time between two of them (RFC 9438 section 5.8). A window that was not full for longer than the timeout moves half
// of the way to what was used of it (RFC 7661 in the form of tcp_cwnd_application_limited).
func (c *Controller) starve(now time.Duration, full bool) {
	i := &c.idle
	if i.starved && !full && now > i.since {
		c.law.Pause(now, now-i.since)
	}
	i.starved, i.since = true, now
	i.peak = max(i.peak, c.used.flight)
	if now-i.filled < i.timeout() || c.recovery.active {
		return
	}
	if used := max(i.peak, initialWindow); used < c.cwnd {
		c.keepThreshold()
		c.cwnd = (c.cwnd + used) / 2
	}
	i.filled, i.peak = now, 0
}

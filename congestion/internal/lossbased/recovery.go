package lossbased

import "example.com/ebb/congestion"

// recovery is one reduction of the window while it happens: Proportional Rate Reduction as in
// RFC 6937 and tcp_cwnd_reduction. Counts are packets.
type recovery struct {
	active    bool
	end       uint64 // over when this number, sent in it, is acknowledged
	prior     int64  // the window before it
	delivered int64  // acknowledged since it began
	out       int64  // sent since it began
	lost      int    // packets whose loss it answers, for the undo
	threshold int64  // ssthresh before it
	fresh     bool   // losses were reported since the last ACK
	marked    bool   // it answers a mark too, which nothing takes back
}

// answer reduces the window for losses, or for a mark in their place, if they begin an episode.
func (c *Controller) answer(e congestion.LossEvent) {
	if c.enter(e) {
		c.ssthresh = max(c.law.Reduce(c.cwnd), MinWindow)
		c.admit(e)
	}
}

// mark answers a mark of Congestion Experienced as the loss of a packet (RFC 3168 section 6.1.2,
// RFC 9002 section 7.1).
func (c *Controller) mark(e *congestion.AckEvent) {
	c.answer(congestion.LossEvent{
		Largest: e.LargestAcked, LargestSent: e.LargestSent, InFlight: e.InFlight,
	})
	c.recovery.marked = true
}

// enter begins a reduction, unless the losses belong to the one before (RFC 6675 section 5), and
// reports whether it did. The caller sets ssthresh.
func (c *Controller) enter(e congestion.LossEvent) bool {
	r := &c.recovery
	c.next = max(c.next, e.LargestSent+1)
	r.fresh = true
	if r.active || e.Largest < r.end {
		r.lost += e.Packets
		return false
	}
	*r = recovery{
		active: true, end: c.next, prior: c.cwnd, threshold: c.ssthresh, lost: e.Packets, fresh: true,
	}
	c.count = 0
	return true
}

// admit lets one retransmission out when a reduction begins, whatever the flight is (fast
// retransmit). It follows enter and the setting of ssthresh.
func (c *Controller) admit(e congestion.LossEvent) { c.cwnd = c.packets(e.InFlight) + 1 }

// reduce moves the window of a reduction that is going on by one ACK, and reports whether one is.
func (c *Controller) reduce(e *congestion.AckEvent, acked int64) bool {
	r := &c.recovery
	if !r.active {
		return false
	}
	if e.LargestAcked >= r.end {
		// RFC 6937 section 3: the reduction has reached what it was to reach.
		r.active = false
		c.cwnd = c.ssthresh
		return false
	}
	inFlight := c.packets(e.InFlight)
	r.delivered += acked
	var send int64
	if room := c.ssthresh - inFlight; room < 0 {
		send = (c.ssthresh*r.delivered+r.prior-1)/r.prior - r.out
	} else {
		// The slow start reduction bound: only while ACKs show no more losses is a packet
		// added to what was delivered.
		send = max(r.delivered-r.out, acked)
		if !r.fresh {
			send++
		}
		send = min(send, room)
	}
	r.fresh = false
	if r.out == 0 {
		send = max(send, 1) // the fast retransmit
	}
	c.cwnd = inFlight + max(send, 0)
	return true
}

// undo takes the last reduction back when all the packets it answered have arrived after all, and
// reports whether it did (RFC 9438 section 4.9.2, tcp_undo_cwnd_reduction).
func (c *Controller) undo(e congestion.LossEvent) bool {
	r := &c.recovery
	if r.prior == 0 || r.marked || e.Largest >= r.end {
		return false
	}
	if r.lost -= e.Packets; r.lost > 0 {
		return false
	}
	c.cwnd = max(c.cwnd, r.prior)
	c.ssthresh = max(c.ssthresh, r.threshold)
	r.active, r.prior = false, 0
	return true
}

package engine

// prrState is proportional rate reduction (RFC 9937): from the loss for which the
// controller lowered its window until a packet sent after that is acknowledged, what
// may leave is in proportion to what arrives, so that the flight comes down to the
// window within a round trip: neither at once in silence nor, once it is below, in a burst.
// A controller that keeps its window is left alone.
//
// ssthresh of the RFC is the controller's window, as it is at each ACK.
type prrState struct {
	active    bool
	end       uint64 // an ACK of this number or a later one ends the episode
	flight    int    // RecoverFS: bytes in flight when it began, those lost included
	delivered int    // prr_delivered: bytes acknowledged since
	out       int    // prr_out: bytes sent since
	credit    int    // sndcnt, less what was sent since the last ACK
}

// begin starts an episode. credit is what may leave before the next ACK: the first
// retransmission, if a timer and not an ACK revealed the loss.
func (p *prrState) begin(next uint64, flight, credit int) {
	*p = prrState{active: true, end: next, flight: max(flight, 1), credit: credit}
}

// deliver computes what may leave after an ACK of newly delivered bytes. safe says
// that the recovery makes progress: the ACK closed the oldest hole and revealed no loss.
func (p *prrState) deliver(delivered, inFlight, ssthresh, mss int, safe bool) {
	if !p.active || delivered == 0 {
		return
	}
	p.delivered += delivered
	if inFlight > ssthresh {
		// Rounded up to packets: the RFC's example is counted in them.
		per := int64(p.flight) * int64(mss)
		packets := (int64(p.delivered)*int64(ssthresh) + per - 1) / per
		p.credit = int(packets)*mss - p.out
	} else {
		p.credit = max(p.delivered-p.out, delivered)
		if safe {
			p.credit += mss
		}
		p.credit = min(p.credit, ssthresh-inFlight)
	}
	if p.out == 0 && p.credit <= 0 {
		p.credit = mss // the first retransmission waits for nothing
	}
}

// sent notes that bytes left.
func (p *prrState) sent(bytes int) {
	if p.active {
		p.out += bytes
		p.credit -= bytes
	}
}

// noteReduction begins an episode if the controller's window, before bytes until it was told
// of a loss or a mark, is lower now. prior is the flight that the loss was part of.
func (c *Conn) noteReduction(before, prior, credit int) {
	if c.path.cc.Window() < before {
		c.path.prr.begin(c.sent.next, prior, credit)
	}
}

// exitIfAcked ends the episode when a packet sent in it was acknowledged.
func (p *prrState) exitIfAcked(largestAcked uint64) {
	if largestAcked >= p.end {
		p.active = false
	}
}

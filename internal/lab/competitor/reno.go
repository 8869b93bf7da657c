package competitor

import (
	"time"

	"example.com/ebb/congestion"
)

// reno is NewReno's window with selective acknowledgements (RFC 5681, RFC 6675).
type reno struct{ lossBased }

// Reno makes a controller that follows RFC 5681 as Linux does: a window of ten packets, slow start
// to the first loss, one packet a round trip after it, half at every loss. It is not paced.
func Reno(p congestion.Params) congestion.Controller { return &reno{newLossBased(p)} }

// OnAck moves the window.
func (r *reno) OnAck(_ time.Duration, e congestion.AckEvent) {
	acked, _ := r.begin(&e)
	if e.CE > 0 {
		r.OnLoss(0, markEvent(&e))
	}
	if r.reduce(&e, acked) || !r.limited(&e) {
		return
	}
	if acked = r.slowStart(acked); acked > 0 {
		r.avoid(r.cwnd, acked)
	}
}

// OnLoss halves the window, once for all packets in flight then.
func (r *reno) OnLoss(_ time.Duration, e congestion.LossEvent) {
	if r.enter(e) {
		r.ssthresh = max(r.cwnd/2, minWindow)
		r.admit(e)
	}
}

// OnSpuriousLoss takes a reduction back that answered losses which were none.
func (r *reno) OnSpuriousLoss(_ time.Duration, e congestion.LossEvent) { r.undo(e) }

// OnTimeout begins anew with the least window.
func (r *reno) OnTimeout(time.Duration) { r.timeout(max(r.cwnd/2, minWindow)) }

// OnPathChange begins anew.
func (r *reno) OnPathChange(time.Duration) { r.lossBased = r.anew() }

// Stats describes the controller. SSThresh is 0 until a loss sets it.
func (r *reno) Stats() congestion.Stats { return r.stats("reno") }

// markEvent is the loss that a mark of Congestion Experienced stands for (RFC 3168 section 6.1.2).
func markEvent(e *congestion.AckEvent) congestion.LossEvent {
	return congestion.LossEvent{
		Largest: e.LargestAcked, LargestSent: e.LargestSent, InFlight: e.InFlight,
	}
}

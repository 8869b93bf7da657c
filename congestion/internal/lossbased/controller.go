package lossbased

import (
	"math"
	"time"

	"example.com/ebb/congestion"
)

const (
	// initialWindow is TCP_INIT_CWND, in packets (RFC 6928 section 2).
	initialWindow = 10
	// MinWindow is the least window after a loss, in packets (RFC 5681 equation 4), and the least
	// that a congestion.Controller may have.
	MinWindow = 2
	// noThreshold is ssthresh before the first reduction, in packets (RFC 5681 section 3.1:
	// arbitrarily high).
	noThreshold = math.MaxInt32
	// MaxWindow bounds the window, in packets.
	MaxWindow = 1 << 20
	// maxBytes bounds the window in bytes, whatever the size of a packet.
	maxBytes = 1_000_000_000
	// maxPacket is the largest payload of UDP, in bytes. A size that no packet has is not believed.
	maxPacket = 65527
)

// Law is what tells one loss-based controller from another. Windows are packets. The Controller
// that it belongs to calls it.
type Law interface {
	// Reduce ends congestion avoidance at a window and returns the new ssthresh, at least MinWindow.
	Reduce(cwnd int64) int64
	// Undo takes the last Reduce back.
	Undo()
	// Every is how many packets must be acknowledged for the window to grow by one, at least 1,
	// given that so many just were.
	Every(now time.Duration, cwnd, acked int64) int64
	// Sample takes a round trip, the first of a new round or not. It reports whether slow start
	// has to end at this window. slowStart says that it is going on.
	Sample(now, rtt time.Duration, newRound, slowStart bool, cwnd int64) bool
	// Pause says that for so long, until now, the window was not used. No growth is owed for that time.
	Pause(now, idle time.Duration)
	// Restart forgets all but what a timeout leaves known: nothing.
	Restart()
	// BaseDelay is the least round trip that the law knows of; 0: none.
	BaseDelay() time.Duration
}

// Controller is a loss-based congestion.Controller. Windows are in packets.
type Controller struct {
	name  string
	law   Law
	paced bool

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
	idle     idleness
	timeouts int
}

// usage is how much of the window was used in a round.
type usage struct {
	flight int64 // the most in flight, in packets
	full   bool  // the window limited the sender
}

// New returns a controller at the start of a connection: a window of ten packets and no threshold.
// The name is for Stats. One that is not paced asks for no rate, as TCP without Linux's fq.
func New(name string, p congestion.Params, paced bool, law Law) *Controller {
	c := &Controller{name: name, law: law, paced: paced, size: 1}
	c.OnMaxDatagramSize(p.MaxDatagramSize)
	c.begin()
	return c
}

// begin is the state that a path begins with.
func (c *Controller) begin() {
	*c = Controller{
		name: c.name, law: c.law, paced: c.paced, size: c.size, timeouts: c.timeouts,
		cwnd: initialWindow, ssthresh: noThreshold,
	}
}

// OnSend reports one packet that was just sent.
func (c *Controller) OnSend(now time.Duration, e congestion.SendEvent) {
	if e.InFlight == e.Bytes {
		c.resume(now)
	}
	c.idle.sent(now)
	c.next = max(c.next, e.Number+1)
	c.recovery.out++
}

// OnAck moves the window.
func (c *Controller) OnAck(now time.Duration, e congestion.AckEvent) {
	acked, newRound := c.note(now, &e)
	if e.CE > 0 {
		c.mark(&e)
	}
	if e.RTT > 0 && c.law.Sample(now, min(e.RTT, maxTimeout), newRound, c.inSlowStart() && !c.recovery.active, c.cwnd) {
		c.ssthresh = c.cwnd
	}
	if c.reduce(&e, acked) || !c.limited(now, &e) {
		return
	}
	if acked = c.slowStart(acked); acked > 0 {
		c.avoid(c.law.Every(now, c.cwnd, acked), acked)
	}
}

// OnLoss reduces the window, once for all packets in flight then.
func (c *Controller) OnLoss(_ time.Duration, e congestion.LossEvent) { c.answer(e) }

// OnSpuriousLoss takes a reduction back that answered losses which were none.
func (c *Controller) OnSpuriousLoss(_ time.Duration, e congestion.LossEvent) {
	if c.undo(e) {
		c.law.Undo()
	}
}

// OnTimeout begins anew with the least window (RFC 9002 section 7.6.2, RFC 5681 equation 4). A
// reduction that is going on has set ssthresh for the same losses, and the losses that are yet to
// be found among what was sent belong to it as well (tcp_enter_loss).
func (c *Controller) OnTimeout(time.Duration) {
	c.timeouts++
	if !c.recovery.active {
		c.ssthresh = max(c.law.Reduce(c.cwnd), MinWindow)
	}
	c.law.Restart()
	c.recovery = recovery{end: c.next}
	c.cwnd, c.count = MinWindow, 0
}

// OnPathChange begins anew.
func (c *Controller) OnPathChange(time.Duration) {
	c.law.Restart()
	c.begin()
}

// OnMaxDatagramSize reports the size of a full packet from now on. The window stays the same
// number of packets, as TCP's does. A size that no packet has changes nothing.
func (c *Controller) OnMaxDatagramSize(size int) {
	if size > 0 && size <= maxPacket {
		c.size = int64(size)
	}
}

// Window is the number of bytes that may be in flight, from two packets to 1e9.
func (c *Controller) Window() int { return int(min(max(c.cwnd, MinWindow)*c.size, maxBytes)) }

// PacingRate is the rate, in bytes per second, at which the window should leave: twice the window
// per round trip in slow start, a fifth more than it afterwards, as Linux sets sk_pacing_rate (RFC 9002
// section 7.7). 0 if there is no round trip yet, or no pacing.
func (c *Controller) PacingRate(srtt time.Duration) int64 {
	if !c.paced || srtt <= 0 {
		return 0
	}
	percent := int64(120) // tcp_pacing_ca_ratio
	if c.cwnd < c.ssthresh/2 {
		percent = 200 // tcp_pacing_ss_ratio
	}
	return max(int64(c.Window())*percent/100*int64(time.Second)/int64(srtt), 1)
}

// Stats describes the controller. SSThresh is 0 until something sets it.
func (c *Controller) Stats() congestion.Stats {
	s := congestion.Stats{
		Name: c.name, State: "congestion avoidance", Window: c.Window(),
		BaseDelay: c.law.BaseDelay(), Timeouts: c.timeouts,
	}
	if c.ssthresh < noThreshold {
		s.SSThresh = int(min(c.ssthresh*c.size, maxBytes))
	}
	switch {
	case c.recovery.active:
		s.State = "recovery"
	case c.inSlowStart():
		s.State = "slow start"
	}
	return s
}

func (c *Controller) inSlowStart() bool { return c.cwnd < c.ssthresh }

// packets is a number of bytes in packets, rounded up.
func (c *Controller) packets(bytes int) int64 { return (int64(max(bytes, 0)) + c.size - 1) / c.size }

// note takes note of an ACK and returns the packets that it acknowledges.
func (c *Controller) note(now time.Duration, e *congestion.AckEvent) (acked int64, newRound bool) {
	c.next = max(c.next, e.LargestSent+1)
	if e.LargestAcked >= c.roundEnd {
		c.roundEnd = c.next
		c.usedLast, c.used = c.used, usage{}
		newRound = true
	}
	flight := c.packets(e.PriorInFlight)
	c.used.flight = max(c.used.flight, flight)
	c.used.full = c.used.full || flight >= c.cwnd
	c.idle.acked(now, e.SmoothedRTT)
	c.partial += int64(max(e.Bytes, 0))
	acked = c.partial / c.size
	c.partial -= acked * c.size
	return acked, newRound
}

// slowStart adds what was acknowledged, up to ssthresh, and returns what is left for congestion
// avoidance (RFC 5681 section 3.1, byte counting without a limit as in Linux).
func (c *Controller) slowStart(acked int64) (left int64) {
	if !c.inSlowStart() {
		return acked
	}
	grown := min(c.cwnd+acked, c.ssthresh, MaxWindow)
	left = acked - (grown - c.cwnd)
	c.cwnd = grown
	return left
}

// avoid adds one packet to the window for every so many acknowledged (tcp_cong_avoid_ai).
func (c *Controller) avoid(every, acked int64) {
	if c.count >= every {
		c.count = 0
		c.cwnd++
	}
	c.count += acked
	if c.count >= every {
		c.cwnd += c.count / every
		c.count %= every
	}
	c.cwnd = min(c.cwnd, MaxWindow)
}

package engine

import (
	"testing"
	"time"

	"example.com/ebb/wire"
)

// TestUnreadAcksAreNoLoss: whether a packet that was overtaken is overdue is asked as of when the ACK arrived. One that waits for a
// late reader behind it may name the packet.
func TestUnreadAcksAreNoLoss(t *testing.T) {
	var cc episodes
	c := New(0, Params{Client: true, Controller: &cc, MaxDatagram: 1200})
	c.establish(0)
	for i := range 10 {
		p := c.sent.reserve(time.Duration(i) * ms)
		p.size, p.flags = 1200, eliciting
		c.sent.push(p)
	}
	c.path.rtt = rttState{latest: 40 * ms, smoothed: 40 * ms, min: 40 * ms, variance: ms}
	c.loss.reordered = true
	const read = 80 * ms // of both ACKs; the packet is overdue 50 ms after it was sent
	for _, ack := range []struct {
		at     time.Duration
		ranges []wire.Range
	}{
		{49 * ms, []wire.Range{{First: 0, Last: 3}, {First: 5, Last: 9}}},
		{52 * ms, []wire.Range{{First: 0, Last: 9}}},
	} {
		f := parseAck(t, ack.ranges)
		if err := c.handleAck(read, ack.at, &f, 0); err != nil {
			t.Fatal(err)
		}
		if due := c.loss.due; due < read {
			t.Errorf("the ACK of %v: losses are to be looked for at %v, which has passed at %v", ack.at, due, read)
		}
	}
	if cc.lost > 0 || c.stats.SpuriousLosses > 0 || c.sent.outstanding > 0 {
		t.Errorf("%d packets declared lost, %d of them not, %d outstanding", cc.lost, c.stats.SpuriousLosses, c.sent.outstanding)
	}
}

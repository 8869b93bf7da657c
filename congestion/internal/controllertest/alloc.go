package controllertest

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

// NothingAllocated checks that packets, their ACKs and losses make the controllers of a factory allocate nothing.
func NothingAllocated(t *testing.T, factory congestion.Factory) {
	t.Helper()
	const rtt = 10 * time.Millisecond
	c := factory(Params())
	var now time.Duration
	var n uint64
	if got := testing.AllocsPerRun(2000, func() {
		now += time.Millisecond
		c.OnSend(now, congestion.SendEvent{Number: n, Bytes: MSS, InFlight: 10 * MSS})
		if n%500 == 499 {
			c.OnLoss(now, congestion.LossEvent{Bytes: MSS, Packets: 1, Largest: n, LargestSent: n, InFlight: 9 * MSS})
		}
		c.OnAck(now, congestion.AckEvent{
			Bytes: MSS, LargestAcked: n, LargestSent: n, PriorInFlight: 10 * MSS, InFlight: 9 * MSS,
			RTT: rtt, SmoothedRTT: rtt, MinRTT: rtt,
			Delivery: congestion.Delivery{Delivered: int64(n+1) * MSS, PriorDelivered: int64(max(n, 10)-10) * MSS, Interval: rtt},
		})
		c.PacingRate(rtt)
		n++
	}); got != 0 {
		t.Errorf("%v allocations for a packet and its ACK", got)
	}
}

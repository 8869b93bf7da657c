package competitor

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
)

func TestNothingIsAllocated(t *testing.T) {
	for name, factory := range map[string]congestion.Factory{"reno": Reno, "cubic": CUBIC, "bbr": BBR} {
		c := factory(params)
		var now time.Duration
		var n uint64
		if got := testing.AllocsPerRun(2000, func() {
			now += ms
			c.OnSend(now, congestion.SendEvent{Number: n, Bytes: mss, InFlight: 10 * mss})
			if n%500 == 499 {
				c.OnLoss(now, congestion.LossEvent{Bytes: mss, Packets: 1, Largest: n, LargestSent: n, InFlight: 9 * mss})
			}
			c.OnAck(now, congestion.AckEvent{
				Bytes: mss, LargestAcked: n, LargestSent: n, PriorInFlight: 10 * mss, InFlight: 9 * mss,
				RTT: 10 * ms, SmoothedRTT: 10 * ms, MinRTT: 10 * ms,
				Delivery: congestion.Delivery{Delivered: int64(n+1) * mss, PriorDelivered: int64(max(n, 10)-10) * mss, Interval: 10 * ms},
			})
			c.PacingRate(10 * ms)
			n++
		}); got != 0 {
			t.Errorf("%s: %v allocations for a packet and its ACK", name, got)
		}
	}
}

package ledbat

import (
	"testing"

	"example.com/ebb/congestion"
)

// TestAnotherPathBeginsAnew: after a change of path a controller is as one that was just made with its Config, whatever
// it has learnt before.
func TestAnotherPathBeginsAnew(t *testing.T) {
	for _, mode := range []Mode{Adaptive, PlusPlus, RFC6817} {
		config := Config{Mode: mode, MinSSThresh: 50_000, InitialWindow: 20_000}
		c, err := New(config)
		if err != nil {
			t.Fatal(err)
		}
		fresh := c.Stats()
		now := 50 * ms
		for n := range uint64(200) {
			c.OnSend(now, congestion.SendEvent{Number: n, Bytes: 1200, InFlight: 12_000})
			now += ms
			c.OnAck(now, congestion.AckEvent{
				Bytes: 1200, LargestAcked: n, LargestSent: n, PriorInFlight: 12_000, InFlight: 10_800,
				RTT: 40 * ms, SmoothedRTT: 40 * ms, MinRTT: 40 * ms,
			})
		}
		if c.Stats() == fresh {
			t.Fatalf("%v: 200 ACKs have taught it nothing, so the test shows nothing", mode)
		}
		c.OnPathChange(now)
		if got := c.Stats(); got != fresh {
			t.Errorf("%v: after a change of path %+v, want %+v", mode, got, fresh)
		}
	}
}

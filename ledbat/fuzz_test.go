package ledbat

import (
	"encoding/binary"
	"testing"
	"time"

	"example.com/ebb/congestion"
)

// event reads an event out of the fuzzer's bytes and hands it to the controller.
func event(c *Controller, b [16]byte, now *time.Duration, sent *uint64) {
	small := func(i int) int { return int(b[i]) }
	delay := time.Duration(int64(binary.LittleEndian.Uint64(b[8:])) >> (b[1] % 64))
	*now += time.Duration(small(2)) << (b[3] % 40)
	number := *sent - min(*sent, uint64(small(4)))
	switch b[0] % 8 {
	case 0, 1:
		c.OnSend(*now, congestion.SendEvent{Number: *sent, Bytes: 1 + small(5)*6, InFlight: small(6) << (b[7] % 24)})
		*sent++
	case 2:
		e := congestion.LossEvent{
			Bytes: small(5) * 1200, Packets: small(5), Smallest: number - min(number, uint64(small(6))),
			Largest: number, LargestSent: *sent,
		}
		if b[7]%2 == 0 {
			c.OnLoss(*now, e)
		} else {
			c.OnSpuriousLoss(*now, e)
		}
	case 3:
		if b[5] < 8 {
			c.OnTimeout(*now)
		} else {
			c.OnMaxDatagramSize(1200 + small(6)*32)
		}
	default:
		rtt := time.Duration(small(6)) << (b[7] % 32)
		c.OnAck(*now, congestion.AckEvent{
			Bytes: small(5) << (b[3] % 20), LargestAcked: number, LargestSent: *sent,
			PriorInFlight: small(5) << (b[7] % 20), RTT: rtt, SmoothedRTT: rtt + delay/8, MinRTT: rtt,
			OneWay: delay, HasOneWay: b[1]%2 == 0, AppLimited: b[0]&16 != 0, Throttled: b[0]&32 != 0,
			CE: small(4) / 250,
			Delivery: congestion.Delivery{
				Delivered: int64(delay), PriorDelivered: int64(delay) - int64(small(6))<<20,
				Interval: time.Duration(small(7)) << (b[1] % 32), TxInFlight: small(6) << 10,
			},
		})
	}
}

// FuzzController holds every mode to its bounds whatever happens, and in whatever
// order.
func FuzzController(f *testing.F) {
	f.Add(uint8(0), []byte{})
	f.Add(uint8(3), []byte("\x00\x00\x10\x10\x00\xff\x20\x10\x00\x00\x00\x00\x00\x00\x00\x80\x04\x00\xff\x14\x00\xff\xff\x1f\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add(uint8(2), []byte("\x03\x00\x10\x10\x00\x01\x20\x10\x00\x00\x00\x00\x00\x00\x00\x80\x02\x00\xff\x14\x00\xff\xff\x1e\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, mode uint8, tape []byte) {
		c, err := New(Config{Mode: everyMode[int(mode)%len(everyMode)], MinSSThresh: int(mode)*1000 - 64_000})
		if err != nil {
			t.Fatal(err)
		}
		var now time.Duration
		sent := uint64(1)
		for ; len(tape) >= 16; tape = tape[16:] {
			event(c, [16]byte(tape), &now, &sent)
			if w := c.Window(); w < minPackets*1200 || w > maxWindow {
				t.Fatalf("window %d", w)
			}
			s := c.Stats()
			if th := threshold(s); th < minPackets*1200 || th > maxWindow || s.BaseDelay < 0 || s.QueueDelay < 0 {
				t.Fatalf("%+v", s)
			}
			if c.PacingRate(time.Millisecond) <= 0 {
				t.Fatalf("rate %d", c.PacingRate(time.Millisecond))
			}
		}
	})
}

package controllertest

import (
	"encoding/binary"
	"testing"
	"time"

	"example.com/ebb/congestion"
)

const (
	eventBytes = 16
	leastSize  = 1200 // bytes of a full packet: the least of congestion.Params
	maxSize    = 65527
	maxWindow  = 1_000_000_000
)

// Fuzz holds the controllers of a factory to the bounds of the interface whatever happens, in whatever
// order: 16 bytes of a tape are an event. The window stays between two packets and 1e9 bytes, the
// rate and what people are shown are never negative.
func Fuzz(f *testing.F, factory congestion.Factory) {
	f.Add([]byte{})
	f.Add([]byte("\x00\x00\x10\x10\x00\xff\x20\x10\x00\x00\x00\x00\x00\x00\x00\x80\x04\x00\xff\x14\x00\xff\xff\x1f\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add([]byte("\x03\x00\x10\x10\x00\x01\x20\x10\x00\x00\x00\x00\x00\x00\x00\x80\x02\x00\xff\x14\x00\xff\xff\x1e\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add([]byte("\x07\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x06\x3f\x01\x00\x00\xff\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, tape []byte) {
		p := &player{Controller: factory(congestion.Params{MaxDatagramSize: leastSize}), sent: 1, size: leastSize}
		for ; len(tape) >= eventBytes; tape = tape[eventBytes:] {
			p.play([eventBytes]byte(tape))
			if w := p.Window(); w < min(2*p.size, maxWindow) || w > maxWindow {
				t.Fatalf("window of %d with packets of %d: %+v", w, p.size, p.Stats())
			}
			for _, srtt := range []time.Duration{0, 1, time.Millisecond, time.Hour} {
				if rate := p.PacingRate(srtt); rate < 0 {
					t.Fatalf("rate %d at a round trip of %v", rate, srtt)
				}
			}
			if s := p.Stats(); s.SSThresh < 0 || s.SSThresh > maxWindow || s.BaseDelay < 0 || s.Timeouts < 0 || s.State == "" {
				t.Fatalf("%+v", s)
			}
		}
	})
}

// player hands events to a controller.
type player struct {
	congestion.Controller
	now  time.Duration
	sent uint64
	size int
}

// play reads an event out of a fuzzer's bytes.
func (p *player) play(b [eventBytes]byte) {
	small := func(i int) int { return int(b[i]) }
	wide := int64(binary.LittleEndian.Uint64(b[8:])) >> (b[1] % 64)
	p.now += time.Duration(small(2)) << (b[3] % 40)
	number := p.sent - min(p.sent, uint64(small(4)))
	switch b[0] % 8 {
	case 0, 1:
		bytes := 1 + small(5)*6
		p.OnSend(p.now, congestion.SendEvent{Number: p.sent, Bytes: bytes, InFlight: bytes + small(6)<<(b[7]%24)})
		p.sent++
	case 2:
		e := congestion.LossEvent{
			Bytes: small(5) * leastSize, Packets: small(5), Smallest: number - min(number, uint64(small(6))),
			Largest: number, LargestSent: p.sent, InFlight: small(7) << 10,
		}
		if b[7]%2 == 0 {
			p.OnLoss(p.now, e)
		} else {
			p.OnSpuriousLoss(p.now, e)
		}
	case 3:
		p.turn(b)
	default:
		rtt := time.Duration(wide & (1<<62 - 1))
		p.OnAck(p.now, congestion.AckEvent{
			Bytes: small(5) << (b[3] % 20), LargestAcked: number, LargestSent: p.sent,
			PriorInFlight: small(5) << (b[7] % 20), InFlight: small(6) << (b[7] % 16),
			RTT: rtt, SmoothedRTT: rtt, MinRTT: rtt,
			AppLimited: b[0]&16 != 0, Throttled: b[0]&32 != 0, CE: small(4) / 250,
			Delivery: congestion.Delivery{
				Delivered: wide, PriorDelivered: wide - int64(small(6))<<20, Lost: int64(small(7)),
				Interval: time.Duration(small(7)) << (b[1] % 32), TxInFlight: small(6) << 10, AppLimited: b[0]&64 != 0,
			},
		})
	}
}

// turn is one of the rarer events.
func (p *player) turn(b [eventBytes]byte) {
	switch {
	case b[5] < 8:
		p.OnTimeout(p.now)
	case b[5] < 12:
		p.OnPathChange(p.now)
	default:
		p.size = min(leastSize+int(b[6])*260, maxSize)
		p.OnMaxDatagramSize(p.size)
		for _, none := range []int{0, -1, maxSize + 1} {
			p.OnMaxDatagramSize(none)
		}
	}
}

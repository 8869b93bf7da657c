package engine

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/wire"
)

// lastAck is a controller that keeps the last ACK it was told of.
type lastAck struct {
	congestion.Base
	e congestion.AckEvent
}

func (c *lastAck) OnAck(_ time.Duration, e congestion.AckEvent) { c.e = e }
func (c *lastAck) Window() int                                  { return 1 << 20 }
func (c *lastAck) PacingRate(time.Duration) int64               { return 0 }
func (c *lastAck) Stats() congestion.Stats                      { return congestion.Stats{} }

// TestSamplesThatOvertook: the controller is told of a sample whose packet came ahead of others, or whose ACK did, and of
// no other.
func TestSamplesThatOvertook(t *testing.T) {
	type ranges = []wire.Range
	for _, s := range []struct {
		name     string
		acked    ranges // by the last ACK; the first is for 0 to 9
		received ranges // packets of the peer before the one with the last ACK
		number   uint64 // of that
		want     bool
	}{
		{"in order", ranges{{First: 0, Last: 11}}, ranges{{First: 0, Last: 4}}, 5, false},
		{"the packet before is missing", ranges{{First: 0, Last: 9}, {First: 11, Last: 11}}, ranges{{First: 0, Last: 4}}, 5, true},
		{"one of the eight before", ranges{{First: 0, Last: 9}, {First: 11, Last: 18}}, ranges{{First: 0, Last: 4}}, 5, true},
		{"an older one", ranges{{First: 0, Last: 9}, {First: 11, Last: 19}}, ranges{{First: 0, Last: 4}}, 5, false},
		{"its ACK came ahead", ranges{{First: 0, Last: 10}}, ranges{{First: 0, Last: 4}}, 6, true},
		{"shortly after one that did", ranges{{First: 0, Last: 10}}, ranges{{First: 0, Last: 4}, {First: 6, Last: 12}}, 13, true},
		{"long after one that did", ranges{{First: 0, Last: 10}}, ranges{{First: 0, Last: 4}, {First: 6, Last: 13}}, 14, false},
		{"its ACK came late", ranges{{First: 0, Last: 10}}, ranges{{First: 0, Last: 4}, {First: 6, Last: 7}}, 5, false},
	} {
		t.Run(s.name, func(t *testing.T) {
			var cc lastAck
			c := New(0, Params{Client: true, Controller: &cc, MaxDatagram: 1200})
			c.establish(0)
			c.path.cc = &cc
			for range 30 {
				p := c.sent.reserve(0)
				p.size, p.flags = 1200, eliciting
				c.sent.push(p)
			}
			c.acks.ranges, c.acks.largest, c.acks.any = nil, 0, false
			for _, r := range s.received {
				for n := r.First; n <= r.Last; n++ {
					c.acks.receive(0, 0, n, false, false)
				}
			}
			now := 10 * time.Millisecond
			for _, acked := range []ranges{{{First: 0, Last: 9}}, s.acked} {
				f := parseAck(t, acked)
				if err := c.handleAck(now, now, &f, s.number); err != nil {
					t.Fatal(err)
				}
				now += time.Microsecond // too short a time for a loss
			}
			if cc.e.RTT == 0 || cc.e.Overtook != s.want {
				t.Errorf("round trip %v, overtook %v, want %v", cc.e.RTT, cc.e.Overtook, s.want)
			}
		})
	}
}

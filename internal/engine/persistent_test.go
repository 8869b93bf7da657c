package engine

import (
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/wire"
)

// episodes is a controller that counts what it is told.
type episodes struct {
	congestion.Base
	timeouts, lost int
}

func (e *episodes) OnLoss(_ time.Duration, l congestion.LossEvent) { e.lost += l.Packets }
func (e *episodes) OnTimeout(time.Duration)                        { e.timeouts++ }
func (*episodes) Window() int                                      { return 1 << 20 }
func (*episodes) PacingRate(time.Duration) int64                   { return 0 }
func (*episodes) Stats() congestion.Stats                          { return congestion.Stats{} }

// TestPersistentCongestionExample is the example of RFC 9002 section 7.6.3: packets sent at
// these seconds, an ACK of the first at 1.2 s and of the last at 12.2 s, and a timeout of 2 s, so that
// what was lost must span more than 6 s. It does, by 7.
func TestPersistentCongestionExample(t *testing.T) {
	tests := []struct {
		name     string
		last     time.Duration // when the last packet that is lost was sent
		also     uint64        // a packet that is acknowledged too; 0: none
		timeouts int
	}{
		{name: "as in the RFC", last: 8 * time.Second, timeouts: 1},
		{name: "a span of 6 s is none", last: 7 * time.Second},
		{name: "nor is one with an ACK within", last: 8 * time.Second, also: 4},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var cc episodes
			c := New(0, Params{Client: true, Controller: &cc, MaxDatagram: 1200})
			c.establish(0)
			at := []time.Duration{0, 1, 2, 3, 4, 5, 6, test.last / time.Second, 12}
			number := 0
			send := func(until time.Duration) {
				for number < len(at) && at[number]*time.Second <= until {
					p := c.sent.reserve(at[number] * time.Second)
					p.size, p.flags = 1200, eliciting
					c.sent.push(p)
					number++
				}
			}
			// Set, not measured: with the sample of the ACK the variance is 0.45 s, and the timeout 0.2 + 4·0.45 = 2 s.
			c.peerAckDelay = 0
			ack := func(now time.Duration, ranges ...wire.Range) {
				c.path.rtt = rttState{latest: 200 * ms, smoothed: 200 * ms, min: 200 * ms, variance: 600 * ms}
				f := parseAck(t, ranges)
				if err := c.handleAck(now, now, &f, 0); err != nil {
					t.Fatal(err)
				}
			}
			send(1 * time.Second)
			ack(1200*ms, wire.Range{First: 0, Last: 0})
			send(12 * time.Second)
			if test.also > 0 {
				ack(12200*ms, wire.Range{First: test.also, Last: test.also}, wire.Range{First: 8, Last: 8})
			} else {
				ack(12200*ms, wire.Range{First: 8, Last: 8})
			}
			if cc.timeouts != test.timeouts {
				t.Errorf("reported %d times, want %d (%d packets lost)", cc.timeouts, test.timeouts, cc.lost)
			}
			ack(12300*ms, wire.Range{First: 8, Last: 8})
			c.detectLosses(20*time.Second, 20*time.Second, c.sent.inFlight, 0)
			if cc.timeouts != test.timeouts {
				t.Errorf("reported again: %d times", cc.timeouts)
			}
		})
	}
}

// parseAck makes an ACK frame as one from the wire.
func parseAck(t *testing.T, ranges []wire.Range) wire.Ack {
	t.Helper()
	var f wire.Frame
	if _, err := f.Parse(wire.Must(wire.AppendAck(nil, &wire.Ack{}, ranges, 1000))); err != nil {
		t.Fatal(err)
	}
	return f.Ack
}

package engine_test

import (
	"strings"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// TestAConfirmWaitsForBytes: with HoldConfirm the client's first bytes are its CONFIRM, if they come within a millisecond, and the server has
// nothing to acknowledge alone. Of docs/wire.md: [W60] [W255].
func TestAConfirmWaitsForBytes(t *testing.T) {
	for _, c := range []struct {
		name    string
		act     func(w *twins)
		want    string // in the packet that confirms
		answers bool   // the server acknowledges it at once
	}{
		{"bytes", func(w *twins) { w.a.Write([]byte("hello")) }, "DATA", false},
		{"a train of bytes", func(w *twins) { w.a.Write(make([]byte, 100_000)) }, "DATA", true},
		{"an application that waits", func(w *twins) { w.a.Confirm() }, "PING", false},
		{"an idle application", func(w *twins) {
			if next := w.a.NextTimeout(); next != w.now+time.Millisecond {
				t.Errorf("the timer is for %v, want a millisecond after %v", next, w.now)
			}
			w.now += time.Millisecond
			w.a.Advance(w.now)
		}, "PING", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := makeTwins(64<<10, func(p *engine.Params) { p.HoldConfirm = true })
			w.exchange()
			if b, _ := w.a.AppendSegments(w.now, nil, 64<<10); len(b) > 0 || !w.a.Established() || w.b.Established() {
				t.Fatalf("%d bytes sent, established %v and %v", len(b), w.a.Established(), w.b.Established())
			}
			c.act(w)
			b, train := w.a.AppendSegments(w.now, nil, 64<<10)
			first := b[:min(train.SegmentSize, len(b))]
			if got := wire.Describe(first); !strings.Contains(got, c.want) || strings.Count(got, "PING")+strings.Count(got, "DATA") != 1 {
				t.Errorf("confirmed by\n%s\nwant one %s", got, c.want)
			}
			if train.ECN != engine.NotECT {
				t.Errorf("the packet that confirms is marked %v", train.ECN)
			}
			for len(b) > 0 {
				n := min(train.SegmentSize, len(b))
				w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now}, b[:n])
				if b = b[n:]; len(b) == 0 {
					b, train = w.a.AppendSegments(w.now, nil, 64<<10)
				}
			}
			if !w.b.Established() {
				t.Error("the server is not established")
			}
			if b, _ := w.b.AppendSegments(w.now, nil, 64<<10); (len(b) > 0) != c.answers {
				t.Errorf("the server sends %d bytes at once", len(b))
			}
			if w.a.Confirm() {
				t.Error("a CONFIRM waits still")
			}
		})
	}
}

// TestAProtectedConfirmWaitsForBytes: the last packet of a protected client's handshake leaves at once, as the server has work to do
// with it, and the CONFIRM waits from then. Of docs/wire.md: [W255].
func TestAProtectedConfirmWaitsForBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		act  func(w *twins)
		want int // bytes that the server has at once
	}{
		{"bytes", func(w *twins) { w.a.Write([]byte("hello")) }, 5},
		{"an application that waits", func(w *twins) { w.a.Confirm() }, 0},
		{"an idle application", func(w *twins) {
			if next := w.a.NextTimeout(); next != w.now+time.Millisecond {
				t.Errorf("the timer is for %v, want a millisecond after %v", next, w.now)
			}
			w.now += time.Millisecond
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := scriptedTwins(protect.AES128GCM, func(p *engine.Params) { p.HoldConfirm = true })
			for range 10 {
				if w.a.Established() {
					break
				}
				w.exchange()
			}
			w.carry(w.a, w.b, w.pb)
			if sent := w.a.Info().Stats.PacketsSent; sent != 3 || !w.b.Established() {
				t.Fatalf("%d packets sent, established %v: want the ClientHello in two and Finished", sent, w.b.Established())
			}
			c.act(w)
			w.carry(w.a, w.b, w.pb)
			if got := w.b.Info().ReceiveBuffered; !w.b.Established() || got != c.want {
				t.Errorf("the server is established: %v, and has %d bytes, want %d", w.b.Established(), got, c.want)
			}
			if sent := w.a.Info().Stats.PacketsSent; sent != 4 {
				t.Errorf("%d packets were sent: want two with the ClientHello, Finished and CONFIRM", sent)
			}
			if w.a.Confirm() {
				t.Error("a CONFIRM waits still")
			}
		})
	}
}

package engine_test

import (
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/wire"
)

// feedServer writes what the server's send buffer takes and lets d pass.
func (f *forger) feedServer(d time.Duration) {
	f.server.Conn.Write(make([]byte, 64<<10))
	f.server.Flush()
	f.w.Run(d)
	f.replies = f.replies[:0]
}

// widen has the forger admit all bytes that the server may want to send.
func (f *forger) widen() { f.say(wire.AppendWindow(nil, 1<<40)) }

// received is the ranges of the numbers that came, and of those that did not.
func (f *forger) received() (got, missing []wire.Range) {
	for i, n := range f.numbers {
		if i > 0 && n == f.numbers[i-1]+1 {
			got[len(got)-1].Last = n
			continue
		}
		if i > 0 {
			missing = append(missing, wire.Range{First: f.numbers[i-1] + 1, Last: n - 1})
		}
		got = append(got, wire.Range{First: n, Last: n})
	}
	return got, missing
}

// ackOf is an ACK frame of the last ranges.
func ackOf(a wire.Ack, ranges []wire.Range) []byte {
	return wire.Must(wire.AppendAck(nil, &a, ranges[max(0, len(ranges)-wire.MaxAckRanges):], 1000))
}

// TestLeftOutNumbers: some numbers are never sent; who acknowledges what came is served, who
// acknowledges one of those is found out (RFC 9000 section 21.4).
// Of docs/wire.md: [W141] [W142].
func TestLeftOutNumbers(t *testing.T) {
	f := newForger(t)
	f.widen()
	for range 400 {
		f.feedServer(time.Millisecond)
		got, _ := f.received()
		f.say(ackOf(wire.Ack{}, got))
	}
	_, missing := f.received()
	if f.server.Removed {
		t.Fatalf("ended by honest ACKs: %v", f.server.Conn.Err())
	}
	if len(missing) < 3 {
		t.Fatalf("%d numbers were left out of %d", len(missing), len(f.numbers))
	}
	if len(missing) > 20 {
		t.Errorf("%d numbers were left out of %d", len(missing), len(f.numbers))
	}
	st := f.server.Conn.Info().Stats
	if st.PacketsLost != 0 || st.BytesRetransmitted != 0 {
		t.Errorf("they count as lost: %+v", st)
	}
	for known := len(missing); !f.server.Removed; {
		f.feedServer(time.Millisecond)
		var got []wire.Range
		if got, missing = f.received(); len(missing) > known {
			f.say(ack(wire.Range{First: missing[known].First, Last: got[len(got)-1].Last}))
			break
		}
		f.say(ackOf(wire.Ack{}, got))
	}
	if e, ok := f.server.Conn.Err().(*engine.Error); !ok || e.Code != wire.CodeProtocol {
		t.Errorf("the forger was not found out: %v", f.server.Conn.Err())
	}
}

// TestOptimisticAcks: a peer that acknowledges whatever may have been sent is found out
// within the first few hundred packets.
// Of docs/wire.md: [W142].
func TestOptimisticAcks(t *testing.T) {
	f := newForger(t)
	f.widen()
	for range 400 {
		f.feedServer(time.Millisecond)
		if f.server.Removed {
			break
		}
		f.say(ack(wire.Range{First: 0, Last: f.numbers[len(f.numbers)-1]}))
	}
	if !f.server.Removed || len(f.numbers) > 2*256+128 {
		t.Errorf("%d packets, ended: %v", len(f.numbers), f.server.Removed)
	}
}

// TestOptimisticAcksLate: a peer that is honest for long, and then acknowledges whatever may have been sent, is found out
// within as many packets as lie between two numbers that are left out.
func TestOptimisticAcksLate(t *testing.T) {
	f := newForger(t)
	f.widen()
	for honest := 0; honest < 40_000 && !f.server.Removed; {
		f.feedServer(time.Millisecond)
		if got, _ := f.received(); len(got) > 0 {
			f.say(ackOf(wire.Ack{}, got))
		}
		if n := len(f.numbers) - 300; n > 0 { // what was acknowledged long ago is not said again
			honest += n
			f.numbers = f.numbers[n:]
		}
	}
	if f.server.Removed {
		t.Fatalf("ended by honest ACKs: %v", f.server.Conn.Err())
	}
	before := len(f.numbers)
	for range 10_000 {
		f.feedServer(time.Millisecond)
		if f.server.Removed {
			break
		}
		f.say(ack(wire.Range{First: f.numbers[before-1], Last: f.numbers[len(f.numbers)-1]}))
	}
	if more := len(f.numbers) - before; !f.server.Removed || more > 2*4096+128 {
		t.Errorf("%d packets more, ended: %v", more, f.server.Removed)
	}
}

// TestAckDivision: as many ACKs as there are packets, and each of them ten times, grow the
// window by no more than the bytes they name.
func TestAckDivision(t *testing.T) {
	f := newForgerOf(t, ledbatFactory)
	f.widen()
	start := f.server.Conn.Info().Window
	f.feedServer(time.Millisecond)
	for acked := 0; acked < 200 && !f.server.Removed; {
		if acked == len(f.numbers) {
			f.feedServer(5 * time.Millisecond)
			continue
		}
		n := f.numbers[acked]
		acked++
		for range 10 {
			f.say(ack(wire.Range{First: n, Last: n}))
		}
		in := f.server.Conn.Info()
		if in.Window > start+acked*1472 || in.InFlight > in.Window+1472 {
			t.Fatalf("after %d packets: window %d from %d, in flight %d", acked, in.Window, start, in.InFlight)
		}
	}
	if f.server.Removed {
		t.Errorf("ended: %v", f.server.Conn.Err())
	}
}

// TestWithheldAcks: ACKs kept back and released at once release no more than a window.
func TestWithheldAcks(t *testing.T) {
	f := newForgerOf(t, ledbatFactory)
	f.widen()
	for range 30 {
		f.feedServer(100 * time.Millisecond)
		got, _ := f.received()
		before := len(f.numbers)
		f.say(ackOf(wire.Ack{}, got))
		in := f.server.Conn.Info()
		if sent := len(f.numbers) - before; sent*1200 > in.Window+1472 || in.InFlight > in.Window+1472 {
			t.Fatalf("%d packets at once; %d in flight, window %d", sent, in.InFlight, in.Window)
		}
	}
}

// TestForgedTimes: receive times and delays that jump about move the window within its
// bounds and the round trip by no more than the delay that the peer has declared.
func TestForgedTimes(t *testing.T) {
	f := newForgerOf(t, ledbatFactory)
	f.widen()
	r := newRand(5)
	for range 300 {
		f.feedServer(rtt)
		got, _ := f.received()
		f.say(ackOf(wire.Ack{Received: r.Uint32(), Delay: time.Duration(r.Int64N(int64(time.Hour)))}, got))
		in := f.server.Conn.Info()
		if in.Window < 2*1200 || in.Window > 1<<24 || in.InFlight > in.Window+1472 {
			t.Fatalf("window %d, %d in flight", in.Window, in.InFlight)
		}
		if in.SmoothedRTT < in.MinRTT {
			t.Fatalf("round trip %v below the least %v", in.SmoothedRTT, in.MinRTT)
		}
	}
}

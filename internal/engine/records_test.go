package engine_test

import (
	"flag"
	"runtime"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/wire"
)

var longIdle = flag.Bool("long", false, "idle for a year of virtual time, more PINGs, and more seeds of lost ACKs")

// heapNow is the bytes of the heap that are in use.
func heapNow() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // a sync.Pool gives back what it has with the second
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// flatHeap is by how much a heap may differ that holds the same, in bytes.
const flatHeap = 4 << 10

// TestIdleCostsNoMemory: the two ends of a connection that only keeps itself alive hold no more after a week, with -long a
// year, than after an hour.
func TestIdleCostsNoMemory(t *testing.T) {
	days := 7
	if *longIdle {
		days = 365
	}
	w := newTwins(t, 64<<10)
	w.a.SetKeepAlive(15 * time.Second)
	idle := func(d time.Duration) {
		for end := w.now + d; w.now < end; {
			w.now = max(min(w.a.NextTimeout(), w.b.NextTimeout()), w.now+1)
			w.carry(w.a, w.b, w.pb)
			w.carry(w.b, w.a, w.pa)
		}
	}
	idle(time.Hour)
	before, sent := heapNow(), w.b.Info().Stats.PacketsSent
	idle(time.Duration(days) * 24 * time.Hour)
	if grown := heapNow() - before; grown > flatHeap {
		t.Errorf("%d days cost %d bytes of heap", days, grown)
	}
	if n := w.b.Info().Stats.PacketsSent - sent; n < uint64(days)*24*60*4*9/10 {
		t.Errorf("%d packets of the side that answers in %d days: it was not kept alive", n, days)
	}
	if w.a.Done() || w.b.Done() {
		t.Errorf("the connection has ended: %v, %v", w.a.Err(), w.b.Err())
	}
}

// TestPeerThatNeverAcknowledges: a peer that says what calls for an answer and never acknowledges one gets answers, and costs
// no memory for each.
func TestPeerThatNeverAcknowledges(t *testing.T) {
	tests := []struct {
		name   string
		frames []byte
		most   int64 // bytes of heap
	}{
		{"PING", wire.AppendPing(nil), flatHeap},
		{"PATH_CHALLENGE", wire.AppendPathChallenge(nil, [8]byte{1}), 96<<10 + flatHeap}, // the records that controlRoom admits
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := 100_000
			if *longIdle {
				n = 1_000_000
			}
			w := newTwins(t, 64<<10)
			number := uint64(1000)
			say := func(n int) {
				for range n {
					p := wire.Must(wire.AppendHeader(w.bytes[:0], wire.Header{Type: wire.Short, Version: wire.Version, Dst: 22, Number: number, NumberLen: 4}))
					p = wire.AppendTrailer(append(p, test.frames...), 0, wire.Seed(wire.Version, 22, 11))
					number++
					w.now += 20 * time.Microsecond
					w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now, ECN: engine.NotECT}, p)
					w.b.Advance(w.now)
					for b, _ := w.b.AppendSegments(w.now, w.buf[:0], 64<<10); len(b) > 0; {
						b, _ = w.b.AppendSegments(w.now, w.buf[:0], 64<<10)
					}
				}
			}
			say(1000)
			before := heapNow()
			say(n)
			if grown := heapNow() - before; grown > test.most {
				t.Errorf("%d of them cost %d bytes of heap", n, grown)
			}
			if got := w.b.Info().Stats.AcksSent; got < uint64(n)/4 {
				t.Errorf("%d ACKs for %d packets: they were not answered", got, n)
			}
		})
	}
}

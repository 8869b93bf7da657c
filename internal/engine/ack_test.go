package engine

import (
	"math/rand/v2"
	"testing"

	"example.com/ebb/wire"
)

func newAckState() ackState { return ackState{due: Never, delay: defaultAckDelay} }

// TestAckStateAgainstModel: numbers in any order give the ranges that a plain set
// gives, and a repeated number is known.
// Of docs/wire.md: [W172].
func TestAckStateAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		a := newAckState()
		seen := make(map[uint64]bool)
		for range 150 {
			n := uint64(r.IntN(200))
			if a.duplicate(n) != seen[n] {
				t.Fatalf("duplicate(%d) is %v", n, !seen[n])
			}
			if !seen[n] {
				a.receive(0, 0, n, true, false)
				seen[n] = true
			}
			var count uint64
			for i, x := range a.ranges {
				count += x.Last - x.First + 1
				if x.First > x.Last || i > 0 && a.ranges[i-1].Last+1 >= x.First {
					t.Fatalf("ranges %v", a.ranges)
				}
			}
			if int(count) != len(seen) {
				t.Fatalf("%d numbers in %v, want %d", count, a.ranges, len(seen))
			}
		}
	}
}

// TestAckRangesReplaceOne: beyond the bound the oldest range goes, one at a time;
// its numbers still count as received, and a hole above it does not.
// Of docs/wire.md: [W136].
func TestAckRangesReplaceOne(t *testing.T) {
	a := newAckState()
	for i := range uint64(maxTracked + 10) {
		a.receive(0, 0, 2*i, true, false)
	}
	if len(a.ranges) != maxTracked {
		t.Errorf("%d ranges", len(a.ranges))
	}
	if a.ranges[0].First != 20 || !a.duplicate(18) || a.duplicate(19) || a.duplicate(21) {
		t.Errorf("oldest range %v", a.ranges[0])
	}
}

// TestAckTiming: the second packet, a gap and an urgent one are acknowledged at
// once; a single one after the delay and no later, however quiet it is. The delay begins when it arrives.
// Of docs/wire.md: [W132] [W133].
func TestAckTiming(t *testing.T) {
	a := newAckState()
	a.receive(100*ms, 100*ms, 0, true, false)
	if a.due != 110*ms {
		t.Errorf("the first is acknowledged at %v", a.due)
	}
	a.receive(105*ms, 105*ms, 1, false, false)
	if a.due != 110*ms {
		t.Errorf("a packet that asks for nothing moved the ACK to %v", a.due)
	}
	a.receive(108*ms, 108*ms, 2, true, false)
	if a.due != 108*ms {
		t.Errorf("the second is acknowledged at %v", a.due)
	}
	a.sent()
	a.receive(200*ms, 200*ms, 5, true, false)
	if a.due != 200*ms {
		t.Errorf("a gap is acknowledged at %v", a.due)
	}
	a.sent()
	a.receive(300*ms, 300*ms, 6, true, true)
	if a.due != 300*ms {
		t.Errorf("an urgent packet is acknowledged at %v", a.due)
	}
	a.sent()
	a.receive(406*ms, 400*ms, 7, true, false)
	if a.due != 410*ms || a.largestAt != 400*ms {
		t.Errorf("a packet of 400 ms that is read at 406 ms is acknowledged at %v, as of %v", a.due, a.largestAt)
	}
	a.sent()
	a.receive(530*ms, 500*ms, 8, true, false)
	if a.due != 530*ms {
		t.Errorf("a packet of 500 ms that is read at 530 ms is acknowledged at %v", a.due)
	}
}

// TestAckOfAckForgets: what the peer knows we know is not repeated.
func TestAckOfAckForgets(t *testing.T) {
	a := newAckState()
	for _, n := range []uint64{0, 1, 4, 5, 9} {
		a.receive(0, 0, n, true, false)
	}
	a.forget(4)
	want := []wire.Range{{First: 5, Last: 5}, {First: 9, Last: 9}}
	if len(a.ranges) != 2 || a.ranges[0] != want[0] || a.ranges[1] != want[1] {
		t.Errorf("ranges %v, want %v", a.ranges, want)
	}
	if !a.duplicate(2) {
		t.Error("a number below what was forgotten is new")
	}
}

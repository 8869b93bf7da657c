package ebb

import (
	"math/rand/v2"
	"testing"
	"time"

	core "example.com/ebb/internal/endpoint"
)

// TestTimerHeapAgainstModel adds, moves and removes connections at random: the first of the heap is always
// the first of a plain map, and its timer is never later.
func TestTimerHeapAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	heap := timerHeap{now: func() time.Duration { return 0 }, set: core.Never}
	conns := make([]*conn, 100)
	for i := range conns {
		conns[i] = new(conn)
	}
	model := make(map[*conn]time.Duration)
	for range 20_000 {
		c := conns[r.IntN(len(conns))]
		at, entered := model[c]
		switch {
		case r.IntN(3) == 0:
			heap.remove(c)
			delete(model, c)
		case !entered:
			at = time.Hour + time.Duration(r.IntN(1_000_000))
			fallthrough
		default:
			at -= time.Duration(r.IntN(1000))
			heap.add(c, at)
			model[c] = at
		}
		first := core.Never
		for _, at := range model {
			first = min(first, at)
		}
		if len(heap.entries) != len(model) {
			t.Fatalf("%d entries, want %d", len(heap.entries), len(model))
		}
		if len(model) > 0 && (heap.entries[0].at != first || model[heap.entries[0].conn] != first) {
			t.Fatalf("the first is due at %v, want %v", heap.entries[0].at, first)
		}
		if heap.set > first {
			t.Fatalf("the timer fires at %v, after the first, %v", heap.set, first)
		}
	}
	for _, c := range conns {
		heap.remove(c)
	}
	if heap.set != core.Never {
		t.Errorf("the timer of an empty heap fires at %v", heap.set)
	}
}

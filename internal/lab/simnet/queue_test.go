package simnet

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// The queue against a stable sort.
func TestQueueOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		type entry struct {
			at time.Duration
			n  int
		}
		var q queue[int]
		var want []entry
		for i := range rng.IntN(200) {
			e := entry{time.Duration(rng.IntN(20)), i}
			q.push(e.at, e.n)
			want = append(want, e)
		}
		slices.SortStableFunc(want, func(a, b entry) int { return int(a.at - b.at) })
		for _, w := range want {
			if next, ok := q.next(); !ok || next != w.at {
				t.Fatalf("next is %d, %v; want %d", next, ok, w.at)
			}
			if _, _, ok := q.pop(w.at - 1); ok {
				t.Fatal("popped what is not due")
			}
			if at, n, ok := q.pop(w.at); !ok || at != w.at || n != w.n {
				t.Fatalf("popped %d at %d, %v; want %d at %d", n, at, ok, w.n, w.at)
			}
		}
		if q.len() != 0 {
			t.Fatalf("%d left", q.len())
		}
	}
}

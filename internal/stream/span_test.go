package stream

import (
	"math/rand/v2"
	"testing"
)

// TestSpanSetAgainstModel compares every operation with a plain set.
func TestSpanSetAgainstModel(t *testing.T) {
	const size = 200
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var s SpanSet
		var model [size + 1]bool
		for range 60 {
			start := uint64(r.IntN(size))
			end := start + uint64(r.IntN(20))
			end = min(end, size)
			adding := r.IntN(3) > 0
			if adding {
				s.Add(start, end)
			} else {
				s.Remove(start, end)
			}
			for n := start; n < end; n++ {
				model[n] = adding
			}
			compare(t, s, model[:])
		}
	}
}

func compare(t *testing.T, s SpanSet, model []bool) {
	t.Helper()
	var count uint64
	for n, in := range model {
		if s.Contains(uint64(n)) != in {
			t.Fatalf("%v: contains(%d) is %v", s, n, !in)
		}
		if in {
			count++
		}
	}
	if s.Size() != count {
		t.Fatalf("%v: size %d, want %d", s, s.Size(), count)
	}
	for i, x := range s {
		if x.Start >= x.End || i > 0 && s[i-1].End >= x.Start {
			t.Fatalf("%v is not ascending, disjoint and apart", s)
		}
	}
	for from := uint64(0); from < uint64(len(model)); from += 7 {
		checkMissing(t, s, model, from)
	}
}

func checkMissing(t *testing.T, s SpanSet, model []bool, from uint64) {
	t.Helper()
	end := min(from+31, uint64(len(model)))
	want := from
	for want < end && model[want] {
		want++
	}
	stop := want
	for stop < end && !model[stop] {
		stop++
	}
	got := s.NextMissing(from, end)
	if got.Len() == 0 && want == end {
		return
	}
	if got != (Span{want, stop}) {
		t.Fatalf("%v: missing in [%d,%d) is %v, want [%d,%d)", s, from, end, got, want, stop)
	}
}

package stream

import "slices"

// Span is the numbers from Start up to, not including, End.
type Span struct{ Start, End uint64 }

// Len is how many numbers the span has.
func (s Span) Len() uint64 { return s.End - s.Start }

// SpanSet is a set of numbers: ascending spans that neither overlap nor touch.
// It is short in practice (losses, gaps), so a slice serves best.
type SpanSet []Span

// find returns the index of the first span that ends behind n.
func (s SpanSet) find(n uint64) int {
	if k := len(s); k == 0 || s[k-1].End <= n { // what is new is at the end
		return k
	}
	i, _ := slices.BinarySearchFunc(s, n, func(x Span, n uint64) int {
		if x.End <= n {
			return -1
		}
		return 1
	})
	return i
}

// Contains reports whether n is in the set.
func (s SpanSet) Contains(n uint64) bool {
	i := s.find(n)
	return i < len(s) && s[i].Start <= n
}

// Add puts [start, end) into the set.
func (s *SpanSet) Add(start, end uint64) {
	if start >= end {
		return
	}
	t := *s
	i := t.find(start)
	if i > 0 && t[i-1].End == start {
		i--
	}
	j := i
	for j < len(t) && t[j].Start <= end {
		start, end = min(start, t[j].Start), max(end, t[j].End)
		j++
	}
	if i == j {
		*s = slices.Insert(t, i, Span{start, end})
		return
	}
	t[i] = Span{start, end}
	if j > i+1 {
		*s = slices.Delete(t, i+1, j)
	}
}

// Remove takes [start, end) out of the set.
func (s *SpanSet) Remove(start, end uint64) {
	if len(*s) > 0 && start < end { // most often there is nothing
		s.remove(start, end)
	}
}

func (s *SpanSet) remove(start, end uint64) {
	t := *s
	if start <= t[0].Start && end >= t[len(t)-1].End {
		*s = t[:0]
		return
	}
	i := t.find(start)
	if i == len(t) || t[i].Start >= end {
		return
	}
	if t[i].Start < start {
		if t[i].End > end {
			right := Span{end, t[i].End}
			t[i].End = start
			*s = slices.Insert(t, i+1, right)
			return
		}
		t[i].End = start
		i++
	}
	j := i
	for j < len(t) && t[j].End <= end {
		j++
	}
	if j < len(t) && t[j].Start < end {
		t[j].Start = end
	}
	*s = slices.Delete(t, i, j)
}

// NextMissing returns the first span of [from, end) that is not in the set;
// an empty one if there is none.
func (s SpanSet) NextMissing(from, end uint64) Span {
	i := s.find(from)
	if i < len(s) && s[i].Start <= from {
		from = s[i].End
		i++
	}
	if from >= end {
		return Span{end, end}
	}
	if i < len(s) {
		end = min(end, s[i].Start)
	}
	return Span{from, end}
}

// Size is the count of numbers in the set.
func (s SpanSet) Size() (n uint64) {
	for _, x := range s {
		n += x.Len()
	}
	return n
}

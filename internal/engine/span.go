package engine

import "slices"

// span is the numbers from start up to, not including, end.
type span struct{ start, end uint64 }

func (s span) len() uint64 { return s.end - s.start }

// spanSet is a set of numbers: ascending spans that neither overlap nor touch.
// It is short in practice (losses, gaps), so a slice serves best.
type spanSet []span

// find returns the index of the first span that ends behind n.
func (s spanSet) find(n uint64) int {
	if k := len(s); k == 0 || s[k-1].end <= n { // what is new is at the end
		return k
	}
	i, _ := slices.BinarySearchFunc(s, n, func(x span, n uint64) int {
		if x.end <= n {
			return -1
		}
		return 1
	})
	return i
}

// contains reports whether n is in the set.
func (s spanSet) contains(n uint64) bool {
	i := s.find(n)
	return i < len(s) && s[i].start <= n
}

// add puts [start, end) into the set.
func (s *spanSet) add(start, end uint64) {
	if start >= end {
		return
	}
	t := *s
	i := t.find(start)
	if i > 0 && t[i-1].end == start {
		i--
	}
	j := i
	for j < len(t) && t[j].start <= end {
		start, end = min(start, t[j].start), max(end, t[j].end)
		j++
	}
	if i == j {
		*s = slices.Insert(t, i, span{start, end})
		return
	}
	t[i] = span{start, end}
	*s = slices.Delete(t, i+1, j)
}

// remove takes [start, end) out of the set.
func (s *spanSet) remove(start, end uint64) {
	if start >= end {
		return
	}
	t := *s
	i := t.find(start)
	if i == len(t) || t[i].start >= end {
		return
	}
	if t[i].start < start {
		if t[i].end > end {
			right := span{end, t[i].end}
			t[i].end = start
			*s = slices.Insert(t, i+1, right)
			return
		}
		t[i].end = start
		i++
	}
	j := i
	for j < len(t) && t[j].end <= end {
		j++
	}
	if j < len(t) && t[j].start < end {
		t[j].start = end
	}
	*s = slices.Delete(t, i, j)
}

// nextMissing returns the first span of [from, end) that is not in the set;
// an empty one if there is none.
func (s spanSet) nextMissing(from, end uint64) span {
	i := s.find(from)
	if i < len(s) && s[i].start <= from {
		from = s[i].end
		i++
	}
	if from >= end {
		return span{end, end}
	}
	if i < len(s) {
		end = min(end, s[i].start)
	}
	return span{from, end}
}

// size is the count of numbers in the set.
func (s spanSet) size() (n uint64) {
	for _, x := range s {
		n += x.len()
	}
	return n
}

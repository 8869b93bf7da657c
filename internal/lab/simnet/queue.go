package simnet

import "time"

// queue holds what is to happen, earliest first and, at equal times, in the
// order in which it was pushed. It is a binary heap. The zero value is empty.
type queue[T any] struct {
	heap []queued[T]
	seq  uint64
}

type queued[T any] struct {
	at  time.Duration
	seq uint64
	v   T
}

func (q *queued[T]) before(r *queued[T]) bool {
	return q.at < r.at || q.at == r.at && q.seq < r.seq
}

func (q *queue[T]) len() int { return len(q.heap) }

// next is the time of the earliest entry.
func (q *queue[T]) next() (at time.Duration, ok bool) {
	if len(q.heap) == 0 {
		return 0, false
	}
	return q.heap[0].at, true
}

func (q *queue[T]) push(at time.Duration, v T) {
	q.heap = append(q.heap, queued[T]{at, q.seq, v})
	q.seq++
	for i := len(q.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.heap[i].before(&q.heap[parent]) {
			break
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

// pop removes the earliest entry if it is due by now.
func (q *queue[T]) pop(now time.Duration) (at time.Duration, v T, ok bool) {
	if len(q.heap) == 0 || q.heap[0].at > now {
		return 0, v, false
	}
	top := q.heap[0]
	end := len(q.heap) - 1
	q.heap[0] = q.heap[end]
	q.heap[end] = queued[T]{} // let go of what v holds
	q.heap = q.heap[:end]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < end; child++ {
			if q.heap[child].before(&q.heap[least]) {
				least = child
			}
		}
		if least == i {
			return top.at, top.v, true
		}
		q.heap[i], q.heap[least] = q.heap[least], q.heap[i]
		i = least
	}
}

package ledbat

import "time"

const (
	// plateauRounds is how many rounds with the same queue, while the window falls to half, say that the
	// path has become longer (A20), and plateauLimit by when it must have fallen: a queue of
	// others that fill up what is given up does not change either, but the window falls slowly.
	plateauRounds = 6
	plateauLimit  = 12
	plateauShare  = 4 // of the target: how much the queue may change
)

// plateau is rounds with a queue that does not answer to the window (A20).
type plateau struct {
	rounds      int
	least, most time.Duration
	rtt         time.Duration // the least
	window      int64         // at the beginning
}

// add takes a round and the window after it, and reports whether the path has become longer. The queue
// of such rounds is above a bound, and changes by no more than the tolerance.
func (p *plateau) add(r *round, above, tolerance time.Duration, window int64) bool {
	queue := r.least
	if p.rounds == 0 || p.rounds >= plateauLimit || queue <= above ||
		max(p.most, queue)-min(p.least, queue) > tolerance {
		*p = plateau{1, queue, queue, r.rtt, window}
		return false
	}
	p.rounds++
	p.least, p.most, p.rtt = min(p.least, queue), max(p.most, queue), min(p.rtt, r.rtt)
	return p.rounds >= plateauRounds && window <= p.window/2
}

// longerPath goes on from a plateau: its queue is part of the path, so the base rises by it, the window is
// what it was, and slow start finds out how much more the path holds (A20).
func (c *adaptive) longerPath() {
	c.delay.base = c.plateau.rtt
	c.delay.baseOneWay += c.plateau.least
	c.base = c.delay.base
	c.setWindow(c.plateau.window)
	c.plateau = plateau{}
	c.enter(starting)
}

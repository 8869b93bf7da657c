package ledbat

import (
	"math"
	"slices"
	"time"
)

// Where packets come in clumps, one rise of the queue is nearly all of what it varies by in a round: a link serves them together, a
// video sends its frames, or on a slow line a single packet takes so long. Then the range says how large a clump is. It does not
// say by how much the least queue of a round is above that of the path, which is what J is there for; the steps from one round's least
// to the next say more (A23).
const (
	// clumpShare is the part of a range, in quarters, that one rise must have, and clumpRanges how many of the last jitterRounds must be so.
	clumpShare  = 3
	clumpRanges = 6

	// leastSteps is of how many steps the median is taken, which is K.
	leastSteps = 13
	// stepGain is how much is allowed for each step beyond commonStep, and how much less for each below, down to clumpRelief, in fifths, of the
	// queue to have. Among clumps the least of a round may be that small: most packets have more.
	commonStep  = 1500 * time.Microsecond
	stepGain    = 3
	clumpRelief = 3

	// reachedShare is how much of the largest window that A4 has left is forgotten each time.
	reachedShare = 8
)

// steps is by how much the least queue changes from one round of congestion avoidance to the next.
type steps struct {
	sizes [leastSteps]uint16 // in microseconds
	next  uint8
}

// add takes the step of a round.
func (s *steps) add(step time.Duration) {
	s.sizes[s.next] = uint16(min(step.Abs()/time.Microsecond, math.MaxUint16))
	s.next = (s.next + 1) % leastSteps
}

// median is K.
func (s *steps) median() time.Duration {
	sorted := s.sizes
	slices.Sort(sorted[:])
	return time.Duration(sorted[leastSteps/2]) * time.Microsecond
}

// allowed is what takes the place of J beside a queue, given J (A23).
func (s *steps) allowed(queue, jitter time.Duration) time.Duration {
	return min(max(stepGain*(s.median()-commonStep), -queue*clumpRelief/5, -jitter), jitter)
}

// clumped says whether J is the size of clumps (A23). Bursts among which a squeezed window is sent are another matter.
func (c *adaptive) clumped() bool { return c.noise.jitter.clumped() && !c.squeezed() }

// allowance is how much longer than a queue, such as T0, the least of a round may be (A6): J, or what takes its place among clumps (A23).
func (c *adaptive) allowance(queue time.Duration) time.Duration {
	if c.clumped() {
		return c.noise.steps.allowed(queue, c.jitterTime())
	}
	return c.jitterTime()
}

// above is by how much a round's queue is above the target. Among clumps it counts as far as the round before had it too, or as it
// cannot be jitter (A23): the window falls at once and grows slowly, so that queues that last for a round would keep it too small.
func (c *adaptive) above(r *round, target time.Duration) time.Duration {
	queue := r.least
	if c.clumped() {
		queue = max(min(queue, c.leastBefore), queue-c.jitterTime())
	}
	return queue - target
}

package ledbat

import "time"

const (
	// How old the base delay may be before it is looked for again. A window that
	// is less than half of what it was with the base in sight has been squeezed,
	// perhaps by a base that is no longer true.
	staleTime     = 10 * time.Second
	staleTrips    = 100
	squeezedTime  = 2 * time.Second
	squeezedTrips = 20

	// maxFailedProbes is the number of looks in vain after which the base is what they
	// found: one may have met a queue of somebody else.
	maxFailedProbes = 3
)

// baseProbe is the looking for the base delay.
type baseProbe struct {
	at           time.Duration // when the base was last seen or looked for
	window       int64         // the window when it was last seen
	seen         minima        // what samples with little in flight have shown since
	failed       int           // looks in vain since
	failedMinima minima        // and what they have shown
	drains       int

	since  time.Duration // when the drain began
	start  uint64        // packets below this number were sent before it
	end    uint64        // it is over when this one is acknowledged, if ending
	ending bool
}

// found notes that the base was seen.
func (s *baseProbe) found(now time.Duration, window int64) {
	s.at, s.window = now, window
	s.seen, s.failed, s.failedMinima = minima{}, 0, minima{}
}

// began says whether a packet was sent in the drain.
func (s *baseProbe) began(number uint64) bool { return number >= s.start }

// sent notes a packet sent in the drain. The first that leaves a round trip after
// its beginning meets the queue that the drain has left.
func (s *baseProbe) sent(now, srtt time.Duration, number uint64) {
	if !s.ending && now-s.since >= srtt {
		s.end, s.ending = number, true
	}
}

// over says whether the drain has shown what it can.
func (s *baseProbe) over(acked uint64) bool { return s.ending && acked >= s.end }

// stale is the age at which the base is looked for.
func (c *adaptive) stale() time.Duration {
	if c.window < c.baseProbe.window/2 {
		return max(squeezedTime, squeezedTrips*c.srtt)
	}
	return max(staleTime, staleTrips*c.srtt)
}

// beginDrain halves the window for somewhat more than a round trip. All flows of a
// path that see the base by it count from then, so that they look again together, and
// each finds what the others drain.
func (c *adaptive) beginDrain() {
	s := &c.baseProbe
	s.drains++
	s.since, s.start, s.ending = c.now, c.nextNumber, false
	s.seen = minima{}
	c.enter(draining)
}

func (c *adaptive) endDrain() {
	c.enter(steady)
	c.judge()
	c.startRound()
}

// lookWithoutDrain judges what was seen while the sender had little to send, which
// is as good as a drain.
func (c *adaptive) lookWithoutDrain() {
	if c.baseProbe.seen.seen && c.now-c.baseProbe.at > c.stale() {
		c.judge()
	}
}

// judge decides what a look has shown. The base rises only after some in a row that
// found a queue, to the least that they found.
func (c *adaptive) judge() {
	s := &c.baseProbe
	look := s.seen
	s.seen, s.at = minima{}, c.now
	if !look.seen {
		return
	}
	if look.queue <= c.maxTarget()/2 {
		c.delay.refresh(look)
		s.window, s.failed, s.failedMinima = c.window, 0, minima{}
		return
	}
	s.failedMinima.merge(look)
	if s.failed++; s.failed < maxFailedProbes {
		return
	}
	c.delay.accept(s.failedMinima)
	c.base = c.delay.base
	s.window, s.failed, s.failedMinima = c.window, 0, minima{}
}

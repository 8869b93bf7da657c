package ledbat

import "time"

const (
	// How long the base delay may be unseen before a drain (A12). A window that is
	// less than half of what it was when the base was last seen has been squeezed,
	// perhaps by a base that is no longer true.
	staleTime     = 10 * time.Second
	staleTrips    = 100
	squeezedTime  = 2 * time.Second
	squeezedTrips = 20

	// maxFailedProbes is the number of base probes that find a queue after which the base
	// is what they found (A13). A single one may have met a queue of somebody else. On a noisy path, where the base is seen
	// less often, a squeezed window takes squeezedFailedProbes: its probes are 2 s apart, and a competitor's queue
	// is longer than its least for several seconds.
	maxFailedProbes      = 3
	squeezedFailedProbes = 6
)

// baseProbe measures the base delay again: in a drain, or while little is in flight.
type baseProbe struct {
	at           time.Duration // when the base was last seen or probed
	window       int64         // the window when it was last seen
	seen         look          // what samples with little in flight have shown since
	failedMinima minima        // what these have shown

	since  time.Duration // when the drain began
	start  uint64        // packets below this number were sent before it
	end    uint64        // it is over when this one is acknowledged, if ending
	drains int32
	failed uint8 // probes in a row that found a queue
	ending bool
}

// found notes that the base was seen.
func (s *baseProbe) found(now time.Duration, window int64) {
	s.at, s.window = now, window
	s.seen, s.failed, s.failedMinima = look{}, 0, minima{}
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

// over says whether the drain is over: a packet that met the drained queue was acknowledged (A12).
func (s *baseProbe) over(acked uint64) bool { return s.ending && acked >= s.end }

// stale is how long the base may be unseen before a drain (A12).
func (c *adaptive) stale() time.Duration {
	if c.squeezed() {
		return max(squeezedTime, squeezedTrips*c.srtt)
	}
	return max(staleTime, staleTrips*c.srtt)
}

// squeezed says whether the window is less than half of what it was when the base was last seen.
func (c *adaptive) squeezed() bool { return c.window < c.baseProbe.window/2 }

// beginDrain halves the window for somewhat more than a round trip (A12). All flows of a
// path that see the base by it count from then. So their next drains fall together, and
// each sees the path without the queues of the others.
func (c *adaptive) beginDrain() {
	s := &c.baseProbe
	s.drains++
	s.since, s.start, s.ending = c.now, c.nextNumber, false
	s.seen = look{}
	c.enter(draining)
}

func (c *adaptive) endDrain() {
	c.enter(steady)
	c.judge()
	c.startRound()
}

// probeWithoutDrain judges what was seen while the sender had little to send, which
// is as good as a drain.
func (c *adaptive) probeWithoutDrain() {
	if c.baseProbe.seen.found.seen && c.now-c.baseProbe.at > c.stale() {
		c.judge()
	}
}

// judge decides what a base probe has shown. The base rises only after several in a row
// that found a queue, to the least that they found (A13).
func (c *adaptive) judge() {
	s := &c.baseProbe
	probe := s.seen.found
	s.seen, s.at = look{}, c.now
	if !probe.seen {
		return
	}
	if probe.queue <= c.maxTarget()/2 {
		c.delay.refresh(probe)
		s.window, s.failed, s.failedMinima = c.window, 0, minima{}
		return
	}
	s.failedMinima.merge(probe)
	most := uint8(maxFailedProbes)
	if c.noise.noisy() && c.squeezed() {
		most = squeezedFailedProbes
	}
	if s.failed++; s.failed < most {
		return
	}
	c.delay.accept(s.failedMinima)
	c.base = c.delay.base
	s.window, s.failed, s.failedMinima = c.window, 0, minima{}
}

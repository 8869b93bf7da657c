package udp

import "time"

// maxClockSkew is by how much the wall clock may move against the monotonic one between two reads before it counts
// as set. Whatever adjusts their rate adjusts both; what remains is the time between the looks at the two.
const maxClockSkew = 100 * time.Microsecond

// arrivalClock turns the kernel's receive timestamps, which are of the wall clock, into times of the monotonic clock:
// a stamp says how long before the read a datagram arrived.
//
// The wall clock may be set between the arrival and the read. So at each read its distance from the monotonic clock is
// compared with that at the read before. If it has changed, the stamps of this batch are not believed, and
// its datagrams arrived when they were read, as far as is known. Besides, no datagram arrived before one that was read
// earlier. That bounds what is left in the socket with stamps of the old clock: it arrived after the
// batch before was read.
type arrivalClock struct {
	now      moment        // of the read that goes on
	distance time.Duration // of the wall clock from the monotonic one, at the last read
	last     time.Duration // when what was read last had arrived
	sane     bool          // the stamps of this read may be believed
}

// moment is what the two clocks show.
type moment struct {
	wall int64         // ns since 1970
	mono time.Duration // since some beginning
}

func (m moment) distance() time.Duration { return time.Duration(m.wall) - m.mono }

// newArrivalClock begins at a moment.
func newArrivalClock(now moment) arrivalClock {
	return arrivalClock{now: now, distance: now.distance(), last: now.mono}
}

// read notes that something was just read, and asks the clocks what time it is.
func (c *arrivalClock) read(clocks func() moment) {
	before := c.distance
	if c.look(clocks(), before); !c.sane {
		c.look(clocks(), before) // whoever was not running between the looks at the two sees the same
	}
}

func (c *arrivalClock) look(now moment, before time.Duration) {
	c.now, c.distance = now, now.distance()
	change := c.distance - before
	c.sane = -maxClockSkew <= change && change <= maxClockSkew
}

// arrived is when a datagram arrived that was read now, by the monotonic clock. stamp is the kernel's, in ns since 1970; 0: it has
// none.
func (c *arrivalClock) arrived(stamp int64) time.Duration {
	at := c.now.mono
	if age := time.Duration(c.now.wall - stamp); stamp != 0 && c.sane && age > 0 {
		at -= age
	}
	c.last = max(c.last, at)
	return c.last
}

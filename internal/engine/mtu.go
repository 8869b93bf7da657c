package engine

import "time"

const (
	// basePacket is the size that every path is taken to carry (RFC 8899, BASE_PLPMTU).
	basePacket = wireMinInitial
	// probeTries is how often a size is probed before it is given up (RFC 8899, MAX_PROBES).
	probeTries = 3
	// searchStep is the difference at which the search ends.
	searchStep = 16
	// raiseInterval is when a finished search begins again (RFC 8899, PMTU_RAISE_TIMER).
	raiseInterval = 10 * time.Minute
	// blackHoleSigns is the number of signs in a row after which larger packets are
	// taken to vanish.
	blackHoleSigns = 3
)

// mtuState searches the largest packet that the path carries (RFC 8899), in
// bytes of UDP payload.
type mtuState struct {
	size    int // of a full packet
	max     int // the configured bound
	low     int // known to pass
	high    int // may pass
	probing int // the size under test; 0: none
	tries   int32
	signs   int32         // that large packets vanish, since one was acknowledged
	again   time.Duration // when a finished search begins again
}

func newMTU(max int) mtuState {
	if max < basePacket {
		max = basePacket
	}
	return mtuState{size: basePacket, max: max, low: basePacket, high: max, again: Never}
}

// resting reports that there is surely nothing to probe now, as is so for most of a
// connection's life.
func (m *mtuState) resting(now time.Duration) bool {
	if m.again != Never {
		return now < m.again
	}
	return m.probing != 0 || m.low == m.max
}

// due reports the size to probe now, or 0. The bound is tried first: most
// paths carry it.
func (m *mtuState) due(now time.Duration) int {
	if now >= m.again {
		m.high, m.again = m.max, Never
	}
	switch {
	case m.probing != 0 || m.again != Never:
		return 0
	case m.high-m.low < searchStep && !(m.high == m.max && m.low < m.max):
		return 0
	case m.high == m.max:
		return m.max
	}
	return (m.low + m.high + 1) / 2
}

func (m *mtuState) finish(now time.Duration) {
	if m.probing == 0 && m.again == Never && m.high-m.low < searchStep && m.low < m.max {
		m.again = now + raiseInterval
	}
}

// mtuAcked notes that a probe arrived.
func (c *Conn) mtuAcked(size int) {
	m := &c.path.mtu
	if size == m.probing {
		m.probing, m.tries = 0, 0
	}
	if size > m.low && size <= m.max {
		m.low = size
		m.high = max(m.high, size)
		m.size = size
		c.path.cc.OnMaxDatagramSize(size)
	}
}

// mtuLost notes that a probe was lost.
func (c *Conn) mtuLost(size int) {
	m := &c.path.mtu
	if size != m.probing {
		return
	}
	m.probing = 0
	if m.tries++; m.tries >= probeTries {
		m.high, m.tries = size-1, 0
	}
}

// mtuSuspect counts a sign that large packets vanish: a loss that included one, or a
// timeout, with none acknowledged since the last sign. After a few of them full packets
// return to the size that every path carries (RFC 8899 section 4.3), and the search begins again
// from the bound: after a mere outage the first probe finds it.
func (c *Conn) mtuSuspect() {
	m := &c.path.mtu
	if m.size == basePacket {
		return
	}
	if m.signs++; m.signs < blackHoleSigns {
		return
	}
	c.stats.BlackHoles++
	m.high, m.again = m.max, Never
	m.low, m.size, m.probing, m.tries, m.signs = basePacket, basePacket, 0, 0, 0
	c.path.cc.OnMaxDatagramSize(basePacket)
	c.retestMarks() // what was lost for its size says nothing about its marks
}

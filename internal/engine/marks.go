package engine

import "time"

const (
	// markTests is how many packets are marked before an answer to one must come (RFC 9000
	// appendix A.4), where a test is to cost no more.
	markTests = 10
	// markTestLosses is how many of them may be lost, with none acknowledged, before the path
	// is taken to drop what is marked.
	markTestLosses = 3
	// markRetry is after what time a path that has dropped what is marked, or has marked
	// everything with CE, is tested again.
	markRetry = 10 * time.Minute
)

// markPhase is what is known of a mark on the path.
type markPhase uint8

const (
	marksTesting markPhase = iota // packets are marked to see what becomes of it
	marksUnknown                  // enough are under way: none is marked until they are answered
	marksPass                     // marked packets arrive; of ECN, their marks are reported too
	marksFailed                   // they do not, or the reports are wrong: none is sent any more
)

// markState watches for a path that drops what carries a mark, an ECN codepoint or a DSCP, and carries what does not. A packet
// on which the life of the connection may depend is never marked, as what is wrong may be just the marks.
type markState struct {
	phase   markPhase
	marking bool // the train being built is marked
	begun   bool // it has a packet
	again   bool // the test is of a path that has failed before
	dropped bool // it has failed because marked packets were lost, as it seemed
	worked  bool // marked packets have arrived on this path

	// Marked packets since the test began, each count up to a bound beyond which it does not matter.
	tested, testsLost, testsAcked uint8

	lostRun uint8         // marked packets lost since one was acknowledged, likewise
	largest uint16        // size of the largest of them
	passed  uint16        // size of the largest packet without a mark that has arrived since the test began
	from    uint64        // numbers below were sent before the test began
	retryAt time.Duration // when a path that has failed is tested again; 0: never
}

// countUp counts up to the most that matters.
func countUp(n *uint8) { *n = min(*n, 254) + 1 }

// begin decides if the train that is about to be built is marked. vital says that it must not be. next is the first number not
// used.
func (m *markState) begin(now time.Duration, next uint64, vital bool) {
	if m.phase == marksFailed && m.retryAt != 0 && now >= m.retryAt {
		m.again = true
		m.test(next)
	}
	m.begun = false
	m.marking = !vital && (m.phase == marksPass || m.phase == marksTesting)
}

// mark notes a packet of the train being built, and reports whether it is marked. If the first may not be, none is. few says that a
// test must do with markTests.
func (m *markState) mark(may, few bool) bool {
	if m.begun && m.phase != marksTesting {
		return m.marking // as the train began
	}
	return m.decide(may, few)
}

func (m *markState) decide(may, few bool) bool {
	m.marking = m.marking && (m.begun || may)
	m.begun = true
	if m.marking && m.phase == marksTesting {
		if countUp(&m.tested); few && m.tested >= markTests {
			m.phase = marksUnknown
		}
	}
	return m.marking
}

// settled reports whether deliver has nothing to do: no test goes on, and nothing speaks against the verdict of the last.
func (m *markState) settled() bool { return !m.undecided() && m.lostRun == 0 && m.worked && !m.dropped }

// deliver notes the ACK of packet n, which is marked or not. One that comes after the verdict that such packets are dropped shows that
// they are not: unmarked ones have overtaken them, as they do where routers have a queue for each.
func (m *markState) deliver(n uint64, size uint16, marked bool) {
	if marked && m.dropped {
		m.test(n + 1)
	}
	switch {
	case marked:
		m.worked = true
		m.lostRun, m.largest = 0, 0
		if n >= m.from {
			countUp(&m.testsAcked)
		}
	case n >= m.from:
		m.passed = max(m.passed, size)
	}
}

// pass ends a test with the result that marked packets arrive.
func (m *markState) pass() {
	if m.testsAcked > 0 {
		m.phase, m.again = marksPass, false
	}
}

// lose notes the loss of marked packet n.
func (m *markState) lose(n uint64, size uint16) {
	countUp(&m.lostRun)
	m.largest = max(m.largest, size)
	if n >= m.from {
		countUp(&m.testsLost)
	}
}

// judge draws the conclusion from losses. marked says whether the newest packet acknowledged is, which has left after all of them, and
// next is the first number not used. It reports whether marked packets have turned out to be dropped, which was not known.
func (m *markState) judge(now time.Duration, marked bool, next uint64) bool {
	if marked || m.lostRun < markTestLosses || m.phase == marksFailed {
		return false
	}
	if m.phase == marksPass {
		m.test(next) // it costs little to see if it is the marks
		return false
	}
	if m.testsAcked > 0 || m.testsLost < markTestLosses || m.testsLost < m.tested || m.largest > max(basePacket, m.passed) {
		return false // it may have been their size
	}
	m.fail(now + markRetry)
	m.dropped = true
	return !m.again
}

// tries reports whether a marked packet is to see if a path that has failed has changed: that it is lost is no sign of
// anything else.
func (m *markState) tries(marked bool) bool { return m.again && marked }

// retest begins the test anew, after a time in which nothing arrived: the path may be another.
func (m *markState) retest(next uint64) {
	if m.phase != marksFailed {
		m.test(next)
	}
}

func (m *markState) test(next uint64) {
	m.phase, m.from, m.retryAt, m.dropped = marksTesting, next, 0, false
	m.tested, m.testsLost, m.testsAcked = 0, 0, 0
	m.lostRun, m.largest, m.passed = 0, 0, 0
}

// fail ends the marking until a time, 0 for good.
func (m *markState) fail(until time.Duration) {
	m.phase, m.retryAt, m.dropped = marksFailed, until, false
}

// undecided reports whether a test goes on.
func (m *markState) undecided() bool { return m.phase == marksTesting || m.phase == marksUnknown }

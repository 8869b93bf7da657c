package engine

import (
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/wire"
)

const (
	// ecnTests is how many packets are marked before an answer to one must come (RFC 9000
	// appendix A.4).
	ecnTests = 10
	// ecnTestLosses is how many of them may be lost, with none acknowledged, before the path
	// is taken to drop what is marked.
	ecnTestLosses = 3
	// ecnRetry is after what time a path that has dropped what is marked, or has marked
	// everything with CE, is tested again.
	ecnRetry = 10 * time.Minute

	// jamRounds is for how many round trips in a row every marked packet must have come with CE, with
	// next to nothing in flight and no queue on the path, before CE is taken to say nothing.
	jamRounds = 10
	// jamWindow is what next to nothing is, in full packets: the least window of any controller.
	jamWindow = 4
	// jamDelay is how much more than the least the round trip may be on a path without a queue.
	jamDelay = 2 * time.Millisecond
)

// ecnPhase is what is known of marks on the path.
type ecnPhase uint8

const (
	ecnTesting ecnPhase = iota // packets are marked to see what becomes of it
	ecnUnknown                 // enough are under way: none is marked until they are answered
	ecnCapable                 // marks arrive and are reported
	ecnFailed                  // they do not, or the reports are wrong: none is sent any more
)

// ecnState validates the path for ECN (RFC 9000 section 13.4.2). All counts are of the data
// space and only grow; the peer's are held against ours as totals, so that reports
// that were lost or reordered change nothing.
type ecnState struct {
	phase   ecnPhase
	marking bool // the train being built is marked
	begun   bool // it has a packet
	jammed  bool // when marks were last in use, all came with CE
	again   bool // the test is of a path that has failed before

	tested, testsLost, testsAcked int32 // marked packets since the test began

	jam      int32  // round trips in a row in which all was marked with CE
	jamEnd   uint64 // the ACK of this number ends the round
	unmarked int64  // acknowledged packets without CE when the first of them began

	from    uint64        // numbers below were sent before the test began
	retryAt time.Duration // when a path that has failed is tested again; 0: never
	lostRun int32         // marked packets lost since one was acknowledged
	largest uint16        // size of the largest of them
	passed  uint16        // size of the largest packet without a mark that has arrived since the test began

	sent  uint64 // packets marked ECT(0)
	acked uint64 // of them, acknowledged
	ce    uint64 // of them, reported as marked with CE
}

// begin decides if the train that is about to be built is marked. A packet on which the life of the connection may depend is
// not, as what is wrong may be just the marks. next is the first number not used.
func (e *ecnState) begin(now time.Duration, next uint64, vital bool) {
	if e.phase == ecnFailed && e.retryAt != 0 && now >= e.retryAt {
		e.again = true
		e.test(next)
	}
	e.begun = false
	e.marking = !vital && (e.phase == ecnCapable || e.phase == ecnTesting)
}

// mark notes a packet of the train being built. One without data, which is the first then, is not marked (RFC 3168 section
// 6.1.4): it is not what congestion is about, and where marks are dropped its ACK and window must not be lost with it.
func (e *ecnState) mark(p *sentPacket) {
	if !e.begun && !p.has(carriesData) {
		e.marking = false
	}
	e.begun = true
	if !e.marking {
		return
	}
	p.flags |= isMarked
	e.sent++
	if e.phase == ecnTesting {
		if e.tested++; e.tested >= ecnTests {
			e.phase = ecnUnknown
		}
	}
}

// codepoint is that of the train that was built.
func (e *ecnState) codepoint() ECN {
	if e.marking {
		return ECT0
	}
	return NotECT
}

// deliver notes the ACK of packet n.
func (e *ecnState) deliver(n uint64, p *sentPacket) {
	switch {
	case p.has(isMarked):
		e.acked++
		e.lostRun, e.largest = 0, 0
		if n >= e.from {
			e.testsAcked++
		}
	case n >= e.from:
		e.passed = max(e.passed, p.size)
	}
}

// lose notes the loss of marked packet n.
func (e *ecnState) lose(n uint64, p *sentPacket) {
	e.lostRun++
	e.largest = max(e.largest, p.size)
	if n >= e.from {
		e.testsLost++
	}
}

// judge draws the conclusion from losses. newest is the newest packet acknowledged, which has left after all of them, and next
// the first number not used. It reports whether marked packets have turned out to be dropped, which was not known.
func (e *ecnState) judge(now time.Duration, newest *sentPacket, next uint64) bool {
	if newest.has(isMarked) || e.lostRun < ecnTestLosses || e.phase == ecnFailed {
		return false
	}
	if e.phase == ecnCapable {
		e.test(next) // it costs little to see if it is the marks
		return false
	}
	if e.testsAcked > 0 || e.testsLost < ecnTestLosses || e.testsLost < e.tested || e.largest > max(basePacket, e.passed) {
		return false // it may have been their size
	}
	e.fail(now + ecnRetry)
	return !e.again
}

// trying reports whether a packet is marked to see if a path that has failed has changed: that it is lost is no sign of
// anything else.
func (e *ecnState) trying(p *sentPacket) bool { return e.again && p.has(isMarked) }

// retest begins the test anew, after a time in which nothing arrived: the path may be another.
func (e *ecnState) retest(next uint64) {
	if e.phase != ecnFailed {
		e.test(next)
	}
}

func (e *ecnState) test(next uint64) {
	e.phase, e.from, e.retryAt = ecnTesting, next, 0
	e.tested, e.testsLost, e.testsAcked = 0, 0, 0
	e.lostRun, e.largest, e.passed = 0, 0, 0
	e.jam, e.unmarked = 0, int64(e.acked-e.ce)
}

// fail ends the marking until a time, 0 for good.
func (e *ecnState) fail(until time.Duration) { e.phase, e.retryAt = ecnFailed, until }

// validate compares the counts of an ACK that acknowledged a new largest number with what
// was sent, and returns how many packets it newly reports as marked with CE. Marks that were
// erased or changed on the way and counts that cannot be true end the marking.
func (e *ecnState) validate(now time.Duration, f *wire.Ack) int {
	if e.sent == 0 {
		return 0
	}
	if e.phase == ecnFailed {
		if e.retryAt != 0 && f.CE <= e.sent {
			e.ce = max(e.ce, f.CE) // of packets that were under way: the next test begins with all of them counted
		}
		return 0
	}
	total := f.ECT0 + f.CE
	switch {
	case !f.HasECN:
		if e.acked > 0 {
			e.fail(0)
		}
		return 0
	case f.ECT1 > 0, f.ECT0 > e.sent, f.CE > e.sent, total > e.sent, total < e.acked, f.CE < e.ce:
		e.fail(0)
		return 0
	}
	n := f.CE - e.ce
	e.ce = f.CE
	if e.jammed && int64(e.acked-e.ce) <= e.unmarked {
		if e.testsAcked >= ecnTestLosses {
			e.fail(now + ecnRetry) // the path is as it was
		}
		return 0
	}
	e.jammed = false
	if e.testsAcked > 0 {
		e.phase, e.again = ecnCapable, false
	}
	return int(n)
}

// jams reports whether CE has turned out to say nothing: for ten round trips every marked packet has come with
// it, although there is next to nothing in flight, and no queue. a is what the controller is about to be told,
// window and size are its window and a full packet.
func (e *ecnState) jams(now time.Duration, a *congestion.AckEvent, window, size int) bool {
	if a.CE == 0 {
		return false
	}
	if unmarked := int64(e.acked - e.ce); unmarked > e.unmarked || window > jamWindow*size || a.RTT > a.MinRTT+jamDelay {
		e.jam, e.unmarked = 0, unmarked
		return false
	}
	if e.jam > 0 && a.LargestAcked < e.jamEnd {
		return false
	}
	e.jamEnd = a.LargestSent + 1
	if e.jam++; e.jam <= jamRounds {
		return false
	}
	e.jammed = true
	e.fail(now + ecnRetry)
	return true
}

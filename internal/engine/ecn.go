package engine

import (
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/wire"
)

const (
	// jamRounds is for how many round trips in a row every marked packet must have come with CE, with
	// next to nothing in flight and no queue on the path, before CE is taken to say nothing.
	jamRounds = 10
	// jamWindow is what next to nothing is, in full packets: the least window of any controller.
	jamWindow = 4
	// jamDelay is how much more than the least the round trip may be on a path without a queue.
	jamDelay = 2 * time.Millisecond
)

// ecnState validates the path for ECN (RFC 9000 section 13.4.2). All counts are of the data
// space and only grow; the peer's are held against ours as totals, so that reports
// that were lost or reordered change nothing.
type ecnState struct {
	markState
	jammed bool // when marks were last in use, all came with CE

	jam      uint8  // round trips in a row in which all was marked with CE
	jamEnd   uint64 // the ACK of this number ends the round
	unmarked int64  // acknowledged packets without CE when the first of them, or the test, began

	sent  uint64 // packets marked ECT(0)
	acked uint64 // of them, acknowledged
	ce    uint64 // of them, reported as marked with CE
}

// begin is markState's, with the counts of a test.
func (e *ecnState) begin(now time.Duration, next uint64, vital bool) {
	was := e.phase
	if e.markState.begin(now, next, vital); e.phase != was {
		e.beginCounts()
	}
}

// judge is markState's, with the counts of a test.
func (e *ecnState) judge(now time.Duration, marked bool, next uint64) bool {
	was := e.phase
	dropped := e.markState.judge(now, marked, next)
	if e.phase == marksTesting && was != e.phase {
		e.beginCounts()
	}
	return dropped
}

// retest is markState's, with the counts of a test.
func (e *ecnState) retest(next uint64) {
	e.markState.retest(next)
	if e.phase == marksTesting {
		e.beginCounts()
	}
}

// beginCounts begins to look for CE on everything.
func (e *ecnState) beginCounts() { e.jam, e.unmarked = 0, int64(e.acked-e.ce) }

// codepoint is that of the train that was built.
func (e *ecnState) codepoint() ECN {
	if e.marking {
		return ECT0
	}
	return NotECT
}

// validate compares the counts of an ACK that acknowledged a new largest number with what
// was sent, and returns how many packets it newly reports as marked with CE. Marks that were
// erased or changed on the way and counts that cannot be true end the marking.
func (e *ecnState) validate(now time.Duration, f *wire.Ack) int {
	if e.sent == 0 {
		return 0
	}
	if e.phase == marksFailed {
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
		if e.testsAcked >= markTestLosses {
			e.fail(now + markRetry) // the path is as it was
		}
		return 0
	}
	e.jammed = false
	e.pass()
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
	e.fail(now + markRetry)
	return true
}

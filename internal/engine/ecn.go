package engine

import "example.com/ebb/wire"

const (
	// ecnTests is how many packets are marked before an answer to one must come (RFC 9000
	// appendix A.4).
	ecnTests = 10
	// ecnTestLosses is how many of them may be lost, with none acknowledged, before the path
	// is taken to drop what is marked.
	ecnTestLosses = 3
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

	tested, testsLost int32 // marked packets since the test began

	sent  uint64 // packets marked ECT(0)
	acked uint64 // of them, acknowledged
	known uint64 // of these, before the test began
	ce    uint64 // of them, reported as marked with CE
}

// codepoint decides for the train that is about to be built. Probes after a timeout are not
// marked before marks are known to pass: what is wrong may be just them.
func (e *ecnState) codepoint(timeouts int) ECN {
	e.marking = e.phase == ecnCapable || e.phase == ecnTesting && timeouts == 0
	if e.marking {
		return ECT0
	}
	return NotECT
}

// mark notes a packet of the train being built.
func (e *ecnState) mark(p *sentPacket) {
	if !e.marking {
		return
	}
	p.flags |= isMarked
	e.sent++
	if e.phase == ecnTesting && p.has(eliciting) {
		if e.tested++; e.tested >= ecnTests {
			e.phase = ecnUnknown
		}
	}
}

// lose notes the loss of a marked packet.
func (e *ecnState) lose() {
	if e.phase > ecnUnknown {
		return
	}
	if e.testsLost++; e.testsLost >= ecnTestLosses && e.testsLost >= e.tested {
		e.phase = ecnFailed
	}
}

// retest begins the test anew, after a time in which nothing arrived: the path may be another.
func (e *ecnState) retest() {
	if e.phase != ecnFailed {
		e.phase, e.tested, e.testsLost, e.known = ecnTesting, 0, 0, e.acked
	}
}

// validate compares the counts of an ACK that acknowledged a new largest number with what
// was sent, and returns how many packets it newly reports as marked with CE. Marks that were
// erased or changed on the way and counts that cannot be true end the marking.
func (e *ecnState) validate(f *wire.Ack) int {
	if e.phase == ecnFailed || e.sent == 0 {
		return 0
	}
	total := f.ECT0 + f.CE
	switch {
	case !f.HasECN:
		if e.acked > 0 {
			e.phase = ecnFailed
		}
		return 0
	case f.ECT1 > 0, f.ECT0 > e.sent, f.CE > e.sent, total > e.sent, total < e.acked, f.CE < e.ce:
		e.phase = ecnFailed
		return 0
	}
	if e.acked > e.known {
		e.phase = ecnCapable
	}
	n := f.CE - e.ce
	e.ce = f.CE
	return int(n)
}

package engine

// sendPipe is the bytes on their way out: each lives here once, from Write
// until the peer has acknowledged it, and is read again for a retransmission.
type sendPipe struct {
	chunks chunkWindow
	base   uint64  // everything below is acknowledged
	next   uint64  // everything below was sent at least once
	end    uint64  // everything below was written
	acked  spanSet // acknowledged above base
	lost   spanSet // to be sent again; between base and next

	limit uint64 // the peer's window: nothing at or above may be sent

	// How the stream ends.
	fin      bool // no byte follows end
	finSent  bool // the FIN is on its way
	finAcked bool
	stopped  bool // nothing is sent any more: the peer wants none, or it is gone
	dropped  bool // and bytes were thrown away by that
}

// buffered is the bytes held for the peer.
func (p *sendPipe) buffered() int { return int(p.end - p.base) }

// write appends b.
func (p *sendPipe) write(b []byte) {
	p.chunks.write(p.end, b)
	p.end += uint64(len(b))
}

// sendable reports the next bytes to send, at most max: lost ones first. fin
// says that the end of the stream goes with them. Nothing to send: n == 0 and not fin.
func (p *sendPipe) sendable(max int) (offset uint64, n int, fin bool) {
	switch {
	case p.stopped:
		return 0, 0, false
	case len(p.lost) > 0:
		s := p.lost[0]
		offset, n = s.start, int(min(s.len(), uint64(max)))
	default:
		offset = p.next
		n = int(min(p.end-p.next, p.credit(), uint64(max)))
	}
	fin = p.fin && !p.finAcked && offset+uint64(n) == p.end && (n > 0 || !p.finSent)
	return offset, n, fin
}

// credit is the number of new bytes that the peer's window admits.
func (p *sendPipe) credit() uint64 {
	if p.limit <= p.next {
		return 0
	}
	return p.limit - p.next
}

// backlog is the number of bytes that could be sent now.
func (p *sendPipe) backlog() uint64 {
	if p.stopped {
		return 0
	}
	return p.lost.size() + min(p.end-p.next, p.credit())
}

// hasWork reports whether sendable has an answer.
func (p *sendPipe) hasWork() bool {
	return !p.stopped && (len(p.lost) > 0 || p.next < p.end && p.limit > p.next || p.fin && !p.finSent && p.next == p.end)
}

// blocked reports whether the peer's window alone holds bytes back.
func (p *sendPipe) blocked() bool {
	return !p.stopped && len(p.lost) == 0 && p.next < p.end && p.limit <= p.next
}

// markSent notes that [offset, offset+n) left, with the FIN if fin.
func (p *sendPipe) markSent(offset uint64, n int, fin bool) {
	end := offset + uint64(n)
	p.lost.remove(offset, end)
	p.next = max(p.next, end)
	p.finSent = p.finSent || fin
}

// markAcked notes that the peer has [offset, offset+n), and returns how many of
// these it was not known to have.
func (p *sendPipe) markAcked(offset uint64, n int, fin bool) (fresh uint64) {
	if fin {
		p.finAcked = true
	}
	start, end := max(offset, p.base), offset+uint64(n)
	if p.stopped || start >= end {
		return 0
	}
	if start == p.base && len(p.acked) == 0 { // the usual case: in order
		fresh = end - start
		p.base = end
	} else {
		before := p.acked.size()
		p.acked.add(start, end)
		fresh = p.acked.size() - before
		if p.acked[0].start <= p.base {
			p.base = p.acked[0].end
			p.acked.remove(0, p.base)
		}
	}
	p.lost.remove(0, p.base)
	p.lost.remove(start, end)
	if p.base == p.end {
		p.chunks.releaseAll(p.end)
	} else {
		p.chunks.release(p.base)
	}
	return fresh
}

// markLost queues what the peer is not known to have of [offset, offset+n).
func (p *sendPipe) markLost(offset uint64, n int, fin bool) {
	if p.stopped {
		return
	}
	if fin && !p.finAcked {
		p.finSent = false
	}
	from, end := max(offset, p.base), offset+uint64(n)
	for from < end {
		s := p.acked.nextMissing(from, end)
		p.lost.add(s.start, s.end)
		from = s.end
	}
}

// done reports whether the peer has everything, the end included, or wants
// nothing.
func (p *sendPipe) done() bool { return p.stopped || p.fin && p.finAcked && p.base == p.end }

// stop drops everything.
func (p *sendPipe) stop() {
	p.dropped = p.dropped || p.base < p.end
	p.stopped = true
	p.lost, p.acked = nil, nil
	p.chunks.releaseAll(p.end)
	p.chunks.ring = nil
}

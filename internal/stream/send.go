package stream

// Send is the bytes on their way out: each lives here once, from Write
// until the peer has acknowledged it, and is read again for a retransmission.
type Send struct {
	chunks chunkWindow
	base   uint64  // everything below is acknowledged
	next   uint64  // everything below was sent at least once
	end    uint64  // everything below was written
	acked  SpanSet // acknowledged above base
	lost   SpanSet // to be sent again; between base and next

	limit uint64 // the peer's window: nothing at or above may be sent

	// How the stream ends.
	fin      bool // no byte follows end
	finSent  bool // the FIN is on its way
	finAcked bool
	stopped  bool // nothing is sent any more: the peer wants none, or it is gone
	dropped  bool // and bytes were thrown away for that
}

// NewSend is a stream that nothing was written to. Its memory is alloc's.
func NewSend(alloc Allocator) Send { return Send{chunks: chunkWindow{alloc: alloc}} }

// Base is the offset below which everything was acknowledged.
func (p *Send) Base() uint64 { return p.base }

// Next is the offset below which everything was sent at least once.
func (p *Send) Next() uint64 { return p.next }

// End is the offset below which everything was written.
func (p *Send) End() uint64 { return p.end }

// Unsent is how many bytes were written and never sent, whatever the peer's window says.
func (p *Send) Unsent() uint64 { return p.end - p.next }

// Admit raises the peer's window: bytes below limit may be sent. It is never taken back.
func (p *Send) Admit(limit uint64) { p.limit = max(p.limit, limit) }

// Finish ends the stream behind what was written.
func (p *Send) Finish() { p.fin = true }

// Finished reports whether Finish was called.
func (p *Send) Finished() bool { return p.fin }

// Stopped reports whether Stop was called.
func (p *Send) Stopped() bool { return p.stopped }

// Dropped reports whether bytes were thrown away that the peer had not acknowledged: by Stop, or by a Write after it.
func (p *Send) Dropped() bool { return p.dropped }

// Losses reports whether something is to be sent again.
func (p *Send) Losses() bool { return len(p.lost) > 0 }

// Read copies the bytes at the offset, all of which are held.
func (p *Send) Read(offset uint64, b []byte) { p.chunks.read(offset, b) }

// SendNew copies the next len(b) bytes that were never sent, of which there are as many, and notes that they leave.
func (p *Send) SendNew(b []byte) {
	p.chunks.read(p.next, b)
	p.next += uint64(len(b))
}

// PeekNew is the next n bytes that were never sent, of which there are as many, where they stand, and the before bytes ahead of them. It is
// nil if all that is not one piece. The caller may change it for a moment.
func (p *Send) PeekNew(before, n int) []byte { return p.chunks.piece(p.next, before, n) }

// SentNew notes that the next n bytes leave, which PeekNew has shown.
func (p *Send) SentNew(n int) { p.next += uint64(n) }

// Shrink lets go of tables that have grown in busier times, if the peer has everything.
func (p *Send) Shrink() {
	if p.base == p.end {
		p.chunks.ring = nil
	}
}

// Buffered is the bytes held for the peer.
func (p *Send) Buffered() int { return int(p.end - p.base) }

// Write appends b, as far as there is memory for it, and returns how much that is. After Stop it throws all of b away.
func (p *Send) Write(b []byte) int {
	if p.stopped {
		p.dropped = p.dropped || len(b) > 0
		return len(b)
	}
	end := p.chunks.take(p.end, p.end+uint64(len(b)), p.base+InitialWindow, WindowGrowth)
	n := int(end - p.end)
	p.chunks.write(p.end, b[:n])
	p.end = end
	return n
}

// Sendable reports the next bytes to send, at most max: lost ones first. fin
// says that the end of the stream goes with them. Nothing to send: n == 0 and not fin.
func (p *Send) Sendable(max int) (offset uint64, n int, fin bool) {
	switch {
	case p.stopped:
		return 0, 0, false
	case len(p.lost) > 0:
		s := p.lost[0]
		offset, n = s.Start, int(min(s.Len(), uint64(max)))
	default:
		offset = p.next
		n = int(min(p.end-p.next, p.Credit(), uint64(max)))
	}
	fin = p.fin && !p.finAcked && offset+uint64(n) == p.end && (n > 0 || !p.finSent)
	return offset, n, fin
}

// Credit is the number of new bytes that the peer's window admits.
func (p *Send) Credit() uint64 {
	if p.limit <= p.next {
		return 0
	}
	return p.limit - p.next
}

// Backlog is the number of bytes that could be sent now.
func (p *Send) Backlog() uint64 {
	if p.stopped {
		return 0
	}
	return p.lost.Size() + min(p.end-p.next, p.Credit())
}

// HasWork reports whether sendable has an answer.
func (p *Send) HasWork() bool {
	return !p.stopped && (len(p.lost) > 0 || p.next < p.end && p.limit > p.next || p.fin && !p.finSent && p.next == p.end)
}

// Blocked reports whether the peer's window alone holds bytes back.
func (p *Send) Blocked() bool {
	return !p.stopped && len(p.lost) == 0 && p.next < p.end && p.limit <= p.next
}

// Unacked reports whether the peer has not acknowledged everything that was sent, the end included. What waits for the
// peer's window does not count.
func (p *Send) Unacked() bool {
	return !p.stopped && (p.base < p.next || p.fin && !p.finAcked && p.next == p.end)
}

// OldestWaits reports whether the oldest byte that the peer lacks, or the end, is not on its way but here, to be sent.
func (p *Send) OldestWaits() bool {
	if len(p.lost) > 0 {
		return p.lost[0].Start == p.base
	}
	return p.base == p.next && p.HasWork()
}

// MarkSent notes that [offset, offset+n) left, with the FIN if fin.
func (p *Send) MarkSent(offset uint64, n int, fin bool) {
	end := offset + uint64(n)
	p.lost.Remove(offset, end)
	p.next = max(p.next, end)
	p.finSent = p.finSent || fin
}

// MarkAcked notes that the peer has [offset, offset+n), and returns how many of
// these it was not known to have.
func (p *Send) MarkAcked(offset uint64, n int, fin bool) (fresh uint64) {
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
		before := p.acked.Size()
		p.acked.Add(start, end)
		fresh = p.acked.Size() - before
		if p.acked[0].Start <= p.base {
			p.base = p.acked[0].End
			p.acked.Remove(0, p.base)
		}
	}
	p.lost.Remove(0, p.base)
	p.lost.Remove(start, end)
	if p.base == p.end {
		p.chunks.releaseAll(p.end)
	} else {
		p.chunks.release(p.base)
	}
	return fresh
}

// MarkLost queues what the peer is not known to have of [offset, offset+n).
func (p *Send) MarkLost(offset uint64, n int, fin bool) {
	if p.stopped {
		return
	}
	if fin && !p.finAcked {
		p.finSent = false
	}
	from, end := max(offset, p.base), offset+uint64(n)
	for from < end {
		s := p.acked.NextMissing(from, end)
		p.lost.Add(s.Start, s.End)
		from = s.End
	}
}

// Done reports whether the peer has everything, the end included, or wants
// nothing.
func (p *Send) Done() bool { return p.stopped || p.fin && p.finAcked && p.base == p.end }

// Stop drops everything.
func (p *Send) Stop() {
	p.dropped = p.dropped || p.base < p.end
	p.stopped = true
	p.lost, p.acked = nil, nil
	p.chunks.releaseAll(p.end)
	p.chunks.ring = nil
}

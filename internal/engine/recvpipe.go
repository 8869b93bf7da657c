package engine

import "time"

// maxGaps bounds the holes in what was received: a packet that would open
// another is dropped unacknowledged, so that a peer cannot buy memory and
// searching time with single bytes.
const maxGaps = 256

// initialWindow is the first window offered, in bytes. It doubles as long as
// the application empties it within two round trips.
const initialWindow = 64 << 10

// recvPipe is the bytes on their way in: each is copied once, to its place,
// and waits there for the application.
type recvPipe struct {
	chunks chunkWindow
	read   uint64  // the application has everything below
	ready  uint64  // everything below was received
	ahead  spanSet // received above ready

	final    uint64 // where the stream ends, if hasFinal
	hasFinal bool
	reset    bool // it ends abnormally there
	discard  bool // nobody will read: bytes count, and are dropped

	window    uint64        // size of the window
	maxWindow uint64        // its bound
	limit     uint64        // the offset offered so far; never taken back
	renewedAt time.Duration // when limit was last raised

	lease *Lease // of a caller who waits; nil: nobody does
}

// Lease is memory that a caller lends while it waits for bytes.
type Lease struct {
	Buf []byte
	N   int // bytes of it that are filled
}

// fillLease fills the lease with bytes that are next in the stream, as far as it goes, and returns the rest.
func (p *recvPipe) fillLease(b []byte) []byte {
	n := copy(p.lease.Buf[p.lease.N:], b)
	p.lease.N += n
	p.ready += uint64(n)
	p.consume(p.ready)
	return b[n:]
}

// receive takes a DATA frame's bytes, of which those below ready and those
// beyond final are the caller's to check. It reports whether there was room for another gap.
func (p *recvPipe) receive(offset uint64, b []byte) bool {
	end := offset + uint64(len(b))
	if offset < p.ready {
		if end <= p.ready {
			return true // nothing new
		}
		b, offset = b[p.ready-offset:], p.ready
	}
	if len(b) == 0 {
		return true // an empty frame only says where the stream ends
	}
	if p.lease != nil && offset == p.read && len(p.ahead) == 0 && !p.discard {
		if b = p.fillLease(b); len(b) == 0 {
			return true
		}
		offset = p.ready
	}
	if offset > p.ready && len(p.ahead) >= maxGaps && p.opensGap(offset, end) {
		return false
	}
	if !p.discard {
		p.chunks.write(offset, b)
		p.chunks.expect(end, len(b)) // where the next packet's bytes go, while that is looked at
	}
	if offset == p.ready && len(p.ahead) == 0 { // the usual case: in order
		p.ready = end
	} else {
		p.ahead.add(offset, end)
		if p.ahead[0].start <= p.ready {
			p.ready = p.ahead[0].end
			p.ahead.remove(0, p.ready)
		}
	}
	if p.discard {
		p.read = p.ready
	}
	return true
}

// opensGap reports whether [start, end) touches nothing received.
func (p *recvPipe) opensGap(start, end uint64) bool {
	i := p.ahead.find(start)
	touchesLeft := i > 0 && p.ahead[i-1].end == start
	return !touchesLeft && (i == len(p.ahead) || p.ahead[i].start > end)
}

// highest is the offset behind the last byte received.
func (p *recvPipe) highest() uint64 {
	if n := len(p.ahead); n > 0 {
		return p.ahead[n-1].end
	}
	return p.ready
}

// take copies what is ready into b.
func (p *recvPipe) take(b []byte) int {
	n := int(min(p.ready-p.read, uint64(len(b))))
	if n == 0 {
		return 0
	}
	p.chunks.read(p.read, b[:n])
	p.consume(p.read + uint64(n))
	return n
}

// consume gives everything below the offset up: the application has it.
func (p *recvPipe) consume(offset uint64) {
	p.read = offset
	if p.read == p.highest() {
		p.chunks.releaseAll(p.read)
	} else {
		p.chunks.release(p.read)
	}
}

// drop makes the pipe discard what it holds and whatever comes.
func (p *recvPipe) drop() {
	p.discard = true
	p.read = p.ready
	p.chunks.releaseAll(p.read)
	p.chunks.ring = nil
}

// complete reports whether everything up to the end was received.
func (p *recvPipe) complete() bool { return p.hasFinal && p.ready == p.final }

// ended reports whether the application has read everything.
func (p *recvPipe) ended() bool { return p.hasFinal && p.read == p.final }

// bounded reports whether the limit keeps the peer from bytes it may have: the end is
// not known, or, announced by RESET, lies behind the limit.
func (p *recvPipe) bounded() bool { return !p.hasFinal || p.final > p.limit }

// renewable reports whether a new limit is worth telling: half the window was
// read, and more may come.
func (p *recvPipe) renewable() bool {
	return p.bounded() && p.read+p.window-p.limit >= p.window/2
}

// renew raises the limit and returns it. The window doubles if half of it was
// read within two round trips: then it, not the application, was the bound.
func (p *recvPipe) renew(now, srtt time.Duration) uint64 {
	p.grow(now, srtt, true)
	p.limit = max(p.limit, p.read+p.window)
	return p.limit
}

// grow doubles the window if it was renewed less than two round trips ago and nothing but the window was the
// bound since.
func (p *recvPipe) grow(now, srtt time.Duration, bound bool) {
	if bound && (srtt == 0 || now-p.renewedAt < 2*srtt) {
		p.window = min(2*p.window, p.maxWindow)
	}
	p.renewedAt = now
}

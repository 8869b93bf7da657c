package stream

import "time"

// maxGaps bounds the holes in what was received: a packet that would open
// another is dropped unacknowledged, so that a peer cannot buy memory and
// searching time with single bytes.
const maxGaps = 256

// InitialWindow is the first window offered, in bytes. It doubles as long as
// the application empties it within two round trips.
const InitialWindow = 64 << 10

// Recv is the bytes on their way in: each is copied once, to its place,
// and waits there for the application.
type Recv struct {
	chunks chunkWindow
	read   uint64  // the application has everything below
	ready  uint64  // everything below was received
	ahead  SpanSet // received above ready

	final    uint64 // where the stream ends, if hasFinal
	hasFinal bool
	reset    bool // it ends abnormally there
	discard  bool // nobody will read: bytes count, and are dropped

	window      uint64        // size of the window
	maxWindow   uint64        // its bound
	limit       uint64        // the offset offered so far; never taken back
	renewedAt   time.Duration // when Grow was last asked
	renewedRead uint64        // how much was read then

	lease *Lease // of a caller who waits; nil: nobody does
}

// NewRecv is a stream of which nothing was received. Its memory is alloc's, its window at most maxWindow bytes.
func NewRecv(alloc Allocator, maxWindow uint64) Recv {
	window := min(InitialWindow, maxWindow)
	return Recv{chunks: chunkWindow{alloc: alloc}, window: window, maxWindow: maxWindow, limit: window}
}

// Limit is the offset up to which the peer may send: what was offered so far.
func (p *Recv) Limit() uint64 { return p.limit }

// Window is the size of the window, in bytes.
func (p *Recv) Window() uint64 { return p.window }

// Closed is by how many bytes the offer is short of the whole window.
func (p *Recv) Closed() int64 { return int64(p.read+p.window) - int64(p.limit) }

// Ready reports whether Take has bytes.
func (p *Recv) Ready() bool { return p.ready > p.read }

// Unread reports whether bytes were received, in order or not, that the application has not.
func (p *Recv) Unread() bool { return p.Highest() > p.read }

// Held is how many bytes wait for the application, in order or not.
func (p *Recv) Held() int { return int(p.ahead.Size() + p.ready - p.read) }

// Progress changes whenever Receive has taken a byte that is new, or may be.
func (p *Recv) Progress() uint64 { return p.Highest() + p.ready }

// Discards reports whether what comes is dropped.
func (p *Recv) Discards() bool { return p.discard }

// End takes the offset at which the stream ends, abnormally if reset. It reports whether that can be: the stream has one end,
// and no byte behind it.
func (p *Recv) End(final uint64, reset bool) bool {
	if final < p.Highest() || p.hasFinal && final != p.final {
		return false
	}
	p.final, p.hasFinal = final, true
	p.reset = p.reset || reset
	return true
}

// EndKnown reports whether the peer has said where the stream ends.
func (p *Recv) EndKnown() bool { return p.hasFinal }

// Admits reports whether a byte may lie before the offset end: not if the stream ends below it.
func (p *Recv) Admits(end uint64) bool { return !p.hasFinal || end <= p.final }

// WasReset reports whether the stream ends abnormally.
func (p *Recv) WasReset() bool { return p.reset }

// Offer raises the limit by n bytes.
func (p *Recv) Offer(n int) { p.limit += uint64(n) }

// Lend has bytes that come next in the stream put into l. Reclaim ends it.
func (p *Recv) Lend(l *Lease) { p.lease = l }

// Reclaim ends a Lend and returns how many bytes the lease has.
func (p *Recv) Reclaim() int {
	n := p.lease.N
	p.lease = nil
	return n
}

// Next is the offset behind all bytes that were received in order.
func (p *Recv) Next() uint64 { return p.ready }

// Landing is the memory that Receive would copy the next n bytes to, and the before bytes ahead of it, if that is there in one piece and
// nothing else is in it, or nil. Who writes the bytes there spares Receive the copy. What was ahead of them must be there again
// when Receive is called.
func (p *Recv) Landing(before, n int) []byte {
	switch {
	case n <= 0 || p.discard || len(p.ahead) > 0:
		return nil
	case p.lease == nil || p.read != p.ready:
		return p.chunks.piece(p.ready, before, n)
	case p.lease.N < before || n > len(p.lease.Buf)-p.lease.N:
		return nil
	}
	return p.lease.Buf[p.lease.N-before : p.lease.N+n]
}

// Leased reports whether a lease has bytes.
func (p *Recv) Leased() bool { return p.lease != nil && p.lease.N > 0 }

// Shrink lets go of tables that have grown in busier times, if the application has everything, and of memory that the allocator
// holds ready.
func (p *Recv) Shrink() {
	if p.read == p.Highest() {
		p.chunks.ring = nil
	}
	p.chunks.alloc.Trim()
}

// Lease is memory that a caller lends while it waits for bytes.
type Lease struct {
	Buf []byte
	N   int // bytes of it that are filled
}

// fillLease fills the lease with bytes that are next in the stream, as far as it goes.
func (p *Recv) fillLease(b []byte) {
	n := copy(p.lease.Buf[p.lease.N:], b)
	p.lease.N += n
	read := p.ready + uint64(n)
	p.ready = read
	p.join()
	p.consume(read)
}

// join has what was received ahead be ready, if nothing is missing before it.
func (p *Recv) join() {
	if len(p.ahead) > 0 && p.ahead[0].Start <= p.ready {
		p.ready = max(p.ready, p.ahead[0].End)
		p.ahead.Remove(0, p.ready)
	}
}

// Receive takes a DATA frame's bytes, of which those below ready and those
// beyond final are the caller's to check. It reports whether there was room for another gap, and memory: if not, nothing was
// taken but what a lease had room for.
func (p *Recv) Receive(offset uint64, b []byte) bool {
	end := offset + uint64(len(b))
	// To a caller who waits for just these bytes they go without memory of ours: with what came ahead of them holding all that
	// the limits admit, nothing else would ever free it.
	if p.lease != nil && offset <= p.read && end > p.read && p.read == p.ready && !p.discard {
		p.fillLease(b[p.read-offset:])
	}
	if end <= p.ready || len(b) == 0 {
		return true // nothing new; an empty frame only says where the stream ends
	}
	if offset < p.ready {
		b, offset = b[p.ready-offset:], p.ready
	}
	if offset > p.ready && len(p.ahead) >= maxGaps && p.opensGap(offset, end) {
		return false
	}
	if !p.discard {
		if !p.hold(offset, end) {
			return false
		}
		p.chunks.write(offset, b)
	}
	if offset == p.ready && len(p.ahead) == 0 { // the usual case: in order
		p.ready = end
	} else {
		p.ahead.Add(offset, end)
		p.join()
	}
	if p.discard {
		p.read = p.ready
	}
	return true
}

// Bytes out of order pin whole chunks, however few they are. Beyond the first window a connection has chunks for them up to
// sparseAllowance, and then as many as have sparseFactor times the bytes that it holds: a peer that scatters its bytes is sent
// back to send them in order, and one whose packets merely get lost never is.
const (
	sparseAllowance = 4 * InitialWindow
	sparseFactor    = 8
)

// hold has memory there for the bytes from offset to end: for all of them, or it reports false.
func (p *Recv) hold(offset, end uint64) bool {
	first, level := p.read+InitialWindow, WindowRenewal
	if offset > p.ready {
		level = OutOfOrder
		if end > first && !p.chunks.has((end-1)/ChunkSize) && p.sparse() {
			return false
		}
	}
	return p.chunks.takeWhole(offset/ChunkSize, (end+ChunkSize-1)/ChunkSize, first, level)
}

// sparse reports whether the chunks hold little beside their size.
func (p *Recv) sparse() bool {
	return (p.chunks.pinned()+1)*ChunkSize > sparseAllowance+sparseFactor*p.Held()
}

// opensGap reports whether [start, end) touches nothing received.
func (p *Recv) opensGap(start, end uint64) bool {
	i := p.ahead.find(start)
	touchesLeft := i > 0 && p.ahead[i-1].End == start
	return !touchesLeft && (i == len(p.ahead) || p.ahead[i].Start > end)
}

// Highest is the offset behind the last byte received.
func (p *Recv) Highest() uint64 {
	if n := len(p.ahead); n > 0 {
		return p.ahead[n-1].End
	}
	return p.ready
}

// Take copies what is ready into b.
func (p *Recv) Take(b []byte) int {
	n := int(min(p.ready-p.read, uint64(len(b))))
	if n == 0 {
		return 0
	}
	p.chunks.read(p.read, b[:n])
	p.consume(p.read + uint64(n))
	return n
}

// consume gives everything below the offset up: the application has it.
func (p *Recv) consume(offset uint64) {
	p.read = offset
	if p.read == p.Highest() {
		p.chunks.releaseAll(p.read)
	} else {
		p.chunks.release(p.read)
	}
}

// Drop makes the pipe discard what it holds and whatever comes.
func (p *Recv) Drop() {
	p.discard = true
	p.read = p.ready
	p.chunks.releaseAll(p.read)
	p.chunks.ring = nil
}

// Complete reports whether everything up to the end was received.
func (p *Recv) Complete() bool { return p.hasFinal && p.ready == p.final }

// Ended reports whether the application has read everything.
func (p *Recv) Ended() bool { return p.hasFinal && p.read == p.final }

// Bounded reports whether the limit keeps the peer from bytes it may have: the end is
// not known, or, announced by RESET, lies behind the limit.
func (p *Recv) Bounded() bool { return !p.hasFinal || p.final > p.limit }

// Renewable reports whether a new limit is worth telling: half the window was
// read, and more may come.
func (p *Recv) Renewable() bool {
	return p.Bounded() && p.Closed() >= int64(p.window/2)
}

// Renew raises the limit and returns it. The window doubles if it, and not the application, was the bound: see Grow.
func (p *Recv) Renew(now, srtt time.Duration) uint64 {
	p.Grow(now, srtt, true)
	p.limit = max(p.limit, p.read+p.window)
	return p.limit
}

// Grow doubles the window if the application has read half of it in two round trips, or more in a time as much longer,
// and nothing but the window was the bound since it was last asked. What counts is bytes: where packets come late, a whole
// window is read at once, and then nothing for more than two round trips. Where memory is short it does not grow, and where there is
// less it is halved, down to the first one.
func (p *Recv) Grow(now, srtt time.Duration, bound bool) {
	read, took := min(p.read-p.renewedRead, p.window), now-p.renewedAt
	if bound && (srtt == 0 || took < 2*srtt || float64(read)*float64(2*srtt) > float64(p.window/2)*float64(took)) {
		if larger := min(2*p.window, p.maxWindow); larger > p.window && p.chunks.alloc.Room(WindowGrowth) {
			p.window = larger
		}
	}
	if p.window > InitialWindow && !p.chunks.alloc.Room(WindowRenewal) {
		p.window = max(p.window/2, InitialWindow)
	}
	p.renewedAt, p.renewedRead = now, p.read
}

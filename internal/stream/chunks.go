package stream

// ChunkSize is the size of the pieces of memory that buffers are made of, in bytes. Pieces are lent to one
// processor and come back on another, which costs more than their bytes do: with half the size a
// transfer over loopback took a tenth more processor time. Twice the size saved nothing more.
const ChunkSize = 32 << 10

// Level is how much memory matters: where there is little, the lowest level is refused first.
type Level uint8

// The levels, the least first.
const (
	OutOfOrder    Level = iota // bytes that arrive out of order, beyond the first window: nobody can read them yet
	WindowGrowth               // a larger window than before; what a sender buffers beyond the first
	WindowRenewal              // what arrives in order, beyond the first window
	FirstWindow                // the first window of a direction
	Levels                     // how many there are
)

// Allocator lends the memory under the byte streams of one connection. Chunk returns ChunkSize bytes with any content, or nil
// if the level has no more; Free takes back what Chunk returned. Room reports whether a level has more, without taking any. Trim
// is for a connection that has become idle: what the allocator holds ready for it goes back.
type Allocator interface {
	Chunk(Level) []byte
	Free(chunk []byte)
	Room(Level) bool
	Trim()
}

// keepSlots is the largest table that an empty chunkWindow keeps.
const keepSlots = 64

// chunkWindow is a sliding window over a stream of bytes, addressed by stream
// offset and backed by chunks. Chunks are taken when first written to, so the
// window may have holes, and go back when released.
type chunkWindow struct {
	alloc       Allocator
	ring        [][]byte // chunk k is at ring[k%len]; length a power of two
	first, last uint64   // chunks that may be there: first ≤ k < last
}

func (w *chunkWindow) slot(k uint64) *[]byte { return &w.ring[k&uint64(len(w.ring)-1)] }

// take has the chunks under the bytes from offset to end there, of which those below first are the first window's and the others
// of a level. It returns the offset up to which they are: end, or less if memory was refused.
func (w *chunkWindow) take(offset, end, first uint64, beyond Level) uint64 {
	for k := offset / ChunkSize; k*ChunkSize < end; k++ {
		if w.has(k) {
			continue
		}
		level := beyond
		if k*ChunkSize < first {
			level = FirstWindow
		}
		b := w.alloc.Chunk(level)
		if b == nil {
			return max(offset, k*ChunkSize)
		}
		w.put(k, b)
	}
	return end
}

// takeWhole has the chunks from k up to, not including, end there as take has them: all, or none more than before if it reports
// false.
func (w *chunkWindow) takeWhole(k, end, first uint64, beyond Level) bool {
	for k < end && w.has(k) {
		k++
	}
	if k >= end {
		return true
	}
	level := beyond
	if k*ChunkSize < first {
		level = FirstWindow
	}
	b := w.alloc.Chunk(level)
	if b == nil {
		return false
	}
	if !w.takeWhole(k+1, end, first, beyond) {
		w.alloc.Free(b)
		return false
	}
	w.put(k, b)
	return true
}

// put is for a chunk that was taken.
func (w *chunkWindow) put(k uint64, b []byte) {
	w.extend(k)
	*w.slot(k) = b
}

// pinned is how many chunks are there. It looks at each.
func (w *chunkWindow) pinned() (n int) {
	for k := w.first; k < w.last; k++ {
		if *w.slot(k) != nil {
			n++
		}
	}
	return n
}

// has reports whether a chunk is there.
func (w *chunkWindow) has(k uint64) bool { return k >= w.first && k < w.last && *w.slot(k) != nil }

// write copies p to the offset, for which take has made room.
func (w *chunkWindow) write(offset uint64, p []byte) {
	for len(p) > 0 {
		k, at := offset/ChunkSize, offset%ChunkSize
		n := copy((*w.slot(k))[at:ChunkSize], p)
		p, offset = p[n:], offset+uint64(n)
	}
}

// read fills p with the bytes at the offset, all of which were written.
func (w *chunkWindow) read(offset uint64, p []byte) {
	for len(p) > 0 {
		k, at := offset/ChunkSize, offset%ChunkSize
		if k < w.first || k >= w.last || *w.slot(k) == nil {
			panic("BUG: read of bytes that are not in the window")
		}
		n := copy(p, (*w.slot(k))[at:ChunkSize])
		p, offset = p[n:], offset+uint64(n)
	}
}

// piece is the memory of the n bytes at the offset and of the before bytes ahead of them, if that is there in one piece, or nil.
func (w *chunkWindow) piece(offset uint64, before, n int) []byte {
	k, at := offset/ChunkSize, int(offset%ChunkSize)
	if at < before || at+n > ChunkSize || !w.has(k) {
		return nil
	}
	return (*w.slot(k))[at-before : at+n]
}

// extend makes room for chunk k.
func (w *chunkWindow) extend(k uint64) {
	if k < w.first {
		panic("BUG: write below the window")
	}
	if need := k + 1 - w.first; need > uint64(len(w.ring)) {
		size := uint64(max(2, len(w.ring)))
		for size < need {
			size *= 2
		}
		ring := make([][]byte, size)
		for i := w.first; i < w.last; i++ {
			ring[i&(size-1)] = *w.slot(i)
		}
		w.ring = ring
	}
	w.last = max(w.last, k+1)
}

// release gives back the chunks that lie wholly below the offset.
func (w *chunkWindow) release(offset uint64) {
	for w.first < w.last && w.first < offset/ChunkSize {
		w.free(w.first)
		w.first++
	}
}

// releaseAll gives back everything; nothing below the offset is written again.
func (w *chunkWindow) releaseAll(offset uint64) {
	for ; w.first < w.last; w.first++ {
		w.free(w.first)
	}
	w.first = offset / ChunkSize
	w.last = w.first
	if len(w.ring) > keepSlots {
		w.ring = nil
	}
}

func (w *chunkWindow) free(k uint64) {
	if s := w.slot(k); *s != nil {
		w.alloc.Free(*s)
		*s = nil
	}
}

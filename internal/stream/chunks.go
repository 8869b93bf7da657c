package stream

// ChunkSize is the size of the pieces of memory that buffers are made of, in bytes. Pieces are lent to one
// processor and come back on another, which costs more than their bytes do: with half the size a
// transfer over loopback took a tenth more processor time. Twice the size saved nothing more.
const ChunkSize = 32 << 10

// Allocator lends the memory under the byte streams. Chunk returns
// ChunkSize bytes with any content; Free takes back what Chunk returned.
// Several connections may share one, so it must be safe for concurrent use if
// they are driven concurrently.
type Allocator interface {
	Chunk() []byte
	Free(chunk []byte)
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

// write copies p to the offset.
func (w *chunkWindow) write(offset uint64, p []byte) {
	for len(p) > 0 {
		k, at := offset/ChunkSize, offset%ChunkSize
		w.extend(k)
		s := w.slot(k)
		if *s == nil {
			*s = w.alloc.Chunk()
		}
		n := copy((*s)[at:ChunkSize], p)
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

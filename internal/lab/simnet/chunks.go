package simnet

import "example.com/ebb/internal/stream"

// chunkHeap is memory that is counted.
type chunkHeap struct {
	free [][]byte
	lent int
}

// Chunk is memory with any content.
func (h *chunkHeap) Chunk() []byte {
	h.lent++
	if n := len(h.free); n > 0 {
		b := h.free[n-1]
		h.free = h.free[:n-1]
		return b
	}
	return make([]byte, stream.ChunkSize)
}

// Free takes it back.
func (h *chunkHeap) Free(b []byte) {
	h.lent--
	h.free = append(h.free, b)
}

// Trim lets go of the memory that the simulation keeps for packets to come, and the given stations' for bytes, so
// that a heap shows what the connections hold.
func (s *Sim) Trim(stations ...*Station) {
	s.free = nil
	for _, st := range stations {
		st.chunks.free = nil
	}
}

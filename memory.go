package ebb

import (
	"sync"

	"example.com/ebb/internal/stream"
	"example.com/ebb/limits"
)

// chunkPool lends the memory under the byte streams of all connections, and charges each for its own.
type chunkPool struct{ held *limits.Conn }

func chunksFor(held *limits.Conn) stream.Allocator { return chunkPool{held} }

type chunk [stream.ChunkSize]byte

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// priorities is how much memory of each level matters to the limits.
var priorities = [stream.Levels]limits.Priority{
	stream.OutOfOrder:    limits.OutOfOrder,
	stream.WindowGrowth:  limits.WindowGrowth,
	stream.WindowRenewal: limits.WindowRenewal,
	stream.FirstWindow:   limits.FirstWindow,
}

// Chunk returns memory with any content, nil if a limit is reached.
func (p chunkPool) Chunk(l stream.Level) []byte {
	if !p.held.Reserve(stream.ChunkSize, priorities[l]) {
		return nil
	}
	return chunks.Get().(*chunk)[:]
}

// Free takes back what Chunk returned.
func (p chunkPool) Free(b []byte) {
	chunks.Put((*chunk)(b))
	p.held.Free(stream.ChunkSize)
}

// Room reports whether a limit admits more.
func (p chunkPool) Room(l stream.Level) bool { return p.held.Admits(priorities[l]) }

// Trim gives back what is reserved and not used.
func (p chunkPool) Trim() { p.held.Trim() }

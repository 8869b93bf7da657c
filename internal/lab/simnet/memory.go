package simnet

import (
	"example.com/ebb/internal/stream"
	"example.com/ebb/limits"
)

// SetLimits has the station's connections kept in the books of a manager, and restarts it.
func (st *Station) SetLimits(m *limits.Manager) {
	st.Limits = m
	st.Restart()
}

// renewLimits gives back what a process that is gone has held, and makes the scope of the next one.
func (st *Station) renewLimits() {
	if st.bounds.Limits != nil {
		for _, held := range st.held {
			held.Release()
		}
		st.bounds.Limits.Release()
		st.held, st.bounds.Limits = nil, nil
	}
	if st.Limits == nil {
		return
	}
	e, err := st.Limits.Endpoint(st.Addr.String(), limits.Limits{})
	if err != nil {
		panic("BUG: no limits are out of range: " + err.Error())
	}
	st.bounds.Limits = e
}

// lender makes the allocator of a connection.
func (st *Station) lender(held *limits.Conn) stream.Allocator {
	if st.Limits != nil {
		st.held = append(st.held, held)
	}
	return &lender{st.chunks, held}
}

// lender is a stream.Allocator: a connection's part of a heap, as far as its limits go.
type lender struct {
	*chunkHeap
	held *limits.Conn
}

var priorities = [stream.Levels]limits.Priority{
	stream.OutOfOrder: limits.OutOfOrder, stream.WindowGrowth: limits.WindowGrowth,
	stream.WindowRenewal: limits.WindowRenewal, stream.FirstWindow: limits.FirstWindow,
}

// Chunk is part of stream.Allocator.
func (l *lender) Chunk(level stream.Level) []byte {
	if !l.held.Reserve(stream.ChunkSize, priorities[level]) {
		return nil
	}
	return l.chunkHeap.Chunk()
}

// Free is part of stream.Allocator.
func (l *lender) Free(b []byte) {
	l.chunkHeap.Free(b)
	l.held.Free(stream.ChunkSize)
}

// Room is part of stream.Allocator.
func (l *lender) Room(level stream.Level) bool { return l.held.Admits(priorities[level]) }

// Trim is part of stream.Allocator.
func (l *lender) Trim() { l.held.Trim() }

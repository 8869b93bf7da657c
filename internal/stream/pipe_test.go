package stream

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// heap is an Allocator that counts and soils what comes back.
type heap struct {
	lent    int
	left    [Levels]int // how many chunks each level may have, if bounded
	bounded bool
	trims   int
}

func (h *heap) Chunk(l Level) []byte {
	if h.bounded {
		if h.left[l] == 0 {
			return nil
		}
		h.left[l]--
	}
	h.lent++
	return make([]byte, ChunkSize)
}
func (h *heap) Room(l Level) bool { return !h.bounded || h.left[l] > 0 }
func (h *heap) Trim()             { h.trims++ }
func (h *heap) Free(b []byte) {
	h.lent--
	for i := range b {
		b[i] = 0xee
	}
}

func newRecv(h *heap, window uint64) *Recv {
	return &Recv{chunks: chunkWindow{alloc: h}, window: window, maxWindow: window, limit: window}
}

// TestReceiveAnyOrder: bytes that come in any order, overlapping and repeated, are
// read once and in order, by callers who wait with their memory lent and by those who
// do not, and the chunks go back.
// Of docs/wire.md: [W121].
func TestReceiveAnyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	want := make([]byte, 200_000)
	for i := range want {
		want[i] = byte(r.Uint32())
	}
	var h heap
	p := newRecv(&h, 1<<30)
	var got []byte
	buf := make([]byte, 7000)
	leased := 0
	reclaim := func() {
		if p.lease != nil {
			got = append(got, buf[:p.lease.N]...)
			leased += p.lease.N
			p.lease = nil
		}
	}
	for i := 0; p.ready < uint64(len(want)); i++ {
		spread := 40_000
		if i%200 < 100 { // holes are closed, and then all is in order for a while
			spread = 3000
		}
		near := max(int(p.ready)-2999, 0) + r.IntN(spread)
		start := min(near, len(want)-1)
		end := min(start+1+r.IntN(3000), len(want))
		if !p.Receive(uint64(start), want[start:end]) {
			t.Fatal("no room for a gap")
		}
		if r.IntN(4) == 0 {
			reclaim()
			n := p.Take(buf)
			got = append(got, buf[:n]...)
			if n == 0 || p.read == p.ready && r.IntN(2) == 0 {
				p.lease = &Lease{Buf: buf[:1+r.IntN(len(buf))]}
			}
		}
	}
	reclaim()
	for n := p.Take(buf); n > 0; n = p.Take(buf) {
		got = append(got, buf[:n]...)
	}
	if !bytes.Equal(got, want) {
		t.Error("the bytes differ")
	}
	if leased == 0 {
		t.Error("nothing was put into lent memory")
	}
	if h.lent != 0 {
		t.Errorf("%d chunks were kept", h.lent)
	}
}

// TestAWaitingReaderNeedsNoMemory: when all memory that the limits admit holds bytes that came ahead of others, the others are
// taken as they come by a caller who waits for them, and the memory is free again.
func TestAWaitingReaderNeedsNoMemory(t *testing.T) {
	h := heap{bounded: true}
	h.left[OutOfOrder] = 1
	p := newRecv(&h, 1<<20)
	stream := make([]byte, 3*ChunkSize)
	for i := range stream {
		stream[i] = byte(i % 251)
	}
	if !p.Receive(2*ChunkSize, stream[2*ChunkSize:]) {
		t.Fatal("the memory there is was refused")
	}
	const piece = 1000
	var got []byte
	if p.Receive(0, stream[:piece]) {
		t.Fatal("more memory was granted than there is")
	}
	for len(got) < 2*ChunkSize {
		l := Lease{Buf: make([]byte, 3*piece/2)}
		p.Lend(&l)
		if !p.Receive(uint64(len(got)), stream[len(got):min(len(got)+piece, 2*ChunkSize+piece)]) {
			t.Fatalf("%d bytes in: what the caller waits for was refused", len(got))
		}
		got = append(got, l.Buf[:p.Reclaim()]...)
	}
	buf := make([]byte, len(stream))
	got = append(got, buf[:p.Take(buf)]...)
	if !bytes.Equal(got, stream) || h.lent != 0 {
		t.Errorf("read %d bytes of %d, %d chunks lent", len(got), len(stream), h.lent)
	}
}

// TestGapsAreBounded: single bytes with holes between them buy a bounded number of
// spans; what fits no more is refused, and what closes a hole is not.
// Of docs/wire.md: [W130].
func TestGapsAreBounded(t *testing.T) {
	p := newRecv(new(heap), 1<<20)
	refused := 0
	for i := range uint64(2 * maxGaps) {
		if !p.Receive(2*i+2, []byte{1}) {
			refused++
		}
	}
	if len(p.ahead) != maxGaps || refused != maxGaps {
		t.Errorf("%d spans, %d refused; want %d of each", len(p.ahead), refused, maxGaps)
	}
	if !p.Receive(0, []byte{1, 2, 3, 4}) || p.ready != 5 {
		t.Errorf("the bytes that close holes were refused: ready %d", p.ready)
	}
}

// TestWindowGrowsWhenItBinds: a window emptied within two round trips doubles up to
// its bound, and one emptied slowly does not.
// Of docs/wire.md: [W126].
func TestWindowGrowsWhenItBinds(t *testing.T) {
	p := newRecv(new(heap), 64<<10)
	p.maxWindow = 256 << 10
	const ms = time.Millisecond
	now := 10 * ms
	for range 5 {
		p.read, p.ready = p.limit, p.limit
		if !p.Renewable() {
			t.Fatal("an empty window is not renewed")
		}
		now += 10 * ms
		p.Renew(now, 20*ms)
	}
	if p.window != p.maxWindow {
		t.Errorf("the window is %d after five fast turns", p.window)
	}
	p.window = 64 << 10
	p.read, p.ready = p.limit, p.limit
	p.Renew(now+100*ms, 20*ms)
	if p.window != 64<<10 {
		t.Errorf("the window grew to %d although the application is slow", p.window)
	}
}

// TestSendPipeAgainstModel: whatever is sent, lost, acknowledged late or twice,
// every byte not acknowledged is either in flight or queued.
func TestSendPipeAgainstModel(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 50 {
		var h heap
		p := Send{chunks: chunkWindow{alloc: &h}, limit: 1 << 20}
		type flight struct {
			offset uint64
			n      int
			fin    bool
		}
		var out, lost []flight
		total := r.IntN(100_000)
		written := 0
		for steps := 0; !p.Done(); steps++ {
			if steps > 100_000 {
				t.Fatalf("stuck: %+v", p)
			}
			if n := min(r.IntN(5000), total-written); n > 0 {
				p.Write(make([]byte, n))
				written += n
			}
			p.fin = written == total
			if offset, n, fin := p.Sendable(1 + r.IntN(1400)); n > 0 || fin {
				p.MarkSent(offset, n, fin)
				out = append(out, flight{offset, n, fin})
			}
			if len(out) > 0 && r.IntN(2) == 0 {
				i := r.IntN(len(out))
				f := out[i]
				out = append(out[:i], out[i+1:]...)
				if r.IntN(3) == 0 {
					p.MarkLost(f.offset, f.n, f.fin)
					lost = append(lost, f)
				} else {
					p.MarkAcked(f.offset, f.n, f.fin)
				}
			}
			if len(lost) > 0 && r.IntN(9) == 0 { // it was late, not lost
				f := lost[r.IntN(len(lost))]
				p.MarkAcked(f.offset, f.n, f.fin)
			}
		}
		if p.base != uint64(total) || h.lent != 0 {
			t.Fatalf("done at %d of %d, %d chunks kept", p.base, total, h.lent)
		}
	}
}

// TestMemoryIsRefusedWhole: a frame for which there is not all the memory takes none; a write takes as much as there is memory for.
func TestMemoryIsRefusedWhole(t *testing.T) {
	h := &heap{bounded: true}
	p := newRecv(h, 1<<20)
	h.left[OutOfOrder] = 1
	at := uint64(6*ChunkSize - 500)
	if p.Receive(at, make([]byte, 1000)) || h.lent != 0 || p.Held() != 0 {
		t.Errorf("of two chunks one was there: %d are lent, %d bytes held", h.lent, p.Held())
	}
	h.left[OutOfOrder] = 2
	if !p.Receive(at, make([]byte, 1000)) || h.lent != 2 || p.Held() != 1000 {
		t.Errorf("of two chunks both were there: %d are lent, %d bytes held", h.lent, p.Held())
	}
	h.left[FirstWindow] = 1
	if !p.Receive(0, make([]byte, 100)) || p.ready != 100 {
		t.Errorf("the first window has memory of its own: ready %d", p.ready)
	}

	h = &heap{bounded: true}
	h.left[FirstWindow], h.left[WindowGrowth] = 2, 1
	s := NewSend(h)
	if n := s.Write(make([]byte, 200_000)); n != 3*ChunkSize || s.Buffered() != n {
		t.Errorf("%d bytes were taken, with memory for %d", n, 3*ChunkSize)
	}
	if n := s.Write(make([]byte, 1)); n != 0 {
		t.Errorf("%d bytes were taken, without memory", n)
	}
}

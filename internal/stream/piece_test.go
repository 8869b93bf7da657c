package stream

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestLanding: bytes that are written to where Receive would copy them are the same as those that it copies, read by callers who lend memory
// and by those who do not. What is ahead of them may be used meanwhile.
func TestLanding(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var h heap
	p := newRecv(&h, 1<<30)
	var got, want []byte
	lease, landed, leased := Lease{}, 0, 0
	reclaim := func() {
		if p.lease != nil {
			got = append(got, lease.Buf[:p.Reclaim()]...)
		}
	}
	for range 5000 {
		piece := make([]byte, 1+r.IntN(1500))
		for i := range piece {
			piece[i] = byte(r.Uint32())
		}
		const before = 9
		b := piece
		if at := p.Landing(before, len(piece)); at != nil {
			landed++
			if p.lease != nil {
				leased++
			}
			held := bytes.Clone(at[:before])
			copy(at, "a header!")
			copy(at[before:], piece)
			copy(at, held)
			b = at[before:]
		}
		if !p.Receive(p.Next(), b) {
			t.Fatal("no room")
		}
		want = append(want, piece...)
		if r.IntN(4) == 0 {
			reclaim()
			buf := make([]byte, r.IntN(20_000))
			got = append(got, buf[:p.Take(buf)]...)
			if p.read == p.ready {
				lease = Lease{Buf: make([]byte, r.IntN(20_000))}
				p.Lend(&lease)
			}
		}
	}
	reclaim()
	buf := make([]byte, len(want))
	got = append(got, buf[:p.Take(buf)]...)
	if !bytes.Equal(got, want) || h.lent != 0 {
		t.Errorf("read %d bytes of %d, %d chunks lent", len(got), len(want), h.lent)
	}
	if landed < 2500 || leased < 500 {
		t.Errorf("%d landed in their place, %d of these in lent memory", landed, leased)
	}
}

// TestNoLanding: there is no place for what is not next, for what nobody will read, and for nothing.
func TestNoLanding(t *testing.T) {
	p := newRecv(new(heap), 1<<20)
	p.Receive(0, make([]byte, 100))
	switch {
	case p.Landing(9, 1000) == nil:
		t.Error("there is none for the next bytes")
	case p.Landing(101, 1000) != nil, p.Landing(9, ChunkSize-99) != nil:
		t.Error("there is one that is not in one piece")
	case p.Landing(9, 0) != nil, p.Landing(9, -1) != nil:
		t.Error("there is one for nothing")
	}
	p.Receive(5000, make([]byte, 100))
	if p.Landing(9, 1000) != nil {
		t.Error("there is one over what came ahead")
	}
	p.Drop()
	if p.Landing(0, 1000) != nil {
		t.Error("there is one for what is dropped")
	}
}

// TestPeekNew: what PeekNew shows is what was written, with what is ahead of it, as long as it is in one chunk.
func TestPeekNew(t *testing.T) {
	text := make([]byte, 3*ChunkSize)
	for i := range text {
		text[i] = byte(i % 251)
	}
	var h heap
	p := NewSend(&h)
	p.Write(text)
	const before, n = 5, 1000
	for at := 0; at+n <= len(text); at += n {
		inOne := at%ChunkSize >= before && at%ChunkSize+n <= ChunkSize
		b := p.PeekNew(before, n)
		if inOne != (b != nil) || inOne && !bytes.Equal(b, text[at-before:at+n]) {
			t.Fatalf("at %d: %d bytes", at, len(b))
		}
		p.SentNew(n)
	}
	if p.Next() != 98*n {
		t.Errorf("%d bytes are noted", p.Next())
	}
}

package engine_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/protect"
	"example.com/ebb/internal/stream"
)

// reading is the side of twins that reads, now with its memory lent and now without.
type reading struct {
	c     *engine.Conn
	got   []byte
	lease stream.Lease
	lent  bool
}

// lend waits with n bytes of memory, unless there is something to read.
func (r *reading) lend(n int) {
	if r.take(); !r.lent {
		r.lease, r.lent = stream.Lease{Buf: make([]byte, n)}, true
		r.c.Lend(&r.lease)
	}
}

// take reads what there is.
func (r *reading) take() {
	if r.lent {
		r.got = append(r.got, r.lease.Buf[:r.c.Reclaim()]...)
		r.lent = false
	}
	b := make([]byte, 5000)
	for n, _ := r.c.Read(b); n > 0; n, _ = r.c.Read(b) {
		r.got = append(r.got, b[:n]...)
	}
}

// packets are those that a side sends now, each with memory of its own.
func (w *twins) packets(from *engine.Conn) (all [][]byte) {
	from.Advance(w.now)
	for {
		b, train := from.AppendSegments(w.now, w.buf[:0], 64<<10)
		if len(b) == 0 {
			return all
		}
		for len(b) > 0 {
			n := min(train.SegmentSize, len(b))
			all = append(all, bytes.Clone(b[:n]))
			b = b[n:]
		}
	}
}

// TestSecureInPlace: what a transfer's packets have is decrypted to where it belongs. They would show it if it were decrypted where they
// stand, as it is of a few: the first in a piece of memory, and those that reach into the next.
func TestSecureInPlace(t *testing.T) {
	for _, lends := range []bool{false, true} {
		w := secureTwins(t, protect.AES128GCM)
		r, text := reading{c: w.b}, bytes.Repeat([]byte("all in clear, "), 4000)
		packets, shown := 0, 0
		for range 50 {
			if lends {
				r.lend(len(text))
			}
			w.a.Write(text)
			for _, p := range w.packets(w.a) {
				w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now}, p)
				packets++
				if bytes.Contains(p, text[:32]) {
					shown++
				}
			}
			r.take()
			w.exchange()
		}
		if !bytes.Equal(r.got, bytes.Repeat(text, 50)) {
			t.Errorf("lent memory %v: %d bytes arrive, which are not those that were sent", lends, len(r.got))
		}
		if packets < 1900 || shown > packets/8 {
			t.Errorf("lent memory %v: %d of %d packets were decrypted where they stood", lends, shown, packets)
		}
	}
}

// TestSecureInPlaceDisorder: packets that are lost, late, repeated or damaged put nothing in a wrong place, and spoil nothing that is there.
func TestSecureInPlaceDisorder(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := secureTwins(t, []protect.Suite{protect.AES128GCM, protect.ChaCha20Poly1305}[seed%2])
		text := make([]byte, 1<<20)
		for i := range text {
			text[i] = byte(rnd.Uint32())
		}
		r, written := reading{c: w.b}, 0
		var late [][]byte
		for round := 0; len(r.got) < len(text); round++ {
			if round > 20_000 {
				t.Fatalf("seed %d: %d of %d bytes", seed, len(r.got), len(text))
			}
			switch rnd.IntN(4) {
			case 0:
				r.lend(1 + rnd.IntN(100_000))
			case 1:
				r.take()
			}
			n, _ := w.a.Write(text[written:min(len(text), written+rnd.IntN(100_000))])
			written += n
			packets := append(late, w.packets(w.a)...)
			late = nil
			for _, p := range packets {
				switch rnd.IntN(40) {
				case 0:
					continue
				case 1:
					late = append(late, p)
					continue
				case 2:
					late = append(late, bytes.Clone(p))
				case 3:
					damaged := bytes.Clone(p)
					damaged[9+rnd.IntN(len(p)-9)] ^= 1 << rnd.IntN(8)
					w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now}, damaged)
				}
				w.b.HandleSegment(w.now, &engine.Arrival{Path: w.pb, At: w.now}, p)
			}
			w.now += 500_000
			w.b.Advance(w.now)
			w.carry(w.b, w.a, w.pa)
		}
		if !bytes.Equal(r.got, text) {
			t.Errorf("seed %d: the bytes differ", seed)
		}
		if i := w.b.Info().Stats; i.BadTrailers == 0 || i.Duplicates == 0 || w.a.Info().Stats.BytesRetransmitted == 0 {
			t.Errorf("seed %d: %+v", seed, i)
		}
	}
}

package protect

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"example.com/ebb/wire"
)

// pair makes the keys of two sides. Both have confirmed the handshake.
func pair(t testing.TB, s Suite, l Limits) [2]*DataKeys {
	t.Helper()
	var k [2]*DataKeys
	for i := range k {
		var err error
		if k[i], err = NewDataKeys(s, l); err != nil {
			t.Fatal(err)
		}
		if err := k[i].SetSend(secretOf(s, byte(1+i))); err != nil {
			t.Fatal(err)
		}
		if err := k[i].SetRecv(secretOf(s, byte(2-i))); err != nil {
			t.Fatal(err)
		}
		k[i].Confirm()
	}
	return k
}

// side is one side of a conversation, with its packet-number space.
type side struct {
	*DataKeys
	next    uint64
	largest uint64
	any     bool
}

func sides(t testing.TB, s Suite, l Limits) (a, b *side) {
	k := pair(t, s, l)
	return &side{DataKeys: k[0]}, &side{DataKeys: k[1]}
}

// packet seals a packet with some frames.
func (s *side) packet(frames ...byte) []byte {
	b := wire.Must(wire.AppendShort(make([]byte, 0, 1500), 9, s.next, 3))
	n := len(b)
	b = s.Seal(append(b, frames...), 0, n, s.next)
	s.next++
	return b
}

// take opens a packet, of which a copy is destroyed.
func (s *side) take(packet []byte) bool {
	number, _, ok := s.Open(bytes.Clone(packet), wire.ShortHeaderLen(0), s.largest, s.any)
	if ok && (!s.any || number > s.largest) {
		s.largest, s.any = number, true
	}
	return ok
}

// exchange has each side send a packet and acknowledge the other's.
func exchange(t *testing.T, a, b *side) {
	t.Helper()
	for _, d := range [][2]*side{{a, b}, {b, a}, {a, b}} {
		if !d[1].take(d[0].packet(1)) {
			t.Fatalf("packet %d does not open: %v", d[0].next-1, d[1].Err())
		}
		if d[0].any && !d[1].Acked(d[0].largest) {
			t.Fatalf("an ACK of %d is refused: %v", d[0].largest, d[1].Err())
		}
	}
}

const testPTO = 100 * time.Millisecond

func phases(t *testing.T, k *side, send, recv uint64) {
	t.Helper()
	if s, r := k.Phases(); s != send || r != recv {
		t.Fatalf("phases %d and %d, want %d and %d", s, r, send, recv)
	}
}

// TestKeyUpdate [W210] [W211] [W212] [W213]: one side begins, the other follows, and both may begin the next only when this one is over (RFC 9001
// sections 6.1, 6.2 and 6.5).
func TestKeyUpdate(t *testing.T) {
	for _, s := range suites {
		t.Run(s.String(), func(t *testing.T) {
			a, b := sides(t, s, Limits{})
			if a.Update() {
				t.Error("an update before anything is acknowledged")
			}
			exchange(t, a, b)
			late := a.packet(7) // of phase 0, and overtaken
			if !a.Update() {
				t.Fatal("no update")
			}
			if a.Update() {
				t.Error("two updates at once")
			}
			phases(t, a, 1, 0)
			if !b.take(a.packet(1)) {
				t.Fatal("the first packet of the new phase does not open")
			}
			phases(t, b, 1, 1)
			if !b.take(late) {
				t.Error("a late packet does not open under the old keys")
			}
			phases(t, b, 1, 1)
			exchange(t, a, b)
			phases(t, a, 1, 1)
			exchange(t, a, b)
			for _, k := range []*side{a, b} {
				k.Advance(time.Second, testPTO)
				if k.Update() {
					t.Error("an update right after another")
				}
				if at, ok := k.NextTimeout(); !ok || at != time.Second+3*testPTO {
					t.Errorf("old keys until %v, %v", at, ok)
				}
				k.Advance(time.Second+3*testPTO-1, testPTO)
			}
			if !b.take(late) {
				t.Error("a late packet does not open within three PTO")
			}
			for _, k := range []*side{a, b} {
				k.Advance(time.Second+3*testPTO, testPTO)
				if _, ok := k.NextTimeout(); ok {
					t.Error("a timeout with nothing to wait for")
				}
			}
			if b.take(late) {
				t.Error("a late packet opens after three PTO")
			}
			if !b.Update() {
				t.Error("no second update")
			}
			exchange(t, a, b)
			phases(t, a, 2, 2)
			phases(t, b, 2, 2)
		})
	}
}

// TestUnconfirmed: no update before the handshake is confirmed (RFC 9001 section 6.1).
func TestUnconfirmed(t *testing.T) {
	a, b := sides(t, AES128GCM, Limits{})
	a.confirmed = false
	exchange(t, a, b)
	if a.Update() {
		t.Error("an update of an unconfirmed handshake")
	}
	a.Confirm()
	if !a.Update() {
		t.Error("no update of a confirmed handshake")
	}
}

// TestCrossingUpdates: both sides begin at the same time, and it is one update.
func TestCrossingUpdates(t *testing.T) {
	a, b := sides(t, AES128GCM, Limits{})
	exchange(t, a, b)
	exchange(t, a, b)
	if !a.Update() || !b.Update() {
		t.Fatal("no update")
	}
	exchange(t, a, b)
	phases(t, a, 1, 1)
	phases(t, b, 1, 1)
}

// TestUpdateByCount: the update comes by itself, and once more when the pause is over.
func TestUpdateByCount(t *testing.T) {
	a, b := sides(t, AES128GCM, Limits{Update: 10, Sealed: 100, Forged: 5})
	exchange(t, a, b) // a has sent two
	now := time.Duration(0)
	for round := uint64(1); round <= 5; round++ {
		for a.sealed < 10 {
			if !b.take(a.packet(1)) {
				t.Fatal("does not open")
			}
		}
		phases(t, a, round-1, round-1)
		exchange(t, a, b)
		phases(t, a, round, round)
		exchange(t, a, b)
		for range 2 {
			now += 3 * testPTO
			a.Advance(now, testPTO)
			b.Advance(now, testPTO)
		}
	}
}

// TestSealLimit [W215]: a peer that never acknowledges gets as many packets as one key may seal, and the last words.
func TestSealLimit(t *testing.T) {
	a, b := sides(t, AES128GCM, Limits{Update: 10, Sealed: 100, Forged: 5})
	sent := 0
	for ; a.Room() > 0; sent++ {
		if !b.take(a.packet(1)) {
			t.Fatal("does not open")
		}
	}
	if sent != 100-sealReserve {
		t.Errorf("%d packets, want %d", sent, 100-sealReserve)
	}
	for range sealReserve {
		if !b.take(a.packet(1)) {
			t.Fatal("the last words do not open")
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a key was used beyond its limit")
		}
	}()
	a.packet(1)
}

// TestLimits [W215] [W216]: those of RFC 9001 section 6.6, with an update in good time.
func TestLimits(t *testing.T) {
	for s, want := range map[Suite]Limits{
		AES128GCM: {1 << 22, 1 << 23, 1 << 52}, AES256GCM: {1 << 22, 1 << 23, 1 << 52}, ChaCha20Poly1305: {1 << 22, 1 << 62, 1 << 36},
	} {
		if got := s.Limits(); got != want {
			t.Errorf("%v: %+v, want %+v", s, got, want)
		}
	}
}

// TestForgedLimit [W216]: a connection bears so many forged packets, and then none that is right.
func TestForgedLimit(t *testing.T) {
	a, b := sides(t, ChaCha20Poly1305, Limits{Update: 10, Sealed: 100, Forged: 5})
	p := a.packet(1)
	for i := range 5 {
		forged := bytes.Clone(p)
		forged[len(forged)-1] ^= byte(1 + i)
		if b.take(forged) || b.Err() != nil {
			t.Fatalf("forged packet %d: %v", i, b.Err())
		}
	}
	if !b.take(p) || b.Forged() != 5 {
		t.Fatalf("after %d forged packets: %v", b.Forged(), b.Err())
	}
	p[len(p)-1]++
	if b.take(p) || !errors.Is(b.Err(), ErrLimit) {
		t.Errorf("one too many: %v", b.Err())
	}
	if b.take(a.packet(1)) {
		t.Error("a packet opens beyond the limit")
	}
}

// TestForgedUpdate: who flips the key phase costs us one derivation, once.
func TestForgedUpdate(t *testing.T) {
	a, b := sides(t, AES256GCM, Limits{})
	exchange(t, a, b)
	for range 3 {
		p := a.packet(1)
		flipped := bytes.Clone(p)
		flipped[0] ^= phaseBit
		next := b.next
		if b.take(flipped) || b.Err() != nil {
			t.Fatalf("opened, or %v", b.Err())
		}
		if b.next != next || !b.take(p) {
			t.Error("the right one does not open after it")
		}
		phases(t, b, 0, 0)
	}
	if b.Forged() != 3 {
		t.Errorf("%d forged packets, want 3", b.Forged())
	}
}

// TestUpdateRules [W214]: what a peer must not do with its keys ends the connection.
func TestUpdateRules(t *testing.T) {
	// force goes on by a phase, whatever the rules say.
	force := func(s *side) {
		s.updateSend()
		s.recvPhase++
	}
	for _, c := range []struct {
		name string
		do   func(a, b *side) bool // returns whether b accepts
	}{
		{"two updates without an answer", func(a, b *side) bool {
			a.updateSend()
			b.take(a.packet(1))
			force(a)
			return b.take(a.packet(1))
		}},
		{"an old number under new keys", func(a, b *side) bool {
			old := a.next
			a.next++
			b.take(a.packet(1))
			a.updateSend()
			a.next = old
			return b.take(a.packet(1))
		}},
		{"an ACK of the new phase in the old", func(a, b *side) bool {
			b.updateSend()
			a.take(b.packet(1))
			return b.Acked(b.next - 1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := sides(t, AES128GCM, Limits{})
			exchange(t, a, b)
			if c.do(a, b) || !errors.Is(b.Err(), ErrKeyUpdate) {
				t.Errorf("accepted, or %v", b.Err())
			}
		})
	}
}

// TestReservedBits [W209]: a packet that has them set was sealed by its sender, and is dropped all the same; it is no forgery.
func TestReservedBits(t *testing.T) {
	a, b := sides(t, AES128GCM, Limits{})
	for _, bit := range []byte{0x04, 0x08} {
		h := wire.Must(wire.AppendShort(nil, 9, 0, 3))
		h[0] |= bit
		if b.take(a.Seal(append(h, 1), 0, len(h), 0)) || b.Forged() != 0 {
			t.Errorf("opened with bit %#x, or %d forged", bit, b.Forged())
		}
	}
}

// TestNextKeys: they are made once a connection is in use, not before.
func TestNextKeys(t *testing.T) {
	a, b := sides(t, AES128GCM, Limits{})
	for i := range nextAfter {
		b.Advance(0, testPTO)
		if b.next != 0 || b.DataKeys.next != nil {
			t.Fatalf("made after %d packets", i)
		}
		if !b.take(a.packet(1)) {
			t.Fatal("does not open")
		}
	}
	b.Advance(0, testPTO)
	if b.DataKeys.next == nil {
		t.Errorf("not made after %d packets", nextAfter)
	}
}

// TestNoKeys: packets that come before the keys are dropped, and not counted.
func TestNoKeys(t *testing.T) {
	a, _ := sides(t, AES128GCM, Limits{})
	k, err := NewDataKeys(AES128GCM, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := k.Open(a.packet(1), wire.ShortHeaderLen(0), 0, false); ok || k.Forged() != 0 || k.Ready() {
		t.Errorf("opened without keys, or %d forged", k.Forged())
	}
}

// TestSealElsewhere: where frames stand makes no difference to a packet, nor where they are decrypted to. Memory of another size than
// theirs is not used, and in what was to have those of a damaged packet nothing of them is left.
func TestSealElsewhere(t *testing.T) {
	for _, s := range suites {
		a, b := sides(t, s, Limits{})
		frames := bytes.Repeat([]byte("elsewhere"), 100)
		header := wire.Must(wire.AppendShort(make([]byte, 0, 1500), 9, 0, 3))
		packet := a.SealFrom(header, 0, frames, 0)
		again, _ := sides(t, s, Limits{})
		if want := again.packet(frames...); !bytes.Equal(packet, want) {
			t.Errorf("%v: a packet differs from one that is sealed in place", s)
		}
		for _, size := range []int{len(frames) - 1, len(frames), len(frames) + 1} {
			p, dst := bytes.Clone(packet), make([]byte, size)
			_, got, ok := b.OpenTo(dst, p, wire.ShortHeaderLen(0), 0, false)
			if !ok || !bytes.Equal(got, frames) {
				t.Fatalf("%v: %v, %q", s, ok, got)
			}
			if elsewhere := &got[0] == &dst[0]; elsewhere != (size == len(frames)) {
				t.Errorf("%v: %d bytes of memory for %d of frames: used %v", s, size, len(frames), elsewhere)
			}
		}
		packet[len(packet)-1] ^= 1
		dst := make([]byte, len(frames))
		if _, _, ok := b.OpenTo(dst, packet, wire.ShortHeaderLen(0), 0, false); ok || !bytes.Equal(dst, make([]byte, len(dst))) {
			t.Errorf("%v: of a damaged packet: %v, %q", s, ok, dst)
		}
	}
}

package router

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"example.com/ebb/wire"
)

// sealed is a packet of a protected connection as the router sees it: nothing behind the header means anything.
func sealed(kind wire.PacketType, dst, src wire.ID, cookie []byte) []byte {
	b := wire.Must(wire.AppendHeader(nil, wire.Header{
		Type: kind, Version: wire.VersionProtected, Dst: dst, Src: src, Cookie: cookie, NumberLen: 1,
	}))
	return append(b, bytes.Repeat([]byte{0xa5}, wire.MinInitialSize-len(b))...)
}

// sealedShort is a short packet of so many bytes.
func sealedShort(dst wire.ID, size int) []byte {
	b := wire.Must(wire.AppendShort(nil, dst, 0, 1))
	b[0] |= 0x1f
	return append(b, bytes.Repeat([]byte{0x5a}, size-len(b))...)
}

// meets has a protected INITIAL open a connection, and returns its ID.
func (s *scene) meets(from netip.AddrPort, id wire.ID) (wire.ID, *client) {
	s.Helper()
	v := s.get(from, sealed(wire.Initial, dstOf(id), id, nil), Open)
	if !v.Protected {
		s.Fatal("it is not a protected one")
	}
	return s.accepts(from, v)
}

// says demands that an answer is of a version and type, with a code.
func (s *scene) says(v Verdict[*client], version uint32, kind wire.PacketType, code wire.Code) {
	s.Helper()
	h, payload, err := wire.ParseAnswer(v.Reply, version)
	if err != nil || h.Type != kind || !wire.Verify(v.Reply, wire.Seed(version, h.Dst, h.Src)) {
		s.Fatalf("%v, %v, want %v of version %#x", h, err, kind, version)
	}
	var f wire.Frame
	if _, err := f.ParseIn(kind, payload); kind == wire.Refuse && (err != nil || f.Code != code) {
		s.Errorf("code %v, %v, want %v", f.Code, err, code)
	}
}

// TestWrongProtection [W240] [W241]: a listener refuses dials of the other version and says why, each in the dial's own.
func TestWrongProtection(t *testing.T) {
	secure := newScene(t, Config{Listening: true, Protected: true})
	secure.says(secure.get(alice, initial(0xd, 0xc, nil), Reply), wire.Version, wire.Refuse, wire.CodeProtected)
	plain := newScene(t, Config{Listening: true})
	v := plain.get(alice, sealed(wire.Initial, 0xd, 0xc, nil), Reply)
	plain.says(v, wire.VersionProtected, wire.Refuse, wire.CodePlain)
	if v.Refused != wire.CodePlain {
		t.Errorf("the verdict says %v", v.Refused)
	}
	for _, s := range []*scene{secure, plain} {
		s.SetListening(false)
		s.says(s.get(alice, initial(0xd, 0xc, nil), Reply), wire.Version, wire.Refuse, wire.CodeRefused)
		s.says(s.get(alice, sealed(wire.Initial, 0xd, 0xc, nil), Reply), wire.VersionProtected, wire.Refuse, wire.CodeRefused)
		if got := s.Counters(); got.Opened != 0 || got.Refusals != 3 {
			t.Errorf("%+v", got)
		}
	}
	secure.drops(alice, initial(0xd, 0xc, nil)[:1199], Small)
	secure.drops(alice, sealed(wire.Initial, 0xd, 0xc, nil)[:1199], Small)
	old := sealed(wire.Initial, 0xd, 0xc, nil)
	old[4] = 0x99
	_, payload, err := wire.ParseHeader(secure.get(alice, old, Reply).Reply)
	if got := slices.Collect(wire.ParseVersions(payload)); err != nil || !slices.Equal(got, []uint32{wire.Version, wire.VersionProtected}) {
		t.Errorf("versions %x, %v", got, err)
	}
}

// TestOneVersionEach [W242]: a dial gets no packet of the other version, not even from the address that it goes to.
func TestOneVersionEach(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := newScene(t, Config{Protected: on})
		c := s.dials(bob, 0x10)
		versions := []uint32{wire.Version, wire.VersionProtected}
		if !on {
			slices.Reverse(versions)
		}
		for _, kind := range []wire.PacketType{wire.Retry, wire.Refuse} {
			frames := wire.AppendClose(nil, wire.CodeRefused, "")
			if kind == wire.Retry {
				frames = wire.Must(wire.AppendCookie(nil, []byte("c")))
			}
			s.drops(bob, longOf(wire.Header{Type: kind, Version: versions[0], Dst: 0x10, Src: 2}, frames, 0), Stray)
		}
		accept := map[uint32][]byte{
			wire.Version: long(wire.Accept, 0x10, 0x20, wire.AppendPing(nil), 60), wire.VersionProtected: sealed(wire.Accept, 0x10, 0x20, nil),
		}
		s.drops(bob, accept[versions[0]], Stray)
		if v := s.get(bob, accept[versions[1]], Deliver); v.Conn != c {
			t.Errorf("the dial does not get its ACCEPT")
		}
	}
}

// TestSealedOrder [W243]: before an INITIAL costs a key, everything else stands in its way, and the cookie is the last.
func TestSealedOrder(t *testing.T) {
	s := newScene(t, Config{Listening: true, Protected: true, RetryAfter: 2, MaxHalfOpen: 3, Backlog: 1})
	local, c := s.meets(alice, 1)
	if v := s.get(alice, sealed(wire.Initial, dstOf(1), 1, nil), Deliver); v.Conn != c {
		t.Error("the pair is not known")
	}
	s.drops(bob, sealed(wire.Handshake, local, 1, nil), Stray)
	s.drops(alice, sealed(wire.Handshake, local, 2, nil), Stray)
	s.drops(alice, sealed(wire.Accept, local, 1, nil), Stray)
	s.get(alice, sealed(wire.Handshake, local, 1, nil), Deliver)
	s.meets(bob, 2)
	retry := s.get(carol, sealed(wire.Initial, dstOf(3), 3, nil), Reply)
	s.says(retry, wire.VersionProtected, wire.Retry, 0)
	_, payload, _ := wire.ParseAnswer(retry.Reply, wire.VersionProtected)
	var f wire.Frame
	if _, err := f.ParseIn(wire.Retry, payload); err != nil {
		t.Fatal(err)
	}
	s.says(s.get(carol, sealed(wire.Initial, dstOf(3), 3, []byte("not this one 1234567")), Reply), wire.VersionProtected, wire.Retry, 0)
	if v := s.get(carol, sealed(wire.Initial, dstOf(3), 3, f.Data), Open); !v.Proven || !v.Protected {
		t.Errorf("%+v", v)
	}
	s.Remove(s.now, local, FinalState{Code: wire.CodeReset, Hold: time.Second})
	s.drops(alice, sealed(wire.Initial, dstOf(1), 1, nil), Late)
}

// TestForget [W244]: what opens no connection leaves nothing, and its pair may come again at once.
func TestForget(t *testing.T) {
	s := newScene(t, Config{Listening: true, Protected: true})
	local, _ := s.meets(alice, 1)
	if got := s.Counters(); got.HalfOpen != 1 {
		t.Errorf("%d are half-open while one is tried", got.HalfOpen)
	}
	s.Forget(local)
	if got := s.Counters(); got.HalfOpen+got.Tombstones+got.Connections != 0 || got.Forgotten != 1 || s.Len() != 0 {
		t.Errorf("%+v", got)
	}
	local, _ = s.meets(alice, 1)
	s.Establish(s.now, local)
	s.Forget(local)
	if s.Len() != 1 {
		t.Error("one that is complete was forgotten")
	}
}

// TestSealedInitialMeetsADial [W228] [W245]: it crosses none, whoever listens.
func TestSealedInitialMeetsADial(t *testing.T) {
	s := newScene(t, Config{Protected: true})
	c := s.dials(bob, 0x10)
	s.drops(bob, sealed(wire.Initial, dstOf(0x99), 0x99, nil), Crossed)
	s.drops(netip.AddrPortFrom(bob.Addr(), 7), sealed(wire.Initial, dstOf(0x99), 0x99, nil), Crossed)
	s.SetListening(true)
	local, _ := s.meets(bob, 0x99)
	if fate, dial := s.Establish(s.now, local); fate != Queued || dial != nil {
		t.Errorf("%v, %v", fate, dial)
	}
	s.Meet(0x10, 0x20)
	if fate, _ := s.Establish(s.now, 0x10); fate != Connected {
		t.Errorf("the dial: %v", fate)
	}
	s.SetListening(false)
	s.says(s.get(bob, sealed(wire.Initial, dstOf(0x98), 0x98, nil), Reply), wire.VersionProtected, wire.Refuse, wire.CodeRefused)
	if v := s.get(bob, wire.Must(wire.AppendUnknownToken(nil, 0x20, make([]byte, 16))), Deliver); v.Conn != c {
		t.Error("UNKNOWN does not find the dial")
	}
	s.drops(alice, wire.Must(wire.AppendUnknownToken(nil, 0x20, make([]byte, 16))), Stray)
}

// TestSealedQueue [W246] [W251]: while the queue is full no handshake gets on, and those that were under way are refused. The queue is never
// longer than it may be.
func TestSealedQueue(t *testing.T) {
	s := newScene(t, Config{Listening: true, Protected: true, Backlog: 1})
	first, _ := s.meets(alice, 1)
	second, _ := s.meets(alice, 2)
	third, _ := s.meets(alice, 3)
	for _, id := range []wire.ID{first, second} {
		s.get(alice, sealed(wire.Handshake, id, map[wire.ID]wire.ID{first: 1, second: 2}[id], nil), Deliver)
	}
	if fate, _ := s.Establish(s.now, first); fate != Queued {
		t.Errorf("the first: %v", fate)
	}
	s.drops(alice, sealed(wire.Handshake, third, 3, nil), BacklogFull)
	s.drops(alice, sealed(wire.Initial, dstOf(4), 4, nil), BacklogFull)
	if fate, _ := s.Establish(s.now, second); fate != Refused {
		t.Errorf("the second: %v, want Refused", fate)
	}
	if got := s.Counters(); got.Queued != 1 || got.HalfOpen != 1 {
		t.Errorf("%+v", got)
	}
	s.Next()
	s.get(alice, sealed(wire.Handshake, third, 3, nil), Deliver)
	if fate, _ := s.Establish(s.now, third); fate != Queued {
		t.Errorf("the third: %v", fate)
	}
}

// TestLastWords [W238] [W247]: they are said to the connection's address alone, and ever more rarely.
func TestLastWords(t *testing.T) {
	s := newScene(t, Config{Listening: true, Protected: true})
	local, _ := s.meets(alice, 1)
	s.Establish(s.now, local)
	s.Remove(s.now, local, FinalState{Code: wire.CodeNone, Hold: time.Minute})
	words := sealedShort(1, 60)
	s.LastWords(s.now, local, words)
	s.drops(bob, sealedShort(local, 30), Stray)
	var answered []int
	for i := 1; i <= 40; i++ {
		if v := s.Route(s.now, alice, sealedShort(local, 20), nil); v.Action == Reply {
			answered = append(answered, i)
			if !bytes.Equal(v.Reply, words) {
				t.Errorf("%x", v.Reply)
			}
		}
	}
	if !slices.Equal(answered, []int{1, 2, 4, 8, 16, 32}) {
		t.Errorf("packets %v were answered", answered)
	}
	s.now += time.Hour
	s.says(s.get(alice, sealedShort(local, 40), Reply), wire.VersionProtected, wire.Unknown, 0)
	s.Sweep(s.now)
	if len(s.closed.words) != 0 {
		t.Error("last words outlive their tombstone")
	}
	mute, _ := s.meets(alice, 2)
	s.Remove(s.now, mute, FinalState{Code: wire.CodeReset, Hold: time.Minute})
	s.drops(alice, sealedShort(mute, 40), Late)
}

// TestResetTokens [W233] [W248] [W249] [W250]: the token of an ID follows from key, port and ID, and is told to what is larger than the answer.
func TestResetTokens(t *testing.T) {
	key := [32]byte{1}
	s := newScene(t, Config{Protected: true, ResetKey: key, Port: 9, Seed: [32]byte{5}})
	want := s.ResetToken(7)
	for size := 13; size < 60; size++ {
		b := sealedShort(7, size)
		switch v := s.Route(s.now, alice, b, nil); {
		case size <= wire.UnknownSize:
			if v.Action != Drop {
				t.Errorf("%d bytes: %v", size, v.Action)
			}
		case size < minTokenAsked:
			s.says(v, wire.Version, wire.Unknown, 0)
		default:
			s.says(v, wire.VersionProtected, wire.Unknown, 0)
			if _, payload, _ := wire.ParseAnswer(v.Reply, wire.VersionProtected); !bytes.Equal(payload, want[:]) || len(v.Reply) >= size {
				t.Errorf("%d bytes for %d, token %x, want %x", len(v.Reply), size, payload, want)
			}
		}
		s.now += time.Second
	}
	for name, other := range map[string]Config{
		"key": {ResetKey: [32]byte{2}, Port: 9}, "port": {ResetKey: key, Port: 10}, "no key": {Port: 9}, "no key, other seed": {Port: 9, Seed: [32]byte{1}},
	} {
		if New[*client](other).ResetToken(7) == want {
			t.Errorf("%s: the same token", name)
		}
	}
	if New[*client](Config{ResetKey: key, Port: 9}).ResetToken(7) != want || s.ResetToken(8) == want {
		t.Error("the token does not follow from key, port and ID")
	}
	if New[*client](Config{}).ResetToken(7) == New[*client](Config{Seed: [32]byte{1}}).ResetToken(7) {
		t.Error("without a key all endpoints have one token")
	}
}

// TestSealedSender: of a packet that ICMP quotes the IDs say whose it is.
func TestSealedSender(t *testing.T) {
	s := newScene(t, Config{Listening: true, Protected: true})
	c := s.dials(bob, 0x10)
	s.Meet(0x10, 0x20)
	for name, b := range map[string][]byte{"INITIAL": sealed(wire.Initial, 1, 0x10, nil)[:30], "short": sealedShort(0x20, 30)[:12]} {
		if got, ok := s.SealedSender(bob, b); !ok || got != c {
			t.Errorf("%s: %v, %v", name, got, ok)
		}
		if _, ok := s.SealedSender(alice, b); ok {
			t.Errorf("%s: of a packet to elsewhere", name)
		}
		for n := range b {
			if _, ok := s.SealedSender(bob, b[:n]); ok && n < 9 {
				t.Errorf("%s: %d bytes are enough", name, n)
			}
		}
	}
}

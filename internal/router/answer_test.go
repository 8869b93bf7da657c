package router

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"example.com/ebb/wire"
)

// TestRefuse carries, of docs/wire.md: [W86] [W119].
func TestRefuse(t *testing.T) {
	s := newScene(t, Config{})
	b := initial(0xd, 0xc, nil)
	v := s.get(alice, b, Reply)
	h, f := s.parsed(v.Reply, wire.Seed(wire.Version, 0xc, 0xd))
	if h.Type != wire.Refuse || h.Dst != 0xc || h.Src != 0xd || f.Type != wire.FrameClose || f.Code != wire.CodeRefused {
		t.Errorf("reply %v %v", h, f)
	}
	if len(v.Reply) >= len(b) {
		t.Errorf("a reply of %d bytes to %d", len(v.Reply), len(b))
	}
	s.SetListening(true)
	if v := s.get(alice, b, Open); v.Proven {
		t.Error("an address is proven without a cookie")
	}
	s.SetListening(false)
	s.get(alice, b, Reply)

	prefix := []byte("kept")
	if v := s.Route(s.now, alice, b, prefix); string(v.Reply[:4]) != "kept" {
		t.Errorf("the reply does not follow what the buffer held")
	}
	if got := s.Counters(); got.Refusals != 3 {
		t.Errorf("Refusals = %d", got.Refusals)
	}
}

// TestUnknown carries, of docs/wire.md: [W20] [W103] [W105] [W106] [W119].
func TestUnknown(t *testing.T) {
	s := newScene(t, Config{})
	v := s.get(alice, short(0xbad, 1, data(5)), Reply)
	h, _ := s.parsed(v.Reply, wire.Seed(wire.Version, 0, 0xbad))
	if h.Type != wire.Unknown || h.Src != 0xbad || len(v.Reply) != wire.UnknownSize {
		t.Errorf("reply %v, %d bytes", h, len(v.Reply))
	}
	// Never as large as what it answers, never an answer to an answer.
	for n := 1; n < 40; n++ {
		b := short(0xbad, 1, data(n))
		if len(b) <= wire.UnknownSize {
			s.drops(alice, b, Small)
		} else if got := s.get(alice, b, Reply); len(got.Reply) >= len(b) {
			t.Errorf("%d bytes for %d", len(got.Reply), len(b))
		}
	}
	s.drops(alice, v.Reply, Stray)
	if got := s.Counters(); got.Unknowns == 0 {
		t.Error("not counted")
	}
}

// TestVersions carries, of docs/wire.md: [W11] [W109] [W110].
func TestVersions(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Initial, Version: 0x45424299, Dst: 1, Src: 2, NumberLen: 1}))
	s.drops(alice, b, Small)
	b = append(b, make([]byte, wire.MinInitialSize-len(b))...)
	v := s.get(alice, b, Reply)
	h, _, err := wire.ParseHeader(v.Reply)
	if err != nil || h.Type != wire.Versions || h.Dst != 2 || h.Src != 1 || !wire.Verify(v.Reply, wire.Seed(0, 2, 1)) {
		t.Errorf("reply %v, %v", h, err)
	}
	// Version 0 is never answered, whatever its size.
	s.drops(alice, append(v.Reply, make([]byte, 1200)...), Corrupt)
	_, payload, _ := wire.ParseHeader(v.Reply)
	if got := slices.Collect(wire.ParseVersions(payload)); !slices.Equal(got, []uint32{wire.Version, wire.VersionProtected}) {
		t.Errorf("versions %x", got)
	}
	b[1], b[2], b[3], b[4] = 0, 0, 0, 0
	s.drops(alice, b, Malformed)
	if got := s.Counters(); got.Versions != 1 {
		t.Errorf("Versions = %d", got.Versions)
	}
}

// TestAnswersAreLimited carries, of docs/wire.md: [W117].
func TestAnswersAreLimited(t *testing.T) {
	s := newScene(t, Config{ReplyRate: 100})
	old := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Initial, Version: 99, Dst: 1, Src: 2, NumberLen: 1}))
	old = append(old, make([]byte, wire.MinInitialSize-len(old))...)
	s.dials(bob, 0x10)
	s.get(bob, long(wire.Accept, 0x10, 0x20, wire.AppendPing(nil), 60), Deliver)
	s.Remove(s.now, 0x10, FinalState{Hold: time.Hour})
	for _, b := range [][]byte{
		initial(1, 2, nil),          // REFUSE
		short(0xbad, 1, data(30)),   // UNKNOWN
		old,                         // VERSIONS
		short(0x10, 0x20, data(30)), // CLOSE
	} {
		s.now += time.Second
		for range 10 { // a tenth of a second's worth at once
			s.get(alice, b, Reply)
		}
		s.drops(alice, b, Limited)
		s.now += 9 * time.Millisecond
		s.drops(alice, b, Limited)
		s.now += time.Millisecond
		s.get(alice, b, Reply)
		s.drops(alice, b, Limited)
	}
	silent := newScene(t, Config{ReplyRate: -1})
	silent.drops(alice, initial(1, 2, nil), Limited)
}

// TestHalfOpenBounds carries, of docs/wire.md: [W83].
func TestHalfOpenBounds(t *testing.T) {
	s := newScene(t, Config{Listening: true, RetryAfter: -1, MaxHalfOpen: 3, Backlog: 2})
	var ids []wire.ID
	var first *client
	for i := range wire.ID(3) {
		id, c := s.opens(alice, 100+i)
		if ids = append(ids, id); first == nil {
			first = c
		}
	}
	s.drops(alice, initial(1, 200, nil), HalfOpenFull)
	s.Establish(s.now, ids[0])
	s.Establish(s.now, ids[0]) // twice is once
	id, _ := s.opens(alice, 200)
	s.Establish(s.now, ids[1])
	if got := s.Counters(); got.HalfOpen != 2 || got.Queued != 2 {
		t.Fatalf("counters %+v", got)
	}
	s.drops(alice, initial(1, 201, nil), BacklogFull)
	if c, ok := s.Next(); !ok || c != first {
		t.Fatalf("Next = %v, %v", c, ok)
	}
	s.opens(alice, 201)

	s.Remove(s.now, ids[1], FinalState{Code: wire.CodeReset}) // queued
	s.Remove(s.now, id, FinalState{})                         // half-open
	s.Remove(s.now, id, FinalState{})
	if got := s.Counters(); got.HalfOpen != 2 || got.Queued != 0 || got.Connections != 3 {
		t.Errorf("counters %+v", got)
	}
}

// TestRetry carries, of docs/wire.md: [W71] [W72] [W77] [W80] [W119].
func TestRetry(t *testing.T) {
	s := newScene(t, Config{Listening: true, RetryAfter: 1})
	s.opens(alice, 1)

	const id = wire.ID(0xc)
	bare := initial(dstOf(id), id, nil)
	v := s.get(bob, bare, Reply)
	h, f := s.parsed(v.Reply, wire.Seed(wire.Version, id, dstOf(id)))
	if h.Type != wire.Retry || h.Dst != id || h.Src != dstOf(id) || f.Type != wire.FrameCookie {
		t.Fatalf("reply %v %v", h, f)
	}
	if 3*len(v.Reply) > len(bare) {
		t.Errorf("RETRY of %d bytes", len(v.Reply))
	}
	if got := s.Counters(); got.Connections != 1 || got.Retries != 1 {
		t.Errorf("a RETRY left state: %+v", got)
	}
	cookie := append([]byte(nil), f.Data...)
	wrong := append([]byte(nil), cookie...)
	wrong[7] ^= 1
	s.asksAgain(bob, dstOf(id), id, wrong)
	s.asksAgain(bob, dstOf(id), id, cookie[:19])
	s.asksAgain(alice, dstOf(id), id, cookie)
	s.asksAgain(bob, dstOf(id), id+1, cookie)
	s.asksAgain(bob, dstOf(id)+1, id, cookie)

	s.now += 10*time.Second + time.Millisecond
	s.asksAgain(bob, dstOf(id), id, cookie)
	s.now -= time.Millisecond
	v = s.get(bob, initial(dstOf(id), id, cookie), Open)
	if !v.Proven {
		t.Error("a good cookie proves nothing")
	}
	s.accepts(bob, v)
	if v := s.get(bob, initial(dstOf(id), id, cookie), Deliver); v.Conn == nil {
		t.Error("a second use of the cookie made another connection")
	}
}

// asksAgain routes an INITIAL whose cookie is wrong or old: it is answered by another that is right.
func (s *scene) asksAgain(from netip.AddrPort, dst, id wire.ID, cookie []byte) {
	s.Helper()
	before := s.Counters().BadCookies
	v := s.get(from, initial(dst, id, cookie), Reply)
	h, f := s.parsed(v.Reply, wire.Seed(wire.Version, id, dst))
	if h.Type != wire.Retry || !s.cookies.valid(s.now, from, wire.Header{Version: wire.Version, Src: id, Dst: dst, Cookie: f.Data}) {
		s.Errorf("a wrong cookie is answered by %v with %x", h, f.Data)
	}
	if got := s.Counters().BadCookies; got != before+1 {
		s.Errorf("%d wrong cookies, want %d", got, before+1)
	}
}

// TestRetryIsNotLimited: under load it is the only way in.
// Of docs/wire.md: [W118].
func TestRetryIsNotLimited(t *testing.T) {
	s := newScene(t, Config{Listening: true, RetryAfter: 1, ReplyRate: 1})
	s.opens(alice, 1)
	for i := range wire.ID(2000) {
		s.get(bob, initial(1, 100+i, nil), Reply)
	}
}

// TestAnyPartOfAMessageOpens: the INITIALs of a flight arrive in any order, and the first to come opens the connection that all
// of them belong to.
// Of docs/wire.md: [W53] [W55].
func TestAnyPartOfAMessageOpens(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	part := func(offset uint64) []byte {
		return long(wire.Initial, dstOf(7), 7, wire.Must(wire.AppendCrypto(nil, offset, make([]byte, 500))), wire.MinInitialSize)
	}
	_, c := s.accepts(alice, s.get(alice, part(1000), Open))
	for _, offset := range []uint64{0, 500, 1000} {
		if v := s.get(alice, part(offset), Deliver); v.Conn != c {
			t.Errorf("the part at %d goes to %v", offset, v.Conn)
		}
	}
}

// TestCookieIsUsedOnce carries, of docs/wire.md: [W79].
func TestCookieIsUsedOnce(t *testing.T) {
	s := newScene(t, Config{Listening: true, RetryAfter: 1})
	s.opens(alice, 1)
	v := s.get(carol, initial(5, 6, nil), Reply)
	_, f := s.parsed(v.Reply, wire.Seed(wire.Version, 6, 5))
	b := initial(5, 6, f.Data)
	local, _ := s.accepts(carol, s.get(carol, b, Open))
	s.Remove(s.now, local, FinalState{Hold: 100 * time.Millisecond})
	for range 100 {
		s.drops(carol, b, Late)
		s.now += 100 * time.Millisecond
	}
	s.now += 20 * time.Millisecond
	s.asksAgain(carol, 5, 6, f.Data)
}

// TestCookieKeysRotate carries, of docs/wire.md: [W77] [W78].
func TestCookieKeysRotate(t *testing.T) {
	j := cookieJar{secret: derive([32]byte{1}, "cookies")}
	dial := wire.Header{Version: wire.Version, Src: 1, Dst: 2}
	keys := map[string]bool{}
	for minute := range 4 {
		// Across the boundary of two periods a cookie keeps its meaning.
		at := time.Duration(minute)*cookieRotation + cookieRotation - time.Second
		c := j.make(at, alice, dial)
		if !j.valid(at+5*time.Second, alice, withCookie(dial, c)) {
			t.Errorf("minute %d: not valid 5 s later", minute)
		}
		keys[string(c[4:])] = true
		if j.valid(at-time.Second, alice, withCookie(dial, c)) {
			t.Errorf("minute %d: valid before it was made", minute)
		}
		// 2^32 ms later the time in the cookie reads the same.
		if j.valid(at+(1<<32)*time.Millisecond, alice, withCookie(dial, c)) {
			t.Errorf("minute %d: valid after the time wrapped", minute)
		}
	}
	if len(keys) != 4 {
		t.Errorf("%d different cookies", len(keys))
	}
	if a, b := j.make(0, carol, dial), j.make(0, carolElsewhere, dial); a == b {
		t.Error("a cookie does not bind the zone")
	}
	protected := dial
	protected.Version = wire.VersionProtected
	if a, b := j.make(0, alice, dial), j.make(0, alice, protected); a == b {
		t.Error("a cookie does not bind the version")
	}
}

// withCookie is the header of the INITIAL that brings a cookie.
func withCookie(h wire.Header, c [cookieSize]byte) wire.Header {
	h.Cookie = c[:]
	return h
}

var carolElsewhere = netip.AddrPortFrom(carol.Addr().WithZone("eth1"), carol.Port())

package router

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

var (
	alice = netip.MustParseAddrPort("192.0.2.1:1000")
	bob   = netip.MustParseAddrPort("198.51.100.7:2000")
	carol = netip.MustParseAddrPort("[2001:db8::3%eth0]:3000")
)

// client is a connection as tests name it.
type client struct{ name string }

// scene is a router with the time of a test.
type scene struct {
	*testing.T
	*Router[*client]
	now time.Duration
}

func newScene(t *testing.T, cfg Config) *scene {
	return &scene{T: t, Router: New[*client](cfg), now: 5 * time.Second}
}

// get routes a datagram and demands the action.
func (s *scene) get(from netip.AddrPort, b []byte, want Action) Verdict[*client] {
	s.Helper()
	v := s.Route(s.now, from, b, nil)
	if v.Action != want {
		s.Fatalf("from %v: action %v (%v), want %v\n%s", from, v.Action, v.Reason, want, wire.Describe(b))
	}
	return v
}

// drops routes a datagram and demands that it is dropped and counted for the
// reason.
func (s *scene) drops(from netip.AddrPort, b []byte, want Reason) {
	s.Helper()
	before := s.Counters().Dropped[want]
	if v := s.get(from, b, Drop); v.Reason != want {
		s.Fatalf("dropped as %v, want %v", v.Reason, want)
	}
	if got := s.Counters().Dropped[want]; got != before+1 {
		s.Fatalf("%v counts %d, want %d", want, got, before+1)
	}
}

// opens routes an INITIAL that must open a connection, and accepts it.
func (s *scene) opens(from netip.AddrPort, id wire.ID) (wire.ID, *client) {
	s.Helper()
	v := s.get(from, initial(dstOf(id), id, nil), Open)
	return s.accepts(from, v)
}

func (s *scene) accepts(from netip.AddrPort, v Verdict[*client]) (wire.ID, *client) {
	s.Helper()
	local, c := s.NewID(), &client{fmt.Sprint(v.Client)}
	if v.Displaced != nil {
		s.Fatalf("connection %v was displaced", v.Displaced)
	}
	s.Accept(local, from, v, c)
	return local, c
}

// dials registers a dial and returns its ID.
func (s *scene) dials(to netip.AddrPort, id wire.ID) *client {
	c := &client{fmt.Sprint(id)}
	if _, err := s.Dial(id, to, c); err != nil {
		s.Fatal(err)
	}
	return c
}

// dstOf is the destination that test clients make up.
func dstOf(id wire.ID) wire.ID { return id ^ 0xffff }

// initial is an INITIAL with parameters, and a cookie if there is one.
func initial(dst, src wire.ID, cookie []byte) []byte {
	p := wire.DefaultParameters()
	message := wire.Must(wire.AppendParameters(nil, &p))
	h := wire.Header{Type: wire.Initial, Version: wire.Version, Dst: dst, Src: src, NumberLen: 1, Cookie: cookie}
	return longOf(h, wire.Must(wire.AppendCrypto(nil, 0, message)), wire.MinInitialSize)
}

// long is a long packet, padded to a size.
func long(t wire.PacketType, dst, src wire.ID, frames []byte, size int) []byte {
	h := wire.Header{Type: t, Version: wire.Version, Dst: dst, Src: src}
	if t == wire.Initial || t == wire.Accept {
		h.NumberLen = 1
	}
	return longOf(h, frames, size)
}

func longOf(h wire.Header, frames []byte, size int) []byte {
	b := append(wire.Must(wire.AppendHeader(nil, h)), frames...)
	b = wire.AppendPadding(b, size-len(b)-wire.TrailerSize)
	return wire.AppendTrailer(b, 0, wire.Seed(h.Version, h.Dst, h.Src))
}

// short is a short packet from src to dst.
func short(dst, src wire.ID, frames []byte) []byte {
	b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Short, Dst: dst, NumberLen: 2}))
	return wire.AppendTrailer(append(b, frames...), 0, wire.Seed(wire.Version, dst, src))
}

// data is a frame with n bytes.
func data(n int) []byte {
	b := wire.Must(wire.AppendDataHeader(nil, 0, n, false, true))
	return append(b, make([]byte, n)...)
}

// parsed is a reply, which must be whole and verify.
func (s *scene) parsed(b []byte, seed uint32) (wire.Header, wire.Frame) {
	s.Helper()
	h, payload, err := wire.ParseHeader(b)
	if version, _, _, ok := wire.Invariants(b); ok && version == wire.VersionProtected {
		h, _, err = wire.ParseAnswer(b, wire.VersionProtected) // UNKNOWN with a token
		seed = wire.Seed(wire.VersionProtected, h.Dst, h.Src)
	}
	if err != nil {
		s.Fatalf("reply: %v\n%s", err, wire.Describe(b))
	}
	if !wire.Verify(b, seed) {
		s.Fatalf("the trailer of the reply is wrong\n%s", wire.Describe(b))
	}
	var f wire.Frame
	if len(payload) > 0 {
		n, err := f.Parse(payload)
		if err != nil || n != len(payload) {
			s.Fatalf("reply: %v, %d of %d bytes\n%s", err, n, len(payload), wire.Describe(b))
		}
	}
	return h, f
}

// TestIDsAreUnpredictableAndFree carries, of docs/wire.md: [W49].
func TestIDsAreUnpredictableAndFree(t *testing.T) {
	a, b := newScene(t, Config{}), newScene(t, Config{})
	other := newScene(t, Config{Seed: [32]byte{1}})
	seen := map[wire.ID]bool{}
	for range 1000 {
		id := a.NewID()
		if id == 0 || seen[id] {
			t.Fatalf("ID %v: zero or repeated", id)
		}
		seen[id] = true
		if twin := b.NewID(); twin != id {
			t.Fatalf("the same seed gave %v and %v", id, twin)
		}
		if stranger := other.NewID(); seen[stranger] {
			t.Fatalf("another seed gave %v too", stranger)
		}
	}
	// The one that comes next is taken, by a connection or its tombstone.
	c := newScene(t, Config{})
	order := New[*client](Config{})
	first, second, third := order.NewID(), order.NewID(), order.NewID()
	c.Dial(first, bob, &client{})
	c.Dial(second, bob, &client{})
	c.Remove(c.now, second, FinalState{Hold: time.Second})
	if got := c.NewID(); got != third {
		t.Errorf("NewID = %v with %v and %v in use, want %v", got, first, second, third)
	}
}

// TestConnectionIsFoundByItsID carries, of docs/wire.md: [W54] [W55].
func TestConnectionIsFoundByItsID(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	id, c := s.opens(alice, 7)
	for _, from := range []netip.AddrPort{alice, bob} { // an address may change
		if v := s.get(from, short(id, 7, data(1)), Deliver); v.Conn != c {
			t.Errorf("from %v: delivered to %v", from, v.Conn)
		}
	}
	if v := s.get(alice, initial(dstOf(7), 7, nil), Deliver); v.Conn != c {
		t.Errorf("duplicate INITIAL: delivered to %v", v.Conn)
	}
	// The same client's ID from another address is another connection.
	id2, c2 := s.opens(bob, 7)
	if v := s.get(bob, short(id2, 7, data(1)), Deliver); v.Conn != c2 || c2 == c {
		t.Errorf("second: delivered to %v", v.Conn)
	}
	if got := s.Counters(); got.Connections != 2 || got.HalfOpen != 0 || got.Opened != 2 || got.Delivered != 4 {
		t.Errorf("counters %+v", got)
	}
}

// TestAnswersToADial carries, of docs/wire.md: [W59] [W74] [W87] [W111].
func TestAnswersToADial(t *testing.T) {
	const ours, theirs = wire.ID(0x10), wire.ID(0x20)
	dst := dstOf(ours)
	ping := wire.AppendPing(nil)
	packets := map[string][]byte{
		"ACCEPT":   long(wire.Accept, ours, theirs, ping, 60),
		"RETRY":    long(wire.Retry, ours, dst, wire.Must(wire.AppendCookie(nil, []byte("c"))), 0),
		"REFUSE":   long(wire.Refuse, ours, dst, wire.AppendClose(nil, wire.CodeRefused, ""), 0),
		"VERSIONS": wire.Must(wire.AppendVersions(nil, idBytes(dst), idBytes(ours))),
	}
	for name, b := range packets {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, Config{})
			c := s.dials(bob, ours)
			if v := s.get(bob, b, Deliver); v.Conn != c {
				t.Errorf("delivered to %v", v.Conn)
			}
			s.drops(alice, b, Stray)

			corrupt := append([]byte(nil), b...)
			corrupt[len(corrupt)-6] ^= 1
			s.drops(bob, corrupt, Corrupt)

			none := newScene(t, Config{})
			none.drops(bob, b, Stray)
		})
	}
	s := newScene(t, Config{})
	s.dials(bob, ours)
	s.get(bob, packets["ACCEPT"], Deliver)
	s.Establish(s.now, ours)
	s.get(bob, packets["ACCEPT"], Deliver) // our CONFIRM may have been lost
	s.drops(bob, long(wire.Accept, ours, theirs+1, ping, 60), Stray)
	for _, late := range []string{"RETRY", "REFUSE", "VERSIONS"} {
		s.drops(bob, packets[late], Stray)
	}
}

func idBytes(id wire.ID) []byte {
	b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Short, Dst: id, NumberLen: 1}))
	return b[1 : 1+wire.IDSize]
}

// TestUnknownFindsBothSides carries, of docs/wire.md: [W107].
func TestUnknownFindsBothSides(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	dial := s.dials(bob, 0x10)
	s.get(bob, long(wire.Accept, 0x10, 0x20, wire.AppendPing(nil), 60), Deliver)
	_, served := s.opens(alice, 7)

	if v := s.get(bob, appendUnknown(nil, 0x20), Deliver); v.Conn != dial {
		t.Errorf("client: delivered to %v", v.Conn)
	}
	if v := s.get(alice, appendUnknown(nil, 7), Deliver); v.Conn != served {
		t.Errorf("server: delivered to %v", v.Conn)
	}
	s.drops(alice, appendUnknown(nil, 0x20), Stray) // not the address of that connection
	s.drops(bob, appendUnknown(nil, 0x10), Stray)   // our own ID, not the peer's
}

// TestForeignAndMalformed carries, of docs/wire.md: [W3] [W22] [W51] [W52].
func TestForeignAndMalformed(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	for _, b := range [][]byte{{}, {0x00, 1}, {0x40}, {0xc0, 0, 0}, []byte("d1:ad2:id20:")} {
		s.get(alice, b, Foreign)
	}
	if got := s.Counters().Foreign; got != 5 {
		t.Errorf("Foreign = %d", got)
	}
	whole := initial(1, 2, nil)
	for n := 1; n < 30; n++ {
		s.drops(alice, whole[:n], s.reasonOf(whole[:n]))
	}
	s.drops(alice, short(1, 2, data(1))[:8], Malformed)
	s.drops(alice, long(wire.Initial, 1, 2, wire.AppendPing(nil), wire.MinInitialSize), Malformed)      // nothing of a handshake
	s.drops(alice, long(wire.Initial, 1, 2, []byte{0x3f}, wire.MinInitialSize), Malformed)              // unknown frame
	s.drops(alice, long(wire.Initial, 1, 2, wire.AppendWindow(nil, 1), wire.MinInitialSize), Malformed) // not in an INITIAL
	s.drops(alice, long(wire.Initial, 1, 2, cryptoAnd(wire.AppendClose(nil, 0, "")), 1200), Malformed)  // over before it began
	s.drops(alice, long(wire.Initial, 1, 2, []byte{byte(wire.FrameCrypto), 0, 0}, 1200), Malformed)     // CRYPTO of nothing
	s.drops(alice, long(wire.Initial, 1, 2, cryptoAnd(nil), wire.MinInitialSize-1), Small)              // too small
	s.drops(alice, append(append([]byte(nil), whole[:600]...), make([]byte, 600)...), Corrupt)          // trailer
	if got := s.Counters(); got.Opened != 0 || got.Refusals != 0 || got.Connections != 0 {
		t.Errorf("counters %+v", got)
	}
}

// reasonOf is what a cut INITIAL is dropped for: it is Small once all of its
// header is there.
func (s *scene) reasonOf(b []byte) Reason {
	if _, _, err := wire.ParseHeader(b); err == wire.ErrInitialSize {
		return Small
	}
	return Malformed
}

func cryptoAnd(frames []byte) []byte {
	return append(wire.Must(wire.AppendCrypto(nil, 0, []byte("part of a message"))), frames...)
}

func TestTombstoneIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(tombstone{}); size > 64 {
		t.Errorf("a tombstone has %d bytes", size)
	}
}

func TestLookUpAllocatesNothing(t *testing.T) {
	g, packets := manyConns(100)
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		if v := g.Route(0, alice, packets[i%len(packets)], nil); v.Action != Deliver {
			t.Fatal("not delivered")
		}
		i++
	}); n != 0 {
		t.Errorf("%v allocations a look-up", n)
	}
}

// manyConns is a router with n connections and a short packet for each.
func manyConns(n int) (*Router[*client], [][]byte) {
	g := New[*client](Config{Listening: true})
	packets := make([][]byte, n)
	for i := range packets {
		id := g.NewID()
		g.Accept(id, alice, Verdict[*client]{Client: wire.ID(i + 1)}, &client{})
		packets[i] = short(id, wire.ID(i+1), data(64))
	}
	return g, packets
}

func BenchmarkLookUp(b *testing.B) {
	b.Run("10", func(b *testing.B) { benchmarkLookUp(b, 10) })
	b.Run("10000", func(b *testing.B) { benchmarkLookUp(b, 10_000) })
}

func benchmarkLookUp(b *testing.B, n int) {
	g, packets := manyConns(n)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if v := g.Route(0, alice, packets[i], nil); v.Action != Deliver {
			b.Fatal("not delivered")
		}
		if i++; i == len(packets) {
			i = 0
		}
	}
}

func TestSenderOfAQuotedPacket(t *testing.T) {
	s := newScene(t, Config{Listening: true})
	dial := s.dials(bob, 7)
	local, accepted := s.opens(alice, 8)
	answered := s.dials(carol, 9)
	s.get(carol, long(wire.Accept, 9, 90, cryptoAnd(nil), 100), Deliver)
	for _, test := range []struct {
		name   string
		remote netip.AddrPort
		header wire.Header
		want   *client
	}{
		{"the INITIAL of a dial", bob, wire.Header{Type: wire.Initial, Dst: 70, Src: 7}, dial},
		{"the same, elsewhere", alice, wire.Header{Type: wire.Initial, Dst: 70, Src: 7}, nil},
		{"an INITIAL of nobody's", bob, wire.Header{Type: wire.Initial, Dst: 70, Src: 6}, nil},
		{"an ACCEPT", alice, wire.Header{Type: wire.Accept, Dst: 8, Src: local}, accepted},
		{"a listener's short packet", alice, wire.Header{Type: wire.Short, Dst: 8}, accepted},
		{"a dialler's short packet", carol, wire.Header{Type: wire.Short, Dst: 90}, answered},
		{"the same, elsewhere", alice, wire.Header{Type: wire.Short, Dst: 90}, nil},
		{"a short packet with our own ID", carol, wire.Header{Type: wire.Short, Dst: 9}, nil},
		{"an answer without a connection", alice, wire.Header{Type: wire.Refuse, Dst: 8, Src: 80}, nil},
	} {
		if got, ok := s.Sender(test.remote, test.header); got != test.want || ok != (test.want != nil) {
			t.Errorf("%s: sender %+v, %v, want %+v", test.name, got, ok, test.want)
		}
	}
}

// held is what a connection from an address costs.
func (s *scene) held(from netip.AddrPort) *limits.Conn {
	s.Helper()
	held, err := s.cfg.Limits.Inbound(0, from.Addr(), false)
	if err != nil {
		s.Fatal(err)
	}
	return held
}

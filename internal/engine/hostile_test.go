package engine_test

import (
	"strings"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/internal/stream"
	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// forger is a peer that knows both IDs of a connection and says what it likes.
type forger struct {
	w              *world
	client, server *simnet.Flow
	clientID       wire.ID
	serverID       wire.ID
	number         uint64
	offset         uint64   // of what it sends next in order: see grow
	replies        []string // what the server sent since
	numbers        []uint64 // of its short packets
}

// newForger connects, cuts the client off and takes its place.
func newForger(t testing.TB) *forger { return newForgerOf(t, fixedFactory(64<<10)) }

// newForgerWith is newForger against a server with limits.
func newForgerWith(t testing.TB, m *limits.Manager) *forger {
	return makeForger(t, fixedFactory(64<<10), func(w *world) { w.server.SetLimits(m) })
}

// newForgerOf is newForger against a server with another controller.
func newForgerOf(t testing.TB, factory congestion.Factory) *forger {
	return makeForger(t, factory, func(*world) {})
}

func makeForger(t testing.TB, factory congestion.Factory, prepare func(w *world)) *forger {
	f := &forger{number: 1000}
	alone := false
	w := newWorld(t, 1, path(0, rtt), simnet.LinkConfig{Delay: rtt / 2, Drop: func(_ int, b []byte) bool {
		if h, _, err := wire.ParseHeader(b); err == nil && h.Type == wire.Accept {
			f.clientID, f.serverID = h.Dst, h.Src
		}
		if h, _, err := wire.ParseHeader(b); err == nil && h.Type == wire.Short {
			var last uint64
			if n := len(f.numbers); n > 0 {
				last = f.numbers[n-1]
			}
			f.numbers = append(f.numbers, wire.DecodeNumber(last, len(f.numbers) > 0, h.Number, h.NumberLen))
		}
		f.replies = append(f.replies, wire.Describe(b))
		return alone
	}})
	f.w = w
	w.server.Controller = factory
	prepare(w)
	f.client, f.server = w.connect()
	w.Run(time.Second)
	f.replies, alone = nil, true
	w.up.SetConfig(w.Now(), simnet.LinkConfig{Loss: 1})
	return f
}

// packet builds a short packet from the client that carries the frames.
func (f *forger) packet(frames []byte) []byte {
	b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Short, Version: wire.Version, Dst: f.serverID, Number: f.number, NumberLen: 4}))
	f.number++
	b = append(b, frames...)
	return wire.AppendTrailer(b, 0, wire.Seed(wire.Version, f.serverID, f.clientID))
}

func (f *forger) say(frames []byte) { f.w.server.Inject(f.w.client.Addr, f.packet(frames)) }

func data(offset uint64, n int, fin bool) []byte {
	return append(wire.Must(wire.AppendDataHeader(nil, offset, n, fin, true)), make([]byte, n)...)
}

func ack(r ...wire.Range) []byte {
	return wire.Must(wire.AppendAck(nil, &wire.Ack{}, r, 1000))
}

// TestBreachEndsTheConnection: a peer that breaks the protocol is told how, once,
// and the connection ends with an error; nothing panics.
// Of docs/wire.md: [W23] [W24] [W25] [W33] [W123] [W125] [W150].
func TestBreachEndsTheConnection(t *testing.T) {
	tests := []struct {
		name   string
		frames [][]byte
		code   wire.Code
	}{
		{"ACK of a packet never sent", [][]byte{ack(wire.Range{First: 0, Last: 1 << 40})}, wire.CodeProtocol},
		{"data beyond the window", [][]byte{data(65530, 100, false)}, wire.CodeFlowControl},
		{"data at the largest offset", [][]byte{data(wire.MaxOffset-1, 1, false)}, wire.CodeFlowControl},
		{"a second FIN at another offset", [][]byte{data(0, 10, true), data(0, 11, true)}, wire.CodeFinalSize},
		{"data behind the FIN", [][]byte{data(0, 10, true), data(10, 1, false)}, wire.CodeFinalSize},
		{"FIN below what came", [][]byte{data(0, 100, false), data(0, 50, true)}, wire.CodeFinalSize},
		{"RESET below what came", [][]byte{data(0, 100, false), wire.Must(wire.AppendReset(nil, wire.CodeReset, 50))}, wire.CodeFinalSize},
		{"RESET at another offset than FIN", [][]byte{data(0, 10, true), wire.Must(wire.AppendReset(nil, wire.CodeReset, 11))}, wire.CodeFinalSize},
		{"COOKIE in a short packet", [][]byte{wire.Must(wire.AppendCookie(nil, []byte("x")))}, wire.CodeProtocol},
		{"CRYPTO in a short packet", [][]byte{wire.Must(wire.AppendCrypto(nil, 0, []byte("x")))}, wire.CodeProtocol},
		{"a reserved frame", [][]byte{{byte(wire.FrameNewToken), 0}}, wire.CodeProtocol},
		{"an unknown frame", [][]byte{{0x3f}}, wire.CodeProtocol},
		{"a truncated frame", [][]byte{{byte(wire.FrameWindow)}}, wire.CodeProtocol},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newForger(t)
			for _, b := range test.frames {
				f.say(b)
			}
			if !f.server.Removed || kindOf(f.server.Conn.Err()) != engine.KindProtocol {
				t.Fatalf("removed %v, error %v", f.server.Removed, f.server.Conn.Err())
			}
			if e := f.server.Conn.Err().(*engine.Error); e.Code != test.code {
				t.Errorf("code %v, want %v", e.Code, test.code)
			}
			closes := 0
			for _, r := range f.replies {
				if strings.Contains(r, "CLOSE code="+test.code.String()) {
					closes++
				}
			}
			if closes != 1 {
				t.Errorf("answered by %q", f.replies)
			}
			f.server.Conn.Close(f.w.Now()) // what came before may be read until then
			if n := f.w.server.Chunks(); n != 0 {
				t.Errorf("%d chunks kept", n)
			}
		})
	}
}

// TestManyRangesAskForAnAck: a receiver that has many ranges to acknowledge asks which of them it need not repeat, with a PING in an
// ACK once a round trip.
// Of docs/wire.md: [W135].
func TestManyRangesAskForAnAck(t *testing.T) {
	pings := func(gap uint64) (n int) {
		f := newForger(t)
		for range 200 { // five round trips
			f.number += gap
			f.say(wire.AppendPing(nil))
			f.w.Run(time.Millisecond)
		}
		for _, r := range f.replies {
			if strings.Contains(r, "\n  ACK") && strings.Contains(r, "\n  PING") {
				n++
			}
		}
		return n
	}
	if n := pings(1); n < 2 || n > 6 {
		t.Errorf("%d ACKs in five round trips have a PING", n)
	}
	if n := pings(0); n != 0 {
		t.Errorf("%d ACKs have a PING, of one range", n)
	}
}

// TestWindowNeverFalls: a limit below the last one is ignored.
// Of docs/wire.md: [W124].
func TestWindowNeverFalls(t *testing.T) {
	f := newForger(t)
	f.say(wire.AppendWindow(nil, 10))
	if n := f.server.Conn.Info().PeerWindow; n != 65536 {
		t.Errorf("the window is %d bytes, want 65536", n)
	}
	if f.server.Removed {
		t.Error(f.server.Conn.Err())
	}
}

// TestGarbageDisturbsNobody: damaged, cut, padded, replayed and foreign datagrams are
// counted and change nothing.
// Of docs/wire.md: [W18] [W22] [W170].
func TestGarbageDisturbsNobody(t *testing.T) {
	f := newForger(t)
	good := f.packet(data(0, 100, false))
	r := newRand(3)
	from := f.w.client.Addr
	before := f.server.Conn.Info().Stats
	const n = 300
	for range n {
		b := append([]byte(nil), good...)
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		f.w.server.Inject(from, b)
		f.w.server.Inject(from, good[:r.IntN(len(good))])
		f.w.server.Inject(from, append(append([]byte(nil), good...), make([]byte, r.IntN(60_000)+1)...))
		junk := make([]byte, r.IntN(1500))
		for i := range junk {
			junk[i] = byte(r.Uint32())
		}
		f.w.server.Inject(from, junk)
	}
	for range 10 {
		f.w.server.Inject(from, good)
	}
	after := f.server.Conn.Info().Stats
	if got := after.BadTrailers - before.BadTrailers; got < 2*n {
		t.Errorf("%d bad trailers counted", got)
	}
	if got := after.Duplicates - before.Duplicates; got != 9 {
		t.Errorf("%d duplicates counted, want 9", got)
	}
	f.w.Run(time.Second)
	if f.server.Removed {
		t.Fatalf("the connection ended: %v", f.server.Conn.Err())
	}
	if got, err := readAll(f.server); len(got) != 100 || err != nil {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
}

// TestScatteredBytesCostBoundedMemory: one byte in every chunk of the window, again
// and again, holds no more than the window, and is not acknowledged beyond the gaps
// that are tracked.
// Of docs/wire.md: [W130] [W131].
func TestScatteredBytesCostBoundedMemory(t *testing.T) {
	f := newForger(t)
	window := uint64(f.server.Conn.Info().ReceiveWindow)
	for range 20 {
		for offset := uint64(1); offset < window; offset += 2 {
			f.say(data(offset, 1, false))
		}
	}
	if f.server.Removed {
		t.Fatalf("ended: %v", f.server.Conn.Err())
	}
	if n := f.w.server.Chunks(); n > int(window/stream.ChunkSize)+1 {
		t.Errorf("%d chunks for a window of %d bytes", n, window)
	}
	st := f.server.Conn.Info().Stats
	if st.GapDrops == 0 {
		t.Error("nothing was dropped")
	}
}

// TestChallengesAreAnsweredWithinBounds: a packet full of PATH_CHALLENGE is answered
// by a few.
// Of docs/wire.md: [W165].
func TestChallengesAreAnsweredWithinBounds(t *testing.T) {
	f := newForger(t)
	var b []byte
	for i := range 100 {
		b = wire.AppendPathChallenge(b, [8]byte{byte(i)})
	}
	f.say(b)
	if len(f.replies) != 1 {
		t.Errorf("answered by %d packets", len(f.replies))
	}
}

// TestPacketsFromElsewhereAreDropped: the right IDs from another address are not the
// peer.
// Of docs/wire.md: [W164].
func TestPacketsFromElsewhereAreDropped(t *testing.T) {
	f := newForger(t)
	f.w.server.Inject(f.w.server.Addr, f.packet(wire.AppendClose(nil, wire.CodeReset, "")))
	if f.server.Removed {
		t.Error("a stranger closed the connection")
	}
	if n := f.server.Conn.Info().Stats.OtherPath; n != 1 {
		t.Errorf("counted %d", n)
	}
}

// TestRepeatedAcks: the same ACK again and again is no breach; one beyond what was sent is,
// as TestBreachEndsTheConnection shows.
func TestRepeatedAcks(t *testing.T) {
	f := newForger(t)
	write(t, f.server, "some bytes")
	for range 50 {
		f.say(ack(wire.Range{First: 0, Last: 0}))
	}
	if f.server.Removed {
		t.Errorf("repeated ACKs ended the connection: %v", f.server.Conn.Err())
	}
}

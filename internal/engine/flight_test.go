package engine_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/wire"
)

// flight is two engines that shake hands over a network of the test's.
type flight struct {
	ends [2]*engine.Conn // client, server
	path [2]engine.Path
	now  time.Duration
	// carry decides when a packet arrives, in any number of copies: none are lost.
	carry func(from, n int, b []byte) []time.Duration
	sent  [2]int // packets
	bytes [2]int
	queue []arriving
	log   []string
	wrong []string     // what an end must not have sent
	used  [2][2]uint64 // the next number of each end's, in short and in long packets
	short [2]bool      // the end has sent a short packet
}

type arriving struct {
	at time.Duration
	to int
	b  []byte
}

const flightDelay = 20 * time.Millisecond

// newFlight is a client and a server whose messages are longer by that many bytes.
func newFlight(client, server int) *flight {
	w := newIdleTwins()
	f := &flight{ends: [2]*engine.Conn{w.a, w.b}, path: [2]engine.Path{w.pa, w.pb}}
	f.carry = func(int, int, []byte) []time.Duration { return []time.Duration{flightDelay} }
	for i, n := range []int{client, server} {
		if n > 0 {
			engine.Inflate(f.ends[i], n)
		}
	}
	return f
}

// flush takes what an end has to send.
func (f *flight) flush(i int) {
	for {
		b, train := f.ends[i].AppendSegments(f.now, nil, 64<<10)
		for rest := b; len(rest) > 0; {
			n := min(train.SegmentSize, len(rest))
			for _, d := range f.carry(i, f.sent[i], rest[:n]) {
				f.queue = append(f.queue, arriving{f.now + d, 1 - i, rest[:n]})
			}
			f.check(i, rest[:n])
			f.sent[i]++
			f.bytes[i] += n
			f.log = append(f.log, f.now.String()+" "+wire.Describe(rest[:n]))
			rest = rest[n:]
		}
		if len(b) == 0 {
			return
		}
	}
}

// check looks at a packet that an end sends: numbers go up by themselves in each space, an INITIAL is padded, and none follows
// a short packet.
func (f *flight) check(i int, b []byte) {
	h, _, err := wire.ParseHeader(b)
	space := 0
	if h.Type != wire.Short {
		space = 1
	}
	number := wire.DecodeNumber(f.used[i][space], true, h.Number, h.NumberLen)
	switch {
	case err != nil:
		f.wrong = append(f.wrong, err.Error())
	case number < f.used[i][space]:
		f.wrong = append(f.wrong, "a number that was used: "+wire.Describe(b))
	case h.Type == wire.Initial && len(b) < wire.MinInitialSize:
		f.wrong = append(f.wrong, "a small INITIAL")
	case h.Type != wire.Short && f.short[i]:
		f.wrong = append(f.wrong, "behind a short packet: "+wire.Describe(b))
	}
	f.used[i][space] = number + 1
	f.short[i] = f.short[i] || h.Type == wire.Short
}

// step lets the next thing happen.
func (f *flight) step() {
	next := min(f.ends[0].NextTimeout(), f.ends[1].NextTimeout())
	slices.SortStableFunc(f.queue, func(a, b arriving) int { return int(a.at - b.at) })
	if len(f.queue) > 0 && f.queue[0].at <= next {
		p := f.queue[0]
		f.queue = f.queue[1:]
		f.now = max(f.now, p.at)
		f.ends[p.to].HandleSegment(f.now, &engine.Arrival{Path: f.path[p.to], At: f.now, ECN: engine.NotECT}, p.b)
		f.flush(p.to)
		return
	}
	f.now = max(f.now, next)
	for i, c := range f.ends {
		if c.NextTimeout() <= f.now {
			c.Advance(f.now)
			f.flush(i)
		}
	}
}

// complete runs until both ends have a connection, at most for that long.
func (f *flight) complete(t *testing.T, limit time.Duration) {
	t.Helper()
	f.flush(0)
	for !f.ends[0].Established() || !f.ends[1].Established() {
		if f.step(); f.now > limit || f.ends[0].Done() || f.ends[1].Done() {
			t.Fatalf("at %v: %v, %v\n%s", f.now, f.ends[0].Err(), f.ends[1].Err(), strings.Join(f.log, ""))
		}
	}
}

// honest demands that the ends have sent nothing that check objects to.
func (f *flight) honest(t *testing.T) {
	t.Helper()
	if len(f.wrong) > 0 {
		t.Errorf("sent: %q", f.wrong)
	}
}

// TestFlightOfSeveralPackets: a message takes as many packets as it needs, which arrive in any order and more than
// once: without losses there is no timeout.
// Of docs/wire.md: [W50] [W56] [W61].
func TestFlightOfSeveralPackets(t *testing.T) {
	for _, sizes := range [][2]int{{100, 0}, {1200, 0}, {3900, 0}, {0, 1500}, {0, 3900}, {3900, 3900}} {
		for name, carry := range map[string]func(from, n int, b []byte) []time.Duration{
			"in order": func(int, int, []byte) []time.Duration { return []time.Duration{flightDelay} },
			"backwards": func(_, n int, _ []byte) []time.Duration {
				return []time.Duration{flightDelay - time.Duration(n)*time.Millisecond}
			},
			"twice": func(int, int, []byte) []time.Duration {
				return []time.Duration{flightDelay, flightDelay + 5*time.Millisecond}
			},
		} {
			f := newFlight(sizes[0], sizes[1])
			f.carry = carry
			f.complete(t, 900*time.Millisecond)
			f.honest(t)
			if f.now > 6*flightDelay {
				t.Errorf("%v, %s: complete after %v\n%s", sizes, name, f.now, strings.Join(f.log, ""))
			}
			if st := f.ends[0].Info().Stats; st.PacketsLost > 0 && name != "backwards" {
				t.Errorf("%v, %s: %d packets were declared lost", sizes, name, st.PacketsLost)
			}
			if rtt := f.ends[0].Info().SmoothedRTT; rtt < 30*time.Millisecond || rtt > 50*time.Millisecond {
				t.Errorf("%v, %s: the client has measured %v", sizes, name, rtt)
			}
		}
	}
}

// TestEachLostPacketOfAFlight: whichever packet is lost, the handshake is complete a timeout later at most: soon if others
// behind it arrive.
// Of docs/wire.md: [W64].
func TestEachLostPacketOfAFlight(t *testing.T) {
	for from := range 2 {
		for lost := range 5 {
			f := newFlight(3900, 3900)
			f.carry = func(i, n int, _ []byte) []time.Duration {
				if i == from && n == lost {
					return nil
				}
				return []time.Duration{flightDelay}
			}
			f.complete(t, 3*time.Second)
			if f.now > time.Second+8*flightDelay {
				t.Errorf("without packet %d of %d: complete after %v\n%s", lost, from, f.now, strings.Join(f.log, ""))
			}
		}
	}
}

// TestHandshakeSeeds: whatever a network loses, repeats and reorders, both ends have the connection in the end, or neither
// that the other has not; never is an address that is not proved sent more than three times what came from it.
// Of docs/wire.md: [W15] [W36] [W57] [W120].
func TestHandshakeSeeds(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 7))
		f := newFlight(80+r.IntN(3800), 80+r.IntN(3800))
		loss := r.Float64() * 0.3
		arrived := 0
		f.carry = func(from, n int, b []byte) (copies []time.Duration) {
			for range 1 + r.IntN(2) {
				if r.Float64() >= loss {
					copies = append(copies, flightDelay/2+time.Duration(r.Int64N(int64(2*flightDelay))))
				}
			}
			if from == 0 {
				arrived += len(b) * len(copies)
			} else if !f.ends[1].Established() && f.bytes[1]+len(b) > 3*arrived {
				t.Fatalf("seed %d: the server has sent %d bytes for %d\n%s", seed, f.bytes[1]+len(b), arrived, strings.Join(f.log, ""))
			}
			return copies
		}
		f.complete(t, 5*time.Minute)
		f.honest(t)
		for i := range f.ends {
			f.ends[i].Write([]byte("hello"))
			f.flush(i)
		}
		for !f.ends[0].Readable() || !f.ends[1].Readable() {
			if f.step(); f.now > 10*time.Minute || f.ends[0].Done() || f.ends[1].Done() {
				t.Fatalf("seed %d, at %v: no data passes\n%s", seed, f.now, strings.Join(f.log, ""))
			}
		}
	}
}

// TestServerThatMayNotSendIsProbed: a server whose answer is longer than three times what it has received waits for the
// client, who comes again although all that it said was acknowledged.
// Of docs/wire.md: [W66] [W67].
func TestServerThatMayNotSendIsProbed(t *testing.T) {
	f := newFlight(0, 3900)
	f.carry = func(from, n int, _ []byte) []time.Duration {
		if from == 0 && n > 0 && f.now < 500*time.Millisecond {
			return nil // the ACKs of what has come, which would admit more
		}
		return []time.Duration{flightDelay}
	}
	f.flush(0)
	f.step()
	if next := f.ends[1].NextTimeout(); next != 10*time.Second {
		t.Errorf("a server that may not send has a timer at %v besides the end of the handshake", next)
	}
	f.complete(t, 3*time.Second)
	if f.now < 60*time.Millisecond {
		t.Errorf("complete after %v: nothing was held back", f.now)
	}
}

// TestRepeatedInitialIsAnsweredAtOnce: a client that says again what the server has seems to have got no answer.
// Of docs/wire.md: [W56] [W68].
func TestRepeatedInitialIsAnsweredAtOnce(t *testing.T) {
	f := newFlight(0, 0)
	for number := range uint64(3) {
		f.log = nil
		f.say(1, number, messageOf(repeated(false)))
		f.flush(1)
		if len(f.log) != 1 || !strings.Contains(f.log[0], "CRYPTO offset=0") || !strings.Contains(f.log[0], "ACK largest=") {
			t.Errorf("INITIAL %d is answered by %q", number, f.log)
		}
	}
	f.log = nil
	f.say(1, 2, messageOf(repeated(false))) // a copy of the last packet
	if f.flush(1); len(f.log) != 0 || f.ends[1].Info().Stats.Duplicates != 1 {
		t.Errorf("a copy is answered by %q", f.log)
	}
}

// TestShortPacketBehindPartOfAMessage: a short packet completes no handshake of which the server lacks a part.
// Of docs/wire.md: [W58].
func TestShortPacketBehindPartOfAMessage(t *testing.T) {
	f := newFlight(0, 0)
	p := repeated(false)
	whole := wire.Must(wire.AppendParameters(nil, &p))
	short := func(number uint64) {
		b := wire.Must(wire.AppendShort(nil, twinServer, number, 3))
		f.ends[1].HandleSegment(f.now, &engine.Arrival{Path: f.path[1], At: f.now, ECN: engine.NotECT}, wire.AppendTrailer(wire.AppendPing(b), 0, wire.Seed(wire.Version, twinServer, twinClient)))
		f.flush(1)
	}
	f.say(1, 0, wire.Must(wire.AppendCrypto(nil, 0, whole[:10])))
	if short(0); f.ends[1].Established() {
		t.Error("established by a part of a message")
	}
	f.say(1, 1, wire.Must(wire.AppendCrypto(nil, 10, whole[10:])))
	if f.ends[1].Established() {
		t.Error("established before the address is proved")
	}
	if short(1); !f.ends[1].Established() {
		t.Error("not established by a short packet behind the whole message")
	}
}

// TestWhatIsSaidInTheHandshake: each side says all of its own parameters, and repeats what it has seen.
// Of docs/wire.md: [W42] [W43].
func TestWhatIsSaidInTheHandshake(t *testing.T) {
	f := newFlight(0, 0)
	f.complete(t, time.Second)
	const own = "initial-window=65536 max-ack-delay=10ms max-datagram-size=1472 idle-timeout=30s version=0x45424202 first-dst=0000000000000063"
	for i, want := range []string{own + " src=000000000000000b\n", own + " src=0000000000000016 dst=000000000000000b\n"} {
		if !strings.Contains(f.log[i], want) {
			t.Errorf("end %d said %q, want %q", i, f.log[i], want)
		}
	}
}

// TestVersionsEndADial: to a peer that does not speak our version; one that says it does has not said so itself.
// Of docs/wire.md: [W111].
func TestVersionsEndADial(t *testing.T) {
	for _, tt := range []struct {
		versions []uint32
		ends     bool
	}{{[]uint32{wire.VersionProtected}, true}, {[]uint32{1, wire.Version}, false}} {
		f := newFlight(0, 0)
		f.flush(0)
		b := wire.Must(wire.AppendHeader(nil, wire.Header{Type: wire.Versions, Dst: twinClient, Src: twinFirst}))
		for _, v := range tt.versions {
			b = binary.BigEndian.AppendUint32(b, v)
		}
		f.ends[0].HandleSegment(0, &engine.Arrival{Path: f.path[0], At: 0, ECN: engine.NotECT}, wire.AppendTrailer(b, 0, wire.Seed(0, twinClient, twinFirst)))
		if err := f.ends[0].Err(); f.ends[0].Done() != tt.ends || tt.ends && kindOf(err) != engine.KindVersion {
			t.Errorf("versions %x: %v", tt.versions, err)
		}
	}
}

// handshakePacket is an INITIAL or ACCEPT as a test makes it up.
func handshakePacket(typ wire.PacketType, number uint64, dst, src wire.ID, frames []byte) []byte {
	h := wire.Header{Type: typ, Version: wire.Version, Dst: dst, Src: src, Number: number, NumberLen: 1}
	b := append(wire.Must(wire.AppendHeader(nil, h)), frames...)
	b = wire.AppendPadding(b, wire.MinInitialSize-wire.TrailerSize-len(b))
	return wire.AppendTrailer(b, 0, wire.Seed(wire.Version, dst, src))
}

// IDs of newIdleTwins.
const (
	twinClient wire.ID = 11
	twinServer wire.ID = 22
	twinFirst  wire.ID = 99
)

// say hands an end a packet of the peer's that carries the frames.
func (f *flight) say(to int, number uint64, frames []byte) {
	typ, dst, src := wire.Accept, twinClient, twinServer
	if to == 1 {
		typ, dst, src = wire.Initial, twinFirst, twinClient
	}
	f.ends[to].HandleSegment(f.now, &engine.Arrival{Path: f.path[to], At: f.now, ECN: engine.NotECT}, handshakePacket(typ, number, dst, src, frames))
}

// fails demands that an end has ended the handshake with a code, which it tells the peer.
func (f *flight) fails(t *testing.T, end int, code wire.Code) {
	t.Helper()
	f.log = nil
	f.flush(end)
	c := f.ends[end]
	if kindOf(c.Err()) != engine.KindProtocol || !c.Done() || c.Established() {
		t.Fatalf("done %v, error %v", c.Done(), c.Err())
	}
	if len(f.log) != 1 || !strings.Contains(f.log[0], "CLOSE code="+code.String()) {
		t.Errorf("said %q, want code %v", f.log, code)
	}
	if f.ends[end].NextTimeout() != engine.Never {
		t.Error("a timer is left")
	}
}

// repeated is what a side repeats of the handshake if it is honest.
func repeated(server bool) wire.Parameters {
	p := wire.DefaultParameters()
	p.Version, p.FirstDst, p.Src = wire.Version, twinFirst, twinClient
	if server {
		p.Src, p.Dst = twinServer, twinClient
	}
	return p
}

func messageOf(p wire.Parameters) []byte {
	return wire.Must(wire.AppendCrypto(nil, 0, wire.Must(wire.AppendParameters(nil, &p))))
}

// TestParametersRepeatTheHandshake: a side whose parameters do not repeat what the other has seen of the handshake, or lack
// it, is told so with a code of its own, and there is no connection.
// Of docs/wire.md: [W47] [W48].
func TestParametersRepeatTheHandshake(t *testing.T) {
	for name, change := range map[string]func(*wire.Parameters){
		"another version":    func(p *wire.Parameters) { p.Version = wire.VersionProtected },
		"no version":         func(p *wire.Parameters) { p.Version = 0 },
		"another first dst":  func(p *wire.Parameters) { p.FirstDst++ },
		"no first dst":       func(p *wire.Parameters) { p.FirstDst = 0 },
		"another src":        func(p *wire.Parameters) { p.Src++ },
		"no src":             func(p *wire.Parameters) { p.Src = 0 },
		"another dst":        func(p *wire.Parameters) { p.Dst += 100 },
		"a cookie of nobody": func(p *wire.Parameters) { p.Cookie = []byte("c") },
	} {
		t.Run(name, func(t *testing.T) {
			for end := range 2 {
				p := repeated(end == 0)
				change(&p)
				f := newFlight(0, 0)
				f.flush(0)
				f.say(end, 0, messageOf(p))
				if end == 1 && name == "a cookie of nobody" { // only a server has one to repeat
					continue
				}
				f.fails(t, end, wire.CodeParameter)
			}
		})
	}
	t.Run("no dst", func(t *testing.T) {
		f := newFlight(0, 0)
		f.flush(0)
		p := repeated(true)
		p.Dst = 0
		f.say(0, 0, messageOf(p))
		f.fails(t, 0, wire.CodeParameter)
	})
	t.Run("honest", func(t *testing.T) {
		for end := range 2 {
			f := newFlight(0, 0)
			f.flush(0)
			f.say(end, 0, messageOf(repeated(end == 0)))
			if f.flush(end); f.ends[end].Done() || f.ends[0].Established() != (end == 0) {
				t.Errorf("end %d: %v", end, f.ends[end].Err())
			}
		}
	})
}

// TestBreachEndsTheHandshake: a frame that breaks the protocol ends the handshake at both sides, and the peer is told.
// Of docs/wire.md: [W14] [W25] [W33] [W37] [W46] [W69].
func TestBreachEndsTheHandshake(t *testing.T) {
	crypto := func(offset uint64, n int) []byte { return wire.Must(wire.AppendCrypto(nil, offset, make([]byte, n))) }
	list := func(b ...byte) []byte {
		return wire.Must(wire.AppendCrypto(nil, 0, append([]byte{byte(len(b))}, b...)))
	}
	for name, tt := range map[string]struct {
		frames []byte
		code   wire.Code
	}{
		"DATA":                        {data(0, 1, false), wire.CodeProtocol},
		"WINDOW":                      {wire.AppendWindow(nil, 1), wire.CodeProtocol},
		"a COOKIE frame":              {wire.Must(wire.AppendCookie(nil, []byte("c"))), wire.CodeProtocol},
		"a reserved frame":            {[]byte{byte(wire.FrameNewToken)}, wire.CodeProtocol},
		"an unknown frame":            {[]byte{0x3f}, wire.CodeProtocol},
		"an ACK of what was not":      {ack(wire.Range{First: 5, Last: 7}), wire.CodeProtocol},
		"a parameter twice":           {list(1, 1, 0, 1, 1, 0), wire.CodeParameter},
		"a parameter out of range":    {list(3, 1, 0), wire.CodeParameter},
		"a parameter cut":             {list(3, 4, 0), wire.CodeParameter},
		"a message too long":          {wire.Must(wire.AppendCrypto(nil, 0, []byte{0x4f, 0xff})), wire.CodeParameter},
		"more than a message":         {wire.Must(wire.AppendCrypto(nil, 0, []byte{0, 0})), wire.CodeParameter},
		"bytes too far ahead":         {crypto(wire.MaxMessage, 1), wire.CodeFlowControl},
		"bytes at the largest offset": {crypto(wire.MaxOffset-1, 1), wire.CodeFlowControl},
	} {
		t.Run(name, func(t *testing.T) {
			for end := range 2 {
				f := newFlight(0, 0)
				f.flush(0)
				f.say(end, 0, tt.frames)
				f.fails(t, end, tt.code)
			}
		})
	}
}

// TestHandshakeIsClosedByThePeer: CLOSE ends a dial, and a half-open connection; nobody answers.
// Of docs/wire.md: [W70].
func TestHandshakeIsClosedByThePeer(t *testing.T) {
	for code, want := range map[wire.Code]engine.Kind{
		wire.CodeParameter: engine.KindProtocol, wire.CodeBusy: engine.KindRefused, wire.CodeRefused: engine.KindRefused, wire.CodeInternal: engine.KindReset,
	} {
		for end := range 2 {
			f := newFlight(0, 0)
			f.flush(0)
			f.log = nil
			f.say(end, 0, wire.AppendClose(nil, code, "enough"))
			f.flush(end)
			if c := f.ends[end]; !c.Done() || kindOf(c.Err()) != want || len(f.log) > 0 {
				t.Errorf("code %v: %v, said %q", code, c.Err(), f.log)
			}
		}
	}
}

// TestPiecesOfAHandshakeAreBounded: pieces with holes between them are kept up to a bound; what opens one hole too many is
// not acknowledged, and comes again.
// Of docs/wire.md: [W38] [W39].
func TestPiecesOfAHandshakeAreBounded(t *testing.T) {
	f := newFlight(0, 0)
	p := repeated(false)
	whole := wire.Must(wire.AppendParameters(nil, &p))
	number := uint64(0)
	piece := func(i int) {
		f.say(1, number, wire.Must(wire.AppendCrypto(nil, uint64(i), whole[i:i+1])))
		number++
	}
	for i := len(whole) - 1; i >= 0; i -= 2 {
		piece(i)
	}
	dropped := f.ends[1].Info().Stats.GapDrops
	if dropped == 0 {
		t.Errorf("all %d pieces were kept", number)
	}
	for range 2 { // what was dropped comes again
		for i := range whole {
			piece(i)
		}
	}
	f.flush(1)
	if f.ends[1].Done() || len(f.log) == 0 {
		t.Errorf("no ACCEPT: %v", f.ends[1].Err())
	}
}

// TestPeerThatNeverStopsDialling: INITIALs without end, each new and with nothing new in it, cost a half-open connection a
// bounded number of records.
func TestPeerThatNeverStopsDialling(t *testing.T) {
	f := newFlight(0, 0)
	message := messageOf(repeated(false))
	for number := range uint64(64) {
		f.say(1, number, message)
		f.flush(1)
	}
	before := heapNow()
	for number := range uint64(100_000) {
		f.now += time.Microsecond
		f.say(1, 64+number, message)
		for b, _ := f.ends[1].AppendSegments(f.now, nil, 64<<10); len(b) > 0; {
			b, _ = f.ends[1].AppendSegments(f.now, nil, 64<<10)
		}
	}
	if grown := heapNow() - before; grown > flatHeap {
		t.Errorf("grown by %d bytes", grown)
	}
}

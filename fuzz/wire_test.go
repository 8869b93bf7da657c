package fuzz

import (
	"bytes"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"example.com/ebb/wire"
)

// goldenPackets returns the packets in testdata/packets.
func goldenPackets(f *testing.F) (packets [][]byte) {
	files, err := filepath.Glob("../testdata/packets/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden packets", err)
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var packet []byte
		for line := range strings.Lines(string(content)) {
			if digits, ok := strings.CutPrefix(line, "hex "); ok {
				b, err := hex.DecodeString(strings.TrimSpace(digits))
				if err != nil {
					f.Fatal(name, err)
				}
				packet = append(packet, b...)
			}
		}
		packets = append(packets, packet)
	}
	return packets
}

// FuzzPacket takes the input for a packet, and for a payload. What parses is within
// its bounds and is written again byte for byte.
func FuzzPacket(f *testing.F) {
	for _, packet := range goldenPackets(f) {
		f.Add(packet)
		if _, payload, err := wire.ParseHeader(packet); err == nil {
			f.Add(payload)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		wire.ShortDst(b)
		wire.ParsePrefix(b)
		wire.Verify(b, wire.Seed(wire.Version, 1, 2))
		checkInvariants(t, b)
		if s := wire.Describe(b); strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("described as %q", s)
		}
		h, payload, err := wire.ParseHeader(b)
		if err != nil {
			checkFrames(t, wire.Short, b)
		} else {
			checkHeader(t, b, h, payload)
			checkFrames(t, h.Type, payload)
		}
		if !bytes.Equal(b, before) {
			t.Error("parsing changed the packet")
		}
	})
}

// FuzzSealedPacket takes the input for a packet of a protected connection, as somebody sees it who has no keys: nothing panics, what is
// described is printable and says nothing that is sealed, and what can be read is written again byte for byte.
func FuzzSealedPacket(f *testing.F) {
	for _, h := range []wire.Header{
		{Type: wire.Initial, NumberLen: 1}, {Type: wire.Initial, NumberLen: 4, Cookie: []byte("cookie")},
		{Type: wire.Accept, NumberLen: 2}, {Type: wire.Handshake, NumberLen: 3}, {Type: wire.Retry}, {Type: wire.Refuse},
	} {
		h.Version, h.Dst, h.Src = wire.VersionProtected, 1, 2
		f.Add(append(wire.Must(wire.AppendHeader(nil, h)), make([]byte, wire.MinInitialSize)...))
	}
	f.Add(wire.Must(wire.AppendUnknownToken(nil, 1, make([]byte, wire.ResetTokenSize))))
	f.Add(append(wire.Must(wire.AppendShort(nil, 1, 2, 3)), make([]byte, 40)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		for _, s := range []string{wire.Describe(b), wire.DescribeSealed(b)} {
			if strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Errorf("described as %q", s)
			}
		}
		wire.ParseAnswer(b, wire.VersionProtected)
		h, at, err := wire.ParseSealed(b)
		if wire.IsSealed(b) && err == nil {
			if at <= 0 || at > len(b) {
				t.Fatalf("the number begins at %d of %d", at, len(b))
			}
			sealed := bytes.Clone(b)
			for i := at; i < len(sealed); i++ {
				sealed[i] ^= 0xa5
			}
			if one, other := wire.Describe(b), wire.Describe(sealed); one != other {
				t.Errorf("what is sealed changes the description:\n%s%s", one, other)
			}
			h.NumberLen = 1
			if again, err := wire.AppendHeader(nil, h); err != nil || !bytes.Equal(again[1:at], b[1:at]) || again[0]&^3 != b[0]&^3 {
				t.Errorf("written again as %x, %v; want %x", again, err, b[:at])
			}
		}
		if !bytes.Equal(b, before) {
			t.Error("parsing changed the packet")
		}
	})
}

func checkInvariants(t *testing.T, b []byte) {
	version, dst, src, ok := wire.Invariants(b)
	if !ok {
		return
	}
	n := 1 + 4 + 1 + len(dst) + 1 + len(src)
	if len(dst) > wire.MaxIDSize || len(src) > wire.MaxIDSize || n > len(b) {
		t.Fatalf("IDs of %d and %d bytes in a packet of %d", len(dst), len(src), len(b))
	}
	answer := wire.Must(wire.AppendVersions(nil, dst, src))
	v, d, s, ok := wire.Invariants(answer)
	if !ok || v != 0 || !bytes.Equal(d, src) || !bytes.Equal(s, dst) {
		t.Fatalf("VERSIONS in answer to version %#x is %x", version, answer)
	}
}

func checkHeader(t *testing.T, b []byte, h wire.Header, payload []byte) {
	size := len(b) - len(payload) - wire.TrailerSize
	if got, err := wire.ParsePrefix(b[:size]); !reflect.DeepEqual(got, h) || err != nil {
		t.Errorf("the header alone is %+v, error %v, want %+v", got, err, h)
	}
	if got, err := wire.ParsePrefix(b[:size-1]); err == nil {
		t.Errorf("the header without its last byte is %+v", got)
	}
	again := append(wire.Must(wire.AppendHeader(nil, h)), payload...)
	if len(again)+wire.TrailerSize != len(b) || !bytes.HasPrefix(b, again) {
		t.Fatalf("%+v with a payload of %d bytes is written again as\n%x\nwant\n%x and a trailer", h, len(payload), again, b)
	}
	seed := wire.Seed(h.Version, h.Dst, h.Src)
	if !wire.Verify(wire.AppendTrailer(again, 0, seed), seed) {
		t.Fatal("a trailer that was appended does not verify")
	}
	if cap(payload) != len(payload) {
		t.Fatal("what is appended to the payload would overwrite the trailer")
	}
	if h.NumberLen > 0 {
		number := wire.DecodeNumber(h.Number, true, h.Number, h.NumberLen)
		if number != h.Number {
			t.Fatalf("number %#x after itself is read as %#x", h.Number, number)
		}
	}
	for range wire.ParseVersions(payload) {
	}
}

func checkFrames(t *testing.T, p wire.PacketType, b []byte) {
	for len(b) > 0 {
		var f wire.Frame
		n, err := f.Parse(b)
		if err != nil {
			if n != 0 {
				t.Fatalf("error %v and %d bytes", err, n)
			}
			return
		}
		if n < 1 || n > len(b) || len(f.Data) > n || cap(f.Data) != len(f.Data) {
			t.Fatalf("%v has %d bytes of %d, and %d of %d in its data", f, n, len(b), len(f.Data), cap(f.Data))
		}
		if again := wire.Must(f.Append(nil)); !bytes.Equal(again, b[:n]) {
			t.Fatalf("%v is written again as\n%x\nwant\n%x", f, again, b[:n])
		}
		checkFrame(t, &f)
		if m, err := f.ParseIn(p, b); err == nil && (m != n || !f.Type.AllowedIn(p)) {
			t.Fatalf("%v in %v has %d bytes, %d elsewhere", f, p, m, n)
		}
		b = b[n:]
	}
}

// checkFrame checks what the specification says about the fields of a frame.
func checkFrame(t *testing.T, f *wire.Frame) {
	switch f.Type {
	case wire.FrameAck, wire.FrameAckECN:
		if f.Ack.HasECN != (f.Type == wire.FrameAckECN) || f.Ack.Delay < 0 || f.Ack.Largest > wire.MaxOffset {
			t.Fatalf("%v", f)
		}
		checkRanges(t, &f.Ack)
	case wire.FrameWindow, wire.FrameBlocked, wire.FrameReset, wire.FrameStop:
		if f.Limit > wire.MaxOffset || uint64(f.Code) > wire.MaxOffset || f.Final > wire.MaxOffset {
			t.Fatalf("%v", f)
		}
	case wire.FrameClose:
		if len(f.Data) > wire.MaxReason {
			t.Fatalf("%v", f)
		}
	case wire.FrameCookie:
		if len(f.Data) < 1 || len(f.Data) > wire.MaxCookie {
			t.Fatalf("%v", f)
		}
	case wire.FrameData, wire.FrameCrypto:
		if f.Offset+uint64(len(f.Data)) > wire.MaxOffset || len(f.Data) == 0 && !f.Fin {
			t.Fatalf("%v", f)
		}
	}
	_ = f.String()
}

// checkRanges checks that the ranges descend from the largest number with gaps in
// between, and that AppendAck says the same of them.
func checkRanges(t *testing.T, a *wire.Ack) {
	ranges := slices.Collect(a.Ranges())
	if len(ranges) < 1 || len(ranges) > wire.MaxAckRanges || ranges[0].Last != a.Largest {
		t.Fatalf("%d ranges from %d", len(ranges), a.Largest)
	}
	for i, r := range ranges {
		if r.First > r.Last || i > 0 && (r.Last >= ranges[i-1].First || ranges[i-1].First-r.Last < 2) {
			t.Fatalf("range %d of %v", i, ranges)
		}
	}
	whole := wire.Frame{Type: wire.FrameAck, Ack: *a}
	if a.HasECN {
		whole.Type = wire.FrameAckECN
	}
	slices.Reverse(ranges)
	want := wire.Must(whole.Append(nil))
	if got := wire.Must(wire.AppendAck(nil, a, ranges, len(want))); !bytes.Equal(got, want) {
		t.Fatalf("AppendAck of %v is\n%x\nwant\n%x", ranges, got, want)
	}
}

// FuzzParameters takes the input for a list of parameters.
func FuzzParameters(f *testing.F) {
	for _, packet := range goldenPackets(f) {
		_, payload, err := wire.ParseHeader(packet)
		var frame wire.Frame
		if err != nil {
			continue
		}
		if _, err := frame.Parse(payload); err == nil && frame.Type == wire.FrameCrypto {
			if list, ok, err := wire.CutMessage(frame.Data); ok && err == nil {
				f.Add(list)
			}
		}
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		p, err := wire.ParseParameters(list)
		if err != nil {
			if !reflect.DeepEqual(p, wire.Parameters{}) {
				t.Fatalf("error %v and %v", err, p)
			}
			return
		}
		if p.InitialWindow > wire.MaxOffset || p.MaxAckDelay < 0 || p.MaxAckDelay > wire.MaxAckDelayLimit ||
			p.MaxDatagramSize < wire.MinInitialSize || p.IdleTimeout < 0 {
			t.Fatalf("out of range: %v", p)
		}
		b := wire.Must(wire.AppendParameters(nil, &p))
		again, ok, err := wire.CutMessage(b)
		if !ok || err != nil {
			t.Fatalf("%x: %v, %v", b, ok, err)
		}
		if q, err := wire.ParseParameters(again); !reflect.DeepEqual(q, p) || err != nil {
			t.Fatalf("%v is read again as %v, error %v", p, q, err)
		}
		// An entry that there is already is an error wherever it stands.
		if n := entryLen(list); n > 0 {
			if _, err := wire.ParseParameters(append(slices.Clone(list), list[:n]...)); err == nil {
				t.Fatalf("the first entry of %x may come twice", list)
			}
		}
	})
}

// entryLen is the size of the first entry of a valid list of parameters.
func entryLen(list []byte) int {
	if len(list) == 0 {
		return 0
	}
	id := 1 << (list[0] >> 6)
	n, size := 0, 1<<(list[id]>>6)
	for i, c := range list[id : id+size] {
		if i == 0 {
			c &= 0x3f
		}
		n = n<<8 | int(c)
	}
	return id + size + n
}

// FuzzAckRanges holds ACKs against a plain set of numbers. The numbers begin at
// base, and each byte of steps is the distance to the next.
func FuzzAckRanges(f *testing.F) {
	f.Add(uint64(0), []byte{}, uint16(1000), int64(0), uint32(0), false)
	f.Add(uint64(0), []byte{1, 1, 2, 1, 3, 200, 1}, uint16(1000), int64(25*time.Millisecond), uint32(math.MaxUint32), false)
	f.Add(uint64(wire.MaxOffset-100), []byte{2, 2, 2, 2}, uint16(20), int64(-1), uint32(1), true)
	f.Add(uint64(1<<30-64), bytes.Repeat([]byte{2, 1, 100}, 300), uint16(700), int64(math.MaxInt64), uint32(7), true)
	f.Add(uint64(60), bytes.Repeat([]byte{2}, 400), uint16(65535), int64(999), uint32(7), false)
	f.Fuzz(func(t *testing.T, base uint64, steps []byte, room uint16, delay int64, received uint32, ecn bool) {
		base %= wire.MaxOffset + 1
		set := map[uint64]bool{base: true}
		ranges := []wire.Range{{First: base, Last: base}}
		number := base
		for _, step := range steps {
			if number+uint64(step) > wire.MaxOffset {
				break
			}
			number += uint64(step)
			set[number] = true
			if last := &ranges[len(ranges)-1]; step <= 1 {
				last.Last = number
			} else {
				ranges = append(ranges, wire.Range{First: number, Last: number})
			}
		}
		a := wire.Ack{Delay: time.Duration(delay), Received: received, HasECN: ecn, ECT0: 1, CE: uint64(room)}
		b := wire.Must(wire.AppendAck(nil, &a, ranges, int(room)))
		if len(b) == 0 {
			if room >= 64 { // any frame with one range fits in that
				t.Fatalf("nothing fits in %d bytes", room)
			}
			return
		}
		checkAgainstSet(t, b, set, number, len(ranges), int(room))
	})
}

// checkAgainstSet checks an ACK of the numbers in a set, of which the newest is
// known, and the number of runs.
func checkAgainstSet(t *testing.T, b []byte, set map[uint64]bool, newest uint64, runs, room int) {
	var f wire.Frame
	if n, err := f.Parse(b); n != len(b) || len(b) > room || err != nil {
		t.Fatalf("%d of %d bytes in a room of %d, error %v", n, len(b), room, err)
	}
	told, got := 0, 0
	oldest := newest + 1
	for r := range f.Ack.Ranges() {
		for n := r.Last; ; n-- {
			if !set[n] {
				t.Fatalf("%d is acknowledged and was not received", n)
			}
			told++
			if n == r.First {
				break
			}
		}
		if set[r.First-1] || set[r.Last+1] {
			t.Fatalf("range %v is not a whole run", r)
		}
		oldest = r.First
		got++
	}
	for n := range set {
		if n >= oldest {
			told--
		}
	}
	if told != 0 {
		t.Fatalf("%d numbers from %d to %d are told wrongly", -told, oldest, newest)
	}
	// A range takes 16 bytes at most, and the count of them grows by one.
	if got < min(runs, wire.MaxAckRanges) && room-len(b) > 17 {
		t.Fatalf("%d of %d runs, and %d bytes are left", got, runs, room-len(b))
	}
}

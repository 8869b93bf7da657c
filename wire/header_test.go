package wire

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	clientID ID = 0x0102030405060708
	serverID ID = 0xf1f2f3f4f5f6f7f8
	firstDst ID = 0x5152535455565758
)

// headerCases has a header of each type, as it is written, and a payload for it.
var headerCases = []struct {
	name    string
	header  Header
	hex     string
	payload string
}{
	{"short, 1 byte", Header{Type: Short, Dst: serverID, Number: 0xfe, NumberLen: 1},
		"80 f1f2f3f4f5f6f7f8 fe", "01"},
	{"short, 2 bytes", Header{Type: Short, Dst: serverID, Number: 0xfedc, NumberLen: 2},
		"81 f1f2f3f4f5f6f7f8 fedc", "01"},
	{"short, 3 bytes", Header{Type: Short, Dst: serverID, Number: 0xfedcba, NumberLen: 3},
		"82 f1f2f3f4f5f6f7f8 fedcba", "01"},
	{"short, 4 bytes", Header{Type: Short, Dst: serverID, Number: 0xfedcba98, NumberLen: 4},
		"83 f1f2f3f4f5f6f7f8 fedcba98", "01"},
	{"initial", Header{Type: Initial, Version: Version, Dst: firstDst, Src: clientID, Number: 0, NumberLen: 1},
		"a0 45424202 08 5152535455565758 08 0102030405060708 00 00", "01" + strings.Repeat("00", 1200)},
	{"initial, 4 bytes", Header{Type: Initial, Version: Version, Dst: firstDst, Src: clientID, Number: 5, NumberLen: 4},
		"a3 45424202 08 5152535455565758 08 0102030405060708 00 00000005", "01" + strings.Repeat("00", 1200)},
	{"initial with a cookie", Header{Type: Initial, Version: Version, Dst: firstDst, Src: clientID, Number: 1, NumberLen: 1, Cookie: []byte{0xc0, 0x0c}},
		"a0 45424202 08 5152535455565758 08 0102030405060708 02 c00c 01", "01" + strings.Repeat("00", 1200)},
	{"accept", Header{Type: Accept, Version: Version, Dst: clientID, Src: serverID, Number: 0x102, NumberLen: 2},
		"a5 45424202 08 0102030405060708 08 f1f2f3f4f5f6f7f8 0102", "01"},
	{"retry", Header{Type: Retry, Version: Version, Dst: clientID, Src: firstDst},
		"a8 45424202 08 0102030405060708 08 5152535455565758", "0b0101"},
	{"refuse", Header{Type: Refuse, Version: Version, Dst: clientID, Src: firstDst},
		"ac 45424202 08 0102030405060708 08 5152535455565758", "070200"},
	{"unknown", Header{Type: Unknown, Version: Version, Src: serverID},
		"b0 45424202 00 08 f1f2f3f4f5f6f7f8", ""},
	{"versions", Header{Type: Versions, Dst: clientID, Src: firstDst},
		"bc 00000000 08 0102030405060708 08 5152535455565758", "45424202"},
}

// TestHeader carries, of docs/wire.md: [W10].
func TestHeader(t *testing.T) {
	for _, tt := range headerCases {
		t.Run(tt.name, func(t *testing.T) {
			h := tt.header
			h.Number |= 1 << 40 // what is above the length is not sent
			b := Must(AppendHeader([]byte("before"), h))[len("before"):]
			if want := unhex(t, tt.hex); !bytes.Equal(b, want) {
				t.Fatalf("written as %x, want %x", b, want)
			}
			size := longHeaderLen(tt.header.Type, tt.header.NumberLen)
			if tt.header.Type == Short {
				size = ShortHeaderLen(tt.header.NumberLen)
			}
			if size += len(tt.header.Cookie); size != len(b) {
				t.Errorf("header length %d, want %d", size, len(b))
			}
			want := unhex(t, tt.payload)
			packet := append(append(b, want...), 0xde, 0xad, 0xbe, 0xef)
			got, payload, err := ParseHeader(packet)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.header, got); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
			if !bytes.Equal(payload, want) {
				t.Errorf("payload %x, want %x", payload, want)
			}
			if !IsEbb(packet) || IsLong(packet) != (tt.header.Type != Short) {
				t.Errorf("IsEbb %v, IsLong %v", IsEbb(packet), IsLong(packet))
			}
			for n := range len(b) + TrailerSize {
				if _, _, err := ParseHeader(packet[:n:n]); err != ErrTruncated && (n > 0 || err != errForeign) {
					t.Errorf("%d bytes of header and trailer: error %v, want %v", n, err, ErrTruncated)
				}
			}
		})
	}
}

func TestShortOverhead(t *testing.T) {
	if want := ShortHeaderLen(4) + TrailerSize; ShortOverhead != want {
		t.Errorf("ShortOverhead is %d, want %d", ShortOverhead, want)
	}
}

// TestIsEbb carries, of docs/wire.md: [W3].
func TestIsEbb(t *testing.T) {
	if IsEbb(nil) || IsLong(nil) {
		t.Error("an empty datagram is taken for Ebb's")
	}
	for first := range 256 {
		if got, want := IsEbb([]byte{byte(first)}), first >= 0x80 && first < 0xc0; got != want {
			t.Errorf("IsEbb of first byte %#02x is %v", first, got)
		}
	}
}

func TestShortDst(t *testing.T) {
	b := Must(AppendHeader(nil, Header{Type: Short, Dst: serverID, NumberLen: 1}))
	for n := range len(b) + 1 {
		want, wantOK := ID(0), n >= 9
		if wantOK {
			want = serverID
		}
		if id, ok := ShortDst(b[:n]); id != want || ok != wantOK {
			t.Errorf("ShortDst of %d bytes is %v, %v", n, id, ok)
		}
	}
}

// TestInvariants carries, of docs/wire.md: [W171].
func TestInvariants(t *testing.T) {
	const ids = "0102030405060708090a0b0c0d0e0f1011121314"
	for _, tt := range []struct {
		name     string
		hex      string
		version  uint32
		dst, src string
		ok       bool
	}{
		{"this version", "a0 45424202 08 5152535455565758 08 0102030405060708 00", Version, "5152535455565758", "0102030405060708", true},
		{"longest IDs", "bf 12345678 14" + ids + "14" + ids, 0x12345678, ids, ids, true},
		{"no IDs", "a0 ffffffff 00 00", 0xffffffff, "", "", true},
		{"dst too long", "a0 12345678 15" + ids + "15 00", 0, "", "", false},
		{"src too long", "a0 12345678 00 15" + ids + "15", 0, "", "", false},
		{"dst cut", "a0 12345678 08 01020304050607", 0, "", "", false},
		{"no src length", "a0 12345678 01 01", 0, "", "", false},
		{"src cut", "a0 12345678 00 02 01", 0, "", "", false},
		{"version cut", "a0 123456", 0, "", "", false},
		{"short", "80 12345678 00 00", 0, "", "", false},
		{"foreign", "e0 12345678 00 00", 0, "", "", false},
		{"empty", "", 0, "", "", false},
	} {
		version, dst, src, ok := Invariants(unhex(t, tt.hex))
		if ok != tt.ok {
			t.Errorf("%s: ok is %v", tt.name, ok)
		}
		if ok && (version != tt.version || !bytes.Equal(dst, unhex(t, tt.dst)) || !bytes.Equal(src, unhex(t, tt.src))) {
			t.Errorf("%s: %#x, %x, %x", tt.name, version, dst, src)
		}
	}
}

// TestVersions carries, of docs/wire.md: [W21].
func TestVersions(t *testing.T) {
	b := Must(AppendVersions([]byte("before"), unhex(t, "5152535455565758"), unhex(t, "0102030405060708")))[len("before"):]
	h, payload, err := ParseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Header{Type: Versions, Dst: clientID, Src: firstDst}, h); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if !Verify(b, Seed(0, h.Dst, h.Src)) {
		t.Error("the trailer is wrong")
	}
	if got := slices.Collect(ParseVersions(payload)); !slices.Equal(got, []uint32{Version, VersionProtected}) {
		t.Errorf("versions %x", got)
	}
	if len(b) >= MinInitialSize {
		t.Errorf("the answer has %d bytes", len(b))
	}

	// Another version's IDs, of any length, come back as they were.
	long := bytes.Repeat([]byte{9}, MaxIDSize)
	b = Must(AppendVersions(nil, long, nil))
	version, dst, src, ok := Invariants(b)
	if !ok || version != 0 || len(dst) != 0 || !bytes.Equal(src, long) {
		t.Errorf("invariants %#x, %x, %x, %v", version, dst, src, ok)
	}
	if !Verify(b, seedBytes(0, nil, long)) {
		t.Error("the trailer over long IDs is wrong")
	}
}

func TestParseVersionsStops(t *testing.T) {
	var got []uint32
	for v := range ParseVersions(unhex(t, "00000001 00000002 00000003 0000")) {
		if got = append(got, v); v == 2 {
			break
		}
	}
	if !slices.Equal(got, []uint32{1, 2}) {
		t.Errorf("versions %x", got)
	}
}

func TestAppendHeaderRefuses(t *testing.T) {
	dst := []byte{1}
	for name, tt := range map[string]struct {
		h    Header
		want error
	}{
		"no number length":     {Header{Type: Short, Dst: 1}, errRange},
		"number of 5 bytes":    {Header{Type: Short, Dst: 1, NumberLen: 5}, errRange},
		"number of -1 bytes":   {Header{Type: Accept, Version: Version, Dst: 1, Src: 2, NumberLen: -1}, errRange},
		"no version":           {Header{Type: Initial, Dst: 1, Src: 2, NumberLen: 1}, ErrMalformed},
		"VERSIONS of one":      {Header{Type: Versions, Version: Version, Dst: 1, Src: 2}, ErrMalformed},
		"no such type":         {Header{Type: Versions + 1, Version: Version, Dst: 1, Src: 2}, ErrMalformed},
		"no dst":               {Header{Type: Accept, Version: Version, Src: 2, NumberLen: 1}, errID},
		"no src":               {Header{Type: Accept, Version: Version, Dst: 2, NumberLen: 1}, errID},
		"UNKNOWN with dst":     {Header{Type: Unknown, Version: Version, Dst: 1, Src: 2}, errID},
		"short with src":       {Header{Type: Short, Dst: 1, Src: 2, NumberLen: 1}, errID},
		"short without dst":    {Header{Type: Short, NumberLen: 1}, errID},
		"a type that is not 8": {Header{Type: 255, Version: Version, Dst: 1, Src: 2}, ErrMalformed},
		"cookie in ACCEPT":     {Header{Type: Accept, Version: Version, Dst: 1, Src: 2, NumberLen: 1, Cookie: dst}, ErrMalformed},
		"cookie of 256 bytes":  {Header{Type: Initial, Version: Version, Dst: 1, Src: 2, NumberLen: 1, Cookie: make([]byte, 256)}, errRange},
	} {
		if b, err := AppendHeader(dst, tt.h); err != tt.want || !bytes.Equal(b, dst) {
			t.Errorf("%s: %x, error %v; want %v", name, b, err, tt.want)
		}
	}
	if b, err := AppendVersions(dst, make([]byte, 21), nil); err != errID || !bytes.Equal(b, dst) {
		t.Errorf("long IDs: %x, error %v", b, err)
	}
}

// TestMust: what a caller knows to be right is passed on, and a mistake of the program's own is named.
func TestMust(t *testing.T) {
	if b := Must([]byte{1}, nil); len(b) != 1 {
		t.Errorf("%x", b)
	}
	defer func() {
		if s, _ := recover().(string); !strings.HasPrefix(s, "BUG: ") {
			t.Errorf("panic %q, want one that begins with BUG", s)
		}
	}()
	Must(nil, errRange)
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Short.String(), "SHORT"},
		{Versions.String(), "VERSIONS"},
		{PacketType(9).String(), "PacketType(9)"},
		{ID(0xab).String(), "00000000000000ab"},
		{CodeNone.String(), "NONE"},
		{CodeTimeout.String(), "TIMEOUT"},
		{CodeParameter.String(), "PARAMETER"},
		{Code(14).String(), "Code(14)"},
		{frameNewConnectionID.String(), "NEW_CONNECTION_ID"},
		{FrameType(0x1e).String(), "FrameType(0x1e)"},
		{FrameType(0x13).String(), "DATA"},
		{FrameType(0x14).String(), "STREAM_DATA"},
		{FrameType(0x17).String(), "STREAM_DATA"},
		{FrameType(0x1b).String(), "STREAM_BLOCKED"},
		{FrameType(0x1e).String(), "FrameType(0x1e)"},
		{FrameType(0x31).String(), "DATAGRAM"},
		{Code(MaxOffset).String(), "Code(4611686018427387903)"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

// TestShortForms: what a connection uses for short packets agrees with what takes any packet.
func TestShortForms(t *testing.T) {
	for _, g := range goldenPackets(t) {
		h, payload, err := ParseHeader(g.packet)
		dst, number, n, body, shortErr := ParseShort(g.packet)
		if IsEbb(g.packet) && IsLong(g.packet) {
			if shortErr != errForeign {
				t.Errorf("%s: %v", g.name, shortErr)
			}
			continue
		}
		if dst != h.Dst || number != h.Number || n != h.NumberLen || !bytes.Equal(body, payload) || shortErr != err {
			t.Errorf("%s: %v, %d in %d bytes, %d of payload, %v; want %+v, %d, %v", g.name, dst, number, n, len(body), shortErr, h, len(payload), err)
		}
		var f Frame
		if !IsData(body) {
			continue
		}
		size, err := f.Parse(body)
		offset, data, fin, m, dataErr := ParseData(body)
		if dataErr != err || err == nil && (m != size || offset != f.Offset || fin != f.Fin || !bytes.Equal(data, f.Data)) {
			t.Errorf("%s: DATA of %d bytes at %d, %v; want %+v, %v", g.name, len(data), offset, dataErr, f, err)
		}
	}
}

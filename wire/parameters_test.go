package wire

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParameters(t *testing.T) {
	repeated := DefaultParameters()
	repeated.Version, repeated.FirstDst, repeated.Src, repeated.Dst, repeated.Cookie = Version, firstDst, serverID, clientID, []byte{0xc0, 0x0c}
	longest := repeated
	longest.Cookie = bytes.Repeat([]byte{7}, MaxCookie)
	for _, tt := range []struct {
		name string
		p    Parameters
		hex  string
	}{
		{"defaults", DefaultParameters(), "15 01 04 80010000 02 04 800061a8 03 04 8000fff7 04 01 00"},
		{"smallest", Parameters{MaxDatagramSize: 1200}, "0d 01 01 00 02 01 00 03 02 44b0 04 01 00"},
		{"largest", Parameters{InitialWindow: MaxOffset, MaxAckDelay: 1 << 24 * time.Microsecond, MaxDatagramSize: MaxOffset, IdleTimeout: math.MaxUint32 * time.Millisecond},
			"24 01 08 ffffffffffffffff 02 04 81000000 03 08 ffffffffffffffff 04 08 c0000000ffffffff"},
		{"all", repeated, "3d 01 04 80010000 02 04 800061a8 03 04 8000fff7 04 01 00" +
			"05 04 45424202 06 08 5152535455565758 07 08 f1f2f3f4f5f6f7f8 08 08 0102030405060708 09 02 c00c"},
		{"the longest cookie", longest, "413b 01 04 80010000 02 04 800061a8 03 04 8000fff7 04 01 00" +
			"05 04 45424202 06 08 5152535455565758 07 08 f1f2f3f4f5f6f7f8 08 08 0102030405060708 09 40ff" + strings.Repeat("07", 255)},
	} {
		b := Must(AppendParameters([]byte("x"), &tt.p))[1:]
		if want := unhex(t, tt.hex); !bytes.Equal(b, want) {
			t.Errorf("%s: written as %x, want %x", tt.name, b, want)
		}
		list, ok, err := CutMessage(b)
		if !ok || err != nil {
			t.Fatalf("%s: %v, error %v", tt.name, ok, err)
		}
		got, err := ParseParameters(list)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.p, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestCutMessage: a message is there once all of it is, has a bound, and nothing behind it.
// Of docs/wire.md: [W40] [W46].
func TestCutMessage(t *testing.T) {
	whole := append([]byte{0x44, 0x00}, make([]byte, 1024)...)
	for n := range len(whole) {
		if list, ok, err := CutMessage(whole[:n]); list != nil || ok || err != nil {
			t.Fatalf("%d bytes of %d: %x, %v, %v", n, len(whole), list, ok, err)
		}
	}
	if list, ok, err := CutMessage(whole); len(list) != 1024 || !ok || err != nil {
		t.Errorf("the whole: %d bytes, %v, %v", len(list), ok, err)
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"a byte too many", append(whole[:len(whole):len(whole)], 0), errParameter},
		{"4096 bytes", []byte{0x4f, 0xfe}, nil},
		{"4097 bytes", []byte{0x4f, 0xff}, errParameter},
		{"2^62 bytes", unhex(t, "ffffffffffffffff"), errParameter},
		{"not the shortest", []byte{0x40, 1}, errVarint},
	} {
		if _, ok, err := CutMessage(tt.b); ok || err != tt.want {
			t.Errorf("%s: %v, error %v, want %v", tt.name, ok, err, tt.want)
		}
	}
}

// TestParseParameters carries, of docs/wire.md: [W41] [W42] [W44] [W45] [W46].
func TestParseParameters(t *testing.T) {
	defaults := DefaultParameters()
	with := func(change func(*Parameters)) Parameters {
		p := defaults
		change(&p)
		return p
	}
	unknown := func(n int) string {
		var s strings.Builder
		for id := range n {
			fmt.Fprintf(&s, "%04x00", 0x4040+id)
		}
		return s.String()
	}
	for _, tt := range []struct {
		name, hex string
		want      Parameters
		err       error
	}{
		{"none", "", defaults, nil},
		{"in any order", "04 01 01 01 01 00", with(func(p *Parameters) { p.InitialWindow, p.IdleTimeout = 0, time.Millisecond }), nil},
		{"unknown ids", "00 00 0a 03 ffffff 7fff 00 ffffffffffffffff 01 00", defaults, nil},
		{"the most", unknown(64), defaults, nil},
		{"one more", unknown(65), Parameters{}, errParameter},
		{"smallest datagram", "03 02 44b0", with(func(p *Parameters) { p.MaxDatagramSize = 1200 }), nil},
		{"too small a datagram", "03 02 44af", Parameters{}, errRange},
		{"longest ACK delay", "02 04 81000000", with(func(p *Parameters) { p.MaxAckDelay = MaxAckDelayLimit }), nil},
		{"too long an ACK delay", "02 04 81000001", Parameters{}, errRange},
		{"too long an idle timeout", "04 08 c000000100000000", Parameters{}, errRange},
		{"repeated", "01 01 00 01 01 00", Parameters{}, errParameter},
		{"repeated later", "01 01 00 02 01 00 01 01 01", Parameters{}, errParameter},
		{"unknown and repeated", "0a 00 0b 00 0a 00", Parameters{}, errParameter},
		{"version", "05 04 45424203", with(func(p *Parameters) { p.Version = VersionProtected }), nil},
		{"version of 3 bytes", "05 03 454242", Parameters{}, errParameter},
		{"version 0", "05 04 00000000", Parameters{}, errRange},
		{"an ID of 7 bytes", "06 07 01020304050607", Parameters{}, errParameter},
		{"an ID of 9 bytes", "07 09 010203040506070809", Parameters{}, errParameter},
		{"an ID that is 0", "08 08 0000000000000000", Parameters{}, errRange},
		{"an empty cookie", "09 00", Parameters{}, errRange},
		{"a cookie of 256 bytes", "09 4100" + strings.Repeat("61", 256), Parameters{}, errRange},
		{"no value", "01 00", Parameters{}, errParameter},
		{"value cut by its length", "01 01 40 ", Parameters{}, errParameter},
		{"value shorter than its length", "01 02 0000", Parameters{}, errParameter},
		{"value not in its shortest form", "01 02 4000", Parameters{}, errVarint},
		{"id not in its shortest form", "4001 01 00", Parameters{}, errVarint},
		{"length not in its shortest form", "01 4001 00", Parameters{}, errVarint},
		{"no length", "01", Parameters{}, ErrTruncated},
		{"length beyond the end", "01 02 00", Parameters{}, ErrTruncated},
		{"length of 2^62-1", "01 ffffffffffffffff 00", Parameters{}, ErrTruncated},
	} {
		got, err := ParseParameters(unhex(t, tt.hex))
		if err != tt.err {
			t.Errorf("%s: error %v, want %v", tt.name, err, tt.err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAppendParametersBounds(t *testing.T) {
	for name, change := range map[string]func(*Parameters){
		"window":             func(p *Parameters) { p.InitialWindow = MaxOffset + 1 },
		"negative ACK delay": func(p *Parameters) { p.MaxAckDelay = -1 },
		"ACK delay":          func(p *Parameters) { p.MaxAckDelay = MaxAckDelayLimit + 1 },
		"small datagram":     func(p *Parameters) { p.MaxDatagramSize = 1199 },
		"large datagram":     func(p *Parameters) { p.MaxDatagramSize = MaxOffset + 1 },
		"negative timeout":   func(p *Parameters) { p.IdleTimeout = -1 },
		"cookie":             func(p *Parameters) { p.Cookie = make([]byte, 256) },
	} {
		p := DefaultParameters()
		change(&p)
		if b, err := AppendParameters([]byte{1}, &p); err != errRange || len(b) != 1 {
			t.Errorf("%s: %x, error %v", name, b, err)
		}
	}

	p := DefaultParameters()
	p.IdleTimeout = math.MaxInt64
	list, _, err := CutMessage(Must(AppendParameters(nil, &p)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseParameters(list)
	if want := math.MaxUint32 * time.Millisecond; err != nil || got.IdleTimeout != want {
		t.Errorf("the longest timeout is told as %v, error %v; want %v", got.IdleTimeout, err, want)
	}
}

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
	for _, tt := range []struct {
		name string
		p    Parameters
		hex  string
	}{
		{"defaults", DefaultParameters(), "0a 15 01 04 80010000 02 04 800061a8 03 04 8000fff7 04 01 00"},
		{"smallest", Parameters{MaxDatagramSize: 1200}, "0a 0d 01 01 00 02 01 00 03 02 44b0 04 01 00"},
		{"largest", Parameters{MaxOffset, 1 << 24 * time.Microsecond, MaxOffset, math.MaxUint32 * time.Millisecond},
			"0a 24 01 08 ffffffffffffffff 02 04 81000000 03 08 ffffffffffffffff 04 08 c0000000ffffffff"},
	} {
		b := Must(AppendParameters([]byte("x"), &tt.p))[1:]
		if want := unhex(t, tt.hex); !bytes.Equal(b, want) {
			t.Errorf("%s: written as %x, want %x", tt.name, b, want)
		}
		var f Frame
		if n, err := f.Parse(b); n != len(b) || err != nil {
			t.Fatalf("%s: %d of %d bytes, error %v", tt.name, n, len(b), err)
		}
		got, err := ParseParameters(f.Data)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.p, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

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
		{"unknown ids", "00 00 05 03 ffffff 7fff 00 ffffffffffffffff 01 00", defaults, nil},
		{"the most", unknown(64), defaults, nil},
		{"one more", unknown(65), Parameters{}, ErrParameter},
		{"smallest datagram", "03 02 44b0", with(func(p *Parameters) { p.MaxDatagramSize = 1200 }), nil},
		{"too small a datagram", "03 02 44af", Parameters{}, ErrRange},
		{"longest ACK delay", "02 04 81000000", with(func(p *Parameters) { p.MaxAckDelay = MaxAckDelayLimit }), nil},
		{"too long an ACK delay", "02 04 81000001", Parameters{}, ErrRange},
		{"too long an idle timeout", "04 08 c000000100000000", Parameters{}, ErrRange},
		{"repeated", "01 01 00 01 01 00", Parameters{}, ErrParameter},
		{"repeated later", "01 01 00 02 01 00 01 01 01", Parameters{}, ErrParameter},
		{"unknown and repeated", "05 00 06 00 05 00", Parameters{}, ErrParameter},
		{"no value", "01 00", Parameters{}, ErrParameter},
		{"value cut by its length", "01 01 40 ", Parameters{}, ErrParameter},
		{"value shorter than its length", "01 02 0000", Parameters{}, ErrParameter},
		{"value not in its shortest form", "01 02 4000", Parameters{}, ErrVarint},
		{"id not in its shortest form", "4001 01 00", Parameters{}, ErrVarint},
		{"length not in its shortest form", "01 4001 00", Parameters{}, ErrVarint},
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
	} {
		p := DefaultParameters()
		change(&p)
		if b, err := AppendParameters([]byte{1}, &p); err != ErrRange || len(b) != 1 {
			t.Errorf("%s: %x, error %v", name, b, err)
		}
	}

	p := DefaultParameters()
	p.IdleTimeout = math.MaxInt64
	var f Frame
	if _, err := f.Parse(Must(AppendParameters(nil, &p))); err != nil {
		t.Fatal(err)
	}
	got, err := ParseParameters(f.Data)
	if want := math.MaxUint32 * time.Millisecond; err != nil || got.IdleTimeout != want {
		t.Errorf("the longest timeout is told as %v, error %v; want %v", got.IdleTimeout, err, want)
	}
}

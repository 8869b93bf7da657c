package wire

import (
	"bytes"
	"regexp"
	"testing"
)

// sealedHeader is the header of a packet of the protected version, and where its number begins.
func sealedHeader(t *testing.T, h Header) (b []byte, numberAt int) {
	t.Helper()
	h.Version, h.Dst, h.Src = VersionProtected, 1, 2
	b, err := AppendHeader(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	return b, len(b) - h.NumberLen
}

// TestParseSealed: what can be read of a sealed packet does not depend on what is protected.
func TestParseSealed(t *testing.T) {
	for _, h := range []Header{
		{Type: Initial, Number: 7, NumberLen: 1}, {Type: Initial, Number: 7, NumberLen: 4, Cookie: []byte("cookie")},
		{Type: Accept, Number: 7, NumberLen: 2}, {Type: Handshake, Number: 7, NumberLen: 3},
	} {
		b, at := sealedHeader(t, h)
		b = append(b, make([]byte, MinInitialSize)...)
		for mask := range byte(4) {
			b[0] ^= mask // as header protection does
			got, numberAt, err := ParseSealed(b)
			if err != nil || !IsSealed(b) || numberAt != at || got.Type != h.Type || got.Dst != 1 || got.Src != 2 || !bytes.Equal(got.Cookie, h.Cookie) || got.NumberLen != 0 {
				t.Errorf("%+v: %+v, %d, %v", h, got, numberAt, err)
			}
		}
		for n := range at {
			if _, _, err := ParseSealed(b[:n]); err == nil {
				t.Errorf("%v of %d bytes is accepted", h.Type, n)
			}
		}
		if _, _, err := ParseHeader(b); err != errVersion {
			t.Errorf("%v as a plain packet: %v, want %v", h.Type, err, errVersion)
		}
	}
	initial, _ := sealedHeader(t, Header{Type: Initial, NumberLen: 1})
	if _, _, err := ParseSealed(append(initial, make([]byte, MinInitialSize-len(initial)-1)...)); err != ErrInitialSize {
		t.Errorf("a small INITIAL: %v, want %v", err, ErrInitialSize)
	}
	retry, _ := sealedHeader(t, Header{Type: Retry})
	if _, _, err := ParseSealed(append(retry, 1, 1, 1, 1, 1)); err != ErrMalformed || IsSealed(retry) {
		t.Errorf("RETRY: %v, want %v", err, ErrMalformed)
	}
	plain := Must(AppendHeader(nil, Header{Type: Accept, Version: Version, Dst: 1, Src: 2, NumberLen: 1}))
	if _, _, err := ParseSealed(append(plain, 1, 1, 1, 1, 1)); err != errVersion || IsSealed(plain) {
		t.Errorf("a plain packet: %v, want %v", err, errVersion)
	}
	if _, _, err := ParseSealed([]byte{mark}); err != errForeign {
		t.Errorf("a short packet: %v, want %v", err, errForeign)
	}
}

// TestDescribeSealed: what can be read without keys is described, whatever header protection makes of the rest, and the rest is not.
func TestDescribeSealed(t *testing.T) {
	initial, _ := sealedHeader(t, Header{Type: Initial, Number: 7, NumberLen: 2, Cookie: []byte("cookie")})
	handshake, _ := sealedHeader(t, Header{Type: Handshake, Number: 7, NumberLen: 1})
	short := append([]byte{mark | 0x1b, 0, 0, 0, 0, 0, 0, 0, 9}, make([]byte, 30)...)
	retry, _ := sealedHeader(t, Header{Type: Retry})
	retry = AppendTrailer(Must(AppendCookie(retry, []byte("c"))), 0, Seed(VersionProtected, 1, 2))
	token := Must(AppendUnknownToken(nil, 5, []byte("0123456789abcdef")))
	for _, c := range []struct {
		packet []byte
		want   string
	}{
		{append(initial, make([]byte, MinInitialSize-len(initial))...), "INITIAL version=0x45424203 dst=0000000000000001 src=0000000000000002 cookie=636f6f6b6965 size=1200\n  sealed: number and frames of 1154 bytes\n  tag of 16 bytes\n"},
		{append(handshake, make([]byte, 40)...), "HANDSHAKE version=0x45424203 dst=0000000000000001 src=0000000000000002 size=64\n  sealed: number and frames of 25 bytes\n  tag of 16 bytes\n"},
		{append(handshake, make([]byte, 18)...), "HANDSHAKE version=0x45424203 dst=0000000000000001 src=0000000000000002 size=42\n  error: truncated\n"},
		{short, "SHORT dst=0000000000000009 size=39\n  sealed: number and frames of 14 bytes\n  tag of 16 bytes\n"},
		{short[:20], "SHORT dst=0000000000000009 size=20\n  error: truncated\n"},
		{retry, "RETRY version=0x45424203 dst=0000000000000001 src=0000000000000002 size=30\n  COOKIE 63\n  trailer=00000000 right\n"},
		{token, "UNKNOWN version=0x45424203 src=0000000000000005 size=35\n  token=30313233343536373839616263646566\n  trailer=00000000 right\n"},
		{initial[:10], "EBB size=10\n  error: truncated\n"},
	} {
		got := regexp.MustCompile("trailer=[0-9a-f]{8}").ReplaceAllString(DescribeSealed(c.packet), "trailer=00000000")
		if got != c.want {
			t.Errorf("%x:\n%swant\n%s", c.packet[:min(len(c.packet), 40)], got, c.want)
		}
		if again := Describe(c.packet); IsLong(c.packet) && again != DescribeSealed(c.packet) {
			t.Errorf("described as\n%s", again)
		}
	}
}

// TestParseAnswer: answers without a connection are read in the version that was asked for.
func TestParseAnswer(t *testing.T) {
	retry, _ := sealedHeader(t, Header{Type: Retry})
	retry = AppendTrailer(Must(AppendCookie(retry, []byte("cookie"))), 0, Seed(VersionProtected, 1, 2))
	h, payload, err := ParseAnswer(retry, VersionProtected)
	if err != nil || h.Type != Retry || h.Dst != 1 || h.Src != 2 || len(payload) == 0 || !Verify(retry, Seed(h.Version, h.Dst, h.Src)) {
		t.Errorf("%+v, %x, %v", h, payload, err)
	}
	if _, _, err := ParseAnswer(retry, Version); err != errVersion {
		t.Errorf("of another version: %v, want %v", err, errVersion)
	}
	versions := Must(AppendVersions(nil, bytes.Repeat([]byte{2}, 8), bytes.Repeat([]byte{1}, 8)))
	if _, _, err := ParseAnswer(versions, VersionProtected); err != nil {
		t.Errorf("VERSIONS: %v", err)
	}
	accept, _ := sealedHeader(t, Header{Type: Accept, NumberLen: 1})
	if _, _, err := ParseAnswer(append(accept, 1, 0, 0, 0, 0), VersionProtected); err != ErrMalformed {
		t.Errorf("ACCEPT: %v, want %v", err, ErrMalformed)
	}
}

// TestUnknownToken: UNKNOWN of the protected version has a token, and nothing else will do.
func TestUnknownToken(t *testing.T) {
	token := []byte("sixteen bytes...")
	b, err := AppendUnknownToken([]byte("before"), 7, token)
	if err != nil {
		t.Fatal(err)
	}
	b = b[len("before"):]
	h, payload, err := ParseAnswer(b, VersionProtected)
	if err != nil || len(b) != SealedUnknownSize || h.Type != Unknown || h.Src != 7 || !bytes.Equal(payload, token) || !Verify(b, Seed(h.Version, 0, h.Src)) {
		t.Errorf("%+v, %q, %v", h, payload, err)
	}
	for _, n := range []int{0, 15, 17} {
		if _, err := AppendUnknownToken(nil, 7, make([]byte, n)); err != errRange {
			t.Errorf("a token of %d bytes: %v, want %v", n, err, errRange)
		}
		bad := Must(AppendHeader(nil, Header{Type: Unknown, Version: VersionProtected, Src: 7}))
		bad = AppendTrailer(append(bad, make([]byte, n)...), 0, Seed(VersionProtected, 0, 7))
		if _, _, err := ParseAnswer(bad, VersionProtected); err != ErrMalformed {
			t.Errorf("UNKNOWN with %d bytes: %v, want %v", n, err, ErrMalformed)
		}
	}
	if _, err := AppendUnknownToken(nil, 0, token); err != errID {
		t.Errorf("without an ID: %v, want %v", err, errID)
	}
}

// TestOpens: what opens a connection.
func TestOpens(t *testing.T) {
	crypto := Must(AppendCrypto(nil, 7, []byte("hello")))
	for _, tt := range []struct {
		what   string
		frames []byte
		want   bool
	}{
		{"nothing", nil, false}, {"CRYPTO", crypto, true}, {"PADDING and CRYPTO", append(make([]byte, 9), crypto...), true},
		{"PING", AppendPing(nil), false}, {"CRYPTO and CLOSE", AppendClose(crypto, CodeReset, ""), false},
		{"CRYPTO and WINDOW", AppendWindow(crypto, 1), false}, {"cut off", crypto[:len(crypto)-1], false},
	} {
		if got := Opens(tt.frames); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.what, got, tt.want)
		}
	}
}

func FuzzParseSealed(f *testing.F) {
	f.Add(Must(AppendHeader(nil, Header{Type: Handshake, Version: VersionProtected, Dst: 1, Src: 2, NumberLen: 1})))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, at, err := ParseSealed(b); err == nil && (at > len(b) || h.Dst == 0 || h.Src == 0) {
			t.Errorf("%+v, %d", h, at)
		}
		ParseAnswer(b, VersionProtected)
	})
}

package wire

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// ignoreRaw leaves the borrowed ranges out of a comparison; TestAck looks at them.
var ignoreRaw = cmpopts.IgnoreUnexported(Ack{})

var testToken = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}

// frameCases has each frame, as it is written and described, and the encoder that
// senders use for it, if there is one.
var frameCases = []struct {
	name string
	hex  string
	want Frame
	text string
	send func(dst []byte) []byte
}{
	{"padding", "00", Frame{Type: FramePadding, Data: []byte{0}}, "PADDING length=1",
		func(b []byte) []byte { return AppendPadding(b, 1) }},
	{"padding run", "0000000000", Frame{Type: FramePadding, Data: make([]byte, 5)}, "PADDING length=5",
		func(b []byte) []byte { return AppendPadding(b, 5) }},
	{"ping", "01", Frame{Type: FramePing}, "PING", AppendPing},
	{"ack", "02 05 4064 01020304 00 05",
		Frame{Type: FrameAck, Ack: Ack{Largest: 5, Delay: 100 * time.Microsecond, Received: 0x01020304}},
		"ACK largest=5 delay=100µs received=16909060 ranges=[0-5]",
		func(b []byte) []byte {
			a := Ack{Delay: 100 * time.Microsecond, Received: 0x01020304}
			return Must(AppendAck(b, &a, []Range{{0, 5}}, 100))
		}},
	{"ack of three ranges", "02 4065 00 ffffffff 02 01 00 02 30 00",
		Frame{Type: FrameAck, Ack: Ack{Largest: 101, Received: 0xffffffff}},
		"ACK largest=101 delay=0s received=4294967295 ranges=[100-101 96-98 46]",
		func(b []byte) []byte {
			return Must(AppendAck(b, &Ack{Received: 0xffffffff}, []Range{{46, 46}, {96, 98}, {100, 101}}, 100))
		}},
	{"ack with ecn", "03 00 00 00000000 00 00 01 4080 3f",
		Frame{Type: FrameAckECN, Ack: Ack{HasECN: true, ECT0: 1, ECT1: 128, CE: 63}},
		"ACK_ECN largest=0 delay=0s received=0 ranges=[0] ect0=1 ect1=128 ce=63",
		func(b []byte) []byte {
			return Must(AppendAck(b, &Ack{HasECN: true, ECT0: 1, ECT1: 128, CE: 63}, []Range{{0, 0}}, 100))
		}},
	{"window", "04 80010000", Frame{Type: FrameWindow, Limit: 65536}, "WINDOW limit=65536",
		func(b []byte) []byte { return AppendWindow(b, 65536) }},
	{"blocked", "0f 80010000", Frame{Type: FrameBlocked, Limit: 65536}, "BLOCKED limit=65536",
		func(b []byte) []byte { return AppendBlocked(b, 65536) }},
	{"blocked max", "0f ffffffffffffffff", Frame{Type: FrameBlocked, Limit: MaxOffset}, "BLOCKED limit=4611686018427387903",
		func(b []byte) []byte { return AppendBlocked(b, MaxOffset+1) }},
	{"window max", "04 ffffffffffffffff", Frame{Type: FrameWindow, Limit: MaxOffset}, "WINDOW limit=4611686018427387903",
		func(b []byte) []byte { return AppendWindow(b, MaxOffset) }},
	{"reset", "05 01 43e8", Frame{Type: FrameReset, Code: CodeReset, Final: 1000}, "RESET code=RESET final=1000",
		func(b []byte) []byte { return Must(AppendReset(b, CodeReset, 1000)) }},
	{"stop", "06 00", Frame{Type: FrameStop}, "STOP code=NONE",
		func(b []byte) []byte { return AppendStop(b, CodeNone) }},
	{"stop with a code of its own", "06 4100", Frame{Type: FrameStop, Code: 256}, "STOP code=Code(256)",
		func(b []byte) []byte { return AppendStop(b, 256) }},
	{"close", "07 03 06 c3a8 207a0a22", Frame{Type: FrameClose, Code: CodeProtocol, Data: []byte("è z\n\"")},
		`CLOSE code=PROTOCOL reason="è z\n\""`,
		func(b []byte) []byte { return AppendClose(b, CodeProtocol, "è z\n\"") }},
	{"close without a word", "07 00 00", Frame{Type: FrameClose, Data: []byte{}}, `CLOSE code=NONE reason=""`,
		func(b []byte) []byte { return AppendClose(b, CodeNone, "") }},
	{"path challenge", "08 0102030405060708", Frame{Type: FramePathChallenge, Token: testToken},
		"PATH_CHALLENGE token=0102030405060708",
		func(b []byte) []byte { return AppendPathChallenge(b, testToken) }},
	{"path response", "09 0102030405060708", Frame{Type: FramePathResponse, Token: testToken},
		"PATH_RESPONSE token=0102030405060708",
		func(b []byte) []byte { return AppendPathResponse(b, testToken) }},
	{"reset token", "0a 000102030405060708090a0b0c0d0e0f", Frame{Type: FrameResetToken, Data: []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")},
		"RESET_TOKEN 000102030405060708090a0b0c0d0e0f",
		func(b []byte) []byte {
			return Must(AppendResetToken(b, []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f")))
		}},
	{"crypto", "0c 00 02 6869", Frame{Type: FrameCrypto, Data: []byte("hi")}, "CRYPTO offset=0 length=2",
		func(b []byte) []byte { return Must(AppendCrypto(b, 0, []byte("hi"))) }},
	{"crypto, later", "0c 4400 01 68", Frame{Type: FrameCrypto, Offset: 1024, Data: []byte("h")}, "CRYPTO offset=1024 length=1",
		func(b []byte) []byte { return Must(AppendCrypto(b, 1024, []byte("h"))) }},
	{"crypto, the last byte there can be", "0c fffffffffffffffe 01 68",
		Frame{Type: FrameCrypto, Offset: MaxOffset - 1, Data: []byte("h")}, "CRYPTO offset=4611686018427387902 length=1",
		func(b []byte) []byte { return Must(AppendCrypto(b, MaxOffset-1, []byte("h"))) }},
	{"cookie", "0b 03 deadbe", Frame{Type: FrameCookie, Data: []byte{0xde, 0xad, 0xbe}}, "COOKIE deadbe",
		func(b []byte) []byte { return Must(AppendCookie(b, []byte{0xde, 0xad, 0xbe})) }},
	{"data", "12 00 02 6869", Frame{Type: FrameData, Data: []byte("hi")}, "DATA offset=0 length=2",
		func(b []byte) []byte { return append(Must(AppendDataHeader(b, 0, 2, false, false)), "hi"...) }},
	{"data to the end", "10 4400 6869", Frame{Type: FrameData, ToEnd: true, Offset: 1024, Data: []byte("hi")},
		"DATA offset=1024 length=2 to-end",
		func(b []byte) []byte { return append(Must(AppendDataHeader(b, 1024, 2, false, true)), "hi"...) }},
	{"last data", "13 01 01 68", Frame{Type: FrameData, Fin: true, Offset: 1, Data: []byte("h")},
		"DATA offset=1 length=1 fin",
		func(b []byte) []byte { return append(Must(AppendDataHeader(b, 1, 1, true, false)), 'h') }},
	{"only the end", "13 07 00", Frame{Type: FrameData, Fin: true, Offset: 7, Data: []byte{}},
		"DATA offset=7 length=0 fin",
		func(b []byte) []byte { return Must(AppendDataHeader(b, 7, 0, true, false)) }},
	{"only the end, to the end", "11 07", Frame{Type: FrameData, Fin: true, ToEnd: true, Offset: 7, Data: []byte{}},
		"DATA offset=7 length=0 fin to-end",
		func(b []byte) []byte { return Must(AppendDataHeader(b, 7, 0, true, true)) }},
	{"the last byte there can be", "12 fffffffffffffffe 01 68",
		Frame{Type: FrameData, Offset: MaxOffset - 1, Data: []byte("h")}, "DATA offset=4611686018427387902 length=1",
		func(b []byte) []byte { return append(Must(AppendDataHeader(b, MaxOffset-1, 1, false, false)), 'h') }},
}

func TestFrame(t *testing.T) {
	for _, tt := range frameCases {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			size := len(b)
			if !tt.want.ToEnd {
				b = append(b, 0x01) // belongs to the next frame
			}
			got := Frame{Type: 99, Fin: true, Limit: 99, Data: []byte("old"), Ack: Ack{Largest: 99}}
			n, err := got.Parse(b)
			if n != size || err != nil {
				t.Fatalf("size %d, error %v; want %d", n, err, size)
			}
			if diff := cmp.Diff(tt.want, got, ignoreRaw); diff != "" {
				t.Errorf("parsed (-want +got):\n%s", diff)
			}
			if s := got.String(); s != tt.text {
				t.Errorf("described as %q, want %q", s, tt.text)
			}
			if again := Must(got.Append([]byte("x")))[1:]; !bytes.Equal(again, b[:size]) {
				t.Errorf("written again as %x, want %x", again, b[:size])
			}
			if tt.send != nil {
				if sent := tt.send([]byte("x"))[1:]; !bytes.Equal(sent, b[:size]) {
					t.Errorf("sent as %x, want %x", sent, b[:size])
				}
			}
			for n := range size {
				cutFrame(t, b[:n:n], tt.want)
			}
		})
	}
}

// cutFrame parses a frame that has lost its end: an error, unless what is left is a
// frame too.
func cutFrame(t *testing.T, b []byte, whole Frame) {
	t.Helper()
	var f Frame
	_, err := f.Parse(b)
	switch {
	case whole.Type == FramePadding && len(b) > 0:
	case whole.Type == FrameData && whole.ToEnd && err == nil:
		if !bytes.HasPrefix(whole.Data, f.Data) || len(f.Data) == 0 && !f.Fin {
			t.Errorf("%x is read as %v", b, f)
		}
	case whole.Type == FrameData && whole.ToEnd && err == ErrMalformed: // nothing left of the data
	case err != ErrTruncated:
		t.Errorf("%x: error %v, want %v", b, err, ErrTruncated)
	}
}

// TestFrameErrors carries, of docs/wire.md: [W23] [W24].
func TestFrameErrors(t *testing.T) {
	for _, tt := range []struct {
		name, hex string
		want      error
	}{
		{"nothing", "", ErrTruncated},
		{"NEW_TOKEN", "0d 00 00", errReserved},
		{"NEW_CONNECTION_ID", "0e 00 00", errReserved},
		{"DATAGRAM", "30 00", errReserved},
		{"DATAGRAM with length", "31 00", errReserved},
		{"reset token cut off", "0a 00", ErrTruncated},
		{"DATA of a stream", "14 00", errReserved},
		{"DATA of a stream, with FIN and a length", "17 00", errReserved},
		{"RESET of a stream", "18 00", errReserved},
		{"STOP of a stream", "19 00", errReserved},
		{"WINDOW of a stream", "1a 00", errReserved},
		{"BLOCKED of a stream", "1b 00", errReserved},
		{"RETIRE_CONNECTION_ID", "1c 00", errReserved},
		{"OBSERVED_ADDRESS", "1d 00", errReserved},
		{"type 0x1e", "1e 00", errUnknownFrame},
		{"type 0x2f", "2f 00", errUnknownFrame},
		{"type 0x32", "32 00", errUnknownFrame},
		{"type 0x40", "4001 00", errUnknownFrame},
		{"type 0xff", "ff 00", errUnknownFrame},
		{"long limit", "04 4001", errVarint},
		{"long code in RESET", "05 4001 00", errVarint},
		{"long final", "05 01 80000001", errVarint},
		{"long code in STOP", "06 4001", errVarint},
		{"long code in CLOSE", "07 4001 00", errVarint},
		{"long length in CLOSE", "07 01 4001 61", errVarint},
		{"long offset in CRYPTO", "0c 4000 01 61", errVarint},
		{"long length in CRYPTO", "0c 00 4001 61", errVarint},
		{"long length in COOKIE", "0b 4001 61", errVarint},
		{"long offset", "12 4001 01 61", errVarint},
		{"long length in DATA", "12 01 4001 61", errVarint},
		{"reason of 257", "07 01 4101" + strings.Repeat("61", 257), errRange},
		{"reason of 2^62-1", "07 01 ffffffffffffffff 61", errRange},
		{"reason not UTF-8", "07 01 02 61ff", ErrMalformed},
		{"reason ends inside a character", "07 01 01 c3", ErrMalformed},
		{"no crypto", "0c 00 00", ErrMalformed},
		{"crypto of 2^62-1", "0c 00 ffffffffffffffff 01", ErrTruncated},
		{"crypto ends at 2^62", "0c ffffffffffffffff 01 61", errRange},
		{"no cookie", "0b 00", errRange},
		{"cookie of 256", "0b 4100" + strings.Repeat("61", 256), errRange},
		{"no data", "12 00 00", ErrMalformed},
		{"no data to the end", "10 00", ErrMalformed},
		{"data of 2^62-1", "12 00 ffffffffffffffff 61", ErrTruncated},
		{"data ends at 2^62", "12 ffffffffffffffff 01 61", errRange},
		{"data ends at 2^62, to the end", "10 fffffffffffffffe 6161", errRange},
	} {
		var f Frame
		if n, err := f.Parse(unhex(t, tt.hex)); n != 0 || err != tt.want {
			t.Errorf("%s: %d, %v; want 0, %v", tt.name, n, err, tt.want)
		}
	}
}

// TestFrameProperties carries, of docs/wire.md: [W26] [W27] [W134].
func TestFrameProperties(t *testing.T) {
	all := []PacketType{Short, Initial, Accept, Retry, Refuse, Unknown, zeroRTT, Handshake, Versions}
	handshake := []PacketType{Short, Initial, Accept, Handshake}
	short := []PacketType{Short}
	for _, tt := range []struct {
		types   []FrameType
		elicits bool
		in      []PacketType
	}{
		{[]FrameType{FramePadding, FrameAck, FrameAckECN}, false, handshake},
		{[]FrameType{FramePing}, true, handshake},
		{[]FrameType{FrameWindow, FrameReset, FrameStop, FramePathChallenge, FramePathResponse, FrameResetToken, FrameBlocked, 0x10, 0x11, 0x12, 0x13}, true, short},
		{[]FrameType{FrameClose}, false, append(handshake, Refuse)},
		{[]FrameType{FrameCrypto}, true, handshake[1:]},
		{[]FrameType{FrameCookie}, false, []PacketType{Retry}},
		{[]FrameType{FrameNewToken, frameNewConnectionID, 0x14, 0x17, 0x18, 0x1d, 0x1e, frameDatagram, 0x31, 0x32, 0xff}, false, nil},
	} {
		for _, f := range tt.types {
			if got := f.AckEliciting(); got != tt.elicits {
				t.Errorf("%v: ack-eliciting is %v", f, got)
			}
			allowed := map[PacketType]bool{}
			for _, p := range tt.in {
				allowed[p] = true
			}
			for _, p := range all {
				if got := f.AllowedIn(p); got != allowed[p] {
					t.Errorf("%v: allowed in %v is %v", f, p, got)
				}
			}
		}
	}
}

func TestParseIn(t *testing.T) {
	for _, tt := range []struct {
		p    PacketType
		hex  string
		n    int
		want error
	}{
		{Short, "01 01", 1, nil},
		{Short, "0b 01 61", 0, errFrameNotAllowed},
		{Initial, "0b 01 61 01", 0, errFrameNotAllowed},
		{Initial, "0c 00 01 61 01", 4, nil},
		{Short, "0c 00 01 61", 0, errFrameNotAllowed},
		{Accept, "0b 01 61", 0, errFrameNotAllowed},
		{Accept, "12 00 01 61", 0, errFrameNotAllowed},
		{Retry, "0b 01 61", 3, nil},
		{Retry, "0b 01 61 00", 0, ErrMalformed},
		{Retry, "07 00 00", 0, errFrameNotAllowed},
		{Refuse, "07 02 00", 3, nil},
		{Refuse, "07 02 00 07 02 00", 0, ErrMalformed},
		{Refuse, "01", 0, errFrameNotAllowed},
		{Short, "", 0, ErrTruncated},
	} {
		var f Frame
		if n, err := f.ParseIn(tt.p, unhex(t, tt.hex)); n != tt.n || err != tt.want {
			t.Errorf("%s in %v: %d, %v; want %d, %v", tt.hex, tt.p, n, err, tt.n, tt.want)
		}
	}
}

func TestAppendCloseMakesAnyStringAReason(t *testing.T) {
	for _, tt := range []struct{ name, reason, want string }{
		{"longest", strings.Repeat("a", 256), strings.Repeat("a", 256)},
		{"too long", strings.Repeat("a", 300), strings.Repeat("a", 256)},
		{"cut in a character of two", strings.Repeat("a", 255) + "è", strings.Repeat("a", 255)},
		{"cut in a character of four", strings.Repeat("a", 253) + "😀", strings.Repeat("a", 253)},
		{"fits to the byte", strings.Repeat("a", 252) + "😀z", strings.Repeat("a", 252) + "😀"},
		{"not UTF-8", "a\xffb\xc3", "a\ufffdb\ufffd"},
	} {
		var f Frame
		b := AppendClose(nil, CodeInternal, tt.reason)
		if n, err := f.Parse(b); n != len(b) || err != nil {
			t.Errorf("%s: %d of %d, error %v", tt.name, n, len(b), err)
		} else if string(f.Data) != tt.want {
			t.Errorf("%s: reason %q, want %q", tt.name, f.Data, tt.want)
		}
	}
}

func TestDataHeaderLen(t *testing.T) {
	for _, offset := range []uint64{0, 63, 64, 1<<14 - 1, 1 << 14, 1<<30 - 1, 1 << 30, MaxOffset - 100000} {
		for _, length := range []int{1, 63, 64, 1200, 1 << 14, 65000} {
			for _, toEnd := range []bool{false, true} {
				want := len(Must(AppendDataHeader(nil, offset, length, false, toEnd)))
				if got := DataHeaderLen(offset, length, toEnd); got != want {
					t.Errorf("DataHeaderLen(%d, %d, %v) = %d, want %d", offset, length, toEnd, got, want)
				}
			}
		}
	}
}

func TestCryptoHeaderLen(t *testing.T) {
	for _, offset := range []uint64{0, 63, 64, 1<<14 - 1, 1 << 14, 1 << 30} {
		for _, length := range []int{1, 63, 64, 1200, 1 << 14} {
			want := len(Must(AppendCrypto(nil, offset, make([]byte, length)))) - length
			if got := CryptoHeaderLen(offset, length); got != want {
				t.Errorf("CryptoHeaderLen(%d, %d) = %d, want %d", offset, length, got, want)
			}
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	dst := []byte{1}
	for name, f := range map[string]struct {
		make func() ([]byte, error)
		want error
	}{
		"no cookie":       {func() ([]byte, error) { return AppendCookie(dst, nil) }, errRange},
		"long cookie":     {func() ([]byte, error) { return AppendCookie(dst, make([]byte, 256)) }, errRange},
		"no data":         {func() ([]byte, error) { return AppendDataHeader(dst, 0, 0, false, false) }, ErrMalformed},
		"negative data":   {func() ([]byte, error) { return AppendDataHeader(dst, 0, -1, true, false) }, errRange},
		"data beyond end": {func() ([]byte, error) { return AppendDataHeader(dst, MaxOffset, 1, false, true) }, errRange},
		"endless data":    {func() ([]byte, error) { return AppendDataHeader(dst, 0, math.MaxInt, false, true) }, errRange},
		"offset too high": {func() ([]byte, error) { return AppendDataHeader(dst, MaxOffset+1, 0, true, true) }, errRange},
		"no crypto":       {func() ([]byte, error) { return AppendCrypto(dst, 0, nil) }, ErrMalformed},
		"crypto too high": {func() ([]byte, error) { return AppendCrypto(dst, MaxOffset, dst) }, errRange},
		"end too high":    {func() ([]byte, error) { return AppendReset(dst, CodeNone, MaxOffset+1) }, errRange},
		"reserved frame":  {func() ([]byte, error) { return (&Frame{Type: FrameNewToken}).Append(dst) }, errReserved},
		"DATA by its bit": {func() ([]byte, error) { return (&Frame{Type: FrameData | dataFin}).Append(dst) }, errReserved},
		"empty DATA":      {func() ([]byte, error) { return (&Frame{Type: FrameData}).Append(dst) }, ErrMalformed},
		"ACK too high":    {func() ([]byte, error) { return (&Frame{Type: FrameAck, Ack: Ack{Largest: MaxOffset + 1}}).Append(dst) }, errRange},
	} {
		if b, err := f.make(); err != f.want || !bytes.Equal(b, dst) {
			t.Errorf("%s: %x, error %v; want %v", name, b, err, f.want)
		}
	}
}

// TestAppendMakesTheBestOfIt: the encoders that cannot fail have a meaning for every value.
func TestAppendMakesTheBestOfIt(t *testing.T) {
	for _, tt := range []struct {
		name      string
		got, want []byte
	}{
		{"padding of -1 bytes", AppendPadding([]byte{1}, -1), []byte{1}},
		{"endless padding", AppendPadding(nil, math.MaxInt), make([]byte, 65535)},
		{"a limit beyond all offsets", AppendBlocked(nil, math.MaxUint64), AppendBlocked(nil, MaxOffset)},
		{"a window beyond all offsets", AppendWindow(nil, math.MaxUint64), AppendWindow(nil, MaxOffset)},
		{"STOP with a code that there cannot be", AppendStop(nil, math.MaxUint64), AppendStop(nil, CodeInternal)},
		{"CLOSE with a code that there cannot be", AppendClose(nil, MaxOffset+1, "x"), AppendClose(nil, CodeInternal, "x")},
		{"RESET with a code that there cannot be", Must(AppendReset(nil, MaxOffset+1, 5)), Must(AppendReset(nil, CodeInternal, 5))},
		{"a packet that begins behind the end", AppendTrailer([]byte{1}, 9, 0), AppendTrailer([]byte{1}, 1, 0)},
		{"a packet that begins before the beginning", AppendTrailer([]byte{1}, -1, 0), AppendTrailer([]byte{1}, 1, 0)},
	} {
		if !bytes.Equal(tt.got, tt.want) {
			t.Errorf("%s is %x, want %x", tt.name, tt.got, tt.want)
		}
	}
}

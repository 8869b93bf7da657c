package wire

import (
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What callers get wrong: values around each bound, and beyond all of them.
var (
	hostileInts    = []int{math.MinInt, -1, 0, 1, 4, 5, 255, 256, 1 << 20, math.MaxInt}
	hostileUints   = []uint64{0, 1, 63, 64, 1<<30 - 1, MaxOffset - 1, MaxOffset, MaxOffset + 1, math.MaxUint64}
	hostileBytes   = [][]byte{nil, {}, {1}, make([]byte, 20), make([]byte, 21), make([]byte, 256), make([]byte, 70000)}
	hostileStrings = []string{"", "x", "\xff", strings.Repeat("è", 200), string(make([]byte, 70000))}
	hostileTimes   = []time.Duration{math.MinInt64, -1, 0, 1, MaxAckDelayLimit, MaxAckDelayLimit + 1, math.MaxInt64}
	hostileRanges  = [][]Range{nil, {}, {{0, 0}}, {{5, 4}}, {{MaxOffset, MaxOffset + 1}}, {{0, math.MaxUint64}}, {{3, 4}, {4, 9}},
		{{math.MaxUint64, 0}, {math.MaxUint64, 0}}, {{7, 7}, {3, 3}}, everySecond(300)}
)

// hostileCalls calls each encoder with every combination that can be wrong, and keep for what it makes of it.
var hostileCalls = map[string]func(keep func([]byte, error)){
	"AppendPadding": func(keep func([]byte, error)) {
		for _, n := range hostileInts {
			keep(AppendPadding(nil, n), nil)
		}
	},
	"AppendPing":          func(keep func([]byte, error)) { keep(AppendPing(nil), nil) },
	"AppendPathChallenge": func(keep func([]byte, error)) { keep(AppendPathChallenge(nil, testToken), nil) },
	"AppendPathResponse":  func(keep func([]byte, error)) { keep(AppendPathResponse(nil, testToken), nil) },
	"AppendBlocked": func(keep func([]byte, error)) {
		for _, v := range hostileUints {
			keep(AppendBlocked(nil, v), nil)
		}
	},
	"AppendWindow": func(keep func([]byte, error)) {
		for _, v := range hostileUints {
			keep(AppendWindow(nil, v), nil)
		}
	},
	"AppendReset": func(keep func([]byte, error)) {
		for _, code := range hostileUints {
			for _, final := range hostileUints {
				keep(AppendReset(nil, Code(code), final))
			}
		}
	},
	"AppendStop": func(keep func([]byte, error)) {
		for _, code := range hostileUints {
			keep(AppendStop(nil, Code(code)), nil)
		}
	},
	"AppendClose": func(keep func([]byte, error)) {
		for _, code := range hostileUints {
			for _, reason := range hostileStrings {
				keep(AppendClose(nil, Code(code), reason), nil)
			}
		}
	},
	"AppendResetToken": func(keep func([]byte, error)) {
		for _, b := range hostileBytes {
			keep(AppendResetToken(nil, b))
		}
		keep(AppendResetToken(nil, make([]byte, ResetTokenSize)))
	},
	"AppendCookie": func(keep func([]byte, error)) {
		for _, cookie := range hostileBytes {
			keep(AppendCookie(nil, cookie))
		}
	},
	"AppendCrypto": func(keep func([]byte, error)) {
		for _, offset := range hostileUints {
			for _, b := range hostileBytes {
				keep(AppendCrypto(nil, offset, b))
			}
		}
	},
	"AppendDataHeader": func(keep func([]byte, error)) {
		for _, offset := range hostileUints {
			for _, n := range hostileInts {
				for bits := range 4 {
					b, err := AppendDataHeader(nil, offset, n, bits&1 != 0, bits&2 != 0)
					if err != nil || n < 1<<20 {
						keep(append(b, make([]byte, max(n, 0)*min(len(b), 1))...), err)
					}
				}
			}
		}
	},
	"AppendAck": func(keep func([]byte, error)) {
		for _, ranges := range hostileRanges {
			for _, room := range hostileInts {
				for _, v := range hostileUints {
					for _, d := range hostileTimes {
						keep(AppendAck(nil, &Ack{Largest: v, Delay: d, HasECN: v%2 == 0, ECT0: v, ECT1: v, CE: v}, ranges, room))
					}
				}
			}
		}
	},
	"AppendParameters": func(keep func([]byte, error)) {
		for _, v := range hostileUints {
			for _, d := range hostileTimes {
				for _, idle := range hostileTimes {
					for _, cookie := range hostileBytes {
						p := Parameters{InitialWindow: v, MaxAckDelay: d, MaxDatagramSize: v, IdleTimeout: idle,
							Version: uint32(v), FirstDst: ID(v), Src: ID(v), Dst: ID(v), Cookie: cookie}
						b, err := AppendParameters(nil, &p)
						if err == nil {
							b = Must(AppendCrypto(nil, 0, b))
						}
						keep(b, err)
					}
				}
			}
		}
	},
	"Append": func(keep func([]byte, error)) {
		for typ := range 256 {
			for _, v := range hostileUints {
				for _, b := range hostileBytes {
					f := Frame{Type: FrameType(typ), Offset: v, Data: b, Limit: v, Code: Code(v), Final: v, Ack: Ack{Largest: v, Delay: -1, HasECN: true, CE: v}}
					keep(f.Append(nil))
				}
			}
		}
	},
}

// hostileHeaders calls the encoders of packets.
var hostileHeaders = map[string]func(keep func([]byte, error)){
	"AppendHeader": func(keep func([]byte, error)) {
		for typ := range 256 {
			for _, n := range hostileInts {
				for bits := range 8 {
					h := Header{Type: PacketType(typ), Version: uint32(bits & 1), Dst: ID(bits & 2), Src: ID(bits & 4), NumberLen: n, Number: math.MaxUint64}
					for _, cookie := range hostileBytes {
						h.Cookie = cookie
						keep(AppendHeader(nil, h))
					}
				}
			}
		}
	},
	"AppendShort": func(keep func([]byte, error)) {
		for _, n := range hostileInts {
			for _, v := range hostileUints {
				keep(AppendShort(nil, ID(v), v, n))
			}
		}
	},
	"AppendVersions": func(keep func([]byte, error)) {
		for _, dst := range hostileBytes {
			for _, src := range hostileBytes {
				keep(AppendVersions(nil, dst, src))
			}
		}
	},
	"AppendUnknownToken": func(keep func([]byte, error)) {
		for _, token := range hostileBytes {
			keep(AppendUnknownToken(nil, 0, token))
			keep(AppendUnknownToken(nil, 1, token))
		}
	},
	"AppendTrailer": func(keep func([]byte, error)) {
		for _, start := range hostileInts {
			keep(AppendTrailer([]byte{1, 2, 3}, start, 0), nil)
			keep(AppendTrailer(nil, start, 0), nil)
		}
	},
}

// TestEncodersNeverPanic: whatever they are given, encoders append what parses, or nothing and say why.
func TestEncodersNeverPanic(t *testing.T) {
	for name, call := range hostileCalls {
		t.Run(name, func(t *testing.T) {
			call(func(b []byte, err error) {
				var f Frame
				switch n, parseErr := f.Parse(b); {
				case err != nil && len(b) != 0:
					t.Errorf("%d bytes and error %v", len(b), err)
				case err == nil && len(b) > 0 && (parseErr != nil || n != len(b)):
					t.Errorf("%.40x is not a frame: %d of %d bytes, %v", b, n, len(b), parseErr)
				}
			})
		})
	}
	for name, call := range hostileHeaders {
		t.Run(name, func(t *testing.T) {
			call(func(b []byte, err error) {
				if err != nil && len(b) != 0 || err == nil && len(b) == 0 {
					t.Errorf("%d bytes and error %v", len(b), err)
				}
			})
		})
	}
}

// TestEveryEncoderIsTested: no encoder is missing above.
func TestEveryEncoderIsTested(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || !strings.HasPrefix(f.Name.Name, "Append") {
				continue
			}
			found++
			if hostileCalls[f.Name.Name] == nil && hostileHeaders[f.Name.Name] == nil {
				t.Errorf("%s is called with nothing wrong", f.Name.Name)
			}
		}
	}
	if want := len(hostileCalls) + len(hostileHeaders); found != want {
		t.Errorf("%d encoders, %d are tested", found, want)
	}
}

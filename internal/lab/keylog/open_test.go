package keylog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

func long(t wire.PacketType, number uint64, cookie string) []byte {
	h := wire.Header{Type: wire.Initial, Version: 0x45424203, Dst: 7, Src: 8, Number: number, NumberLen: 2, Cookie: []byte(cookie)}
	b := wire.Must(wire.AppendHeader(nil, h))
	if t == wire.Initial {
		return b
	}
	if t != wire.Accept {
		panic("BUG: no such packet in this test")
	}
	h.Type, h.Cookie = wire.Accept, nil
	return wire.Must(wire.AppendHeader(nil, h))
}

// TestInitial [W201] [W202] [W205]: packets of both sides, with and without a cookie, open with what the page says.
func TestInitial(t *testing.T) {
	for _, client := range []bool{true, false} {
		seal, _, err := protect.NewInitialKeys(7, client)
		if err != nil {
			t.Fatal(err)
		}
		o, err := Initial(7, client)
		if err != nil {
			t.Fatal(err)
		}
		for number, cookie := range []string{"", "a cookie", strings.Repeat("c", 255)} {
			kind := wire.Initial
			if !client {
				kind = wire.Accept
			}
			h := long(kind, uint64(number), cookie)
			sealed := seal.Seal(append(bytes.Clone(h), "frames"...), 0, len(h), uint64(number))
			p, err := o.Open(sealed, int64(number)-1)
			if err != nil || p.Number != uint64(number) || string(p.Frames) != "frames" {
				t.Fatalf("client %v, cookie %q: %+v, %v", client, cookie, p, err)
			}
			sealed[len(sealed)-1]++
			if _, err := o.Open(sealed, -1); err == nil {
				t.Error("a changed packet opens")
			}
		}
	}
}

// TestData [W201] [W203] [W204] [W206] [W207] [W210] [W211]: short packets of each suite through some key updates, from both sides, open
// with what the page says.
func TestData(t *testing.T) {
	for _, s := range []protect.Suite{protect.AES128GCM, protect.AES256GCM, protect.ChaCha20Poly1305} {
		t.Run(s.String(), func(t *testing.T) {
			size := 32
			if s == protect.AES256GCM {
				size = 48
			}
			secrets := [2][]byte{bytes.Repeat([]byte{1}, size), bytes.Repeat([]byte{2}, size)}
			var keys [2]*protect.DataKeys
			var openers [2]*Opener
			for i := range keys {
				var err error
				if keys[i], err = protect.NewDataKeys(s, protect.Limits{Update: 5, Sealed: 100, Forged: 1}); err != nil {
					t.Fatal(err)
				}
				if err := keys[i].SetSend(secrets[i]); err != nil {
					t.Fatal(err)
				}
				if err := keys[i].SetRecv(secrets[1-i]); err != nil {
					t.Fatal(err)
				}
				keys[i].Confirm()
				if openers[i], err = New(uint16(s), secrets[i]); err != nil {
					t.Fatal(err)
				}
			}
			for number := range uint64(50) {
				for i := range keys {
					h := wire.Must(wire.AppendShort(nil, 9, number, 3))
					frames := fmt.Sprintf("frames of %d", number)
					sealed := keys[i].Seal(append(h, frames...), 0, len(h), number)
					phase, _ := keys[i].Phases()
					p, err := openers[i].Open(sealed, int64(number)-1)
					if err != nil || p.Number != number || string(p.Frames) != frames || p.Phase != int(phase) {
						t.Fatalf("side %d: %+v, %v; phase %d", i, p, err, phase)
					}
					if _, _, ok := keys[1-i].Open(sealed, wire.ShortHeaderLen(0), number-1, number > 0); !ok {
						t.Fatalf("side %d: %d does not open: %v", i, number, keys[1-i].Err())
					}
					if number > 0 && !keys[1-i].Acked(number-1) {
						t.Fatalf("side %d: an ACK in %d is refused: %v", i, number, keys[1-i].Err())
					}
					keys[1-i].Advance(0, 0)
					keys[i].Advance(0, 0)
				}
			}
			if send, recv := keys[0].Phases(); send < 3 || recv < 3 {
				t.Errorf("%d and %d key updates in 50 packets", send, recv)
			}
		})
	}
}

// TestNearest agrees with the examples of RFC 9000 appendix A.3.
func TestNearest(t *testing.T) {
	if n := nearest(0x9b32, 2, 0xa82f30ea); n != 0xa82f9b32 {
		t.Errorf("%#x", n)
	}
}

package protect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"example.com/ebb/wire"
)

var suites = []Suite{AES128GCM, AES256GCM, ChaCha20Poly1305}

// secretOf makes a secret of the suite's size.
func secretOf(s Suite, seed byte) []byte { return bytes.Repeat([]byte{seed}, s.newHash().Size()) }

// level makes the keys of one direction of the handshake level.
func level(t *testing.T, s Suite) (*SealKey, *OpenKey) {
	t.Helper()
	seal, err := NewSealKey(s, secretOf(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	open, err := NewOpenKey(s, secretOf(s, 1))
	if err != nil {
		t.Fatal(err)
	}
	return seal, open
}

// header is a long header for tests, with a cookie that has to be covered like the rest.
func header(number uint64, n int) (b []byte, numberAt int) {
	b = wire.Must(wire.AppendHeader(nil, wire.Header{
		Type: wire.Initial, Version: 0x45424203, Dst: 1, Src: 2, Number: number, NumberLen: n, Cookie: []byte("cookie"),
	}))
	return b, len(b) - n
}

// TestSealKey [W200] [W201] [W202] [W206] [W207] [W208]: what one side seals the other opens, in the memory in which it stands, and nothing that was changed or cut.
func TestSealKey(t *testing.T) {
	for _, s := range suites {
		for n := 1; n <= 4; n++ {
			t.Run(fmt.Sprint(s, n), func(t *testing.T) {
				seal, open := level(t, s)
				number := uint64(0x12345678) >> (8 * (4 - n))
				frames := []byte{1, 0, 0, 1}
				h, at := header(number, n)
				buf := append(make([]byte, 0, 256), "before"...)
				buf = append(append(buf, h...), frames...)
				sealed := seal.Seal(buf, len("before"), len("before")+len(h), number)
				if &sealed[0] != &buf[0] || len(sealed) != len(buf)+seal.Overhead() || string(sealed[:6]) != "before" {
					t.Fatalf("sealed elsewhere, or to %d bytes", len(sealed))
				}
				packet := sealed[len("before"):]
				if bytes.Contains(packet, frames) || !bytes.Equal(packet[1:at], h[1:at]) || packet[0]&^3 != h[0]&^3 {
					t.Errorf("sealed as %x", packet)
				}
				try := bytes.Clone(packet)
				got, body, ok := open.Open(try, at, number-1, true)
				if !ok || got != number || !bytes.Equal(body, frames) || cap(body) != len(body) || &body[0] != &try[len(h)] {
					t.Fatalf("opened as %#x, %x, %v", got, body, ok)
				}
				for bit := range 8 * len(packet) {
					try := bytes.Clone(packet)
					try[bit/8] ^= 1 << (bit % 8)
					if _, _, ok := open.Open(try, at, number-1, true); ok {
						t.Errorf("opened with bit %d changed", bit)
					}
				}
				for size := range packet {
					if _, _, ok := open.Open(bytes.Clone(packet[:size]), at, number-1, true); ok {
						t.Errorf("opened with %d bytes of %d", size, len(packet))
					}
				}
				for _, at := range []int{-1, 0, at - 1, at + 1, len(packet) - 20, len(packet) - 19, len(packet)} {
					if _, _, ok := open.Open(bytes.Clone(packet), at, number-1, true); ok {
						t.Errorf("opened with a number at %d of %d bytes", at, len(packet))
					}
				}
				if _, _, ok := open.Open(bytes.Clone(packet), at, 1<<40, true); ok {
					t.Error("opened under another number")
				}
			})
		}
	}
}

// TestInitialKeys [W205]: the two sides' keys differ, and belong to one first destination.
func TestInitialKeys(t *testing.T) {
	clientSeal, clientOpen, err := NewInitialKeys(7, true)
	if err != nil {
		t.Fatal(err)
	}
	serverSeal, serverOpen, err := NewInitialKeys(7, false)
	if err != nil {
		t.Fatal(err)
	}
	_, otherOpen, err := NewInitialKeys(8, false)
	if err != nil {
		t.Fatal(err)
	}
	h, at := header(0, 1)
	packet := func(k *SealKey) []byte { return k.Seal(append(bytes.Clone(h), 1, 0, 0, 0), 0, len(h), 0) }
	for _, c := range []struct {
		what string
		seal *SealKey
		open *OpenKey
		want bool
	}{
		{"client to server", clientSeal, serverOpen, true}, {"server to client", serverSeal, clientOpen, true},
		{"client to client", clientSeal, clientOpen, false}, {"another first destination", clientSeal, otherOpen, false},
	} {
		if _, _, ok := c.open.Open(packet(c.seal), at, 0, false); ok != c.want {
			t.Errorf("%s: opened: %v, want %v", c.what, ok, c.want)
		}
	}
}

// TestMaskCounter: header protection with ChaCha20 takes any sample, the largest block counter included.
func TestMaskCounter(t *testing.T) {
	h, err := newHeaderKey(ChaCha20Poly1305, make([]byte, 32), 0x1f)
	if err != nil {
		t.Fatal(err)
	}
	for _, counter := range []uint32{0, 1, 1<<32 - 1} {
		sample := binary.LittleEndian.AppendUint32(nil, counter)
		h.mask(append(sample, make([]byte, 12)...))
		if [maskSize]byte(h.buf[:]) == [maskSize]byte{} {
			t.Errorf("counter %d: no mask", counter)
		}
	}
}

// TestUnknownSuite: a suite that TLS 1.3 has not is an error everywhere.
func TestUnknownSuite(t *testing.T) {
	const s Suite = 0x1304
	_, err1 := NewSealKey(s, make([]byte, 32))
	_, err2 := NewOpenKey(s, make([]byte, 32))
	_, err3 := NewDataKeys(s, Limits{})
	for _, err := range []error{err1, err2, err3} {
		if !errors.Is(err, ErrSuite) {
			t.Errorf("%v: %v, want %v", s, err, ErrSuite)
		}
	}
}

// TestShortSeal: a packet without the bytes that header protection needs is a bug of ours.
func TestShortSeal(t *testing.T) {
	seal, _ := level(t, AES128GCM)
	h, _ := header(0, 1)
	defer func() {
		if recover() == nil {
			t.Error("a packet of two bytes was sealed")
		}
	}()
	seal.Seal(append(h, 1), 0, len(h), 0)
}

func FuzzOpen(f *testing.F) {
	seal, err := NewSealKey(AES128GCM, secretOf(AES128GCM, 1))
	if err != nil {
		f.Fatal(err)
	}
	h, at := header(5, 2)
	f.Add(seal.Seal(append(h, 1, 0, 0), 0, len(h), 5), at, uint64(4))
	f.Fuzz(func(t *testing.T, packet []byte, at int, largest uint64) {
		// Wrong keys: nothing opens, nothing panics.
		for _, s := range suites {
			data := pair(t, s, Limits{})[0]
			if _, _, ok := data.Open(bytes.Clone(packet), at, largest&wire.MaxOffset, true); ok {
				t.Errorf("%x opens", packet)
			}
		}
	})
}

// Package keylog reads the packets of protected connections with the secrets that a tls.Config.KeyLogWriter has written. It is a
// second implementation of docs/wire.md section 5, made from that page. It shares no code with the first, not even the
// headers: what both read alike is what the page says.
//
// It is for tests, and does not care for speed.
package keylog

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20"
	"golang.org/x/crypto/chacha20poly1305"
)

// The suites of TLS 1.3, as tls.ConnectionState.CipherSuite has them.
const (
	aes128 = 0x1301
	aes256 = 0x1302
	chacha = 0x1303
)

var errNotSealed = errors.New("keylog: the packet was not sealed with this secret")

// salt is that of the initial secrets.
var salt = []byte{0xe2, 0xff, 0x8e, 0x77, 0x23, 0xbc, 0x29, 0xe9, 0x23, 0x8b, 0x5f, 0xb6, 0x76, 0x7f, 0x91, 0x05, 0x2d, 0xf7, 0x10, 0xfa}

// Opener opens the packets of one direction and level.
type Opener struct {
	suite  uint16
	hp     []byte
	phases [][]byte // secrets: of the phase that is tried first, and those before
}

// New makes the opener of a secret.
func New(suite uint16, secret []byte) (*Opener, error) {
	if suite != aes128 && suite != aes256 && suite != chacha {
		return nil, fmt.Errorf("keylog: suite %#x", suite)
	}
	return &Opener{suite: suite, hp: expand(suite, secret, "ebb hp", keySize(suite)), phases: [][]byte{secret}}, nil
}

// Initial makes the opener of the initial level for what a client sends, or for what its server does.
func Initial(firstDst uint64, client bool) (*Opener, error) {
	mac := hmac.New(sha256.New, salt)
	mac.Write(binary.BigEndian.AppendUint64(nil, firstDst))
	label := "server in"
	if client {
		label = "client in"
	}
	return New(aes128, expand(aes128, mac.Sum(nil), label, sha256.Size))
}

// Packet is one that was opened.
type Packet struct {
	Number uint64
	Phase  int    // how many key updates there were before it
	Frames []byte // a copy
}

// Open opens a packet, which stays as it is. largest is the largest number that has come before, or -1.
func (o *Opener) Open(sealed []byte, largest int64) (Packet, error) {
	at, first, err := numberOffset(sealed)
	if err != nil {
		return Packet{}, err
	}
	if len(sealed) < at+4+16 {
		return Packet{}, errors.New("keylog: the packet is too short")
	}
	b := append([]byte(nil), sealed...)
	mask := o.mask(b[at+4 : at+4+16])
	b[0] ^= mask[0] & first
	size := int(b[0]&3) + 1
	low := uint64(0)
	for i := range size {
		b[at+i] ^= mask[1+i]
		low = low<<8 | uint64(b[at+i])
	}
	number := nearest(low, size, largest)
	newest := len(o.phases) - 1
	for _, phase := range []int{newest, newest + 1, newest - 1} {
		if phase < 0 {
			continue
		}
		if phase == len(o.phases) {
			last := o.phases[newest]
			o.phases = append(o.phases, expand(o.suite, last, "ebb ku", len(last)))
		}
		frames, err := o.aead(o.phases[phase], number, b[at+size:], b[:at+size])
		if err == nil && (first == 3 || int(b[0]>>4&1) == phase&1) {
			o.phases = o.phases[:max(phase, newest)+1]
			return Packet{number, phase, frames}, nil
		}
	}
	o.phases = o.phases[:newest+1]
	return Packet{}, errNotSealed
}

// numberOffset is where the number of a packet begins, and the bits of the first byte that are protected.
func numberOffset(b []byte) (at int, first byte, err error) {
	switch {
	case len(b) < 30 || b[0]>>6 != 2:
		return 0, 0, errors.New("keylog: not a packet of a protected connection")
	case b[0]&0x20 == 0:
		return 9, 0x1f, nil
	case binary.BigEndian.Uint32(b[1:]) != 0x45424203:
		return 0, 0, errors.New("keylog: another version")
	}
	at = 5
	for range 2 { // IDs
		if at >= len(b) {
			return 0, 0, errors.New("keylog: cut off")
		}
		at += 1 + int(b[at])
	}
	if b[0]>>2&7 == 0 { // INITIAL
		if at >= len(b) {
			return 0, 0, errors.New("keylog: cut off")
		}
		at += 1 + int(b[at])
	}
	return at, 3, nil
}

// nearest is the number with these low bytes that is nearest to the one that is expected.
func nearest(low uint64, size int, largest int64) uint64 {
	expected, window := largest+1, int64(1)<<(8*size)
	best := int64(low)
	for candidate := best; candidate <= expected+window; candidate += window {
		if abs(candidate-expected) < abs(best-expected) {
			best = candidate
		}
	}
	return uint64(best)
}

func abs(n int64) int64 { return max(n, -n) }

func keySize(suite uint16) int {
	if suite == aes128 {
		return 16
	}
	return 32
}

// expand is HKDF-Expand-Label, for results that are not longer than two blocks.
func expand(suite uint16, secret []byte, label string, n int) []byte {
	newHash := func() hash.Hash { return sha256.New() }
	if suite == aes256 {
		newHash = func() hash.Hash { return sha512.New384() }
	}
	info := []byte{byte(n >> 8), byte(n), byte(len("tls13 " + label))}
	info = append(info, "tls13 "+label...)
	info = append(info, 0)
	var out, block []byte
	for i := byte(1); len(out) < n; i++ {
		mac := hmac.New(newHash, secret)
		mac.Write(block)
		mac.Write(info)
		mac.Write([]byte{i})
		block = mac.Sum(nil)
		out = append(out, block...)
	}
	return out[:n]
}

func (o *Opener) mask(sample []byte) []byte {
	mask := make([]byte, 16)
	if o.suite == chacha {
		c, err := chacha20.NewUnauthenticatedCipher(o.hp, sample[4:])
		if err != nil {
			panic("BUG: " + err.Error())
		}
		c.SetCounter(binary.LittleEndian.Uint32(sample))
		c.XORKeyStream(mask[:5], mask[:5])
		return mask
	}
	block, err := aes.NewCipher(o.hp)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	block.Encrypt(mask, sample)
	return mask
}

func (o *Opener) aead(secret []byte, number uint64, sealed, header []byte) ([]byte, error) {
	key, nonce := expand(o.suite, secret, "ebb key", keySize(o.suite)), expand(o.suite, secret, "ebb iv", 12)
	for i := range 8 {
		nonce[11-i] ^= byte(number >> (8 * i))
	}
	if o.suite == chacha {
		a, err := chacha20poly1305.New(key)
		if err != nil {
			return nil, err
		}
		return a.Open(nil, nonce, sealed, header)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return a.Open(nil, nonce, sealed, header)
}

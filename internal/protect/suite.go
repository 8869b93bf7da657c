package protect

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// TagSize is how many bytes the authentication tag of each suite has.
const TagSize = 16

// Suite is a cipher suite of TLS 1.3, by the number that it has there (RFC 8446 appendix B.4).
type Suite uint16

// The suites that TLS may agree on.
const (
	AES128GCM        Suite = 0x1301
	AES256GCM        Suite = 0x1302
	ChaCha20Poly1305 Suite = 0x1303
)

// ErrSuite says that a cipher suite is none of those above.
var ErrSuite = errors.New("protect: unknown cipher suite")

// String returns the name that TLS has for the suite.
func (s Suite) String() string {
	switch s {
	case AES128GCM:
		return "TLS_AES_128_GCM_SHA256"
	case AES256GCM:
		return "TLS_AES_256_GCM_SHA384"
	case ChaCha20Poly1305:
		return "TLS_CHACHA20_POLY1305_SHA256"
	}
	return fmt.Sprintf("Suite(%#04x)", uint16(s))
}

// Limits bounds the use of keys (RFC 9001 section 6.6), in packets.
type Limits struct {
	// Update is how many are sealed before a key update is begun; less than Sealed.
	Update uint64
	// Sealed is how many one key may seal.
	Sealed uint64
	// Forged is how many that do not open a connection bears, under all its keys.
	Forged uint64
}

// Limits returns those of the suite, for packets of up to 2^16 bytes. Half of what AES-GCM may seal is left to a key update
// that takes long. ChaCha20-Poly1305 has no such limit, but gets new keys as often, so that what a key discloses is bounded.
func (s Suite) Limits() Limits {
	if s == ChaCha20Poly1305 {
		return Limits{Update: 1 << 22, Sealed: 1 << 62, Forged: 1 << 36}
	}
	return Limits{Update: 1 << 22, Sealed: 1 << 23, Forged: 1 << 52}
}

// keySize is that of the AEAD, and of header protection.
func (s Suite) keySize() int {
	if s == AES128GCM {
		return 16
	}
	return 32
}

// newHash is the hash of the suite's key derivation. The secrets of the suite have its size.
func (s Suite) newHash() hash.Hash {
	if s == AES256GCM {
		return sha512.New384()
	}
	return sha256.New()
}

// newAEAD makes the AEAD. Where a policy forbids the suite that is an error, as in GODEBUG=fips140=only.
func (s Suite) newAEAD(key []byte) (cipher.AEAD, error) {
	switch s {
	case AES128GCM, AES256GCM:
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		return cipher.NewGCM(block)
	case ChaCha20Poly1305:
		return chacha20poly1305.New(key)
	}
	return nil, ErrSuite
}

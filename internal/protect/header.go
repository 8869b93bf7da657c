package protect

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
)

// Header protection hides the packet number and the low bits of the first byte from those who do not have the key (RFC 9001
// section 5.4).

const (
	sampleAt   = 4  // where the sample begins, counted from the number as if that had four bytes
	sampleSize = 16 // bytes
	maskSize   = 5  // one for the first byte, four for the number
)

// headerKey makes the masks of one direction and level. It is the same in all key phases.
type headerKey struct {
	block  cipher.Block     // of AES; nil: ChaCha20
	chacha [32]byte         // the key of ChaCha20
	first  byte             // the bits of the first byte that are protected
	buf    [sampleSize]byte // of the mask: here, so that it does not escape for each packet
}

func newHeaderKey(s Suite, key []byte, first byte) (h headerKey, err error) {
	h.first = first
	if s == ChaCha20Poly1305 {
		copy(h.chacha[:], key)
		return h, nil
	}
	h.block, err = aes.NewCipher(key)
	return h, err
}

// mask computes the mask for a sample (RFC 9001 sections 5.4.3 and 5.4.4) into buf.
func (h *headerKey) mask(sample []byte) {
	if h.block != nil {
		h.block.Encrypt(h.buf[:], sample)
		return
	}
	c, err := chacha20.NewUnauthenticatedCipher(h.chacha[:], sample[4:])
	if err != nil {
		panic("BUG: a key or sample of the wrong size: " + err.Error())
	}
	c.SetCounter(binary.LittleEndian.Uint32(sample))
	clear(h.buf[:maskSize])
	c.XORKeyStream(h.buf[:maskSize], h.buf[:maskSize])
}

// protect hides the number, of n bytes, of a sealed packet.
func (h *headerKey) protect(packet []byte, numberAt, n int) {
	h.mask(packet[numberAt+sampleAt : numberAt+sampleAt+sampleSize])
	packet[0] ^= h.buf[0] & h.first
	for i := range n {
		packet[numberAt+i] ^= h.buf[1+i]
	}
}

// expose undoes protect, and returns the bytes of the number that were sent and how many those are. It reports false,
// and has changed nothing, if the packet is too short for a sample.
func (h *headerKey) expose(packet []byte, numberAt int) (truncated uint64, n int, ok bool) {
	if numberAt <= 0 || numberAt > len(packet)-sampleAt-sampleSize {
		return 0, 0, false
	}
	h.mask(packet[numberAt+sampleAt : numberAt+sampleAt+sampleSize])
	packet[0] ^= h.buf[0] & h.first
	n = int(packet[0]&numberBits) + 1
	for i := range n {
		packet[numberAt+i] ^= h.buf[1+i]
		truncated = truncated<<8 | uint64(packet[numberAt+i])
	}
	return truncated, n, true
}

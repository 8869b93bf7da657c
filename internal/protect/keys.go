package protect

import (
	"crypto/cipher"
	"encoding/binary"
	"slices"

	"example.com/ebb/wire"
)

// Bits of a first byte, under header protection.
const (
	numberBits   = 0x03 // how many bytes the number has, less one
	reservedBits = 0x0c // zero; of a short header
	phaseBit     = 0x10 // the key phase, of a short header
)

// minSealed is how many bytes number and frames have at least, so that header protection finds its sample.
const minSealed = sampleAt + sampleSize - TagSize

// packetKey is an AEAD with what its nonces are made of (RFC 9001 section 5.3).
type packetKey struct {
	aead  cipher.AEAD
	iv    [12]byte
	nonce [12]byte // here, so that it does not escape for each packet
}

func (f form) newPacketKey(s Suite, l *labels) (p *packetKey, err error) {
	p = new(packetKey)
	copy(p.iv[:], l.expand(f.iv, len(p.iv)))
	p.aead, err = s.newAEAD(l.expand(f.key, s.keySize()))
	return p, err
}

// newHeaderKey is the key of header protection; mask names the protected bits of the first byte.
func (f form) newHeaderKey(s Suite, l *labels, mask byte) (headerKey, error) {
	return newHeaderKey(s, l.expand(f.hp, s.keySize()), mask)
}

// nonceOf is the nonce of a packet.
func (p *packetKey) nonceOf(number uint64) []byte {
	p.nonce = p.iv
	low := p.nonce[4:]
	binary.BigEndian.PutUint64(low, binary.BigEndian.Uint64(low)^number)
	return p.nonce[:]
}

// seal appends frames, encrypted, and the tag to the header b[start:], which it covers. The frames stand just behind b, to be encrypted
// in place, or are no part of b's memory.
func (p *packetKey) seal(b []byte, start int, frames []byte, number uint64) []byte {
	b = slices.Grow(b, len(frames)+TagSize)
	sealed := p.aead.Seal(b[len(b):], p.nonceOf(number), frames, b[start:])
	return b[:len(b)+len(sealed)]
}

// open decrypts packet[frames:] to dst, which has room: the place where they stand, or no part of the packet's memory.
func (p *packetKey) open(dst, packet []byte, frames int, number uint64) ([]byte, bool) {
	b, err := p.aead.Open(dst[:0], p.nonceOf(number), packet[frames:], packet[:frames])
	return b[:len(b):len(b)], err == nil
}

// SealKey seals the packets of a level of the handshake, in one direction. It implements Sealer. Calls may not be
// concurrent.
type SealKey struct {
	packet *packetKey
	header headerKey
}

// OpenKey opens the packets of a level of the handshake, in one direction. It implements Opener. Calls may not be
// concurrent.
type OpenKey struct {
	packet *packetKey
	header headerKey
}

// NewSealKey makes the key of a secret of the handshake level, as TLS has it. An unknown suite is ErrSuite.
func NewSealKey(s Suite, secret []byte) (*SealKey, error) { return version3().newSealKey(s, secret) }

// NewOpenKey is NewSealKey for the other direction.
func NewOpenKey(s Suite, secret []byte) (*OpenKey, error) {
	k, err := version3().newSealKey(s, secret)
	return (*OpenKey)(k), err
}

// NewInitialKeys makes both keys of the initial level, from the first destination that the client made up. They are no
// secret: they show that a packet's sender has seen that ID, and keep old packets and other versions apart.
func NewInitialKeys(dst wire.ID, client bool) (*SealKey, *OpenKey, error) {
	return version3().newInitialKeys(dst, client)
}

func (f form) newInitialKeys(dst wire.ID, client bool) (*SealKey, *OpenKey, error) {
	ours, theirs, err := f.initialSecrets(dst)
	if err != nil {
		return nil, nil, err
	}
	if !client {
		ours, theirs = theirs, ours
	}
	s, err := f.newSealKey(AES128GCM, ours)
	if err != nil {
		return nil, nil, err
	}
	o, err := f.newSealKey(AES128GCM, theirs)
	return s, (*OpenKey)(o), err
}

func (f form) newSealKey(s Suite, secret []byte) (*SealKey, error) {
	l := newLabels(s.newHash, secret)
	p, err := f.newPacketKey(s, l)
	if err != nil {
		return nil, err
	}
	h, err := f.newHeaderKey(s, l, f.longMask)
	if err != nil {
		return nil, err
	}
	return &SealKey{packet: p, header: h}, nil
}

// Overhead is how many bytes Seal appends.
func (k *SealKey) Overhead() int { return TagSize }

// Seal ends the packet that begins at b[start], whose number, in full, is the last field of its header, and whose frames
// begin at b[frames]. Number and frames have at least four bytes. If b has room for the tag, nothing is copied.
func (k *SealKey) Seal(b []byte, start, frames int, number uint64) []byte {
	n := checkSeal(b[start], frames-start, len(b)-frames)
	b = k.packet.seal(b[:frames], start, b[frames:], number)
	k.header.protect(b[start:], frames-start-n, n)
	return b
}

// checkSeal returns the size of the number of a packet that is to be sealed, of which it is told the first byte and the sizes of header
// and frames.
func checkSeal(first byte, header, frames int) int {
	n := int(first&numberBits) + 1
	if header <= n || frames+n < minSealed {
		panic("BUG: a packet too short to be sealed")
	}
	return n
}

// Open verifies and decrypts a packet, in place: one that is not what was sent is destroyed. It returns the frames, which
// may be none. The arguments are those of Opener.
func (k *OpenKey) Open(packet []byte, numberAt int, largest uint64, any bool) (number uint64, frames []byte, ok bool) {
	truncated, n, ok := k.header.expose(packet, numberAt)
	if !ok {
		return 0, nil, false
	}
	number = wire.DecodeNumber(largest, any, truncated, n)
	frames, ok = k.packet.open(packet[numberAt+n:], packet, numberAt+n, number)
	if !ok {
		return 0, nil, false
	}
	return number, frames, true
}

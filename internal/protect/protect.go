// Package protect is what stands between a packet and the network: it seals packets so that their receiver sees if they
// are what was sent, and opens those that arrive. A plain connection has Checksum, which shows damage; nobody
// who is on the path is kept from reading or forging anything.
//
// The package is pure.
package protect

import "example.com/ebb/wire"

// Sealer protects the packets that go out in one packet-number space. A checksum needs none of the arguments but the
// packet; an AEAD makes its nonce of the number, and covers the header.
type Sealer interface {
	// Overhead is how many bytes Seal appends.
	Overhead() int
	// Seal ends the packet that begins at b[start], with the number in full; its frames begin at b[frames].
	Seal(b []byte, start, frames int, number uint64) []byte
}

// Opener is the other half, for the packets that come in. Their keys need not be known at the same time.
type Opener interface {
	// Open verifies a packet whose number begins at packet[numberAt], and returns the number in full and the frames,
	// borrowed from the packet. largest is the largest number received, if any. It reports false if the packet is not
	// what was sent, or ends before its frames.
	Open(packet []byte, numberAt int, largest uint64, any bool) (number uint64, frames []byte, ok bool)
}

// Checksum is both of plain connections: CRC32C over the packet and what both sides know of it.
type Checksum struct{ send, recv uint32 }

// NewChecksum protects what goes from the side with the ID local to the one with the ID peer, and back. The IDs are
// those in the headers: of the client's first packets the receiver's is the destination that the client made up.
func NewChecksum(version uint32, local, peer wire.ID) Checksum {
	return Checksum{send: wire.Seed(version, peer, local), recv: wire.Seed(version, local, peer)}
}

// Overhead is how many bytes Seal appends.
func (Checksum) Overhead() int { return wire.TrailerSize }

// Seal ends the packet that begins at b[start].
func (c Checksum) Seal(b []byte, start, _ int, _ uint64) []byte { return c.End(b, start) }

// End is Seal, without what a checksum does not need: a connection sends little but data.
func (c Checksum) End(b []byte, start int) []byte { return wire.AppendTrailer(b, start, c.send) }

// Verify reports whether a packet is what was sent.
func (c Checksum) Verify(packet []byte) bool { return wire.Verify(packet, c.recv) }

// Open verifies a packet and takes its number apart.
func (c Checksum) Open(packet []byte, numberAt int, largest uint64, any bool) (number uint64, frames []byte, ok bool) {
	if !c.Verify(packet) {
		return 0, nil, false
	}
	n := wire.NumberSize(packet)
	end := len(packet) - wire.TrailerSize
	if numberAt < 0 || numberAt > end-n {
		return 0, nil, false
	}
	var truncated uint64
	for _, b := range packet[numberAt : numberAt+n] {
		truncated = truncated<<8 | uint64(b)
	}
	return wire.DecodeNumber(largest, any, truncated, n), packet[numberAt+n : end : end], true
}

// Package wire encodes and parses what Ebb sends: one packet per datagram,
// which is a header, frames and a trailer. docs/wire.md is the specification;
// testdata/packets holds a packet for each of its rules.
//
// The package is pure: it reads no clock and no network, and holds no state but
// constant tables, so that every function may be called from any goroutine.
//
// Parsing allocates nothing. What it returns borrows from the packet: byte
// slices and ACK ranges are valid for as long as the packet's bytes are left
// alone. Whatever a peer may send is answered with one of the errors of this
// package, never with a panic.
//
// Encoding appends to a slice of the caller's, and never panics either. A function
// that can be given what the format does not hold returns an error, and the slice as it
// was; the others say what they make of such a value. Must is for callers that know
// their values to be right.
//
// What is exported is for the tools and fuzz targets of this module, and for its packages. One function is
// promised to others, in two forms: Describe and DescribeSealed say what is in a packet, in words, whatever the packet is. Everything else
// may change with the format, and without a word.
//
// A receiver goes through these steps:
//
//	IsEbb                   or the datagram is foreign
//	ShortDst or Invariants  find the connection, and the seed of its trailer
//	Verify                  or the packet is dropped unread
//	ParseHeader             header and payload
//	DecodeNumber            the packet number in full
//	Frame.ParseIn           until the payload is used up
package wire

// The versions of the format.
const (
	// Version is the one that this package speaks: plain connections.
	Version uint32 = 0x45424202
	// VersionProtected is that of connections that are encrypted. The parsers that do not say so do not read its packets.
	VersionProtected uint32 = 0x45424203
)

// Sizes and bounds of the format, in bytes unless said otherwise.
const (
	// MinInitialSize is the least size of a datagram with an INITIAL.
	MinInitialSize = 1200
	// UnknownSize is the size of an UNKNOWN packet: first byte, version, no dst,
	// an ID and the trailer. It answers only what is larger.
	UnknownSize = 1 + 4 + 1 + 1 + IDSize + TrailerSize
	// ResetTokenSize is the size of a stateless reset token.
	ResetTokenSize = 16
	// SealedUnknownSize is the size of an UNKNOWN packet with a token. It answers only what is larger.
	SealedUnknownSize = UnknownSize + ResetTokenSize
	// MinShortSize is the least size to which a sender makes a short packet that
	// asks for an ACK, so that a peer that was restarted can answer it.
	MinShortSize = UnknownSize + 1
	// TrailerSize is the size of the checksum that ends every packet.
	TrailerSize = 4
	// IDSize is the size of a connection ID in this version.
	IDSize = 8
	// MaxIDSize is the size of a connection ID that no version exceeds.
	MaxIDSize = 20
	// MaxAckRanges is the largest number of ranges in one ACK.
	MaxAckRanges = 256
	// MaxReason is the longest reason in a CLOSE.
	MaxReason = 256
	// MaxCookie is the longest cookie; the shortest has one byte.
	MaxCookie = 255
	// maxParameters is the largest number of parameters in one list, those
	// with an unknown id included.
	maxParameters = 64
	// MaxMessage is the largest size of the message with which a side of a plain
	// connection begins, its length included.
	MaxMessage = 4096
	// MaxOffset is the largest value of a variable-length integer (RFC 9000
	// section 16), and with that of every stream offset, limit, code and
	// packet number.
	MaxOffset = 1<<62 - 1
)

package wire

import (
	"encoding/binary"
	"fmt"
	"iter"
)

// The first byte of a packet: 10LKRRPP if short, 10LTTTPP if long.
const (
	markMask    = 0xc0
	mark        = 0x80
	longBit     = 0x20
	shortUnused = 0x1c // key phase and the two protected bits
	typeShift   = 2
	typeMask    = 0x07
	numberMask  = 0x03
)

// idOffset is where the ID of a short packet begins.
const idOffset = 1

// ShortOverhead is what a short packet has besides its frames if its number
// takes four bytes.
const ShortOverhead = idOffset + IDSize + 4 + TrailerSize

// ID names a connection at the side that chose it; it means nothing to the other.
// 0 is no ID.
type ID uint64

// String returns the ID as 16 hexadecimal digits, which is its order on the wire.
func (id ID) String() string { return fmt.Sprintf("%016x", uint64(id)) }

// PacketType is the type of a packet.
type PacketType uint8

// The types of packets. All but Short have a long header.
const (
	Short     PacketType = iota // frames of an established connection
	Initial                     // the client's, of the initial level
	Accept                      // the server's, likewise
	Retry                       // the server wants a cookie first
	Refuse                      // the server does not want the connection
	Unknown                     // a short packet's ID names no connection
	zeroRTT                     // reserved
	Handshake                   // either side's, of the handshake level: protected connections only
	Versions                    // the versions spoken here
)

var packetTypeNames = [...]string{
	Short: "SHORT", Initial: "INITIAL", Accept: "ACCEPT", Retry: "RETRY", Refuse: "REFUSE",
	Unknown: "UNKNOWN", zeroRTT: "ZERO_RTT", Handshake: "HANDSHAKE", Versions: "VERSIONS",
}

// String returns the type's name as in the specification, in capitals.
func (t PacketType) String() string {
	if int(t) < len(packetTypeNames) {
		return packetTypeNames[t]
	}
	return fmt.Sprintf("PacketType(%d)", uint8(t))
}

// numbered reports whether packets of this type have a packet number.
func (t PacketType) numbered() bool {
	return t == Short || t == Initial || t == Accept || t == Handshake
}

// Header is the header of a packet.
type Header struct {
	Type PacketType
	// Version is Version, 0 for VERSIONS, and 0 for short packets, which do
	// not carry it.
	Version uint32
	// Dst is the ID of the receiver, 0 for UNKNOWN.
	Dst ID
	// Src is the ID of the sender, 0 for short packets, which do not carry it.
	Src ID
	// Number is the packet number, of which AppendHeader sends and
	// ParseHeader returns the low NumberLen bytes.
	Number uint64
	// NumberLen is 1 to 4, and 0 for types that have no packet number.
	NumberLen int
	// Cookie is, in INITIAL, that of the RETRY that was followed, of 1 to MaxCookie bytes and
	// borrowed from the packet; empty if there was none.
	Cookie []byte
}

// ShortHeaderLen is the size of a short header with a packet number of
// numberLen bytes.
func ShortHeaderLen(numberLen int) int { return idOffset + IDSize + numberLen }

// longHeaderLen is the size of a long header of the type, with a packet number of
// numberLen bytes if the type has one. INITIAL's has the bytes of its cookie besides.
func longHeaderLen(t PacketType, numberLen int) int {
	n := 1 + 4 + 1 + IDSize + 1 + IDSize
	switch t {
	case Unknown:
		n -= IDSize
	case Initial:
		n++ // the length of the cookie
	}
	if t.numbered() {
		n += numberLen
	}
	return n
}

// NumberSize is the number of bytes, 1 to 4, in which a packet of a type that has a packet number sends it.
// The packet is not empty.
func NumberSize(b []byte) int { return int(b[0]&numberMask) + 1 }

// IsEbb reports whether a datagram begins as all packets of all versions do.
func IsEbb(b []byte) bool { return len(b) > 0 && b[0]&markMask == mark }

// IsLong reports whether a packet has a long header, given that IsEbb.
func IsLong(b []byte) bool { return len(b) > 0 && b[0]&longBit != 0 }

// ShortDst returns the receiver's ID of a short packet. It checks nothing but the
// length: the caller has seen that the packet is Ebb's and short.
func ShortDst(b []byte) (ID, bool) {
	if len(b) < idOffset+IDSize {
		return 0, false
	}
	return ID(binary.BigEndian.Uint64(b[idOffset:])), true
}

// IsShortTo reports whether a datagram has a short header with this destination.
func IsShortTo(b []byte, dst ID) bool {
	id, ok := ShortDst(b)
	return ok && id == dst && IsEbb(b) && !IsLong(b)
}

// Invariants returns what a long header has at the same place in all versions.
// It reports false if the packet is not one with a long header, is too short, or
// has an ID of more than MaxIDSize bytes. The IDs are borrowed from b.
func Invariants(b []byte) (version uint32, dst, src []byte, ok bool) {
	if !IsEbb(b) || !IsLong(b) {
		return 0, nil, nil, false
	}
	version, dst, src, _, err := parseInvariants(b)
	return version, dst, src, err == nil
}

// ParseHeader splits a packet into header and payload. It neither needs nor
// verifies the trailer, which Verify should have done before. A long header of
// another version is an error.
//
// It checks the size of the payload where the type of the packet sets one: an
// INITIAL is at least MinInitialSize bytes in all, UNKNOWN has no payload,
// VERSIONS has a multiple of four bytes, and of the others none is empty. The
// payload is borrowed from b.
func ParseHeader(b []byte) (h Header, payload []byte, err error) {
	if !IsEbb(b) {
		return Header{}, nil, errForeign
	}
	if IsLong(b) {
		h, payload, err = parseLong(b, Version)
	} else {
		h, payload, err = parseShort(b)
	}
	if err == nil {
		err = checkPayload(h.Type, payload, len(b))
	}
	if err != nil {
		return Header{}, nil, err
	}
	return h, payload, nil
}

// ParsePrefix is ParseHeader for the first bytes of a packet whose rest is missing, as ICMP quotes it. A header
// that is not whole is ErrTruncated.
func ParsePrefix(b []byte) (h Header, err error) {
	const longest = 1 + 4 + 1 + IDSize + 1 + IDSize + 1 + MaxCookie + 4
	if !IsEbb(b) {
		return Header{}, errForeign
	}
	var whole [longest + 1 + TrailerSize]byte // a byte of payload, for the sake of the parsers
	n := copy(whole[:longest], b)
	size := 0
	if IsLong(b) {
		h, _, err = parseLong(whole[:], Version)
		size = longHeaderLen(h.Type, h.NumberLen) + len(h.Cookie)
	} else {
		h, _, err = parseShort(whole[:])
		size = ShortHeaderLen(h.NumberLen)
	}
	switch {
	case err == nil && n < size:
		return Header{}, ErrTruncated
	case err != nil:
		return Header{}, err
	}
	return h, nil
}

// AppendHeader appends h. Of h.Number it sends the low h.NumberLen bytes, which is
// ignored for a type without a packet number. A long header needs its version;
// any but 0 will do, which tests of other versions rely on. Errors are an ID that is missing
// or out of place, a number without 1 to 4 bytes, a cookie of more than MaxCookie, a type or a
// version that there is not, and a cookie that is not INITIAL's.
func AppendHeader(dst []byte, h Header) ([]byte, error) {
	switch {
	case h.Type > Versions:
		return dst, ErrMalformed
	case h.Type.numbered() && (h.NumberLen < 1 || h.NumberLen > 4), len(h.Cookie) > MaxCookie:
		return dst, errRange
	case len(h.Cookie) > 0 && h.Type != Initial:
		return dst, ErrMalformed
	case (h.Dst == 0) != (h.Type == Unknown), (h.Src == 0) != (h.Type == Short):
		return dst, errID
	case h.Type == Short:
		return AppendShort(dst, h.Dst, h.Number, h.NumberLen)
	case (h.Version == 0) != (h.Type == Versions):
		return dst, ErrMalformed
	}
	first := mark | longBit | byte(h.Type-Initial)<<typeShift
	if h.Type.numbered() {
		first |= byte(h.NumberLen - 1)
	}
	dst = append(dst, first)
	dst = binary.BigEndian.AppendUint32(dst, h.Version)
	dst = appendID(dst, h.Dst)
	dst = appendID(dst, h.Src)
	if h.Type == Initial {
		dst = append(append(dst, byte(len(h.Cookie))), h.Cookie...)
	}
	return appendNumber(dst, h), nil
}

// AppendShort is AppendHeader for a short packet, to a receiver that has an ID and with a number of 1
// to 4 bytes, or there is an error: a connection sends little else.
func AppendShort(dst []byte, id ID, number uint64, numberLen int) ([]byte, error) {
	switch {
	case id == 0:
		return dst, errID
	case numberLen < 1 || numberLen > 4:
		return dst, errRange
	}
	dst = append(dst, mark|byte(numberLen-1))
	dst = binary.BigEndian.AppendUint64(dst, uint64(id))
	unsent := 4 - numberLen // bytes that the trailer will overwrite
	dst = binary.BigEndian.AppendUint32(dst, uint32(number)<<(8*unsent))
	return dst[:len(dst)-unsent], nil
}

// ParseShort is ParseHeader for a short packet, of which it returns the receiver's ID, the numberLen
// low bytes of the packet number, and the payload, borrowed from b. A packet with a long header is
// an error.
func ParseShort(b []byte) (dst ID, number uint64, numberLen int, payload []byte, err error) {
	if len(b) == 0 || b[0]&(markMask|longBit) != mark {
		return 0, 0, 0, nil, errForeign
	}
	if b[0]&shortUnused != 0 {
		return 0, 0, 0, nil, errReserved
	}
	numberLen = int(b[0]&numberMask) + 1
	n, end := ShortHeaderLen(numberLen), len(b)-TrailerSize
	if end < n {
		return 0, 0, 0, nil, ErrTruncated
	}
	dst = ID(binary.BigEndian.Uint64(b[idOffset:]))
	// The trailer, at least, follows the number.
	number = uint64(binary.BigEndian.Uint32(b[idOffset+IDSize:]) >> (8 * (4 - numberLen)))
	switch {
	case dst == 0:
		return 0, 0, 0, nil, errID
	case end == n:
		return 0, 0, 0, nil, errEmpty
	}
	return dst, number, numberLen, b[n:end:end], nil
}

// AppendVersions appends a whole VERSIONS packet that answers one whose
// Invariants are dst and src; the answer has them swapped. It may answer only
// a packet of at least MinInitialSize bytes whose version is neither 0, Version nor
// VersionProtected: it lists the last two. IDs of more than MaxIDSize bytes are an error.
func AppendVersions(b, dst, src []byte) ([]byte, error) {
	if len(dst) > MaxIDSize || len(src) > MaxIDSize {
		return b, errID
	}
	start := len(b)
	b = append(b, mark|longBit|byte(Versions-Initial)<<typeShift, 0, 0, 0, 0)
	b = append(b, byte(len(src)))
	b = append(b, src...)
	b = append(b, byte(len(dst)))
	b = append(b, dst...)
	b = binary.BigEndian.AppendUint32(b, Version)
	b = binary.BigEndian.AppendUint32(b, VersionProtected)
	return AppendTrailer(b, start, seedBytes(0, src, dst)), nil
}

// ParseVersions returns the versions in the payload of a VERSIONS packet.
func ParseVersions(payload []byte) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for b := payload; len(b) >= 4; b = b[4:] {
			if !yield(binary.BigEndian.Uint32(b)) {
				return
			}
		}
	}
}

func parseShort(b []byte) (h Header, payload []byte, err error) {
	h.Dst, h.Number, h.NumberLen, payload, err = ParseShort(b)
	return h, payload, err
}

// parseLong parses a packet of the given version, or VERSIONS.
func parseLong(b []byte, spoken uint32) (h Header, payload []byte, err error) {
	version, dst, src, rest, err := parseInvariants(b)
	if err != nil {
		return h, nil, err
	}
	h.Version = version
	h.Type = Initial + PacketType(b[0]>>typeShift&typeMask)
	switch {
	case version != 0 && version != spoken:
		return h, nil, errVersion
	case (version == 0) != (h.Type == Versions):
		return h, nil, ErrMalformed
	case h.Type == zeroRTT || h.Type == Handshake:
		return h, nil, errReserved
	}
	if h.Type != Unknown {
		if h.Dst, err = parseID(dst); err != nil {
			return h, nil, err
		}
	} else if len(dst) != 0 {
		return h, nil, errID
	}
	if h.Src, err = parseID(src); err != nil {
		return h, nil, err
	}
	if h.Type.numbered() {
		h.NumberLen = int(b[0]&numberMask) + 1
	} else if b[0]&numberMask != 0 {
		return h, nil, errReserved
	}
	if h.Type == Initial {
		if h.Cookie, rest, err = parseCookie(rest); err != nil {
			return h, nil, err
		}
	}
	if len(rest) < h.NumberLen+TrailerSize {
		return h, nil, ErrTruncated
	}
	h.Number = parseNumber(rest[:h.NumberLen])
	end := len(rest) - TrailerSize
	return h, rest[h.NumberLen:end:end], nil
}

// parseCookie returns the cookie in the header of an INITIAL, nil if there is none, and what is behind it.
func parseCookie(b []byte) (cookie, rest []byte, err error) {
	c := cursor{b: b}
	if n := c.bytes(1); c.err == nil && n[0] > 0 {
		cookie = c.bytes(uint64(n[0]))
	}
	return cookie, c.b, c.err
}

// parseInvariants returns the parts of a long header that are the same in all
// versions, and what is behind them.
func parseInvariants(b []byte) (version uint32, dst, src, rest []byte, err error) {
	c := cursor{b: b[1:]}
	version = c.uint32()
	dst = c.id()
	src = c.id()
	return version, dst, src, c.b, c.err
}

// id reads a connection ID and the byte with its length.
func (c *cursor) id() []byte {
	n := c.bytes(1)
	if c.err != nil {
		return nil
	}
	if n[0] > MaxIDSize {
		c.fail(errID)
		return nil
	}
	return c.bytes(uint64(n[0]))
}

// parseID returns the ID in b, which must have the size of this version's and
// not be zero.
func parseID(b []byte) (ID, error) {
	if len(b) != IDSize {
		return 0, errID
	}
	id := ID(binary.BigEndian.Uint64(b))
	if id == 0 {
		return 0, errID
	}
	return id, nil
}

// checkPayload checks the size of the payload of a packet of size bytes.
func checkPayload(t PacketType, payload []byte, size int) error {
	switch {
	case t == Unknown && len(payload) != 0:
		return ErrMalformed
	case t != Unknown && len(payload) == 0:
		return errEmpty
	case t == Versions && len(payload)%4 != 0:
		return ErrMalformed
	case t == Initial && size < MinInitialSize:
		return ErrInitialSize
	}
	return nil
}

func parseNumber(b []byte) (number uint64) {
	for _, c := range b {
		number = number<<8 | uint64(c)
	}
	return number
}

func appendNumber(dst []byte, h Header) []byte {
	if !h.Type.numbered() {
		return dst
	}
	for shift := 8 * (h.NumberLen - 1); shift >= 0; shift -= 8 {
		dst = append(dst, byte(h.Number>>shift))
	}
	return dst
}

func appendID(dst []byte, id ID) []byte {
	if id == 0 {
		return append(dst, 0)
	}
	return binary.BigEndian.AppendUint64(append(dst, IDSize), uint64(id))
}

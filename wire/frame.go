package wire

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// FrameType is the type of a frame, the first byte of it.
type FrameType uint8

// The types of frames.
const (
	FramePadding         FrameType = 0x00
	FramePing            FrameType = 0x01
	FrameAck             FrameType = 0x02
	FrameAckECN          FrameType = 0x03
	FrameWindow          FrameType = 0x04
	FrameReset           FrameType = 0x05
	FrameStop            FrameType = 0x06
	FrameClose           FrameType = 0x07
	FramePathChallenge   FrameType = 0x08
	FramePathResponse    FrameType = 0x09
	FrameResetToken      FrameType = 0x0a // of protected connections
	FrameCookie          FrameType = 0x0b
	FrameCrypto          FrameType = 0x0c
	FrameNewToken        FrameType = 0x0d // reserved
	frameNewConnectionID FrameType = 0x0e // reserved
	FrameBlocked         FrameType = 0x0f
	FrameData            FrameType = 0x10 // stands for 0x10 to 0x13

	// Reserved. The first five are what DATA, RESET, STOP, WINDOW and BLOCKED are for a connection of several streams.
	frameStreamData         FrameType = 0x14 // stands for 0x14 to 0x17
	frameStreamReset        FrameType = 0x18
	frameStreamStop         FrameType = 0x19
	frameStreamWindow       FrameType = 0x1a
	frameStreamBlocked      FrameType = 0x1b
	frameRetireConnectionID FrameType = 0x1c
	frameObservedAddress    FrameType = 0x1d
	frameDatagram           FrameType = 0x30 // with 0x31
)

// The bits in the type of a DATA frame.
const (
	dataFin  = 0x01
	dataLen  = 0x02
	dataBits = dataFin | dataLen
)

var frameTypeNames = [...]string{
	FramePadding: "PADDING", FramePing: "PING", FrameAck: "ACK", FrameAckECN: "ACK_ECN",
	FrameWindow: "WINDOW", FrameReset: "RESET", FrameStop: "STOP", FrameClose: "CLOSE",
	FramePathChallenge: "PATH_CHALLENGE", FramePathResponse: "PATH_RESPONSE",
	FrameResetToken: "RESET_TOKEN", FrameCookie: "COOKIE", FrameCrypto: "CRYPTO",
	FrameNewToken: "NEW_TOKEN", frameNewConnectionID: "NEW_CONNECTION_ID", FrameBlocked: "BLOCKED",
	frameStreamReset: "STREAM_RESET", frameStreamStop: "STREAM_STOP",
	frameStreamWindow: "STREAM_WINDOW", frameStreamBlocked: "STREAM_BLOCKED",
	frameRetireConnectionID: "RETIRE_CONNECTION_ID", frameObservedAddress: "OBSERVED_ADDRESS",
}

// String returns the name in the specification, or FrameType(0xnn).
func (t FrameType) String() string {
	switch {
	case int(t) < len(frameTypeNames) && frameTypeNames[t] != "":
		return frameTypeNames[t]
	case t.isData():
		return "DATA"
	case t&^dataBits == frameStreamData:
		return "STREAM_DATA"
	case t.isDatagram():
		return "DATAGRAM"
	}
	return fmt.Sprintf("FrameType(0x%02x)", uint8(t))
}

// AckEliciting reports whether a packet with such a frame asks for an ACK (RFC
// 9002 section 2).
func (t FrameType) AckEliciting() bool {
	switch t {
	case FramePing, FrameWindow, FrameReset, FrameStop, FramePathChallenge, FramePathResponse, FrameResetToken, FrameCrypto, FrameBlocked:
		return true
	}
	return t.isData()
}

// AllowedIn reports whether packets of type p carry such frames. Reserved and
// unknown frames are allowed nowhere.
func (t FrameType) AllowedIn(p PacketType) bool {
	switch p {
	case Short:
		return t <= FrameResetToken || t == FrameBlocked || t.isData()
	case Initial, Accept, Handshake:
		switch t {
		case FramePadding, FramePing, FrameAck, FrameAckECN, FrameCrypto, FrameClose:
			return true
		}
	case Retry:
		return t == FrameCookie
	case Refuse:
		return t == FrameClose
	}
	return false
}

func (t FrameType) isData() bool     { return t&^dataBits == FrameData }
func (t FrameType) isDatagram() bool { return t&^1 == frameDatagram }
func (t FrameType) isReserved() bool {
	return t == FrameNewToken || t == frameNewConnectionID || t >= frameStreamData && t <= frameObservedAddress || t.isDatagram()
}

// Frame is one frame. Which fields mean something depends on Type; Parse leaves
// the others zero. Data and the ranges of Ack are borrowed from the packet.
type Frame struct {
	Type FrameType // FrameData for all four types of DATA

	// Fin, in DATA: the stream ends behind this data.
	Fin bool
	// ToEnd, in DATA: the frame has no length and reaches to the packet's end.
	ToEnd bool
	// Offset, in DATA and CRYPTO: that of the first byte.
	Offset uint64
	// Data is the bytes of DATA and CRYPTO, the cookie of COOKIE, the reason of
	// CLOSE, and the zero bytes that are PADDING: the frame and all of the same
	// that follow it.
	Data []byte

	// Ack, in ACK and ACK_ECN.
	Ack Ack

	// Limit, in WINDOW: the offset up to which the peer may send. In BLOCKED: the one at which the sender is held.
	Limit uint64
	// Code, in RESET, STOP and CLOSE.
	Code Code
	// Final, in RESET: the offset at which the sender's bytes end.
	Final uint64

	// Token, in PATH_CHALLENGE and PATH_RESPONSE.
	Token [8]byte
}

// Parse reads the first frame of b, which reaches to the end of the packet, and
// returns its size. A run of PADDING counts as one frame. After an error f is
// partly set; its Type is what the frame claimed to be.
func (f *Frame) Parse(b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, ErrTruncated
	}
	*f = Frame{Type: FrameType(b[0])}
	c := cursor{b: b[1:]}
	switch f.Type {
	case FramePadding:
		f.Data = paddingRun(b)
		return len(f.Data), nil
	case FramePing:
	case FrameAck, FrameAckECN:
		f.Ack.parse(&c, f.Type == FrameAckECN)
	case FrameWindow, FrameBlocked:
		f.Limit = c.varint()
	case FrameReset:
		f.Code = Code(c.varint())
		f.Final = c.varint()
	case FrameStop:
		f.Code = Code(c.varint())
	case FrameClose:
		f.parseClose(&c)
	case FramePathChallenge, FramePathResponse:
		copy(f.Token[:], c.bytes(uint64(len(f.Token))))
	case FrameResetToken:
		f.Data = c.bytes(ResetTokenSize)
	case FrameCookie:
		f.parseCookie(&c)
	case FrameCrypto:
		f.parseCrypto(&c)
	case FrameData, FrameData | dataFin, FrameData | dataLen, FrameData | dataFin | dataLen:
		f.parseData(&c)
	default:
		if f.Type.isReserved() {
			return 0, errReserved
		}
		return 0, errUnknownFrame
	}
	if c.err != nil {
		return 0, c.err
	}
	return len(b) - len(c.b), nil
}

// ParseIn is Parse for the payload of a packet of type p: besides the frame's own
// rules it checks that such a packet carries the frame, and for RETRY and REFUSE
// that nothing follows it.
func (f *Frame) ParseIn(p PacketType, b []byte) (n int, err error) {
	n, err = f.Parse(b)
	switch {
	case err != nil:
		return 0, err
	case !f.Type.AllowedIn(p):
		return 0, errFrameNotAllowed
	case (p == Retry || p == Refuse) && n != len(b):
		return 0, ErrMalformed
	}
	return n, nil
}

// Append appends the frame in its only encoding: what Parse has read, Append
// writes byte for byte. Senders in a hurry have functions for each frame, whose errors it
// returns. A frame of another type, such as a reserved one, is an error.
func (f *Frame) Append(dst []byte) ([]byte, error) {
	switch f.Type {
	case FramePadding:
		return AppendPadding(dst, max(1, len(f.Data))), nil
	case FramePing:
		return AppendPing(dst), nil
	case FrameAck, FrameAckECN:
		return f.Ack.appendTo(dst, f.Type == FrameAckECN)
	case FrameWindow:
		return AppendWindow(dst, f.Limit), nil
	case FrameBlocked:
		return AppendBlocked(dst, f.Limit), nil
	case FrameReset:
		return AppendReset(dst, f.Code, f.Final)
	case FrameStop:
		return AppendStop(dst, f.Code), nil
	case FrameClose:
		return AppendClose(dst, f.Code, string(f.Data)), nil
	case FramePathChallenge:
		return AppendPathChallenge(dst, f.Token), nil
	case FramePathResponse:
		return AppendPathResponse(dst, f.Token), nil
	case FrameResetToken:
		return AppendResetToken(dst, f.Data)
	case FrameCookie:
		return AppendCookie(dst, f.Data)
	case FrameCrypto:
		return AppendCrypto(dst, f.Offset, f.Data)
	case FrameData:
		b, err := AppendDataHeader(dst, f.Offset, len(f.Data), f.Fin, f.ToEnd)
		if err != nil {
			return dst, err
		}
		return append(b, f.Data...), nil
	}
	return dst, errReserved
}

// maxDatagram is the largest size of a datagram, which no run of PADDING exceeds.
const maxDatagram = 65535

// AppendPadding appends n bytes of PADDING, but no more than a datagram may have. It
// does nothing if n is not positive.
func AppendPadding(dst []byte, n int) []byte {
	if n <= 0 {
		return dst
	}
	at := len(dst)
	dst = slices.Grow(dst, min(n, maxDatagram))[:at+min(n, maxDatagram)]
	clear(dst[at:])
	return dst
}

// AppendPing appends a PING frame.
func AppendPing(dst []byte) []byte { return append(dst, byte(FramePing)) }

// AppendWindow appends a WINDOW frame: the peer may send up to offset limit. A limit above MaxOffset, the
// largest offset that there is, admits no more than MaxOffset, and is sent as that.
func AppendWindow(dst []byte, limit uint64) []byte {
	return appendVarint(append(dst, byte(FrameWindow)), min(limit, MaxOffset))
}

// AppendBlocked appends a BLOCKED frame: the peer's window holds the sender back at offset limit, at most
// MaxOffset as in AppendWindow.
func AppendBlocked(dst []byte, limit uint64) []byte {
	return appendVarint(append(dst, byte(FrameBlocked)), min(limit, MaxOffset))
}

// AppendReset appends a RESET frame: the sender's bytes end at offset final, at
// most MaxOffset (or there is an error). A code above that is sent as CodeInternal.
func AppendReset(dst []byte, code Code, final uint64) ([]byte, error) {
	if final > MaxOffset {
		return dst, errRange
	}
	return appendVarint(appendVarint(append(dst, byte(FrameReset)), code.sent()), final), nil
}

// AppendStop appends a STOP frame. A code above MaxOffset is sent as CodeInternal.
func AppendStop(dst []byte, code Code) []byte {
	return appendVarint(append(dst, byte(FrameStop)), code.sent())
}

// AppendClose appends a CLOSE frame. What is not UTF-8 in the reason becomes
// U+FFFD, and what is above MaxReason bytes is cut off between two characters. A code
// above MaxOffset is sent as CodeInternal.
func AppendClose(dst []byte, code Code, reason string) []byte {
	reason = cleanReason(reason)
	dst = appendVarint(append(dst, byte(FrameClose)), code.sent())
	dst = appendVarint(dst, uint64(len(reason)))
	return append(dst, reason...)
}

// AppendPathChallenge appends a PATH_CHALLENGE frame.
func AppendPathChallenge(dst []byte, token [8]byte) []byte {
	return append(append(dst, byte(FramePathChallenge)), token[:]...)
}

// AppendPathResponse appends a PATH_RESPONSE frame with the token of the challenge.
func AppendPathResponse(dst []byte, token [8]byte) []byte {
	return append(append(dst, byte(FramePathResponse)), token[:]...)
}

// AppendResetToken appends a RESET_TOKEN frame: UNKNOWN with this token, of ResetTokenSize bytes (or there is an error), is the
// word of the frame's sender.
func AppendResetToken(dst, token []byte) ([]byte, error) {
	if len(token) != ResetTokenSize {
		return dst, errRange
	}
	return append(append(dst, byte(FrameResetToken)), token...), nil
}

// AppendCookie appends a COOKIE frame. A cookie has 1 to MaxCookie bytes, or there is an error.
func AppendCookie(dst, cookie []byte) ([]byte, error) {
	if len(cookie) < 1 || len(cookie) > MaxCookie {
		return dst, errRange
	}
	dst = appendVarint(append(dst, byte(FrameCookie)), uint64(len(cookie)))
	return append(dst, cookie...), nil
}

// AppendCrypto appends a CRYPTO frame with bytes of the handshake, at least one (or the error is ErrMalformed), of
// which none lies beyond MaxOffset (or there is an error).
func AppendCrypto(dst []byte, offset uint64, data []byte) ([]byte, error) {
	switch n := uint64(len(data)); {
	case n == 0:
		return dst, ErrMalformed
	case offset > MaxOffset-n:
		return dst, errRange
	}
	dst = appendVarint(append(dst, byte(FrameCrypto)), offset)
	dst = appendVarint(dst, uint64(len(data)))
	return append(dst, data...), nil
}

// CryptoHeaderLen is the number of bytes that a CRYPTO frame of length bytes takes besides them.
func CryptoHeaderLen(offset uint64, length int) int {
	return 1 + varintLen(offset) + varintLen(uint64(length))
}

// AppendDataHeader appends a DATA frame up to its bytes, of which the caller
// appends length. With toEnd the frame has no length of its own and must be the last
// of its packet. Only a frame with fin may be empty (or the error is ErrMalformed), and none
// reaches beyond MaxOffset (or there is another).
func AppendDataHeader(dst []byte, offset uint64, length int, fin, toEnd bool) ([]byte, error) {
	switch {
	case length == 0 && !fin:
		return dst, ErrMalformed
	case length < 0 || uint64(length) > MaxOffset || offset > MaxOffset-uint64(length):
		return dst, errRange
	}
	t := byte(FrameData)
	if fin {
		t |= dataFin
	}
	if toEnd {
		return appendVarint(append(dst, t), offset), nil
	}
	dst = appendVarint(append(dst, t|dataLen), offset)
	return appendVarint(dst, uint64(length)), nil
}

// DataHeaderLen is the number of bytes that AppendDataHeader takes.
func DataHeaderLen(offset uint64, length int, toEnd bool) int {
	n := 1 + varintLen(offset)
	if !toEnd {
		n += varintLen(uint64(length))
	}
	return n
}

// paddingRun returns the zero bytes that b begins with.
func paddingRun(b []byte) []byte {
	for i, c := range b {
		if c != byte(FramePadding) {
			return b[:i:i]
		}
	}
	return b[:len(b):len(b)]
}

// cleanReason makes any string a reason.
func cleanReason(reason string) string {
	reason = strings.ToValidUTF8(reason, string(utf8.RuneError))
	if len(reason) <= MaxReason {
		return reason
	}
	n := MaxReason
	for !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}

func (f *Frame) parseClose(c *cursor) {
	f.Code = Code(c.varint())
	n := c.varint()
	if n > MaxReason {
		c.fail(errRange)
		return
	}
	f.Data = c.bytes(n)
	if !utf8.Valid(f.Data) {
		c.fail(ErrMalformed)
	}
}

func (f *Frame) parseCookie(c *cursor) {
	n := c.varint()
	if c.err == nil && (n < 1 || n > MaxCookie) {
		c.fail(errRange)
		return
	}
	f.Data = c.bytes(n)
}

func (f *Frame) parseCrypto(c *cursor) {
	f.Offset = c.varint()
	f.Data = c.bytes(c.varint())
	switch n := uint64(len(f.Data)); {
	case c.err != nil:
	case n == 0:
		c.fail(ErrMalformed)
	case f.Offset > MaxOffset-n:
		c.fail(errRange)
	}
}

func (f *Frame) parseData(c *cursor) {
	f.Fin = f.Type&dataFin != 0
	f.ToEnd = f.Type&dataLen == 0
	t := byte(f.Type)
	f.Type = FrameData
	f.Offset, f.Data, c.b, c.err = parseData(t, c.b)
}

// IsData reports whether the first frame of b is DATA, for ParseData to parse.
func IsData(b []byte) bool { return len(b) > 0 && FrameType(b[0]).isData() }

// ParseData is Parse for DATA, which b must begin with: it returns the offset of the first byte, the
// bytes, borrowed from b, whether the stream ends behind them, and the size of the frame.
func ParseData(b []byte) (offset uint64, data []byte, fin bool, n int, err error) {
	offset, data, rest, err := parseData(b[0], b[1:])
	return offset, data, b[0]&dataFin != 0, len(b) - len(rest), err
}

// parseData parses what follows the type t of a DATA frame.
func parseData(t byte, b []byte) (offset uint64, data, rest []byte, err error) {
	offset, b, err = splitVarint(b)
	if err != nil {
		return 0, nil, nil, err
	}
	n := uint64(len(b))
	if t&dataLen != 0 {
		if n, b, err = splitVarint(b); err != nil {
			return 0, nil, nil, err
		}
		if n > uint64(len(b)) {
			return 0, nil, nil, ErrTruncated
		}
	}
	switch {
	case n == 0 && t&dataFin == 0:
		return 0, nil, nil, ErrMalformed
	case offset > MaxOffset-n:
		return 0, nil, nil, errRange
	}
	return offset, b[:n:n], b[n:], nil
}

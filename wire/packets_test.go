package wire

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"
)

// errTrailer stands for a wrong trailer in the table of packets.
var errTrailer = errors.New("wrong trailer")

// goldenCase is a packet for testdata/packets and the error it causes, if any.
type goldenCase struct {
	golden
	err error
}

// packets collects the cases.
type packets struct {
	t    *testing.T
	list []goldenCase
}

// goldenPackets is what testdata/packets holds: a packet for each type of packet and
// frame, and one for each rule broken.
func goldenPackets(t *testing.T) []goldenCase {
	p := &packets{t: t}
	p.validPackets()
	p.validFrames()
	p.badHeaders()
	p.badFrames()
	p.badAcks()
	p.badParameters()
	p.misplacedFrames()
	return p.list
}

// add adds a packet that lacks its trailer.
func (p *packets) add(name, title string, err error, version uint32, dst, src ID, b []byte) {
	g := golden{name: name + ".txt", title: title, version: version, dst: dst, src: src}
	g.packet = AppendTrailer(b, 0, Seed(version, dst, src))
	p.list = append(p.list, goldenCase{g, err})
}

// header adds a packet with any header.
func (p *packets) header(name, title string, err error, h Header, payload []byte) {
	src := h.Src
	if h.Type == Short {
		src = clientID
	}
	version := Version
	if h.Type == Versions {
		version = 0
	}
	p.add(name, title, err, version, h.Dst, src, append(Must(AppendHeader(nil, h)), payload...))
}

// short adds a short packet from client to server, with a payload in hexadecimal.
func (p *packets) short(name, title string, err error, payload string) {
	p.header(name, title, err, shortHeader(1, 2), unhex(p.t, payload))
}

// frame adds a short packet with a valid frame.
func (p *packets) frame(name, title string, frame []byte) {
	p.header("frame-"+name, title, nil, shortHeader(0x1234, 2), frame)
}

// raw adds a packet with any bytes and the trailer for both IDs.
func (p *packets) raw(name, title string, err error, version uint32, dst, src ID, s string) {
	p.add(name, title, err, version, dst, src, unhex(p.t, s))
}

func shortHeader(number uint64, n int) Header {
	return Header{Type: Short, Dst: serverID, Number: number, NumberLen: n}
}

func initialHeader() Header {
	return Header{Type: Initial, Version: Version, Dst: firstDst, Src: clientID, NumberLen: 1}
}

func acceptHeader() Header {
	return Header{Type: Accept, Version: Version, Dst: clientID, Src: serverID, NumberLen: 1}
}

// padded fills the payload of an INITIAL without a cookie.
func padded(payload []byte) []byte {
	return AppendPadding(payload, MinInitialSize-longHeaderLen(Initial, 1)-TrailerSize-len(payload))
}

func (p *packets) validPackets() {
	params := DefaultParameters()
	params.IdleTimeout = 30 * time.Second
	params.Version, params.FirstDst, params.Src = Version, firstDst, clientID
	hello := Must(AppendParameters(nil, &params))
	frame := Must(AppendCrypto(nil, 0, hello))
	cookie := unhex(p.t, "00112233445566778899aabbccddeeff")
	p.header("packet-initial", "the client's first packet", nil, initialHeader(), padded(frame))
	h := initialHeader()
	h.Number, h.Cookie = 1, cookie
	p.header("packet-initial-cookie", "INITIAL after RETRY", nil, h, padded(frame))
	h.Number, h.Cookie = 2, bytes.Repeat([]byte{0xc0}, MaxCookie)
	p.header("packet-initial-longest-cookie", "INITIAL with the longest cookie", nil, h, padded(frame))
	h.Number, h.Cookie = 3, nil
	p.header("packet-initial-part", "INITIAL with the first part of a message", nil, h, padded(Must(AppendCrypto(nil, 0, hello[:20]))))
	p.header("packet-initial-rest", "INITIAL with the rest of it", nil, h, padded(Must(AppendCrypto(nil, 20, hello[20:]))))
	h.Number, h.NumberLen = 0x10002, 3
	p.header("packet-initial-close", "a client that gives up; the packet number has 3 bytes and the packet is 1202 bytes long", nil, h,
		padded(AppendClose(Must(AppendAck(nil, &Ack{Received: 5}, []Range{{0, 0}}, 100)), CodeTimeout, "")))
	params.Src, params.Dst, params.Cookie = serverID, clientID, cookie
	answer := Must(AppendCrypto(nil, 0, Must(AppendParameters(nil, &params))))
	p.header("packet-accept", "the server's answer, which acknowledges INITIAL 1 and repeats its cookie", nil, acceptHeader(),
		Must(AppendAck(answer, &Ack{Delay: 40 * time.Microsecond, Received: math.MaxUint32 - 4}, []Range{{1, 1}}, 100)))
	p.header("packet-accept-close", "a server that gives up", nil, acceptHeader(), AppendClose(nil, CodeBusy, "too many"))
	p.header("packet-retry", "a cookie first", nil, Header{Type: Retry, Version: Version, Dst: clientID, Src: firstDst}, Must(AppendCookie(nil, cookie)))
	p.header("packet-refuse", "nobody listens", nil, Header{Type: Refuse, Version: Version, Dst: clientID, Src: firstDst}, AppendClose(nil, CodeRefused, ""))
	p.header("packet-unknown", "the connection is not known; dst is absent", nil, Header{Type: Unknown, Version: Version, Src: serverID}, nil)
	p.header("packet-versions", "answers a packet of another version; its trailer is computed with version 0", nil,
		Header{Type: Versions, Dst: clientID, Src: firstDst}, unhex(p.t, "45424202"))
	p.header("packet-versions-two", "versions that do not exist yet are spoken too", nil,
		Header{Type: Versions, Dst: clientID, Src: firstDst}, unhex(p.t, "45424204 45424203"))
	for n, number := range []uint64{0xfe, 0xfedc, 0xfedcba, 0xfedcba98} {
		p.header("packet-short-number-"+string(rune('1'+n)), "a short packet, by the length of its number", nil, shortHeader(number, n+1), AppendPing(nil))
	}
	mix := Must(AppendAck(nil, &Ack{Delay: 3 * time.Millisecond, Received: 123456789}, []Range{{0, 90}, {93, 99}}, 100))
	mix = AppendPing(AppendPadding(AppendWindow(mix, 1<<20), 3))
	mix = append(Must(AppendDataHeader(mix, 16384, 5, false, false)), "first"...)
	mix = append(Must(AppendDataHeader(mix, 16389, 4, true, true)), "last"...)
	p.header("packet-short-mixed", "several frames, the last of which has no length", nil, shortHeader(100, 1), mix)
}

func (p *packets) validFrames() {
	token := [8]byte{0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7}
	p.frame("padding", "PADDING of one byte", AppendPadding(nil, 1))
	p.frame("padding-run", "PADDING of many", AppendPadding(nil, 40))
	p.frame("ping", "PING", AppendPing(nil))
	p.frame("ack", "an ACK of one number", Must(AppendAck(nil, &Ack{Received: 1}, []Range{{0, 0}}, 100)))
	p.frame("ack-ranges", "an ACK with gaps, of one number and of more; the receive time is near its wrap",
		Must(AppendAck(nil, &Ack{Delay: 25 * time.Millisecond, Received: math.MaxUint32}, []Range{{7, 7}, {9, 80}, {200, 20000}}, 100)))
	p.frame("ack-256-ranges", "an ACK with as many ranges as there can be", Must(AppendAck(nil, &Ack{}, everySecond(256), 1000)))
	p.frame("ack-largest", "an ACK of the largest number, with the largest delay",
		Must(AppendAck(nil, &Ack{Delay: math.MaxInt64}, []Range{{0, 1}, {MaxOffset, MaxOffset}}, 100)))
	p.frame("ack-ecn", "an ACK with counts of ECN marks",
		Must(AppendAck(nil, &Ack{Received: 77, HasECN: true, ECT0: 1000, ECT1: 0, CE: 3}, []Range{{3, 9}}, 100)))
	p.frame("window", "WINDOW", AppendWindow(nil, 65536))
	p.frame("window-max", "the largest WINDOW", AppendWindow(nil, MaxOffset))
	p.frame("blocked", "BLOCKED", AppendBlocked(nil, 65536))
	p.frame("blocked-max", "the largest BLOCKED", AppendBlocked(nil, MaxOffset))
	p.frame("reset", "RESET", Must(AppendReset(nil, CodeReset, 123456)))
	p.frame("stop", "STOP", AppendStop(nil, CodeNone))
	p.frame("stop-own-code", "STOP with a code that the specification does not name", AppendStop(nil, 4000)) // [W34]
	p.frame("close", "CLOSE", AppendClose(nil, CodeProtocol, "offset beyond 2^62 − 1"))
	p.frame("close-no-reason", "CLOSE without a reason", AppendClose(nil, CodeNone, ""))
	p.frame("close-longest", "CLOSE with the longest reason", AppendClose(nil, CodeInternal, strings.Repeat("0123456789abcdef", 16)))
	p.frame("path-challenge", "PATH_CHALLENGE", AppendPathChallenge(nil, token))
	p.frame("path-response", "PATH_RESPONSE", AppendPathResponse(nil, token))
	data := func(offset uint64, s string, fin, toEnd bool) []byte {
		return append(Must(AppendDataHeader(nil, offset, len(s), fin, toEnd)), s...)
	}
	p.frame("data", "DATA with a length", data(0, "hello", false, false))
	p.frame("data-fin", "DATA with a length, and the end", data(5, "bye", true, false))
	p.frame("data-to-end", "DATA without a length", data(1<<30, "hello", false, true))
	p.frame("data-to-end-fin", "DATA without a length, and the end", data(64, "bye", true, true))
	p.frame("data-only-fin", "the end alone", data(8, "", true, false))
	p.frame("data-only-fin-to-end", "the end alone, without a length", data(8, "", true, true))
	p.frame("data-last-offset", "DATA up to the last offset there can be", data(MaxOffset-5, "hello", true, false))

	p.parameters("none", "all parameters are absent", nil, "")
	p.parameters("bounds", "each parameter has an extreme value", nil, "01 01 00 02 04 81000000 03 02 44b0 04 08 c0000000ffffffff")
	p.parameters("repeated", "what was seen of the handshake is repeated", nil,
		"05 04 45424202 06 08 5152535455565758 07 08 f1f2f3f4f5f6f7f8 08 08 0102030405060708 09 01 63")
	p.parameters("any-order", "the order is free", nil, "04 01 01 03 02 45ac 01 02 4400")
	p.parameters("unknown-ids", "unknown ids are ignored, whatever their value", nil, "00 00 0a 02 ffff ffffffffffffffff 01 00")
}

// parameters adds an ACCEPT with a list of parameters.
func (p *packets) parameters(name, title string, err error, list string) {
	prefix := "frame-parameters-"
	if err != nil {
		prefix = "bad-parameters-"
	}
	b := unhex(p.t, list)
	message := append(appendVarint(nil, uint64(len(b))), b...)
	p.header(prefix+name, title, err, acceptHeader(), Must(AppendCrypto(nil, 0, message)))
}

func (p *packets) badHeaders() {
	const ids = "08 0102030405060708 08 f1f2f3f4f5f6f7f8 "
	long := func(name, title string, err error, s string) {
		p.raw("bad-"+name, title, err, Version, clientID, serverID, s)
	}
	short := func(name, title string, err error, s string) {
		p.raw("bad-"+name, title, err, Version, serverID, clientID, s)
	}
	short("foreign-00", "the first byte is STUN's", errForeign, "00 f1f2f3f4f5f6f7f8 00 01")
	short("foreign-01", "the first byte is QUIC's", errForeign, "40 f1f2f3f4f5f6f7f8 00 01")
	short("foreign-11", "the first byte is that of QUIC's long header", errForeign, "c0 f1f2f3f4f5f6f7f8 00 01")
	short("short-key-phase", "the key phase is reserved", errReserved, "90 f1f2f3f4f5f6f7f8 00 01") // [W6]
	short("short-bit-3", "protected bits are reserved", errReserved, "88 f1f2f3f4f5f6f7f8 00 01")   // [W6]
	short("short-bit-2", "protected bits are reserved", errReserved, "84 f1f2f3f4f5f6f7f8 00 01")
	short("short-no-number", "the packet ends in its number: the trailer begins after one byte of two", ErrTruncated, "81 f1f2f3f4f5f6f7f8 00")
	short("short-empty", "a short packet has a frame", errEmpty, "80 f1f2f3f4f5f6f7f8 00")
	p.raw("bad-short-zero-id", "an ID is not zero", errID, Version, 0, clientID, "80 0000000000000000 00 01") // [W7]
	long("long-version", "a version that is not this one; VERSIONS is the answer if it has 1200 bytes", errVersion, "a4 45424201 "+ids+"00 01")
	long("long-version-protected", "the version of protected connections is not spoken yet", errVersion, "a4 45424203 "+ids+"00 01") // [W11]
	long("long-version-ids", "other versions may have longer IDs", errVersion, "a4 45424201 09 010203040506070809 14"+strings.Repeat("aa", 20)+"00 01")
	long("long-zero-rtt", "ZeroRTT is reserved", errReserved, "b4 45424202 "+ids+"00 01") // [W13]
	long("long-handshake", "plain connections have no HANDSHAKE", errReserved, "b8 45424202 "+ids+"00 01")
	long("long-versions-1", "VERSIONS has version field 0", ErrMalformed, "bc 45424202 "+ids+"45424202") // [W13]
	p.raw("bad-long-accept-0", "only VERSIONS has version field 0", ErrMalformed, 0, clientID, serverID, "a4 00000000 "+ids+"00 01")
	long("long-id-21", "an ID has at most 20 bytes in any version", errID, "a4 45424202 15"+strings.Repeat("aa", 21)+"08 f1f2f3f4f5f6f7f8 00 01") // [W8]
	long("long-src-7", "an ID has 8 bytes in this version", errID, "a4 45424202 08 0102030405060708 07 f1f2f3f4f5f6f7 00 01")                     // [W9]
	long("long-dst-9", "an ID has 8 bytes in this version", errID, "a4 45424202 09 010203040506070809 08 f1f2f3f4f5f6f7f8 00 01")
	long("long-no-dst", "only UNKNOWN has no dst", errID, "a4 45424202 00 08 f1f2f3f4f5f6f7f8 00 01") // [W9]
	long("long-zero-dst", "an ID is not zero", errID, "a4 45424202 08 0000000000000000 08 f1f2f3f4f5f6f7f8 00 01")
	long("long-zero-src", "an ID is not zero", errID, "a4 45424202 08 0102030405060708 08 0000000000000000 00 01")
	long("unknown-dst", "UNKNOWN has no dst", errID, "b0 45424202 "+ids)
	long("long-cut", "the packet ends in its src", ErrTruncated, "a4 45424202 08 0102030405060708 08")
	long("long-no-number", "the packet ends in its number", ErrTruncated, "a7 45424202 "+ids+"000000")
	long("initial-no-cookie", "the packet ends where the length of the cookie is", ErrTruncated, "a0 45424202 08 5152535455565758 08 0102030405060708")
	long("initial-cookie-cut", "the packet ends in the cookie, or the trailer would", ErrTruncated, "a0 45424202 08 5152535455565758 08 0102030405060708 05 6162") // [W10]
	long("retry-number", "RETRY has no number, not even the length of one", errReserved, "a9 45424202 "+ids+"0b 01 61")                                            // [W12]
	long("accept-empty", "ACCEPT has a frame", errEmpty, "a4 45424202 "+ids+"00")                                                                                  // [W2]
	long("retry-empty", "RETRY has a frame", errEmpty, "a8 45424202 "+ids)
	long("refuse-empty", "REFUSE has a frame", errEmpty, "ac 45424202 "+ids)
	p.raw("bad-unknown-payload", "UNKNOWN has no payload", ErrMalformed, Version, 0, serverID, "b0 45424202 00 08 f1f2f3f4f5f6f7f8 00") // [W2]
	p.raw("bad-versions-empty", "VERSIONS has a version", errEmpty, 0, clientID, serverID, "bc 00000000 "+ids)
	p.raw("bad-versions-five", "a version has 4 bytes", ErrMalformed, 0, clientID, serverID, "bc 00000000 "+ids+"4542420201")
	p.header("bad-initial-1199", "an INITIAL has at least 1200 bytes", ErrInitialSize, initialHeader(), padded(AppendPing(nil))[1:]) // [W13]

	p.short("bad-trailer", "the last bit of the trailer is wrong", errTrailer, "01")
	last := p.list[len(p.list)-1].packet
	last[len(last)-1] ^= 1
	p.add("bad-trailer-swapped", "the trailer is computed with the IDs swapped", errTrailer, Version, clientID, serverID,
		append(Must(AppendHeader(nil, shortHeader(1, 1))), 0x01))
	g := &p.list[len(p.list)-1].golden
	g.dst, g.src = serverID, clientID
	p.add("bad-trailer-version", "the trailer is computed with another version", errTrailer, Version+1, clientID, serverID,
		append(Must(AppendHeader(nil, acceptHeader())), 0x01))
	p.list[len(p.list)-1].version = Version
}

func (p *packets) badFrames() {
	bad := func(name, title string, err error, s string) { p.short("bad-"+name, title, err, s) }
	bad("reserved-new-token", "NEW_TOKEN is reserved", errReserved, "0d 01 61")
	bad("reserved-new-connection-id", "NEW_CONNECTION_ID is reserved", errReserved, "0e 00")
	bad("reserved-datagram", "DATAGRAM is reserved", errReserved, "30 61")
	bad("reserved-datagram-length", "DATAGRAM is reserved, with a length too", errReserved, "31 01 61")
	for i := range byte(4) {
		bad("reserved-stream-data-"+string(rune('4'+i)), "DATA with a stream ID is reserved", errReserved, "1"+string(rune('4'+i))+" 00 00 01 61")
	}
	bad("reserved-stream-reset", "RESET with a stream ID is reserved", errReserved, "18 00 01 00")
	bad("reserved-stream-stop", "STOP with a stream ID is reserved", errReserved, "19 00 01")
	bad("reserved-stream-window", "WINDOW with a stream ID is reserved", errReserved, "1a 00 01")
	bad("reserved-stream-blocked", "BLOCKED with a stream ID is reserved", errReserved, "1b 00 01")
	bad("reserved-retire-connection-id", "RETIRE_CONNECTION_ID is reserved", errReserved, "1c 00")
	bad("reserved-observed-address", "OBSERVED_ADDRESS is reserved", errReserved, "1d 00")
	bad("type-1e", "no frame has this type", errUnknownFrame, "1e 00")
	bad("type-32", "no frame has this type", errUnknownFrame, "32")
	bad("type-two-bytes", "a type has one byte", errUnknownFrame, "4001")
	bad("varint-2", "1 in two bytes", errVarint, "04 4001")
	bad("varint-4", "16383 in four bytes", errVarint, "04 80003fff")
	bad("varint-8", "2^30 − 1 in eight bytes", errVarint, "04 c00000003fffffff")
	bad("window-cut", "WINDOW ends in its limit", ErrTruncated, "04 40")
	bad("blocked-cut", "BLOCKED ends in its limit", ErrTruncated, "0f 40")
	bad("reset-cut", "RESET has no final offset", ErrTruncated, "05 01")
	bad("stop-cut", "STOP has no code", ErrTruncated, "06")
	bad("close-cut", "the reason is shorter than its length", ErrTruncated, "07 00 05 61626364")
	bad("close-257", "the reason is longer than 256 bytes", errRange, "07 00 4101"+strings.Repeat("61", 257))
	bad("close-not-utf8", "the reason is not UTF-8", ErrMalformed, "07 00 03 61ff62") // [W35]
	bad("path-challenge-cut", "PATH_CHALLENGE has 8 bytes", ErrTruncated, "08 01020304050607")
	bad("path-response-cut", "PATH_RESPONSE has 8 bytes", ErrTruncated, "09 01020304050607")
	bad("data-empty", "DATA is not empty, but for the end", ErrMalformed, "12 00 00") // [W29]
	bad("data-empty-to-end", "DATA is not empty, but for the end", ErrMalformed, "10 00")
	bad("data-cut", "there is less data than the length says", ErrTruncated, "12 00 05 61626364")
	bad("data-length-max", "the length is far beyond the packet", ErrTruncated, "12 00 ffffffffffffffff 61")
	bad("data-beyond", "the data ends at 2^62", errRange, "12 ffffffffffffffff 01 61") // [W28]
	bad("data-beyond-to-end", "the data ends at 2^62", errRange, "10 fffffffffffffffe 6161")
	bad("second-frame", "the second frame is the malformed one", ErrTruncated, "01 04")
}

func (p *packets) badAcks() {
	bad := func(name, title string, err error, s string) { p.short("bad-ack-"+name, title, err, s) }
	const head = "02 05 00 00000000 "
	bad("first-below-zero", "the first range begins below 0", errAckRanges, head+"00 06")
	bad("gap-below-zero", "the second range ends below 0", errAckRanges, head+"01 00 04 00")
	bad("length-below-zero", "the second range begins below 0", errAckRanges, head+"01 00 00 04")
	bad("gap-max", "the gap is 2^62 − 1", errAckRanges, head+"01 00 ffffffffffffffff 00")
	bad("257-ranges", "an ACK has at most 256 ranges", errRange, "02 4400 00 00000000 4100 00"+strings.Repeat("0000", 256)) // [W32]
	bad("delay", "a delay is at most 2^32 − 1 µs", errRange, "02 05 c000000100000000 00000000 00 00")                       // [W30]
	bad("fewer-than-counted", "there are fewer ranges than counted", ErrTruncated, head+"02 00 00 00")
	bad("no-receive-time", "the receive time has 4 bytes", ErrTruncated, "02 05 00 000000")
	bad("ecn-cut", "ACK_ECN has three counts", ErrTruncated, "03 05 00 00000000 00 00 01 01")
	bad("varint", "a gap of 0 in two bytes", errVarint, head+"01 00 4000 00")
}

func (p *packets) badParameters() {
	p.parameters("repeated", "a parameter comes twice", errParameter, "01 01 00 02 01 00 01 01 00")
	p.parameters("repeated-unknown", "an unknown parameter comes twice", errParameter, "0a 00 0a 00")
	p.parameters("no-value", "a value is missing", errParameter, "01 00")
	p.parameters("value-short", "the value is shorter than its length", errParameter, "01 02 0000")
	p.parameters("value-long", "the value is longer than its length", errParameter, "03 01 44b0")
	p.parameters("value-varint", "the value is not in its shortest form", errVarint, "01 02 4001")
	p.parameters("ack-delay", "an ACK delay of 2^24 + 1 µs", errRange, "02 04 81000001")
	p.parameters("datagram-1199", "a datagram has room for 1200 bytes", errRange, "03 02 44af")
	p.parameters("idle-timeout", "an idle timeout of 2^32 ms", errRange, "04 08 c000000100000000")
	p.parameters("length-beyond", "a value reaches beyond the frame", ErrTruncated, "01 02 00")
	var many []byte
	for id := range uint64(maxParameters + 1) {
		many = append(appendVarint(many, 1000+id), 0)
	}
	message := append(appendVarint(nil, uint64(len(many))), many...)
	p.header("bad-parameters-65", "there are at most 64 parameters", errParameter, acceptHeader(), Must(AppendCrypto(nil, 0, message)))
	p.header("bad-parameters-4097", "a message has at most 4096 bytes", errParameter, acceptHeader(), unhex(p.t, "0c 00 02 4fff"))
	p.header("bad-parameters-more", "nothing follows the message", errParameter, acceptHeader(), unhex(p.t, "0c 00 02 00 00"))
	p.parameters("version-0", "a version is not 0", errRange, "05 04 00000000")
	p.parameters("id-7", "an ID has 8 bytes", errParameter, "06 07 01020304050607")
	p.parameters("id-0", "an ID is not 0", errRange, "07 08 0000000000000000")
	p.parameters("cookie-empty", "a cookie has a byte", errRange, "09 00")
}

func (p *packets) misplacedFrames() {
	initial := func(name, title string, err error, s string) {
		p.header("bad-initial-"+name, title, err, initialHeader(), padded(unhex(p.t, s)))
	}
	accept := func(name, title string, err error, s string) {
		p.header("bad-accept-"+name, title, err, acceptHeader(), unhex(p.t, s))
	}
	one := func(pt PacketType, name, title string, err error, s string) {
		p.header("bad-"+name, title, err, Header{Type: pt, Version: Version, Dst: clientID, Src: firstDst}, unhex(p.t, s))
	}
	p.short("bad-short-crypto", "a short packet carries no CRYPTO", errFrameNotAllowed, "0c 00 01 61")
	p.short("bad-short-cookie", "a short packet carries no COOKIE", errFrameNotAllowed, "0b 01 61")
	initial("data", "INITIAL carries no DATA", errFrameNotAllowed, "12 00 01 61")
	initial("cookie", "INITIAL carries no COOKIE: it is in its header", errFrameNotAllowed, "0b 01 61")
	initial("crypto-empty", "CRYPTO has a byte", ErrMalformed, "0c 00 00")
	initial("crypto-cut", "there are fewer bytes than the length says", ErrTruncated, "0c 00 4fff 61")
	initial("crypto-beyond", "the bytes end at 2^62", errRange, "0c ffffffffffffffff 01 61") // [W28]
	accept("cookie", "ACCEPT carries no COOKIE", errFrameNotAllowed, "0b 01 61")
	accept("window", "ACCEPT carries no WINDOW", errFrameNotAllowed, "04 00")
	accept("blocked", "ACCEPT carries no BLOCKED", errFrameNotAllowed, "0f 00")
	accept("reset", "ACCEPT carries no RESET", errFrameNotAllowed, "05 00 00")
	accept("stop", "ACCEPT carries no STOP", errFrameNotAllowed, "06 00")
	accept("path-challenge", "ACCEPT carries no PATH_CHALLENGE", errFrameNotAllowed, "08 0000000000000000")
	accept("path-response", "ACCEPT carries no PATH_RESPONSE", errFrameNotAllowed, "09 0000000000000000")
	one(Retry, "retry-close", "RETRY carries a COOKIE", errFrameNotAllowed, "07 02 00")
	one(Retry, "retry-cookie-empty", "a cookie has a byte", errRange, "0b 00")
	one(Retry, "retry-cookie-256", "a cookie has at most 255 bytes", errRange, "0b 4100"+strings.Repeat("61", 256))
	one(Retry, "retry-padded", "RETRY carries nothing else", ErrMalformed, "0b 01 61 00")
	one(Refuse, "refuse-cookie", "REFUSE carries a CLOSE", errFrameNotAllowed, "0b 01 61")
	one(Refuse, "refuse-padded", "REFUSE carries nothing else", ErrMalformed, "07 02 00 00") // [W13]
	one(Refuse, "refuse-cookie-cut", "the cookie is shorter than its length", ErrTruncated, "0b 02 61")
}

func TestDescribeTrailer(t *testing.T) {
	b := append(Must(AppendHeader(nil, acceptHeader())), 0x01)
	b = AppendTrailer(b, 0, Seed(Version, clientID, serverID))
	if s := Describe(b); !strings.HasSuffix(s, " right\n") {
		t.Errorf("description %q", s)
	}
	b = bytes.Clone(b)
	b[len(b)-1] ^= 1
	if s := Describe(b); !strings.HasSuffix(s, " wrong\n") {
		t.Errorf("description %q", s)
	}
}

// What a peer says is described so that a terminal shows it and nothing else.
func TestDescribeIsPrintable(t *testing.T) {
	const nasty = "\x1b[2J\r\n\u202e\u2028\u00a0"
	packet := AppendClose(Must(AppendHeader(nil, Header{Type: Refuse, Version: Version, Dst: clientID, Src: firstDst})), CodeBusy, nasty)
	s := Describe(AppendTrailer(packet, 0, Seed(Version, clientID, firstDst)))
	if !strings.Contains(s, `\x1b[2J\r\n\u202e\u2028\u00a0`) || strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
		t.Errorf("described as %q", s)
	}
}

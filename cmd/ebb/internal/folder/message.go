package folder

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"math"
	"time"
	"unicode/utf8"

	"example.com/ebb/cmd/ebb/internal/delta"
	"example.com/ebb/cmd/ebb/internal/tree"
	"example.com/ebb/internal/untrusted"
)

// Limits of the protocol. See the package comment.
const (
	magic          = "ebbt"
	version        = 1
	greetingSize   = 6
	maxData        = 64 << 10
	maxFrame       = maxData + 64
	maxMessage     = 512
	maxOutstanding = 1024      // entries without an answer
	maxFolders     = 4096      // that were not left
	maxChunks      = 128 << 10 // of all files that are wanted
	chunkSize      = 36        // bytes on the wire
	chunksInFrame  = 1024
)

// Flags of the sender's greeting.
const (
	flagChecksum = 1
	flagDelete   = 2
	flagDryRun   = 4
)

// frameType is the first byte of a frame.
type frameType uint8

const (
	frameEntry    frameType = 1
	frameLeave    frameType = 2
	frameContent  frameType = 3
	frameData     frameType = 4
	frameCopy     frameType = 5
	frameHeld     frameType = 6
	frameWhole    frameType = 7
	frameSame     frameType = 8
	frameWithdraw frameType = 9
	frameBye      frameType = 10
	frameDone     frameType = 11

	frameAnswer  frameType = 32
	frameWant    frameType = 33
	frameChunks  frameType = 34
	frameDeleted frameType = 35
	frameFinal   frameType = 36
	frameStored  frameType = 37
)

// Code is the end of an entry.
type Code uint8

// The codes of an answer. From CodeName on the entry has failed.
const (
	CodeKept      Code = 0  // it is as it was
	CodeStored    Code = 1  // it was stored
	CodeTouched   Code = 2  // its mode or time was set, its content is as it was
	CodeWould     Code = 3  // it would be stored
	CodeName      Code = 16 // the name, or what a link leads to, is not allowed
	CodeTaken     Code = 17 // something else has the name
	CodeSum       Code = 18 // the SHA-256 does not match
	CodeStorage   Code = 19 // the receiver could not store it
	CodeWithdrawn Code = 20 // the sender did not send it
	CodeProtocol  Code = 21 // the peer broke the protocol
	CodeQuota     Code = 22 // the receiver takes no more
	CodeBusy      Code = 23 // the receiver has too many senders
	CodeFolder    Code = 24 // the folder that it is in has failed
	CodeStopped   Code = 25 // the receiver was stopped
	CodeDelete    Code = 26 // the receiver lets nobody delete
)

// Failed reports whether the code is that of a failure.
func (c Code) Failed() bool { return c >= CodeName }

// protocolError is a violation of the protocol by the peer.
type protocolError string

func (e protocolError) Error() string { return "protocol violation: " + string(e) }

func protocolErrorf(format string, args ...any) error {
	return protocolError(fmt.Sprintf(format, args...))
}

// frame is one frame; the payload is good until the next is read.
type frame struct {
	kind    frameType
	payload []byte
}

// frameReader reads frames into one buffer.
type frameReader struct {
	r   *bufio.Reader
	buf []byte
}

func (f *frameReader) next() (frame, error) {
	var head [5]byte
	if _, err := io.ReadFull(f.r, head[:]); err != nil {
		return frame{}, unexpected(err)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return frame{}, protocolErrorf("a frame of %d bytes, at most %d are allowed", n, maxFrame)
	}
	if cap(f.buf) < int(n) {
		f.buf = make([]byte, maxFrame)
	}
	payload := f.buf[:n]
	if _, err := io.ReadFull(f.r, payload); err != nil {
		return frame{}, unexpected(err)
	}
	return frame{frameType(head[0]), payload}, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// beginFrame begins a frame, which endFrame gives its length.
func beginFrame(b []byte, kind frameType) []byte { return append(b, byte(kind), 0, 0, 0, 0) }

func endFrame(b []byte) []byte {
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-5))
	return b
}

// fields takes a payload apart. The first thing that is missing makes everything else zero, and err.
type fields struct {
	b   []byte
	err error
}

func (f *fields) take(n int) []byte {
	if f.err != nil || len(f.b) < n {
		if f.err == nil {
			f.err = protocolErrorf("a frame ends early")
		}
		return make([]byte, n)
	}
	taken := f.b[:n]
	f.b = f.b[n:]
	return taken
}

func (f *fields) u8() uint8   { return f.take(1)[0] }
func (f *fields) u16() uint16 { return binary.BigEndian.Uint16(f.take(2)) }
func (f *fields) u32() uint32 { return binary.BigEndian.Uint32(f.take(4)) }
func (f *fields) u64() uint64 { return binary.BigEndian.Uint64(f.take(8)) }

// text is a string with its length in front.
func (f *fields) text(limit int) string {
	n := int(f.u16())
	if f.err == nil && n > limit {
		f.err = protocolErrorf("a string of %d bytes, at most %d are allowed", n, limit)
	}
	if f.err != nil {
		return ""
	}
	return string(f.take(n))
}

// rest is what is left, as a message.
func (f *fields) rest() untrusted.Text {
	if f.err == nil && len(f.b) > maxMessage {
		f.err = protocolErrorf("a message of %d bytes, at most %d are allowed", len(f.b), maxMessage)
	}
	if f.err != nil {
		return ""
	}
	message := untrusted.Text(f.b)
	f.b = nil
	return message
}

// end reports what was wrong, bytes that are left included.
func (f *fields) end() error {
	if f.err == nil && len(f.b) > 0 {
		f.err = protocolErrorf("%d bytes too many in a frame", len(f.b))
	}
	return f.err
}

func appendEntry(b []byte, e tree.Entry) []byte {
	b = beginFrame(b, frameEntry)
	b = append(b, byte(e.Kind))
	b = binary.BigEndian.AppendUint16(b, uint16(e.Mode.Perm()))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Modified.Unix()))
	b = binary.BigEndian.AppendUint32(b, uint32(e.Modified.Nanosecond()))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Size))
	b = appendText(b, e.Path)
	return endFrame(appendText(b, e.Target))
}

func appendText(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(s)))
	return append(b, s...)
}

// yearSpan is how far from 1970 a time may be: what file systems and package time can do.
const yearSpan = 1 << 38 // seconds, 8,700 years

// parseEntry does not say whether the path is allowed.
func parseEntry(payload []byte) (tree.Entry, error) {
	f := fields{b: payload}
	kind, mode, seconds, nanoseconds, size := tree.Kind(f.u8()), f.u16(), int64(f.u64()), f.u32(), f.u64()
	name := f.text(tree.MaxPath)
	target := f.text(tree.MaxTarget)
	if err := f.end(); err != nil {
		return tree.Entry{}, err
	}
	switch {
	case kind != tree.File && kind != tree.Folder && kind != tree.Link:
		return tree.Entry{}, protocolErrorf("an entry of kind %d", kind)
	case mode&^uint16(fs.ModePerm) != 0:
		return tree.Entry{}, protocolErrorf("mode %#o has more than permission bits", mode)
	case seconds > yearSpan || seconds < -yearSpan || nanoseconds > 999_999_999:
		return tree.Entry{}, protocolErrorf("a time of %d s and %d ns", seconds, nanoseconds)
	case size > math.MaxInt64 || kind != tree.File && size != 0:
		return tree.Entry{}, protocolErrorf("an entry of %d bytes", size)
	case (kind == tree.Link) != (target != ""):
		return tree.Entry{}, protocolErrorf("a link that leads nowhere, or something else that leads somewhere")
	}
	return tree.Entry{
		Path: name, Kind: kind, Mode: fs.FileMode(mode), Modified: time.Unix(seconds, int64(nanoseconds)),
		Size: int64(size), Target: target,
	}, nil
}

// numbered is a frame with a number and perhaps more behind it.
func numbered(b []byte, kind frameType, number uint64, more ...byte) []byte {
	b = binary.BigEndian.AppendUint64(beginFrame(b, kind), number)
	return endFrame(append(b, more...))
}

func appendAnswer(b []byte, number uint64, code Code, message string) []byte {
	return numbered(b, frameAnswer, number, append([]byte{byte(code)}, clipped(message)...)...)
}

func appendWant(b []byte, number uint64, whole, chunks int) []byte {
	var more []byte
	more = binary.BigEndian.AppendUint32(more, uint32(whole))
	more = binary.BigEndian.AppendUint32(more, uint32(chunks))
	return numbered(b, frameWant, number, more...)
}

func appendChunks(b []byte, chunks []delta.Chunk) []byte {
	b = beginFrame(b, frameChunks)
	for _, c := range chunks {
		b = append(binary.BigEndian.AppendUint32(b, uint32(c.Length)), c.Sum[:]...)
	}
	return endFrame(b)
}

// parseChunks appends the chunks of a frame, at most so many.
func parseChunks(chunks []delta.Chunk, payload []byte, most int) ([]delta.Chunk, error) {
	n := len(payload) / chunkSize
	if len(payload)%chunkSize != 0 || n == 0 || n > most {
		return nil, protocolErrorf("%d bytes of chunks where there are %d chunks to come", len(payload), most)
	}
	f := fields{b: payload}
	for range n {
		c := delta.Chunk{Length: int(f.u32())}
		copy(c.Sum[:], f.take(len(c.Sum)))
		if c.Length < 1 || c.Length > delta.MaxLength(math.MaxInt64) {
			return nil, protocolErrorf("a chunk of %d bytes", c.Length)
		}
		chunks = append(chunks, c)
	}
	return chunks, nil
}

// message is a frame that has a message, and perhaps a code in front.
func messageFrame(kind frameType, text string, before ...byte) []byte {
	return endFrame(append(append(beginFrame(nil, kind), before...), clipped(text)...))
}

// clipped is as much of s as a message may have, in UTF-8.
func clipped(s string) string {
	s = untrusted.Text(s).String()
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

func greeting(flags byte) []byte { return append([]byte(magic), version, flags) }

// readGreeting returns the flags of the peer's greeting.
func readGreeting(r io.Reader) (flags byte, err error) {
	var b [greetingSize]byte
	n, err := io.ReadFull(r, b[:])
	switch {
	case n >= len(magic) && string(b[:len(magic)]) != magic:
		return 0, fmt.Errorf("the peer does not speak this protocol: it says %q", b[:n])
	case n > len(magic) && b[4] != version:
		return 0, fmt.Errorf("the peer speaks version %d of folders, this is version %d", b[4], version)
	case err != nil:
		return 0, fmt.Errorf("no greeting: %w", unexpected(err))
	}
	return b[5], nil
}

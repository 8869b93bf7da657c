package transfer

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"unicode/utf8"

	"example.com/ebb/internal/untrusted"
)

// Limits of the protocol. See the package comment.
const (
	version      = 1
	maxBatch     = 1024 // entries
	maxName      = 255  // bytes
	maxMessage   = 512  // bytes
	greetingSize = 5    // bytes
)

// magic begins every greeting.
const magic = "ebbf"

// What comes next in a body, and behind its content.
const (
	markGoesOn    = 1
	markWithdrawn = 2
)

// ErrGreeting matches the error of a session whose peer does not speak this
// protocol, or speaks another version of it.
var ErrGreeting = errors.New("not a file transfer of this version")

// Code says why a file was not accepted or not stored.
type Code uint8

// The codes of a reply.
const (
	CodeOK        Code = 0 // accepted, or stored
	CodeName      Code = 1 // the name is not allowed
	CodeExists    Code = 2 // the name is taken
	CodeHash      Code = 3 // the SHA-256 does not match
	CodeStorage   Code = 4 // the receiver could not store the file
	CodeWithdrawn Code = 5 // the sender withdrew the file
	CodeProtocol  Code = 6 // the sender broke the protocol
	CodeQuota     Code = 7 // the receiver takes no more files, or bytes
	CodeBusy      Code = 8 // the receiver has too many senders
)

// codeFinal marks the reply with which a session ends.
const codeFinal Code = 0x80

// RemoteError is a reply of the receiver that says no.
type RemoteError struct {
	Code    Code
	Message untrusted.Text // at most 512 bytes
}

// Error is the receiver's own message, or the code if it sent none.
func (e *RemoteError) Error() string {
	if e.Message == "" {
		return fmt.Sprintf("the receiver refused it with code %d", e.Code)
	}
	return "the receiver says: " + e.Message.String()
}

// entry is one file of a batch.
type entry struct {
	name untrusted.Text // as sent: the one on the disk once CheckName has allowed it
	size int64
	mode fs.FileMode // permission bits only
}

// reply is what the receiver says to an entry or a body.
type reply struct {
	code    Code
	message untrusted.Text
}

// final reports whether the session ends with this reply.
func (r reply) final() bool { return r.code&codeFinal != 0 }

// err is nil if the reply is OK.
func (r reply) err() error {
	if r.code == CodeOK {
		return nil
	}
	return &RemoteError{Code: r.code &^ codeFinal, Message: r.message}
}

func appendGreeting(b []byte) []byte { return append(append(b, magic...), version) }

// readGreeting returns an error that matches ErrGreeting unless the peer's
// greeting is ours.
func readGreeting(r io.Reader) error {
	var b [greetingSize]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return fmt.Errorf("%w: no greeting: %w", ErrGreeting, unexpectedEOF(err))
	}
	if string(b[:4]) != magic {
		return fmt.Errorf("%w: the peer says %q", ErrGreeting, b[:])
	}
	if b[4] != version {
		return fmt.Errorf("%w: the peer speaks version %d, this is version %d", ErrGreeting, b[4], version)
	}
	return nil
}

// Refusal is the error of a receiver that begins with this protocol's greeting, whatever the sender speaks: what it says
// about why it serves nobody, or that it is an older one. It is nil, and nothing was read, if the receiver begins otherwise.
func Refusal(r *bufio.Reader) error {
	if b, err := r.Peek(len(magic)); err != nil || string(b) != magic {
		return nil
	}
	if err := readGreeting(r); err != nil {
		return err
	}
	if said, err := readReply(r); err == nil && said.final() {
		return said.err()
	}
	return fmt.Errorf("%w: the receiver takes files, and no folders", ErrGreeting)
}

func appendBatch(b []byte, entries []entry) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(entries)))
	for _, e := range entries {
		b = binary.BigEndian.AppendUint16(b, uint16(e.mode))
		b = binary.BigEndian.AppendUint64(b, uint64(e.size))
		b = append(b, byte(len(e.name)))
		b = append(b, e.name...)
	}
	return b
}

// readBatch returns no entries at the end of the session. The caller checks the names.
func readBatch(r io.Reader) ([]entry, error) {
	var b [11]byte
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return nil, unexpectedEOF(err)
	}
	count := int(binary.BigEndian.Uint16(b[:2]))
	if count > maxBatch {
		return nil, protocolErrorf("a batch of %d files, at most %d are allowed", count, maxBatch)
	}
	entries := make([]entry, count)
	for i := range entries {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, unexpectedEOF(err)
		}
		mode, size, length := binary.BigEndian.Uint16(b[:]), binary.BigEndian.Uint64(b[2:]), int(b[10])
		switch {
		case mode&^uint16(fs.ModePerm) != 0:
			return nil, protocolErrorf("mode %#o has more than permission bits", mode)
		case size > math.MaxInt64:
			return nil, protocolErrorf("a file of %d bytes", size)
		}
		name := make([]byte, length)
		if _, err := io.ReadFull(r, name); err != nil {
			return nil, unexpectedEOF(err)
		}
		entries[i] = entry{name: untrusted.Text(name), size: int64(size), mode: fs.FileMode(mode)}
	}
	return entries, nil
}

func writeReply(w *bufio.Writer, r reply) error {
	message := clipped(r.message.String())
	head := binary.BigEndian.AppendUint16([]byte{byte(r.code)}, uint16(len(message)))
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err := w.WriteString(message)
	return err
}

func readReply(r io.Reader) (reply, error) {
	var b [3]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return reply{}, unexpectedEOF(err)
	}
	length := int(binary.BigEndian.Uint16(b[1:]))
	if length > maxMessage {
		return reply{}, protocolErrorf("a message of %d bytes, at most %d are allowed", length, maxMessage)
	}
	message := make([]byte, length)
	if _, err := io.ReadFull(r, message); err != nil {
		return reply{}, unexpectedEOF(err)
	}
	return reply{code: Code(b[0]), message: untrusted.Text(message)}, nil
}

// readMark reads whether a body goes on or is withdrawn.
func readMark(r io.ByteReader) (withdrawn bool, err error) {
	b, err := r.ReadByte()
	if err != nil {
		return false, unexpectedEOF(err)
	}
	switch b {
	case markGoesOn:
		return false, nil
	case markWithdrawn:
		return true, nil
	}
	return false, protocolErrorf("%#x where a body goes on or ends", b)
}

func readSum(r io.Reader) (sum [sha256.Size]byte, err error) {
	_, err = io.ReadFull(r, sum[:])
	return sum, unexpectedEOF(err)
}

// protocolError is a violation of the protocol by the peer.
type protocolError string

func (e protocolError) Error() string { return "protocol violation: " + string(e) }

func protocolErrorf(format string, args ...any) error {
	return protocolError(fmt.Sprintf(format, args...))
}

// unexpectedEOF turns the end of a stream into an error that says that it came
// too early.
func unexpectedEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// clipped is as much of s, which is UTF-8, as a message may have.
func clipped(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	end := maxMessage
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

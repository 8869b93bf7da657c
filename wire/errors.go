package wire

import "errors"

// What can be wrong with a packet, or with one to be made, as far as callers tell it apart. The functions of this
// package return these very values and those below, so that an error costs no allocation and can be
// compared with ==.
var (
	// ErrTruncated: the packet ends inside a field.
	ErrTruncated = errors.New("wire: truncated")
	// ErrInitialSize: an INITIAL is smaller than MinInitialSize.
	ErrInitialSize = errors.New("wire: INITIAL smaller than 1200 bytes")
	// ErrMalformed: a rule of the format is broken that no other error is for.
	ErrMalformed = errors.New("wire: malformed")
)

// The other things that can be wrong.
var (
	// errForeign: the first byte is not Ebb's.
	errForeign = errors.New("wire: not an Ebb packet")
	// errVersion: a long header of another version. Invariants still reads it.
	errVersion = errors.New("wire: unknown version")
	// errReserved: a reserved bit, packet type or frame type is in use.
	errReserved = errors.New("wire: reserved bit or type")
	// errID: a connection ID is zero, or has a size that it must not have.
	errID = errors.New("wire: invalid connection ID")
	// errEmpty: the payload is empty and must not be.
	errEmpty = errors.New("wire: empty payload")
	// errVarint: an integer is longer than its value needs.
	errVarint = errors.New("wire: integer not in its shortest form")
	// errRange: a value is outside its bounds.
	errRange = errors.New("wire: value out of range")
	// errUnknownFrame: a frame type that the specification does not name.
	errUnknownFrame = errors.New("wire: unknown frame type")
	// errFrameNotAllowed: a frame in a type of packet that must not carry it.
	errFrameNotAllowed = errors.New("wire: frame not allowed in this packet")
	// errAckRanges: the ranges of an ACK reach below packet number 0, or those to
	// be sent do not ascend with a number missing between any two.
	errAckRanges = errors.New("wire: ACK range below zero")
	// errParameter: a parameter is repeated, does not fill its length, or
	// is one too many, or a message is too long for a list of them.
	errParameter = errors.New("wire: invalid parameter list")
)

// Must returns b, for callers that know that err is nil: what they encode is right
// whatever a peer has said. An error is then a mistake in the program, and panics.
func Must(b []byte, err error) []byte {
	if err != nil {
		mistake(err)
	}
	return b
}

func mistake(err error) { panic("BUG: " + err.Error()) }

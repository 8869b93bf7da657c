package wire

import "errors"

// What can be wrong with a packet, or with one to be made. The functions of this
// package return these very values, so that an error costs no allocation and can be
// compared with ==.
var (
	// ErrForeign: the first byte is not Ebb's.
	ErrForeign = errors.New("wire: not an Ebb packet")
	// ErrTruncated: the packet ends inside a field.
	ErrTruncated = errors.New("wire: truncated")
	// ErrVersion: a long header of another version. Invariants still reads it.
	ErrVersion = errors.New("wire: unknown version")
	// ErrReserved: a reserved bit, packet type or frame type is in use.
	ErrReserved = errors.New("wire: reserved bit or type")
	// ErrID: a connection ID is zero, or has a size that it must not have.
	ErrID = errors.New("wire: invalid connection ID")
	// ErrInitialSize: an INITIAL is smaller than MinInitialSize.
	ErrInitialSize = errors.New("wire: INITIAL smaller than 1200 bytes")
	// ErrEmpty: the payload is empty and must not be.
	ErrEmpty = errors.New("wire: empty payload")
	// ErrMalformed: another rule of the format is broken.
	ErrMalformed = errors.New("wire: malformed")
	// ErrVarint: an integer is longer than its value needs.
	ErrVarint = errors.New("wire: integer not in its shortest form")
	// ErrRange: a value is outside its bounds.
	ErrRange = errors.New("wire: value out of range")
	// ErrUnknownFrame: a frame type that the specification does not name.
	ErrUnknownFrame = errors.New("wire: unknown frame type")
	// ErrFrameNotAllowed: a frame in a type of packet that must not carry it.
	ErrFrameNotAllowed = errors.New("wire: frame not allowed in this packet")
	// ErrAckRanges: the ranges of an ACK reach below packet number 0, or those to
	// be sent do not ascend with a number missing between any two.
	ErrAckRanges = errors.New("wire: ACK range below zero")
	// ErrParameter: a parameter is repeated, does not fill its length, or
	// is one too many, or a message is too long for a list of them.
	ErrParameter = errors.New("wire: invalid parameter list")
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

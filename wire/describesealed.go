package wire

import (
	"fmt"
	"strings"
)

// sealTag is how many bytes the authentication tag of a sealed packet has, whatever the cipher (RFC 9001 section 5.3).
const sealTag = 16

// DescribeSealed is Describe for a packet of a connection that is known to be protected. A short packet does not say of itself whether
// it is: its description has the connection ID, which can be read, and how much is sealed. Long packets say their version, and Describe
// describes them the same way.
func DescribeSealed(b []byte) string {
	id, ok := ShortDst(b)
	if IsLong(b) || !IsEbb(b) || !ok {
		return Describe(b)
	}
	var s strings.Builder
	fmt.Fprintf(&s, "SHORT dst=%v size=%d\n", id, len(b))
	describeSealed(&s, len(b)-1-IDSize)
	return s.String()
}

// describeProtected describes a long packet of the protected version. What is sealed of INITIAL, ACCEPT and HANDSHAKE cannot be read
// without keys; what is said without a connection is not sealed.
func describeProtected(s *strings.Builder, b []byte) {
	if IsSealed(b) {
		h, at, err := ParseSealed(b)
		if err != nil {
			describeBroken(s, b, err)
			return
		}
		describeHeader(s, h, len(b))
		describeSealed(s, len(b)-at)
		return
	}
	h, payload, err := ParseAnswer(b, VersionProtected)
	if err != nil {
		describeBroken(s, b, err)
		return
	}
	describeHeader(s, h, len(b))
	if h.Type == Unknown {
		fmt.Fprintf(s, "  token=%x\n", payload)
	} else if err := describeFrames(s, h.Type, payload); err != nil {
		describeError(s, err)
	}
	describeTrailer(s, h, b)
}

// describeSealed says what is left of a packet: its number, in one to four bytes, the frames and the tag. Number and frames have at
// least four bytes, which header protection needs.
func describeSealed(s *strings.Builder, n int) {
	if n < 4+sealTag {
		describeError(s, ErrTruncated)
		return
	}
	fmt.Fprintf(s, "  sealed: number and frames of %d bytes\n  tag of %d bytes\n", n-sealTag, sealTag)
}

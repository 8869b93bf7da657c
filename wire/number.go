package wire

// NumberLen is the number of bytes, 3 or 4, that a packet number is sent in:
// enough for twice the distance to the largest number the peer has
// acknowledged, or to the one before 0 if it has acknowledged none (RFC 9000
// section 17.1). A distance above 2^31 is more than the format can express and
// must not come up.
//
// That bound is on how far the receiver may be behind. It may also be ahead: a packet
// that others overtook, or a late copy, must not be taken for one to come,
// as the trailer does not tell them apart. So there are never fewer than 3 bytes,
// which admit 2^23 packets in between.
func NumberLen(number, largestAcked uint64, anyAcked bool) int {
	distance := number - largestAcked
	if !anyAcked {
		distance = number + 1
	}
	if distance <= 1<<23 {
		return 3
	}
	return 4
}

// DecodeNumber restores a packet number from the n bytes, 1 to 4, that were
// sent of it: it is the one nearest to the number after the largest received in
// the same space (RFC 9000 appendix A.3), and at most MaxOffset. If none has
// been received, it is the one nearest to 0, and largest is ignored.
func DecodeNumber(largest uint64, anyReceived bool, truncated uint64, n int) uint64 {
	var expected uint64
	if anyReceived {
		expected = largest + 1
	}
	window := uint64(1) << (8 * uint(n))
	candidate := expected&^(window-1) | truncated&(window-1)
	switch {
	case candidate+window/2 <= expected && candidate+window <= MaxOffset:
		return candidate + window
	case candidate >= window && (candidate > expected+window/2 || candidate > MaxOffset):
		return candidate - window
	}
	return candidate
}

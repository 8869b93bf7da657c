package wire

import "encoding/binary"

// appendVarint appends v as a variable-length integer (RFC 9000 section 16) in
// its shortest form. v is at most MaxOffset: its callers have looked.
func appendVarint(dst []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(dst, byte(v))
	case v < 1<<14:
		return binary.BigEndian.AppendUint16(dst, uint16(v)|1<<14)
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(dst, uint32(v)|2<<30)
	}
	return binary.BigEndian.AppendUint64(dst, v|3<<62)
}

// varintLen is the number of bytes that appendVarint takes for v.
func varintLen(v uint64) int {
	switch {
	case v < 1<<6:
		return 1
	case v < 1<<14:
		return 2
	case v < 1<<30:
		return 4
	}
	return 8
}

// cursor reads fields off the front of b. After the first error it yields only
// zeros, so that a parser needs to look at err once, at its end.
type cursor struct {
	b   []byte
	err error
}

// fail records the first error and ends the input.
func (c *cursor) fail(err error) {
	if c.err == nil {
		c.err = err
	}
	c.b = nil
}

// varint reads a variable-length integer.
func (c *cursor) varint() uint64 {
	v, rest, err := splitVarint(c.b)
	if err != nil {
		c.fail(err)
		return 0
	}
	c.b = rest
	return v
}

// splitVarint takes a variable-length integer off the front of b and insists on its shortest
// form, so that a packet has one encoding only.
func splitVarint(b []byte) (v uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, nil, ErrTruncated
	}
	n := 1 << (b[0] >> 6)
	if len(b) < n {
		return 0, nil, ErrTruncated
	}
	switch n {
	case 1:
		return uint64(b[0]), b[1:], nil
	case 2:
		v = uint64(binary.BigEndian.Uint16(b)) & (1<<14 - 1)
	case 4:
		v = uint64(binary.BigEndian.Uint32(b)) & (1<<30 - 1)
	default:
		v = binary.BigEndian.Uint64(b) & MaxOffset
	}
	if varintLen(v) != n {
		return 0, nil, errVarint
	}
	return v, b[n:], nil
}

// uint32 reads four bytes.
func (c *cursor) uint32() uint32 {
	if len(c.b) < 4 {
		c.fail(ErrTruncated)
		return 0
	}
	v := binary.BigEndian.Uint32(c.b)
	c.b = c.b[4:]
	return v
}

// bytes reads n bytes, without copying them.
func (c *cursor) bytes(n uint64) []byte {
	if uint64(len(c.b)) < n {
		c.fail(ErrTruncated)
		return nil
	}
	v := c.b[:n:n]
	c.b = c.b[n:]
	return v
}

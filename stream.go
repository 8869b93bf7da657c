package ebb

import (
	"io"
	"sync"
)

// copyBytes is the size of the pieces in which ReadFrom and WriteTo copy.
const copyBytes = 128 << 10

var copyBuffers = sync.Pool{New: func() any { return new([copyBytes]byte) }}

// ReadFrom writes to the connection what it reads from r, until io.EOF.
func (c *Conn) ReadFrom(r io.Reader) (int64, error) {
	return copyStream(struct{ io.Writer }{c}, r) // which has no ReadFrom
}

// WriteTo writes to w what it reads from the connection, until the end of the
// stream.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	return copyStream(w, struct{ io.Reader }{c}) // which has no WriteTo
}

func copyStream(w io.Writer, r io.Reader) (int64, error) {
	buf := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(w, r, buf[:])
}

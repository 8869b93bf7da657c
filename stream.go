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
	buf := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buf)
	var total int64
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			written, werr := c.Write(buf[:n])
			total += int64(written)
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// WriteTo writes to w what it reads from the connection, until the end of the
// stream.
func (c *Conn) WriteTo(w io.Writer) (int64, error) {
	buf := copyBuffers.Get().(*[copyBytes]byte)
	defer copyBuffers.Put(buf)
	var total int64
	for {
		n, err := c.Read(buf[:])
		if n > 0 {
			written, werr := w.Write(buf[:n])
			total += int64(written)
			if werr == nil && written < n {
				werr = io.ErrShortWrite
			}
			if werr != nil {
				return total, werr
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

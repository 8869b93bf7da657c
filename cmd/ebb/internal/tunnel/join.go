// Package tunnel carries TCP connections over another network: what one side accepts, the other dials.
package tunnel

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"example.com/ebb/cmd/ebb/internal/ends"
)

// bufferSize is how much of one direction moves at a time, in bytes.
const bufferSize = 64 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// Join copies a to b and b to a, and closes both when both directions have ended. The end of one direction is carried
// through and leaves the other open. Anything else that ends one, such as a reset, aborts both connections, so that
// the other end sees a reset too; the error says which it was. The end of ctx aborts both as well.
func Join(ctx context.Context, a, b net.Conn) error {
	abort := func() { ends.Abort(a); ends.Abort(b) }
	stop := context.AfterFunc(ctx, abort)
	defer stop()
	there := make(chan error, 1)
	go func() {
		err := carry(b, a)
		if err != nil {
			abort()
		}
		there <- err
	}()
	back := carry(a, b)
	if back != nil {
		abort()
	}
	first := <-there
	a.Close()
	b.Close()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case first != nil && back != nil: // the one is the other's abort
		return fmt.Errorf("%w; %w", first, back)
	case first != nil:
		return first
	}
	return back
}

// carry copies one direction, and its end.
func carry(to, from net.Conn) error {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	// The bare reader and writer keep a connection's own copying away, which would take other buffers.
	if _, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buf[:]); err != nil {
		return err
	}
	return ends.CloseWrite(to)
}

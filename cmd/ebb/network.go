package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// transport is what the commands need of a network.
type transport struct {
	listen func(ctx context.Context, address string) (net.Listener, error)
	dial   func(ctx context.Context, address string) (net.Conn, error)
	// drain waits until what was written to closed connections has arrived.
	drain func(ctx context.Context) error
	// describe is one line of figures about a connection; "" if there are
	// none.
	describe func(net.Conn) string
}

// opener makes the transport that the command line asks for. A usageError says
// that it asks for what cannot be.
type opener func(transportOptions) (transport, error)

// drainTime bounds the wait for closed connections whose content the other side
// has confirmed already: only their ends are on the way.
const drainTime = 5 * time.Second

// settle drains t for a short time.
func (t transport) settle() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	t.drain(ctx)
}

// dialOrSay dials and says what was tried if that fails.
func (t transport) dialOrSay(ctx context.Context, address string) (net.Conn, error) {
	conn, err := t.dial(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", address, err)
	}
	return conn, nil
}

// listenOrSay listens and says what was tried if that fails. The listener closes
// when ctx ends.
func (t transport) listenOrSay(ctx context.Context, address string) (net.Listener, error) {
	ln, err := t.listen(ctx, address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	context.AfterFunc(ctx, func() { ln.Close() })
	return ln, nil
}

// printDetails writes what the transport knows of a connection.
func (t transport) printDetails(w io.Writer, conn net.Conn) {
	if line := t.describe(conn); line != "" {
		fmt.Fprintf(w, "%v: %s\n", conn.RemoteAddr(), line)
	}
}

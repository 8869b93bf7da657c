package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/peerid"
)

// transport is what the commands need of a network.
type transport struct {
	// identity is who we are; the zero ID: connections are plain.
	identity peerid.ID
	// notes are lines to tell the user.
	notes []string
	// listen accepts connections. refused, if not nil, is told of those that do not come to be, because their two ends do not
	// fit; it may be called at any time, from several goroutines.
	listen func(ctx context.Context, address string, refused func(line string)) (net.Listener, error)
	dial   func(ctx context.Context, to target) (net.Conn, error)
	// drain waits until what was written to closed connections has arrived.
	drain func(ctx context.Context) error
	// describe returns a function that is one line of figures about a
	// connection at each call; rates are since the call before. "" if there
	// are none.
	describe func(net.Conn) func() string
}

// opener makes the transport that the settings ask for. A usageError says that
// they ask for what cannot be.
type opener func(settings.Settings) (transport, error)

// drainTime bounds the wait for closed connections whose content the other side
// has confirmed already: only their ends are on the way.
const drainTime = 5 * time.Second

// drainEnds waits a short time for the ends of closed connections.
func (t transport) drainEnds() {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	t.drain(ctx)
}

// dialOrSay dials and says what was tried if that fails.
func (t transport) dialOrSay(ctx context.Context, to target) (net.Conn, error) {
	conn, err := t.dial(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %s: %w", to.address, t.explain(err))
	}
	return conn, nil
}

// listenOrSay listens and says what was tried if that fails. The listener closes
// when ctx ends.
func (t transport) listenOrSay(ctx context.Context, address string, refused func(line string)) (net.Listener, error) {
	ln, err := t.listen(ctx, address, refused)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", address, err)
	}
	context.AfterFunc(ctx, func() { ln.Close() })
	return ln, nil
}

// listenPlain and dialPlain are a network to measure.
func (t transport) listenPlain(ctx context.Context, address string) (net.Listener, error) {
	return t.listen(ctx, address, nil)
}

func (t transport) dialPlain(ctx context.Context, address string) (net.Conn, error) {
	return t.dial(ctx, target{address: address})
}

// detailOf returns a function that is a line of what the transport knows of a
// connection; "" if it knows nothing.
func (t transport) detailOf(conn net.Conn) func() string {
	describe := t.describe(conn)
	return func() string {
		text := describe()
		if text == "" {
			return ""
		}
		return fmt.Sprintf("%v: %s\n", conn.RemoteAddr(), text)
	}
}

// watchInterval is how often a connection that is watched is described.
const watchInterval = time.Second

// watch prints a line about a connection at every interval, and one more when stop
// is called, which waits for it.
func (t transport) watch(conn net.Conn, print func(line string)) (stop func()) {
	detail := t.detailOf(conn)
	over, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(watchInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				print(detail())
			case <-over:
				print(detail())
				return
			}
		}
	}()
	return func() { close(over); <-done }
}

package tunnel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/internal/untrusted"
)

// errForbidden matches the error of Dial for an address that is not allowed.
var errForbidden = errors.New("the address is in no network of --forward-any")

// Dial connects to a target, a HOST:PORT that a dialling side has named, if allow admits the address that it turns out to have.
func Dial(ctx context.Context, target string, patience time.Duration, allow func(netip.Addr) bool) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout: patience,
		// The address is checked here, behind the look-up of the name, so that no name leads elsewhere.
		Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if !allow(at.Addr().Unmap()) {
				return errForbidden
			}
			return nil
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		return nil, &dialError{target, err}
	}
	return conn, nil
}

// dialError is a failure to reach a target. The name is the peer's, and the resolver's errors repeat it.
type dialError struct {
	target string
	err    error
}

func (e *dialError) Error() string {
	return untrusted.Text("cannot connect to " + e.target + ": " + e.err.Error()).String()
}

func (e *dialError) Unwrap() error { return e.err }

// Refuse tells the dialling side why it is not connected, and ends the connection. It waits up to 5 s for the
// dialling side to have read that.
func Refuse(conn net.Conn, why error) {
	code, text := CodeUnreachable, "cannot connect"
	var system syscall.Errno
	switch {
	case errors.Is(why, errForbidden):
		code, text = CodeForbidden, "the other side does not forward there"
	case errors.As(why, &system):
		text = system.Error()
	}
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if Answer(conn, code, text) == nil && ends.CloseWrite(conn) == nil {
		conn.Read(make([]byte, 1)) // until it is gone
	}
	conn.Close()
}

package ebb

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"syscall"

	"example.com/ebb/internal/engine"
	"example.com/ebb/wire"
)

// Ways for a connection to end that have no name in package syscall. Errors of
// this package match them, besides the errno that TCP would have reported.
var (
	// ErrHandshakeTimeout: the dial was not answered. Matches ETIMEDOUT too.
	ErrHandshakeTimeout = errors.New("ebb: handshake timeout")
	// ErrIdleTimeout: the peer was silent, despite probes, for
	// Config.IdleTimeout. Matches ETIMEDOUT too.
	ErrIdleTimeout = errors.New("ebb: idle timeout")
	// ErrUserTimeout: what was sent stayed unacknowledged for Config.UserTimeout. Matches
	// ETIMEDOUT too.
	ErrUserTimeout = errors.New("ebb: user timeout")
	// ErrNotDelivered: the connection was closed, and the peer took nothing for
	// Config.LingerTimeout. Matches ETIMEDOUT too.
	ErrNotDelivered = errors.New("ebb: not delivered")
	// ErrMaxAge: the connection was as old as Config.MaxAge. Matches ETIMEDOUT too.
	ErrMaxAge = errors.New("ebb: maximum age")
	// ErrProtocol: one side broke the rules of the protocol. Matches ECONNRESET
	// too.
	ErrProtocol = errors.New("ebb: protocol error")
	// ErrVersion: the peer speaks no version of the protocol that we do.
	// Matches ECONNREFUSED too.
	ErrVersion = errors.New("ebb: no common version")
	// ErrProtected: the listener takes protected connections only, and there was no Config.TLS here. ErrPlain: the reverse. Both are what
	// somebody at that address says before there are keys, and match ECONNREFUSED too.
	ErrProtected = errors.New("ebb: protected connections only")
	ErrPlain     = errors.New("ebb: plain connections only")
)

// fault is an error with its meaning in words for people and in values for
// errors.Is.
type fault struct {
	text string
	is   []error
}

func (f *fault) Error() string   { return f.text }
func (f *fault) Unwrap() []error { return f.is }

// Timeout reports whether the fault is a net.Error's timeout.
func (f *fault) Timeout() bool {
	return errors.Is(f, syscall.ETIMEDOUT) || errors.Is(f, os.ErrDeadlineExceeded)
}

// Temporary reports what syscall.Errno's does of a timeout.
func (f *fault) Temporary() bool { return f.Timeout() }

// The system calls in whose name package net would return an error of TCP, by what was done.
const (
	callRead    = "read"
	callWrite   = "write"
	callConnect = "connect"
)

// explained is an error of the engine as package net would put it: an *os.SyscallError of the call. io.EOF and net.ErrClosed
// stay as they are, and what TLS says is as crypto/tls says it.
func explained(call string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var e *engine.Error // not above: it escapes, and most calls have no error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Kind {
	case engine.KindClosed:
		return net.ErrClosed
	case engine.KindUnreachable:
		var errno syscall.Errno
		if errors.As(e.Cause, &errno) {
			return os.NewSyscallError(call, errno)
		}
		return e.Cause
	case engine.KindTLS:
		return e.Cause
	}
	if e.Code >= wire.CodeAlert && e.Code-wire.CodeAlert <= math.MaxUint8 && e.Kind == engine.KindReset {
		return &net.OpError{Op: "remote error", Err: tls.AlertError(e.Code - wire.CodeAlert)} // as crypto/tls has it
	}
	return os.NewSyscallError(call, meaning(e))
}

// meaning is an error of the engine as an errno, bare where it says everything: programs compare what is in an
// *os.SyscallError with errnos.
func meaning(e *engine.Error) error {
	with := func(text string, errno syscall.Errno, is ...error) error {
		switch {
		case len(is) == 0 && (e.Reason == "" || e.Reason == "aborted" || e.Reason == "port unreachable"):
			return errno // these reasons add nothing to it
		case e.Reason != "":
			text += ": " + e.Reason
		}
		return &fault{text: text, is: append(is, errno)}
	}
	switch e.Kind {
	case engine.KindReset:
		return with("connection reset by peer", syscall.ECONNRESET)
	case engine.KindRefused:
		switch e.Code {
		case wire.CodeProtected:
			return &fault{"connection refused: the listener takes protected connections only, and Config.TLS is not set here", []error{ErrProtected, syscall.ECONNREFUSED}}
		case wire.CodePlain:
			return &fault{"connection refused: the listener takes plain connections only, and Config.TLS is set here", []error{ErrPlain, syscall.ECONNREFUSED}}
		}
		return with("connection refused", syscall.ECONNREFUSED)
	case engine.KindHandshakeTimeout:
		return with("handshake timed out (is an Ebb listener there, and do firewalls and tunnels let UDP pass, in packets of 1228 bytes or 1248 over IPv6?)", syscall.ETIMEDOUT, ErrHandshakeTimeout)
	case engine.KindIdleTimeout:
		return with("connection timed out", syscall.ETIMEDOUT, ErrIdleTimeout)
	case engine.KindUserTimeout:
		return with("connection timed out without progress (does the path carry packets of 1228 bytes, 1248 over IPv6?)", syscall.ETIMEDOUT, ErrUserTimeout)
	case engine.KindLingerTimeout:
		return with("closed before everything was delivered", syscall.ETIMEDOUT, ErrNotDelivered)
	case engine.KindAge:
		return with("connection ended for its age", syscall.ETIMEDOUT, ErrMaxAge)
	case engine.KindProtocol:
		return with("protocol error", syscall.ECONNRESET, ErrProtocol)
	case engine.KindVersion:
		return with("no common version of the protocol", syscall.ECONNREFUSED, ErrVersion)
	case engine.KindBrokenPipe:
		return with("broken pipe", syscall.EPIPE)
	}
	panic(fmt.Sprintf("BUG: an error of kind %v", e.Kind))
}

// cancelled is why a dial's context ended it.
func cancelled(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		return &fault{text: "i/o timeout", is: []error{os.ErrDeadlineExceeded, context.DeadlineExceeded}}
	}
	return &fault{text: "operation was canceled", is: []error{err, ctx.Err()}}
}

// isRefusal reports whether the system said that nobody listens at the far
// end.
func isRefusal(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

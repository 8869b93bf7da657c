package tlsdriver

import (
	"crypto/tls"
	"errors"

	"example.com/ebb/internal/untrusted"
)

const (
	alertInternal      = 80  // of TLS (RFC 8446 section 6)
	alertNoApplication = 120 // no application protocol in common
)

// Error is why a handshake failed at this side. It wraps what crypto/tls says, in which errors.As finds a tls.AlertError and,
// where a certificate was not good enough, a *tls.CertificateVerificationError and an error of crypto/x509. Those may quote the
// peer's certificate; Error prints it escaped.
type Error struct {
	// Alert is what the peer is told (RFC 8446 section 6).
	Alert tls.AlertError
	err   error
}

func newError(err error) *Error {
	e := &Error{Alert: alertInternal, err: err}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		e.Alert = alert
	}
	return e
}

// Error returns the reason. crypto/tls is stricter about application protocols here than over TCP, which comes as a surprise: so
// the reason says what to do.
func (e *Error) Error() string {
	s := untrusted.Text(e.err.Error()).String()
	if e.Alert == alertNoApplication {
		s += " (on a protected connection, if NextProtos of one side is set, that of the other must have a protocol in common with it)"
	}
	return s
}

// Unwrap returns what crypto/tls says.
func (e *Error) Unwrap() error { return e.err }

package wire

import "fmt"

// Code says why a connection or a direction of it ended. Codes travel in RESET,
// STOP and CLOSE and are at most MaxOffset. Those that the specification does not
// name are not an error.
type Code uint64

// The codes of the specification.
const (
	CodeNone        Code = iota // an orderly end
	CodeReset                   // data reached a side that had closed, or the application aborted
	CodeRefused                 // nobody listens
	CodeProtocol                // the peer broke a rule of the format or of the protocol
	CodeFlowControl             // the peer sent beyond its window
	CodeFinalSize               // the stream has two ends, or data behind its end
	CodeInternal                // a mistake in the sender of the code
	CodeBusy                    // no room for another connection
	CodeTimeout                 // the peer was silent for too long
	CodeParameter               // a parameter is wrong, or does not repeat what was seen of the handshake
	CodeProtected               // the listener takes protected connections only
	CodePlain                   // the listener takes plain connections only
	CodeKeyUpdate               // a key update out of order
	CodeKeyLimit                // keys were used as often as they may be
)

// CodeAlert is the first of 256 codes that stand for alerts of TLS (RFC 9000 section 20.1): it and the alert.
const CodeAlert Code = 0x100

var codeNames = [...]string{
	CodeNone: "NONE", CodeReset: "RESET", CodeRefused: "REFUSED", CodeProtocol: "PROTOCOL",
	CodeFlowControl: "FLOW_CONTROL", CodeFinalSize: "FINAL_SIZE", CodeInternal: "INTERNAL",
	CodeBusy: "BUSY", CodeTimeout: "TIMEOUT", CodeParameter: "PARAMETER", CodeProtected: "PROTECTED", CodePlain: "PLAIN",
	CodeKeyUpdate: "KEY_UPDATE", CodeKeyLimit: "AEAD_LIMIT",
}

// sent is the code as it travels. One that the format cannot hold is a mistake in the
// program that sends it, which is what INTERNAL says.
func (c Code) sent() uint64 {
	if c > MaxOffset {
		return uint64(CodeInternal)
	}
	return uint64(c)
}

// String returns the name in the specification, or Code(n).
func (c Code) String() string {
	if c < Code(len(codeNames)) {
		return codeNames[c]
	}
	return fmt.Sprintf("Code(%d)", uint64(c))
}

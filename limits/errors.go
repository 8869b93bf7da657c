package limits

import (
	"errors"
	"fmt"
)

// ErrLimit is what every refusal of this package matches (errors.Is). The error itself is an *Error.
var ErrLimit = errors.New("limits: limit reached")

// ErrReleased is returned for what is asked of an Endpoint, Conn or Stream after its Release.
var ErrReleased = errors.New("limits: released already")

// ErrIdentified is returned by Identify for a connection that has another identity.
var ErrIdentified = errors.New("limits: the connection has another identity")

// Level is the kind of a scope.
type Level uint8

// The kinds of scopes, from the largest.
const (
	LevelProcess  Level = iota // everything of a Manager
	LevelEndpoint              // an endpoint, or a listener
	LevelNetwork               // the peers of an IPv4 /24 or IPv6 /48
	LevelPeer                  // an IPv4 address or an IPv6 /56
	LevelIdentity              // who has proved an identity
	LevelConn                  // one connection
	LevelStream                // one stream
	levels        = iota
)

var levelNames = [levels]string{"process", "endpoint", "network", "peer", "identity", "connection", "stream"}

// String is the first word of what errors call a scope of the level.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return "unknown level"
}

// MarshalText is String, for JSON.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// Error says which limit of which scope refuses something, and how much of it is in use.
type Error struct {
	Level    Level
	Scope    string // "process", "endpoint 192.0.2.1:443", "peer 192.0.2.7", "network 192.0.2.0/24", "connection"
	Resource Resource
	Used     int64    // in use, without what was refused
	Limit    int64    // for who was refused: that of the scope, and the reserve too for one on the allowlist
	Priority Priority // of a reservation of memory

	proof bool
}

// Error is "limits: 1024 of 1024 inbound connections in use (process)".
func (e *Error) Error() string {
	switch e.Resource {
	case Handshakes:
		return fmt.Sprintf("limits: more than %d handshakes a second (%s)", e.Limit, e.Scope)
	case Memory:
		if bound := e.Priority.bound(e.Limit); bound < e.Limit {
			return fmt.Sprintf("limits: %d of %d bytes of memory in use, %d for this priority (%s)", e.Used, e.Limit, bound, e.Scope)
		}
	}
	return fmt.Sprintf("limits: %d of %d %v in use (%s)", e.Used, e.Limit, e.Resource, e.Scope)
}

// Is reports whether the target is ErrLimit.
func (e *Error) Is(target error) bool { return target == ErrLimit }

// Lasting reports whether whoever was refused should be told so, because it will not be better in a moment. What passes within a
// round trip or a second, a full table of half-open connections and a rate, is met with silence: the
// dial tries again by itself.
func (e *Error) Lasting() bool { return e.Resource != HalfOpen && e.Resource != Handshakes }

// NeedsProof reports whether a handshake was refused because its peer begins too many, and nothing shows yet that it is this peer who
// does.
func (e *Error) NeedsProof() bool { return e.proof }

package engine

import (
	"time"

	"example.com/ebb/wire"
)

// paddingFrame takes PADDING, which says nothing.
type paddingFrame struct {
	received
	unreliable
}

func (paddingFrame) handle(*Conn, time.Duration, wire.Frame) (bool, error) { return false, nil }

// pingFrame is PING, which asks for an ACK. One that is due is appended only to a packet that would not be
// ack-eliciting without it: see pingWanted. Timeouts repeat it.
type pingFrame struct {
	received
	unreliable
}

func (pingFrame) handle(*Conn, time.Duration, wire.Frame) (bool, error) { return false, nil }

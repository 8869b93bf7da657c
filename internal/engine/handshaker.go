package engine

import (
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// handshaker agrees with the peer on what a connection needs. It says bytes and hears the peer's, on the crypto
// streams of the handshake's levels; how they travel is not its business. A plain connection has plainHandshake, a
// protected one secureHandshake.
type handshaker interface {
	// start begins, for a side that says ours of itself. A client has something to say from then on.
	start(ours wire.Parameters)
	// receive takes the next bytes that the peer said at a level, borrowed. An error ends the handshake.
	receive(l level, b []byte) error
	// next returns what has come of that and was not returned before; of kind eventNone if there is no more.
	next() event
}

// event is one thing that a handshaker has to say or has learnt.
type event struct {
	kind  eventKind
	level level           // of data
	data  []byte          // to be sent, or a secret; borrowed until the next call
	peer  wire.Parameters // what the peer says of itself, borrowed likewise; its range is checked
	suite protect.Suite   // of a secret
	err   error           // an *Error
}

// eventKind is the kind of an event.
type eventKind uint8

const (
	eventNone       eventKind = iota
	eventSend                 // data is to be sent
	eventPeer                 // peer is known
	eventDone                 // the peer has said all that it has to say, and so have we
	eventSealSecret           // data is the secret for what is sent at level; of a protected connection, as what follows
	eventOpenSecret           // data is the secret for what comes at level
	eventFailed               // err ends the handshake
)

// plainHandshake is the handshaker of a plain connection: each side says one message with its parameters, the client first.
type plainHandshake struct {
	client bool
	ours   []byte // our message
	theirs []byte // what came of the peer's
	peer   wire.Parameters

	heard, speaks, over bool // events that were not returned yet, in their order

	space [2]message // for both messages
}

// message has room for what a side of a plain connection says, if there is no long cookie.
type message [96]byte

func (h *plainHandshake) start(ours wire.Parameters) {
	h.ours = wire.Must(wire.AppendParameters(h.space[0][:0], &ours))
	h.speaks = h.client
}

func (h *plainHandshake) receive(l level, b []byte) error {
	if h.theirs == nil {
		h.theirs = h.space[1][:0]
	}
	h.theirs = append(h.theirs, b...)
	list, ok, err := wire.CutMessage(h.theirs)
	if err != nil {
		return parameterError(err.Error())
	}
	if !ok {
		return nil
	}
	if h.peer, err = wire.ParseParameters(list); err != nil {
		return parameterError(err.Error())
	}
	h.heard, h.speaks, h.over = true, !h.client, true
	return nil
}

func (h *plainHandshake) next() event {
	switch {
	case h.heard:
		h.heard = false
		return event{kind: eventPeer, peer: h.peer}
	case h.speaks:
		h.speaks = false
		return event{kind: eventSend, level: protect.LevelInitial, data: h.ours}
	case h.over:
		h.over = false
		return event{kind: eventDone}
	}
	return event{}
}

func parameterError(reason string) error {
	return &Error{Kind: KindProtocol, Code: wire.CodeParameter, Reason: reason}
}

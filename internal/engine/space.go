package engine

import "example.com/ebb/internal/protect"

// space is a packet-number space: the numbers that arrived and what is owed for them, the packets sent, and what is made of
// their losses. ACKs of one space say nothing of another (RFC 9002 section 3). That of short packets is part of Conn; those of
// the handshake are in handshakeState, and go with it.
type space struct {
	acks ackState
	sent sentState
	loss lossState
}

// level is a space, as the handshaker names it.
type level = protect.Level

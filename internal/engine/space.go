package engine

// space is a packet-number space: the numbers that arrived and what is owed for them, the packets sent, and what is made of
// their losses. ACKs of one space say nothing of another (RFC 9002 section 3). That of short packets is part of Conn; those of
// the handshake are in handshakeState, and go with it.
type space struct {
	acks ackState
	sent sentState
	loss lossState
}

// level is a space of the handshake, as the handshaker names it.
type level uint8

const (
	levelInitial   level = iota // INITIAL and ACCEPT
	levelHandshake              // HANDSHAKE: protected connections will have it
)

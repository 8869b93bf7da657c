// Package engine is one connection as a state machine without input or output:
// handshake, a stream of bytes each way, acknowledgements, loss recovery, flow
// control, packet size and close.
//
// A Conn is told what arrived (HandleSegment), what the application wants
// (Write, Read, Close and their kin) and what time it is (Advance). It
// answers with packets to send (AppendSegments) and with the time at which it
// wants to be called again (NextTimeout). It reads no clock, holds no lock,
// starts no goroutine and allocates nothing once it is warm. Its caller
// serialises the calls and passes a time that never goes backwards.
//
// Where to find what:
//
//	conn.go       Conn, its parameters, the application's calls
//	handshake.go  what the packets of the handshake, INITIAL and ACCEPT, do; CONFIRM
//	hsoutput.go   how they are made
//	hsrecovery.go how they are recovered
//	handshaker.go what the two sides say in them
//	crypto.go     the streams of bytes in which they say it
//	secure.go     what a protected connection has besides; secure_input.go: from a datagram to frames, there
//	answers.go    RETRY, REFUSE, VERSIONS and UNKNOWN
//	input.go      from a datagram to frames
//	frames.go     the kinds of frames, and which of them a packet carried
//	frame_*.go    one kind each: what it does, is appended, acknowledged and lost
//	output.go     what goes into the next packet
//	bulk.go       many full packets of data at once
//	allowance.go  which data may leave now: window, pacer, budget
//	schedule.go   how much leaves back to back, and how often rates are worked out again
//	ack.go        numbers received, and when to acknowledge them
//	sent.go       packets sent, until they are acknowledged or lost
//	space.go      a packet-number space: the three of these
//	recovery.go   ACK processing, loss detection, probes
//	rtt.go        round trip and one-way delay
//	timer.go      the deadlines, in one place
//	path.go       what is known of one pair of addresses: all that another path would begin without
//	mtu.go        the size of a full packet
//	trains.go     whether trains of several packets pass
//	marks.go      whether packets with a mark arrive
//	ecn.go        the marks of ECN
//	dscp.go       the service that is asked of routers
//	stream.go     the stream, whose bytes are in internal/stream, and the ends of its directions
//	close.go      the ends of a connection
//	rare.go       what few connections need: an age limit, health checks, the wait for memory
//	info.go       numbers for people
package engine

package udp

import "net"

// smallestBuffer is where ask gives up, in bytes.
const smallestBuffer = 64 << 10

// bufferToAsk returns the buffer size to ask for, given the option and what
// the socket has, or 0 for none.
func bufferToAsk(option, have int) int {
	switch {
	case option < 0:
		return 0
	case option > 0:
		return option
	case have >= DefaultBuffer:
		return 0
	}
	return DefaultBuffer
}

// resizePacketConn asks for a PacketConn's buffers if it has a way. What it has
// it does not say.
func resizePacketConn(pc net.PacketConn, opt Options) {
	if c, ok := pc.(interface{ SetReadBuffer(int) error }); ok {
		if n := bufferToAsk(opt.ReadBuffer, 0); n > 0 {
			ask(c.SetReadBuffer, n)
		}
	}
	if c, ok := pc.(interface{ SetWriteBuffer(int) error }); ok {
		if n := bufferToAsk(opt.WriteBuffer, 0); n > 0 {
			ask(c.SetWriteBuffer, n)
		}
	}
}

// ask sets a buffer's size. Some systems grant what they can, some refuse what
// is beyond their limit; those are asked again for half.
func ask(set func(int) error, n int) {
	for set(n) != nil && n > smallestBuffer {
		n /= 2
	}
}

package engine

import (
	"time"

	"example.com/ebb/wire"
)

// cryptoFrame is CRYPTO in short packets: what a handshaker says when the handshake is over, such as tickets. That of the
// handshake has packets of its own (hsoutput.go).
type cryptoFrame struct{}

// minCrypto is the least room in which a CRYPTO is worth its header.
const minCrypto = 64

// handle takes a frame of a plain connection, which has none.
func (cryptoFrame) handle(c *Conn, _ time.Duration, f wire.Frame) (bool, error) {
	return false, protocolError("unexpected frame " + f.Type.String())
}

// append appends the next piece. Its value tells offset and length.
func (cryptoFrame) append(c *Conn, _ time.Duration, b []byte, room int) ([]byte, uint64, bool) {
	out := &c.secure.out
	offset, data := out.pending()
	n := min(len(data), room-wire.CryptoHeaderLen(offset, len(data)), maxLater)
	if n <= 0 || n < len(data) && room < minCrypto {
		return b, 0, out.waiting()
	}
	b = wire.Must(wire.AppendCrypto(b, offset, data[:n]))
	out.markSent(offset, n)
	return b, offset<<laterBits | uint64(n), out.waiting()
}

// A copy's value is its offset, shifted, and its length.
const (
	laterBits = 16
	maxLater  = 1<<laterBits - 1
)

func (cryptoFrame) acked(c *Conn, value uint64) {
	c.secure.out.markAcked(value>>laterBits, int(value&maxLater))
}

func (cryptoFrame) lost(c *Conn, value uint64) {
	if c.secure.out.markLost(value>>laterBits, int(value&maxLater)); c.secure.out.waiting() {
		c.due.add(wire.FrameCrypto)
	}
}

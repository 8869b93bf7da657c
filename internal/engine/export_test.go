package engine

import (
	"time"

	"example.com/ebb/wire"
)

// MaxRetries is how many RETRYs a dial follows.
const MaxRetries = maxRetries

// Inflate makes the message that a side says in the handshake n bytes longer, by a parameter that nobody knows.
func Inflate(c *Conn, n int) {
	c.hs.shaker = &inflated{c.hs.shaker.(*plainHandshake), n}
}

type inflated struct {
	*plainHandshake
	n int
}

func (h *inflated) start(ours wire.Parameters) {
	h.plainHandshake.start(ours)
	list, _, err := wire.CutMessage(h.ours)
	if err != nil {
		panic("BUG: our own message: " + err.Error())
	}
	long := func(n int) []byte { return []byte{0x40 | byte(n>>8), byte(n)} } // a varint of two bytes
	list = append(append(append(list, long(1000)...), long(h.n-6)...), make([]byte, h.n-6)...)
	h.ours = append(long(len(list)), list...)
}

// KeyPhases are how often the keys of a protected connection were updated, in each direction.
func (c *Conn) KeyPhases() (send, recv uint64) {
	if c.secure.keys == nil {
		return 0, 0
	}
	return c.secure.keys.Phases()
}

// AppendThoughIdle appends the packet that a connection would send which takes itself for idle: none, unless idle forgets something.
func (c *Conn) AppendThoughIdle(now time.Duration, dst []byte) []byte {
	if !c.idle(now) {
		return dst
	}
	return c.appendPacket(now, dst)
}

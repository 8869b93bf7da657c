package engine

import (
	"time"

	"example.com/ebb/wire"
)

// maxResponses is how many answers to PATH_CHALLENGE wait; what challenges faster gets fewer.
const maxResponses = 4

// pathChallengeFrame takes PATH_CHALLENGE: the peer asks if we receive on this path.
type pathChallengeFrame struct {
	received
	unreliable
}

func (pathChallengeFrame) handle(c *Conn, _ time.Duration, f wire.Frame) (bool, error) {
	if c.responses == nil {
		c.responses = new(pathResponses)
	}
	if r := c.responses; r.waiting < maxResponses {
		r.tokens[r.waiting] = f.Token
		r.waiting++
		c.due.add(wire.FramePathResponse)
	}
	return false, nil
}

// pathResponses is what PATH_RESPONSE has to repeat, the newest last.
type pathResponses struct {
	tokens  [maxResponses][8]byte
	waiting int
}

// pathResponseFrame is PATH_RESPONSE, the answer to a challenge. Who asks repeats the challenge if it is lost.
type pathResponseFrame struct{ unreliable }

// responseRoom is the most that a PATH_RESPONSE takes.
const responseRoom = 16

func (pathResponseFrame) handle(c *Conn, _ time.Duration, _ wire.Frame) (bool, error) {
	c.stats.Unexpected++ // we asked nothing
	return false, nil
}

// append answers the newest challenge first.
func (pathResponseFrame) append(c *Conn, _ time.Duration, b []byte, room int) ([]byte, uint64, bool) {
	if room < responseRoom {
		return b, 0, true
	}
	r := c.responses
	r.waiting--
	return wire.AppendPathResponse(b, r.tokens[r.waiting]), 0, r.waiting > 0
}

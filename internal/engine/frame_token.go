package engine

import (
	"crypto/subtle"
	"time"

	"example.com/ebb/wire"
)

// tokenFrame is RESET_TOKEN: how the peer will know that UNKNOWN is its peer's word (RFC 9000 section 10.3). It comes once the
// handshake is confirmed, as a client's parameters can be read by anybody.
type tokenFrame struct{}

func (tokenFrame) handle(c *Conn, _ time.Duration, f wire.Frame) (bool, error) {
	if c.secure == nil {
		return false, protocolError("unexpected frame " + f.Type.String())
	}
	c.secure.theirs = [wire.ResetTokenSize]byte(f.Data)
	c.secure.told = true
	return false, nil
}

func (tokenFrame) append(c *Conn, _ time.Duration, b []byte, room int) ([]byte, uint64, bool) {
	if room < 1+wire.ResetTokenSize {
		return b, 0, true
	}
	return wire.Must(wire.AppendResetToken(b, c.secure.ours[:])), 0, false
}

func (tokenFrame) acked(c *Conn, _ uint64) { c.secure.known = true }

func (tokenFrame) lost(c *Conn, _ uint64) {
	if !c.secure.known {
		c.due.add(wire.FrameResetToken)
	}
}

// handleSealedUnknown takes UNKNOWN for the ID that our packets go to. With the token that the peer told us it is the peer's, or
// whoever was given its keys of tokens: the peer was restarted. Without, anybody may say so, and we ask.
func (c *Conn) handleSealedUnknown(now time.Duration, a *Arrival, h wire.Header, token []byte) {
	switch k := c.secure; {
	case h.Src != c.peerID || a.Remote != c.path.Remote || c.state != stateEstablished:
		c.stats.Unexpected++
	case k.told && subtle.ConstantTimeCompare(token, k.theirs[:]) == 1:
		c.end.code = wire.CodeReset
		c.finish(&Error{Kind: KindReset, Code: wire.CodeReset, Reason: unknownReason})
	default:
		c.suspect(now, Hint{Kind: HintPortUnreachable})
	}
}

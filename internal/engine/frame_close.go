package engine

import (
	"time"

	"example.com/ebb/internal/untrusted"
	"example.com/ebb/wire"
)

// closeFrame takes CLOSE: the peer has ended the connection. Our own is the last packet: see appendClose.
type closeFrame struct {
	received
	unreliable
}

func (closeFrame) handle(c *Conn, now time.Duration, f wire.Frame) (bool, error) {
	c.handleClose(now, f.Code, untrusted.Text(f.Data))
	return false, nil
}

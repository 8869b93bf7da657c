package engine

// corkState is why a packet that is not full waits for more bytes.
type corkState struct {
	corked bool // more bytes are about to be written
	nagle  bool // RFC 896: while anything is in flight
}

// SetCork has bytes that do not fill a packet wait, or no longer. Whoever corks has to uncork soon: nothing else does, but the
// end of the stream, and a packet's worth of bytes.
func (c *Conn) SetCork(on bool) { c.cork.corked = on }

// Corked reports whether SetCork holds bytes back.
func (c *Conn) Corked() bool { return c.cork.corked && c.holdsBack() }

// SetNagle has bytes that do not fill a packet wait for the acknowledgement of what is in flight (RFC 896, RFC 9293
// section 3.7.4), or not.
func (c *Conn) SetNagle(on bool) { c.cork.nagle = on }

// Small reports whether n bytes that follow all others leave a packet that is not full.
func (c *Conn) Small(n int) bool { return n+int(c.dataOverhead()) < c.packetSize() }

// holdsBack reports whether all there is to send is a piece that waits for more bytes.
func (c *Conn) holdsBack() bool {
	switch {
	case !c.cork.corked && (!c.cork.nagle || c.sent.inFlight == 0):
		return false
	case c.send.Losses() || c.send.Finished():
		return false
	}
	return c.send.Unsent()+c.dataOverhead() < uint64(c.packetSize())
}

// SentOffset is the offset of the stream below which everything was sent at least once.
func (c *Conn) SentOffset() uint64 { return c.send.Next() }

package engine

import (
	"example.com/ebb/internal/stream"
	"example.com/ebb/wire"
)

// byteStream is the one stream of a connection: its bytes in both directions, and how each direction ends. How the
// connection ends is in close.go.
type byteStream struct {
	send stream.Send
	recv stream.Recv

	reset      streamSignal // our direction ends abnormally
	stop       streamSignal // the peer's bytes are thrown away
	stopCode   wire.Code    // of the peer's STOP
	readClosed bool         // the application reads no more
}

// streamSignal is what is said of a stream until it is acknowledged: that it was reset, or that nobody reads it.
type streamSignal struct {
	wanted, acked bool
	code          wire.Code
}

// pending reports whether the peer has not acknowledged a signal that was given.
func (s *streamSignal) pending() bool { return s.wanted && !s.acked }

// CloseWrite ends our direction behind what was written.
func (c *Conn) CloseWrite() { c.send.Finish() }

// CloseRead drops what was received and whatever comes; the peer is not told,
// as in TCP.
func (c *Conn) CloseRead() {
	c.readClosed = true
	c.recv.Drop()
	c.renewWindow()
}

// sendDone reports whether our direction is over: all delivered with its
// end, or refused by the peer.
func (c *Conn) sendDone() bool {
	if c.send.Stopped() {
		return true
	}
	return c.send.Done() && (!c.reset.wanted || c.reset.acked)
}

package engine

import (
	"fmt"
	"io"
	"time"

	"example.com/ebb/internal/untrusted"
	"example.com/ebb/wire"
)

const codeTimeout = wire.CodeTimeout

// Kind says who or what ended a connection.
type Kind uint8

// The kinds of errors.
const (
	KindReset            Kind = iota + 1 // the peer reset it, or no longer knows it
	KindRefused                          // nobody listens there
	KindHandshakeTimeout                 // no answer to the dial
	KindIdleTimeout                      // silence despite probes
	KindUserTimeout                      // what was sent was not acknowledged
	KindLingerTimeout                    // closed, and what was written could not be delivered
	KindProtocol                         // the peer broke the protocol
	KindVersion                          // the peer speaks other versions
	KindClosed                           // this side closed or aborted it
	KindUnreachable                      // the system cannot send to the peer's address
	KindBrokenPipe                       // a write to a stream that this side or the peer has ended
	KindTLS                              // the handshake of a protected connection failed
	KindAge                              // it was as old as it may become
)

// String names the kind.
func (k Kind) String() string {
	return [...]string{"no error", "reset by peer", "refused", "handshake timeout", "idle timeout",
		"user timeout", "linger timeout", "protocol error", "version", "closed", "unreachable", "broken pipe", "TLS", "too old"}[k]
}

// Error is why a connection, or one direction of it, ended.
type Error struct {
	Kind   Kind
	Code   wire.Code // on the wire, sent or received
	Reason string    // more of it, possibly the peer's words, escaped
	Cause  error     // of KindUnreachable: what the system said; of KindTLS: what crypto/tls said
}

func (e *Error) Error() string {
	if e.Reason == "" {
		return e.Kind.String()
	}
	return fmt.Sprintf("%v: %s", e.Kind, e.Reason)
}

var (
	errClosed     = &Error{Kind: KindClosed}
	errBrokenPipe = &Error{Kind: KindBrokenPipe}
	errReset      = &Error{Kind: KindReset, Code: wire.CodeReset}
)

func protocolError(reason string) error {
	return &Error{Kind: KindProtocol, Code: wire.CodeProtocol, Reason: reason}
}

// closeState is what is known of the end.
type closeState struct {
	closed      bool          // nor writes: Close was called
	told        bool          // the application was told of a reset
	delivered   bool          // everything written was acknowledged
	older       bool          // CLOSE of an older level was sent
	unconfirmed bool          // nobody waits for the peer's word that it has our end: the last packet and the tombstone repeat it
	code        wire.Code     // of our CLOSE, or what a tombstone answers
	lingerUntil time.Duration // when the background delivery gives up; Never
	mark        uint64        // the peer had the bytes below when its progress was last noted
}

// Close ends both directions. What was written is still delivered, for as long
// as the peer takes bytes at least once a linger time; Done tells when that is over.
// Bytes that nobody has read, or that come later, turn the end into a reset.
func (c *Conn) Close(now time.Duration) {
	if c.end.closed || c.state >= stateClosing {
		if !c.end.closed && c.err == nil && !c.send.Dropped() {
			c.end.delivered = true // the peer has ended the connection in order, and lacks nothing
		}
		c.end.closed, c.readClosed = true, true
		c.recv.Drop()
		return
	}
	unread := c.recv.Unread()
	c.end.closed = true
	c.CloseWrite()
	c.CloseRead()
	switch {
	case c.state == stateHandshake:
		c.finish(errClosed)
		return
	case unread:
		c.resetStream()
	case !c.recv.EndKnown():
		c.stopStream(wire.CodeNone)
	}
	if c.params.LingerTimeout > 0 {
		c.end.lingerUntil = now + c.params.LingerTimeout
	}
	c.lastProgress = now
	c.end.mark = c.send.Base()
	c.closeIfDone(now)
}

// Abort ends the connection at once; nothing more is delivered.
func (c *Conn) Abort(now time.Duration) {
	c.end.closed, c.readClosed = true, true
	c.recv.Drop()
	if c.state == stateHandshake && (c.params.Client || !c.hs.done) {
		c.finish(errClosed)
		return
	}
	c.fail(now, &Error{Kind: KindClosed, Code: wire.CodeReset, Reason: "aborted"})
}

// Refuse is Abort where there is no place for the connection: the peer hears that we are busy.
func (c *Conn) Refuse(now time.Duration) {
	c.end.closed, c.readClosed = true, true
	c.recv.Drop()
	c.fail(now, &Error{Kind: KindClosed, Code: wire.CodeBusy, Reason: "no place for another connection"})
}

// GiveUp ends a closed connection that has not delivered everything, because others that were closed later have its place.
func (c *Conn) GiveUp(now time.Duration) {
	if c.state == stateEstablished {
		c.fail(now, &Error{Kind: KindLingerTimeout, Code: wire.CodeReset, Reason: "too many closed connections"})
	}
}

// Cut ends the connection without a word, because there is no socket any more to send one. What arrived before may still be
// read.
func (c *Conn) Cut() { c.finish(errClosed) }

// fail ends the connection with an error and tells the peer its code, a client too whose handshake may be complete at its
// own end.
func (c *Conn) fail(now time.Duration, err *Error) {
	if c.state >= stateClosing {
		return
	}
	c.err = err
	c.end.code = err.Code
	c.state = stateClosing
	c.send.Stop()
}

// closeReason is what our CLOSE says beside the code.
func (c *Conn) closeReason() string {
	if e, ok := c.err.(*Error); ok {
		return e.Reason
	}
	return ""
}

// finish ends the connection without a word.
func (c *Conn) finish(err error) {
	if c.state == stateDone {
		return
	}
	c.state = stateDone
	if c.err == nil {
		c.err = err
	}
	if c.trace != nil {
		c.traceEnd()
	}
	c.sealLast()
	c.hs = nil
	c.send.Stop()
	c.sent.release()
	c.acks.ranges, c.responses = nil, nil
	if c.readClosed || !c.recv.Ready() { // nobody will read what came out of order
		c.recv.Drop()
	}
}

// closeIfDone ends a connection that has nothing left to do: the application has
// closed it, the peer has all our bytes, and no more of its own will come.
func (c *Conn) closeIfDone(now time.Duration) {
	if c.state != stateEstablished {
		return
	}
	sent := c.sendDone()
	if sent && c.send.Finished() && !c.send.Dropped() {
		c.end.delivered = true
	}
	if !c.end.closed || !sent {
		return
	}
	if !c.recv.Complete() && !c.stop.acked {
		return
	}
	c.leave()
}

// leave ends a closed connection in order.
func (c *Conn) leave() {
	c.state = stateClosing
	c.end.code = wire.CodeNone
	if c.reset.wanted {
		c.end.code = wire.CodeReset
	}
}

// endTimeout is for how long a closed connection whose peer has every byte waits for word that it also has the end.
const endTimeout = 3 * time.Second

// onlyEndMissing reports whether the peer is known to have every byte of a closed connection: what is unacknowledged are the
// end, and signals.
func (c *Conn) onlyEndMissing() bool {
	return c.end.closed && c.state == stateEstablished && c.send.Base() == c.send.End()
}

// leaveEnd ends such a connection without that word. A peer that was stopped finds the end in its socket, or asks the tombstone.
func (c *Conn) leaveEnd() {
	if c.send.Finished() && !c.send.Dropped() {
		c.end.delivered = true
	}
	if !c.recv.Complete() && !c.stop.wanted {
		c.stopStream(wire.CodeNone) // or the peer would believe that its bytes have arrived
	}
	c.end.unconfirmed = !c.reset.wanted
	c.leave()
}

func (c *Conn) advanceLinger(now time.Duration) {
	if c.state != stateEstablished || c.lingerTime() == Never {
		return
	}
	if now < c.lingerTime() {
		return
	}
	if c.onlyEndMissing() {
		c.leaveEnd()
		return
	}
	until := c.lastProgress + c.params.LingerTimeout
	if now < until {
		c.end.lingerUntil = until
		return
	}
	err := &Error{Kind: KindLingerTimeout, Code: wire.CodeReset, Reason: "the peer took nothing for " + c.params.LingerTimeout.String()}
	c.end.lingerUntil = Never
	c.fail(now, err)
}

// handleClose ends the connection as the peer says.
func (c *Conn) handleClose(now time.Duration, code wire.Code, reason untrusted.Text) {
	if c.trace != nil {
		c.tracePeerEnd(code)
	}
	if code == wire.CodeNone && c.orderly() {
		if c.send.Finished() && !c.send.Dropped() {
			c.end.delivered = true
		}
		c.end.code = wire.CodeNone
		c.finish(nil)
		return
	}
	c.end.code = wire.CodeReset
	c.finish(peerError(code, reason))
}

// peerError is what a CLOSE of the peer's means.
func peerError(code wire.Code, reason untrusted.Text) *Error {
	kind := KindReset
	switch code {
	case wire.CodeProtocol, wire.CodeFlowControl, wire.CodeFinalSize, wire.CodeParameter:
		kind = KindProtocol
	}
	return &Error{Kind: kind, Code: code, Reason: reason.String()}
}

// orderly reports whether a CLOSE without an error is plausible: the peer had
// our end, and we have its.
func (c *Conn) orderly() bool {
	ours := c.send.Stopped() || c.send.Finished() && c.send.Next() == c.send.End()
	return ours && (c.recv.Complete() && !c.recv.WasReset() || c.end.closed)
}

// readError is what Read returns when no byte is ready; nil: wait.
func (c *Conn) readError() error {
	switch {
	case c.end.closed:
		return errClosed
	case c.readClosed:
		return io.EOF
	case c.recv.Ended() && c.recv.WasReset():
		return errReset
	case c.recv.Ended():
		return io.EOF
	case c.state >= stateClosing && c.err != nil:
		return c.err
	case c.state >= stateClosing:
		return io.EOF
	}
	return nil
}

// writeError is what Write returns; nil: it may go on. A reset is told once, by
// Read or Write; from then on the pipe is broken, as in TCP. The pipe to a peer that has closed in order breaks as in TCP too: when
// bytes were lost in it. Whether a Write comes just before the peer's STOP or just after it makes no difference then.
func (c *Conn) writeError() error {
	var err error
	switch {
	case c.end.closed:
		return errClosed
	case c.send.Finished():
		return errBrokenPipe
	case c.state >= stateClosing:
		err = c.err
	case c.send.Stopped() && c.stopCode == wire.CodeReset:
		err = errReset
	}
	if err == nil && !c.send.Dropped() {
		return nil
	}
	if e, ok := err.(*Error); err == nil || ok && e.Kind == KindReset && c.end.told {
		return errBrokenPipe
	}
	return err
}

// tell notes that the application learns of err, and returns it.
func (c *Conn) tell(err error) error {
	if e, ok := err.(*Error); ok && e.Kind == KindReset {
		c.end.told = true
	}
	return err
}

// Done reports that the connection has nothing left to send or to wait for: its
// owner may forget it, leaving its FinalState. Bytes received before may still be
// read.
func (c *Conn) Done() bool { return c.state == stateDone }

// Err is why the connection ended; nil while it lives and after an orderly end.
func (c *Conn) Err() error { return c.err }

// Delivered reports whether the peer has acknowledged everything written and the
// end behind it, or could not be asked about the end any more.
func (c *Conn) Delivered() bool { return c.end.delivered }

// Dropped reports whether bytes that were written and not acknowledged were thrown away at the end.
func (c *Conn) Dropped() bool { return c.send.Dropped() }

// FinalState is what a tombstone needs to answer for a connection.
type FinalState struct {
	Code       wire.Code
	NextNumber uint64        // first number not used
	Hold       time.Duration // how long late packets may come
	Unread     int           // bytes that it holds, if they can still be read
	Fin, Stop  bool          // the peer may lack our end, and our STOP
	Final      uint64        // Fin: where that end is
}

// minFinalHold is the least time for which the end of a connection is remembered: if
// our last packets were lost, the peer's next probes must still find an answer, and
// they come no faster than every maxProbeWait.
const minFinalHold = 10 * time.Second

// unconfirmedHold is the same if the peer may lack the end of our stream: so long it may have been stopped.
const unconfirmedHold = 30 * time.Second

// FinalState says what to answer to packets that come after the end.
func (c *Conn) FinalState() FinalState {
	f := FinalState{Code: c.end.code, NextNumber: c.sent.next}
	f.Hold = max(3*c.path.rtt.pto(c.peerAckDelay), minFinalHold)
	if c.end.unconfirmed && f.Code == wire.CodeNone {
		f.Fin, f.Stop, f.Final = true, c.stop.pending(), c.send.End()
		f.Hold = max(f.Hold, unconfirmedHold)
	}
	if c.recv.Ready() {
		f.Unread = c.recv.Held()
	}
	if f.Code == wire.CodeNone && !c.opened {
		f.Code = wire.CodeReset // what the peer may have sent was not taken
	}
	return f
}

package engine

import (
	"bytes"
	"slices"
	"time"

	"example.com/ebb/internal/untrusted"
	"example.com/ebb/wire"
)

// What is said to a connection without a connection: the answers to a dial, and to one that the peer does not know.

// maxRetries is how many RETRYs a dial follows. A server under load asks once. Others come if its cookie has grown old on
// the way, or if somebody who sees our INITIAL answers it before the server does.
const maxRetries = 4

// handleCrossing takes the INITIAL of a dial that crosses ours. The larger ID wins. If it is ours, it goes again at once:
// the peer has sent something, so that its firewall lets ours in now. Otherwise the peer's connection is
// about to take our place, and we wait as long as its handshake may take.
func (c *Conn) handleCrossing(now time.Duration, h wire.Header, seg []byte) {
	switch {
	case !wire.Verify(seg, wire.Seed(h.Version, h.Dst, h.Src)):
		c.stats.BadTrailers++
	case c.state != stateHandshake:
		c.stats.Unexpected++
	case h.Src < c.params.Local:
		c.hs.initial.repeat()
	case !c.hs.yielded && c.hs.deadline != Never:
		c.hs.yielded = true // once: what looks like the peer's INITIALs may be forged
		c.hs.deadline = now + c.hs.timeout
	}
}

// handleRetry repeats what was said with the server's cookie. One that we have is a copy, and changes nothing.
func (c *Conn) handleRetry(h wire.Header, payload []byte) {
	var f wire.Frame
	if !c.answersDial(h) || len(c.hs.cookies) >= maxRetries {
		c.stats.Unexpected++
		return
	}
	if _, err := f.ParseIn(h.Type, payload); err != nil {
		c.stats.Malformed++
		return
	}
	if slices.ContainsFunc(c.hs.cookies, func(b []byte) bool { return bytes.Equal(b, f.Data) }) {
		c.stats.Duplicates++
		return
	}
	c.hs.cookies = append(c.hs.cookies, slices.Clone(f.Data))
	c.hs.initial.loseAll()
	c.stats.Retries++
}

// handleRefuse ends a dial.
func (c *Conn) handleRefuse(h wire.Header, payload []byte) {
	var f wire.Frame
	if !c.answersDial(h) {
		c.stats.Unexpected++
		return
	}
	if _, err := f.ParseIn(h.Type, payload); err != nil {
		c.stats.Malformed++
		return
	}
	c.finish(&Error{Kind: KindRefused, Code: f.Code, Reason: untrusted.Text(f.Data).String()})
}

// handleVersions ends a dial to a peer that does not speak ours.
func (c *Conn) handleVersions(h wire.Header, payload []byte) {
	if !c.answersDial(h) {
		c.stats.Unexpected++
		return
	}
	for v := range wire.ParseVersions(payload) {
		if v == c.version() {
			c.stats.Unexpected++ // a forgery: it would have understood us
			return
		}
	}
	c.finish(&Error{Kind: KindVersion, Reason: "the peer does not speak this version of the protocol"})
}

// answersDial reports whether a packet echoes both IDs of our unanswered
// INITIAL, which only who saw it can do.
func (c *Conn) answersDial(h wire.Header) bool {
	return c.params.Client && c.state == stateHandshake && c.hs.server == 0 && h.Dst == c.params.Local && h.Src == c.hs.firstDst
}

// handleUnknown ends a connection that the peer no longer knows: it was
// restarted.
func (c *Conn) handleUnknown(path Path, h wire.Header) {
	if h.Src != c.peerID || path.Remote != c.path.Remote || c.sent.next == 0 || c.state == stateDone {
		c.stats.Unexpected++
		return
	}
	c.end.code = wire.CodeReset
	c.finish(&Error{Kind: KindReset, Code: wire.CodeReset, Reason: unknownReason})
}

const unknownReason = "the peer does not know the connection: it was restarted or has given it up"

// Opening reports whether this is a dial of which no more than its first flight was made and nothing was heard: a packet, or two if it is
// protected, as TLS's first message takes two.
func (c *Conn) Opening() bool {
	flight := uint64(1)
	if c.secure != nil {
		flight = 2
	}
	return c.state == stateHandshake && c.params.Client && c.hs.server == 0 && c.hs.initial.sent.next-1 < flight
}

// SendFailed ends a dial whose first packet the system could not send.
func (c *Conn) SendFailed(err error) {
	c.stats.SendErrors++
	if c.Opening() {
		c.finish(&Error{Kind: KindUnreachable, Cause: err})
	}
}

package router

import (
	"net/netip"
	"time"

	"example.com/ebb/wire"
)

// The kinds of answer that are limited in rate, each by itself.
const (
	refuse = iota
	unknown
	versions
	closedReply
	replyKinds
)

// refuse answers an INITIAL that nobody here wants, or for which there is no place.
func (r *Router[C]) refuse(now time.Duration, h wire.Header, code wire.Code, reply []byte) Verdict[C] {
	if !r.replies[refuse].take(now) {
		return r.drop(Limited)
	}
	r.count.Refusals++
	start := len(reply)
	reply = wire.Must(wire.AppendHeader(reply, wire.Header{
		Type: wire.Refuse, Version: h.Version, Dst: h.Src, Src: h.Dst,
	}))
	reply = wire.AppendClose(reply, code, "")
	reply = wire.AppendTrailer(reply, start, wire.Seed(h.Version, h.Src, h.Dst))
	return Verdict[C]{Action: Reply, Reply: reply, Refused: code}
}

// retry asks an address to prove that it is there, or to do it again: what it brought may be too old, or
// somebody else's who has answered it in our name. It is not limited in rate:
// under load it is the only way in, and it holds no state and is a small part
// of what it answers.
func (r *Router[C]) retry(now time.Duration, remote netip.AddrPort, h wire.Header, reply []byte) Verdict[C] {
	r.count.Retries++
	if len(h.Cookie) > 0 {
		r.count.BadCookies++
	}
	cookie := r.cookies.make(now, remote, h)
	start := len(reply)
	reply = wire.Must(wire.AppendHeader(reply, wire.Header{
		Type: wire.Retry, Version: h.Version, Dst: h.Src, Src: h.Dst,
	}))
	reply = wire.Must(wire.AppendCookie(reply, cookie[:]))
	reply = wire.AppendTrailer(reply, start, wire.Seed(h.Version, h.Src, h.Dst))
	return Verdict[C]{Action: Reply, Reply: reply}
}

// otherVersion answers a long packet of a version that is not spoken here.
func (r *Router[C]) otherVersion(now time.Duration, b, dst, src, reply []byte) Verdict[C] {
	if len(b) < wire.MinInitialSize {
		return r.drop(Small)
	}
	if !r.replies[versions].take(now) {
		return r.drop(Limited)
	}
	r.count.Versions++
	return Verdict[C]{Action: Reply, Reply: wire.Must(wire.AppendVersions(reply, dst, src))}
}

// replyToClosed answers a short packet to a connection that is gone, under one of its IDs: with its last
// word, and its end if that may have got lost, unless the packet is the peer's own.
func (r *Router[C]) replyToClosed(now time.Duration, t *tombstone, id wire.ID, b, reply []byte) Verdict[C] {
	_, payload, err := wire.ParseHeader(b)
	if err != nil {
		return r.drop(Malformed)
	}
	if t.peer == 0 {
		return r.drop(Late) // a dial that was never answered has no peer to talk to
	}
	if !wire.Verify(b, wire.Seed(wire.Version, id, t.peer)) {
		return r.drop(Corrupt)
	}
	if hasClose(payload) {
		return r.drop(Late)
	}
	if !r.replies[closedReply].take(now) {
		return r.drop(Limited)
	}
	r.count.Closes++
	start := len(reply)
	reply = wire.Must(wire.AppendHeader(reply, wire.Header{
		Type: wire.Short, Version: wire.Version, Dst: t.peer, Number: uint64(t.next), NumberLen: 4,
	}))
	if e, ok := r.closed.ends[t.local]; ok {
		reply = wire.Must(wire.AppendDataHeader(reply, e.final, 0, true, false))
		if e.stop {
			reply = wire.AppendStop(reply, wire.CodeNone)
		}
	}
	reply = wire.AppendClose(reply, wire.Code(t.code), "")
	reply = wire.AppendTrailer(reply, start, wire.Seed(wire.Version, t.peer, t.local))
	t.next++
	return Verdict[C]{Action: Reply, Reply: reply}
}

func appendUnknown(reply []byte, id wire.ID) []byte {
	start := len(reply)
	reply = wire.Must(wire.AppendHeader(reply, wire.Header{Type: wire.Unknown, Version: wire.Version, Src: id}))
	return wire.AppendTrailer(reply, start, wire.Seed(wire.Version, 0, id))
}

// hasClose reports whether a CLOSE is among the frames, up to the first that
// is wrong.
func hasClose(payload []byte) bool {
	var f wire.Frame
	for len(payload) > 0 {
		n, err := f.Parse(payload)
		if err != nil {
			return false
		}
		if f.Type == wire.FrameClose {
			return true
		}
		payload = payload[n:]
	}
	return false
}

package router

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"example.com/ebb/wire"
)

// This file routes packets of protected connections, by what is not encrypted of them: type, IDs and cookie. Nothing of that is
// authenticated before a connection has opened the packet, so the router decides nothing by it that could harm one.

// SetProtected says whether what is dialled and accepted from now on is protected.
func (r *Router[C]) SetProtected(on bool) { r.cfg.Protected = on }

// Protected reports whether it is.
func (r *Router[C]) Protected() bool { return r.cfg.Protected }

// routeSealed routes a long packet of the protected version that is sealed.
func (r *Router[C]) routeSealed(now time.Duration, remote netip.AddrPort, b, reply []byte) Verdict[C] {
	h, _, err := wire.ParseSealed(b)
	if err == wire.ErrInitialSize {
		return r.drop(Small)
	}
	if err != nil {
		return r.drop(Malformed)
	}
	if h.Type == wire.Initial {
		return r.sealedInitial(now, remote, h, reply)
	}
	e := r.conns[h.Dst]
	switch {
	case e == nil || !e.sealed || e.remote != remote || e.client != (h.Type == wire.Accept || e.client):
		return r.drop(Stray)
	case e.client:
		return r.deliver(e) // whoever has made it up, the server's ID is for the connection to take
	case h.Src != e.peer:
		return r.drop(Stray)
	case e.state == halfOpen && r.listening && r.queue.full():
		return r.drop(BacklogFull)
	}
	return r.deliver(e)
}

// sealedInitial routes a protected INITIAL. Whether it opens a connection is known when that has opened it.
func (r *Router[C]) sealedInitial(now time.Duration, remote netip.AddrPort, h wire.Header, reply []byte) Verdict[C] {
	from := pair{remote, h.Src}
	if e := r.pairs[from]; e != nil && !e.client {
		if !e.sealed {
			return r.drop(Stray)
		}
		return r.deliver(e)
	}
	switch {
	case r.closed.holdsPair(now, from):
		return r.drop(Late)
	case !r.listening && r.hosts[remote.Addr()] > 0:
		return r.drop(Crossed)
	case !r.listening:
		return r.refuse(now, h, wire.CodeRefused, reply)
	case !r.cfg.Protected:
		return r.refuse(now, h, wire.CodePlain, reply)
	case r.queue.full():
		return r.drop(BacklogFull)
	}
	return r.charge(now, remote, h, Verdict[C]{Action: Open, Client: h.Src, Dst: h.Dst, Protected: true}, reply)
}

// plainToProtected answers a plain INITIAL where only protected connections are accepted.
func (r *Router[C]) plainToProtected(now time.Duration, remote netip.AddrPort, h wire.Header, reply []byte) Verdict[C] {
	switch {
	case !r.listening && r.hosts[remote.Addr()] > 0:
		return r.drop(Crossed)
	case !r.listening:
		return r.refuse(now, h, wire.CodeRefused, reply)
	}
	return r.refuse(now, h, wire.CodeProtected, reply)
}

// Meet notes the ID of the server that a protected dial has reached. Of a plain one it is in its ACCEPT.
func (r *Router[C]) Meet(local, peer wire.ID) {
	e := r.conns[local]
	if e == nil || !e.client || !e.sealed || e.peer != 0 {
		return
	}
	e.peer = peer
	r.pairs[pair{e.remote, peer}] = e
	if e.state == dialling {
		r.endDial(e)
	}
}

// Forget removes a connection that a verdict of Open has asked for and that its packet did not begin: as if there had been none.
func (r *Router[C]) Forget(local wire.ID) {
	e := r.conns[local]
	if e == nil || e.state != halfOpen {
		return
	}
	r.abandon(e)
	e.held.Release()
	delete(r.conns, local)
	delete(r.pairs, pair{e.remote, e.peer})
	r.count.Forgotten++
}

// SealedSender is Sender for a packet of a protected connection, of which only the IDs can be read, and may be cut off behind them.
func (r *Router[C]) SealedSender(remote netip.AddrPort, b []byte) (c C, ok bool) {
	var e *entry[C]
	if id, short := wire.ShortDst(b); wire.IsEbb(b) && !wire.IsLong(b) && short {
		e = r.pairs[pair{remote, id}]
	} else if version, _, src, long := wire.Invariants(b); long && version == wire.VersionProtected && len(src) == wire.IDSize {
		e = r.conns[wire.ID(binary.BigEndian.Uint64(src))]
	}
	if e == nil || !e.sealed || e.remote != remote {
		return c, false
	}
	return e.conn, true
}

// ResetToken is what proves to a peer that UNKNOWN for an ID of ours is our word (RFC 9000 section 10.3.2).
func (r *Router[C]) ResetToken(id wire.ID) (token [wire.ResetTokenSize]byte) {
	b := binary.BigEndian.AppendUint16([]byte("ebb reset"), r.cfg.Port)
	mac := hmac.New(sha256.New, r.cfg.ResetKey[:])
	mac.Write(binary.BigEndian.AppendUint64(b, uint64(id)))
	copy(token[:], mac.Sum(nil))
	return token
}

// minTokenAsked is the size of a short packet from which UNKNOWN with a token is smaller than it.
const minTokenAsked = wire.UnknownSize + wire.ResetTokenSize + 1

// lastWords is what a tombstone of a protected connection has to say.
type lastWords struct {
	packet []byte
	asked  uint32 // how many packets it might have answered
}

// LastWords has the tombstone of a protected connection that was removed answer with a packet.
func (r *Router[C]) LastWords(now time.Duration, local wire.ID, packet []byte) {
	if len(packet) == 0 || r.closed.find(now, local) == nil {
		return
	}
	if r.closed.words == nil {
		r.closed.words = make(map[wire.ID]*lastWords)
	}
	r.closed.words[local] = &lastWords{packet: packet}
}

// repeatLastWords answers a short packet to a protected connection that is gone. It cannot be opened any more, so the answers become
// rarer, and two tombstones do not keep each other busy (RFC 9000 section 10.2.1).
func (r *Router[C]) repeatLastWords(now time.Duration, remote netip.AddrPort, t *tombstone, reply []byte) Verdict[C] {
	w := r.closed.words[t.local]
	switch {
	case w == nil:
		return r.drop(Late)
	case remote != t.remote:
		return r.drop(Stray)
	}
	w.asked++
	if w.asked&(w.asked-1) != 0 || !r.replies[closedReply].take(now) {
		return r.drop(Limited)
	}
	r.count.Closes++
	return Verdict[C]{Action: Reply, Reply: append(reply, w.packet...)}
}

// version is that of the connection's packets.
func (e *entry[C]) version() uint32 {
	if e.sealed {
		return wire.VersionProtected
	}
	return wire.Version
}

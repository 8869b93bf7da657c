package router

import (
	"errors"
	"net/netip"
	"time"

	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// This file is what stands between an INITIAL that could open a connection and the connection: cookies, places, limits, and the
// application's own word, in this order, so that what an attacker can have for nothing costs nothing.

// charge decides about an INITIAL that could open the connection of a verdict.
func (r *Router[C]) charge(now time.Duration, remote netip.AddrPort, h wire.Header, v Verdict[C], reply []byte) Verdict[C] {
	full := r.half.full()
	v.Proven = r.cfg.RetryAfter >= 0 && (full || r.half.length >= r.cfg.RetryAfter)
	if v.Proven && !r.cookies.valid(now, remote, h) {
		return r.retry(now, remote, h, reply)
	}
	if full && (!v.Proven || r.half.victim(remote.Addr()) == nil) {
		return r.drop(HalfOpenFull)
	}
	from := pair{remote, h.Src}
	if verdict, decided := r.asked.find(from); decided && verdict != nil {
		r.count.Dropped[NotAdmitted]++
		return r.refuse(now, h, wire.CodeRefused, reply)
	}
	err := r.hold(now, remote, &v)
	if at, ok := errors.AsType[*limits.Error](err); ok && at.NeedsProof() && r.cfg.RetryAfter >= 0 {
		if !r.cookies.valid(now, remote, h) {
			return r.retry(now, remote, h, reply)
		}
		v.Proven = true
		err = r.hold(now, remote, &v)
	}
	if err != nil {
		return r.turnAway(now, h, err, v, reply)
	}
	if !r.admitted(from, v.Proven) {
		v.held.Release()
		answer := r.refuse(now, h, wire.CodeRefused, reply)
		r.count.Dropped[NotAdmitted]++
		answer.Displaced = v.Displaced
		return answer
	}
	r.count.Opened++
	return v
}

// hold takes what a connection costs. A proven newcomer takes the place of another where half-open ones are all taken: those of this
// router, or those of the limits, which others may have.
func (r *Router[C]) hold(now time.Duration, remote netip.AddrPort, v *Verdict[C]) (err error) {
	v.held, err = r.cfg.Limits.Inbound(now+r.cfg.Origin, remote.Addr(), v.Proven)
	if fullForAll(err) && v.Proven && r.displace(remote, v) {
		v.held, err = r.cfg.Limits.Inbound(now+r.cfg.Origin, remote.Addr(), v.Proven)
	}
	if err == nil && r.half.full() {
		r.displace(remote, v)
	}
	return err
}

// fullForAll reports whether a limit is that of the half-open connections of everybody.
func fullForAll(err error) bool {
	at, ok := errors.AsType[*limits.Error](err)
	return ok && at.Resource == limits.HalfOpen && (at.Level == limits.LevelProcess || at.Level == limits.LevelEndpoint)
}

// displace makes place for a newcomer, if there is one who has to make way for it.
func (r *Router[C]) displace(remote netip.AddrPort, v *Verdict[C]) bool {
	victim := r.half.victim(remote.Addr())
	if victim == nil {
		return false
	}
	r.evict(victim)
	v.Displaced = victim.conn
	return true
}

// turnAway answers a dial for which there is no place, if it should know.
func (r *Router[C]) turnAway(now time.Duration, h wire.Header, err error, v Verdict[C], reply []byte) Verdict[C] {
	answer := Verdict[C]{Action: Drop, Reason: OverLimit}
	r.count.Dropped[OverLimit]++
	if at, ok := errors.AsType[*limits.Error](err); ok && at.Lasting() {
		answer = r.refuse(now, h, wire.CodeBusy, reply)
	}
	answer.Displaced = v.Displaced
	return answer
}

// admitted asks Admit about a dial, unless it was asked before.
func (r *Router[C]) admitted(from pair, proven bool) bool {
	if r.cfg.Admit == nil {
		return true
	}
	if verdict, decided := r.asked.find(from); decided {
		return verdict == nil
	}
	err := r.cfg.Admit(from.remote, proven)
	if err != nil {
		r.asked.note(from, err)
	}
	return err == nil
}

// maxDecisions bounds the dials of which decisions remembers what Admit has said.
const maxDecisions = 1024

// decisions is what Admit has said of dials that have no connection and may come again, as they repeat their INITIAL. The last ones
// are remembered. The zero value is empty.
type decisions struct {
	said map[pair]error
	ring []pair
	next int // the oldest of a full ring
}

func (d *decisions) note(p pair, err error) {
	if d.said == nil {
		d.said = make(map[pair]error)
	}
	if _, known := d.said[p]; known {
		d.said[p] = err
		return
	}
	d.said[p] = err
	if len(d.ring) < maxDecisions {
		d.ring = append(d.ring, p)
		return
	}
	delete(d.said, d.ring[d.next])
	d.ring[d.next] = p
	d.next = (d.next + 1) % maxDecisions
}

func (d *decisions) find(p pair) (err error, decided bool) {
	err, decided = d.said[p]
	return err, decided
}

// Identify charges a server's connection, whose handshake is complete, to the identity that its peer has proved. Establish follows, and
// refuses it if there is no room for that.
func (r *Router[C]) Identify(local wire.ID, identity [32]byte) {
	if e := r.conns[local]; e != nil && !e.client && e.held.Identify(identity) != nil {
		e.tooMany = true
	}
}

// refuseEstablished is for a connection that is complete, and for which there is no place.
func (r *Router[C]) refuseEstablished(e *entry[C], kept bool) {
	if kept {
		r.queue.release(e)
	}
	if e.crosses {
		r.unyield(e.remote)
	}
	r.count.Dropped[OverLimit]++
}

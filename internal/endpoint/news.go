package endpoint

import (
	"net/netip"
	"time"

	"example.com/ebb/internal/router"
	"example.com/ebb/wire"
)

// Topic is a set of things that may become of a connection.
type Topic uint8

// The topics.
const (
	Opened   Topic = 1 << iota // the handshake is complete
	Trains                     // trains vanish on the way to the peer, or no longer
	Resolved                   // it was closed, and what was written is delivered or given up: see Driver.Await
	Ended                      // nothing is left to do
	Unbegun                    // with Ended: what has asked for the connection does not open one, and there has been none
)

// Has reports whether the set has any of others.
func (t Topic) Has(others Topic) bool { return t&others != 0 }

// News is what has become of a connection: a value, so that it can be reported when the connection's lock is released.
type News struct {
	Topic
	Local        wire.ID
	Remote       netip.Addr
	TrainsVanish time.Duration // Trains: until when they do; 0: they pass
	Final        FinalState    // Ended: what is to be remembered
	LastWords    []byte        // Ended, of a protected connection: the packet that answers what comes later; nil: none does
	Peer         wire.ID       // Opened, of a protected dial: whom it has reached
	// Identity is, if Opened, who the peer has proved to be, for the limits: a public key, or the hash of one. The zero value: nobody. The
	// caller adds it, who has the TLS connection.
	Identity [32]byte
}

// Changed returns what has become of the connection since the last call: each thing once, most often nothing. It must be
// followed by News if it is something that the endpoint has to know.
//
// Nothing ends while a flush is on: the last packet may be in the flusher's hands.
func (d *Driver) Changed() (t Topic) {
	if d.tried && !d.flush.on {
		if d.tried = false; !d.Conn.Begun() {
			d.Conn.Cut()
			t |= Unbegun
		}
	}
	sent := !d.flush.on
	done := sent && d.Conn.Done()
	if !d.opened && d.Conn.Established() {
		d.opened = true
		t |= Opened
	}
	if d.awaited && !d.resolved && (done || sent && !d.discards && d.Conn.Delivered()) {
		d.resolved = true
		t |= Resolved
	}
	if until := d.Conn.TrainsVanish(); until != d.trainsVanish {
		d.trainsVanish = until
		t |= Trains
	}
	if done && !d.ended {
		d.ended = true
		d.shaper.Leave()
		t |= Ended
	}
	return t
}

// News is what Changed has returned, with what the endpoint needs to know of it.
func (d *Driver) News(t Topic) News {
	n := News{Topic: t, Local: d.Conn.Local(), Remote: d.Conn.Remote().Addr()}
	if t.Has(Opened) && d.protected && d.Conn.Client() {
		n.Peer = d.Conn.Peer()
	}
	if t.Has(Trains) {
		n.TrainsVanish = d.trainsVanish
	}
	if t.Has(Ended) {
		n.Final, n.LastWords = router.FinalState(d.Conn.FinalState()), d.Conn.LastWords()
	}
	return n
}

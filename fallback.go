package ebb

import (
	"sync"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/limits"
)

// Fallback has a Dialer connect over the kernel's TCP where Ebb does not get through: networks that block UDP, and peers that
// listen for TCP alone. A dial is a race, as in RFC 8305 section 5: Ebb begins, and TCP begins beside it when Ebb has failed, or Delay
// later. The first connection is returned, and the other attempts are ended before that. So a dial that Ebb answers within Delay takes as long
// as without a Fallback, and one of which UDP is dropped takes Delay and TCP's handshake.
//
// The type of the connection says what it is: a *Conn or a *SecureConn, or package net's *net.TCPConn or, with Config.TLS,
// a *tls.Conn. Over TCP there is TLS with the same *tls.Config, at least 1.3, with the same rules for ServerName and NextProtos. What Ebb would have protected is
// protected by TLS, or the dial fails.
//
// A Fallback remembers where Ebb has lost, for each peer (limits.PeerOf: an IPv4 address, an IPv6 prefix of 56 bits). There TCP begins
// for a minute, and Ebb Delay later, or when TCP has failed. Each time that Ebb then loses again doubles that, up to an hour. Ebb has also lost when a connection that it won ends
// in silence (ErrIdleTimeout, ErrUserTimeout), as behind a firewall that lets the first packets pass. That is all the memory there
// is. It has the last 1024 to 2048 such peers, and forgets one after two hours in which Ebb did not lose, or when Ebb wins, unless a connection has ended in silence: that
// a dial succeeds proves little then.
//
// The zero value is ready. It may be used by any number of Dialers and goroutines, and must not be copied. Those who dial in networks that have nothing to do with
// each other, such as before and after a change of Wi-Fi, may want one for each.
type Fallback struct {
	// Delay is the wait for Ebb until TCP begins beside it. It must not change during a dial. 0 is 250 ms, which RFC 8305 recommends between
	// attempts. Negative: TCP begins when Ebb has failed, which takes Config.HandshakeTimeout where UDP is dropped.
	Delay time.Duration

	mu            sync.Mutex
	recent, older map[limits.Peer]detour // recent has up to maxDetours, and becomes older then
}

// detour is that of one peer.
type detour struct {
	until  time.Time     // TCP begins until then
	length time.Duration // that it had; the next one has twice that
	lost   time.Time     // when Ebb lost last
	silent bool          // a connection has ended in silence: that a dial succeeds proves little
}

const (
	defaultTCPDelay = 250 * time.Millisecond
	maxDetours      = 1024
	firstDetour     = time.Minute
	longestDetour   = time.Hour
	// detourMemory is how long it is known that there was one: as long again as the longest.
	detourMemory = 2 * longestDetour
)

func (f *Fallback) delay() time.Duration {
	if f.Delay == 0 {
		return defaultTCPDelay
	}
	return f.Delay
}

// tcpFirst reports whether TCP begins.
func (f *Fallback) tcpFirst(now time.Time, p limits.Peer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return now.Before(f.detour(now, p).until)
}

// detour is what is remembered of a peer; the zero value: nothing. mu is held.
func (f *Fallback) detour(now time.Time, p limits.Peer) detour {
	d, ok := f.recent[p]
	if !ok {
		d = f.older[p]
	}
	if now.Sub(d.lost) >= detourMemory {
		return detour{}
	}
	return d
}

// ebbLost is for a race that TCP has won though Ebb began, or a connection that ended in silence.
func (f *Fallback) ebbLost(now time.Time, p limits.Peer, silent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.detour(now, p)
	if now.Before(d.until) {
		return // another dial of the same time has said so already
	}
	d.length = min(max(2*d.length, firstDetour), longestDetour)
	d.until, d.lost, d.silent = now.Add(d.length), now, d.silent || silent
	f.keep(p, d)
}

// ebbWon is for a race that Ebb has won.
func (f *Fallback) ebbWon(now time.Time, p limits.Peer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.detour(now, p); !d.silent {
		delete(f.recent, p)
		delete(f.older, p)
	}
}

// keep enters what is to be remembered. mu is held.
func (f *Fallback) keep(p limits.Peer, d detour) {
	if _, ok := f.recent[p]; !ok && len(f.recent) >= maxDetours {
		f.older, f.recent = f.recent, nil
	}
	if f.recent == nil {
		f.recent = make(map[limits.Peer]detour)
	}
	f.recent[p] = d
}

// endedInSilence reports whether the peer is no longer heard. conn.mu is held.
func (c *conn) endedInSilence() bool {
	e, ok := c.driver.Conn.Err().(*engine.Error)
	return ok && (e.Kind == engine.KindIdleTimeout || e.Kind == engine.KindUserTimeout)
}

// tellFallback is for a connection that has ended in silence. endpoint.mu is held.
func (c *conn) tellFallback() {
	if d := c.dial; d != nil && d.fallback != nil {
		d.fallback.ebbLost(time.Now(), limits.PeerOf(c.driver.Conn.Remote().Addr()), true)
		c.dial = nil
	}
}

// watch has a Fallback learn how the connection that it has dialled ends.
func (c *conn) watch(f *Fallback) {
	c.endpoint.mu.Lock()
	defer c.endpoint.mu.Unlock()
	if c.dial == nil {
		c.dial = new(dialling)
	}
	c.dial.fallback = f
}

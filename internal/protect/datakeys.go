package protect

import (
	"errors"
	"time"

	"example.com/ebb/wire"
)

// What ends a connection for its keys' sake.
var (
	// ErrLimit says that keys were used as often as they may be (RFC 9001 section 6.6).
	ErrLimit = errors.New("protect: the limit of the keys is reached")
	// ErrKeyUpdate says that the peer broke a rule of key updates (RFC 9001 section 6.7).
	ErrKeyUpdate = errors.New("protect: key update out of order")
)

const (
	// sealReserve is how many packets Room keeps back, for a connection's last words.
	sealReserve = 16
	// nextAfter is how many packets a key opens before the next one is made without need. A connection that is used has
	// its next key at hand, and the time that a packet takes says nothing of its key phase (RFC 9001 section 6.3); one that
	// was never used does not pay for it.
	nextAfter = 64
	// retention is how many PTO old keys are kept, and an update waits after the one before (RFC 9001 section 6.5).
	retention = 3
)

// DataKeys seals and opens the short packets of a connection, and updates its keys (RFC 9001 section 6). It implements
// Sealer and Opener. Besides, its owner calls Advance as time goes by, Acked for each ACK, and Confirm once. Calls may not
// be concurrent.
//
// An update begins by itself when a key has sealed Limits.Update packets. The key phase bit in a header is Seal's and
// Open's; whoever makes the header leaves it zero.
type DataKeys struct {
	form   func() form
	suite  Suite
	limits Limits
	err    error // sticky

	// Sending. The phases count from 0; their lowest bit is what travels.
	send       *packetKey
	sendHeader headerKey
	sendSecret []byte // of send
	sendPhase  uint64
	sealed     uint64 // packets, in this phase
	firstSent  uint64 // number of the first of them
	acked      bool   // the peer has one of them
	confirmed  bool   // the handshake is

	// Receiving.
	recv       *packetKey
	recvHeader headerKey
	recvSecret []byte // of the newest receive key there is
	recvPhase  uint64
	opened     uint64     // packets, in this phase
	low, high  uint64     // numbers of those, if any
	lastPhase  uint64     // of the last packet that was opened
	forged     uint64     // packets that did not open, in all phases
	prev, next *packetKey // of the phases before and after; nil: gone, not made yet

	// Time. A deadline is set by the first Advance after its cause.
	prevTimed  bool
	prevUntil  time.Duration // when prev goes
	pauseTimed bool
	pauseUntil time.Duration // when the next update may begin
	paused     bool          // since the last one
}

// NewDataKeys makes keys without secrets, with the limits of the suite if limits is zero. An unknown suite is ErrSuite.
func NewDataKeys(s Suite, limits Limits) (*DataKeys, error) { return newDataKeys(version3, s, limits) }

func newDataKeys(f func() form, s Suite, limits Limits) (*DataKeys, error) {
	switch s {
	case AES128GCM, AES256GCM, ChaCha20Poly1305:
	default:
		return nil, ErrSuite
	}
	if limits == (Limits{}) {
		limits = s.Limits()
	}
	return &DataKeys{form: f, suite: s, limits: limits}, nil
}

// SetSend gives the secret of the direction out, as TLS has it. It comes once, before the first Seal; borrowed.
func (k *DataKeys) SetSend(secret []byte) (err error) {
	l := newLabels(k.suite.newHash, secret)
	if k.sendHeader, err = k.form().newHeaderKey(k.suite, l, k.form().shortMask); err != nil {
		return err
	}
	k.sendSecret = append([]byte(nil), secret...)
	k.send, err = k.form().newPacketKey(k.suite, l)
	return err
}

// SetRecv gives the secret of the direction in, as TLS has it. It comes once; borrowed. Before that, Open reports false.
func (k *DataKeys) SetRecv(secret []byte) (err error) {
	l := newLabels(k.suite.newHash, secret)
	if k.recvHeader, err = k.form().newHeaderKey(k.suite, l, k.form().shortMask); err != nil {
		return err
	}
	k.recvSecret = append([]byte(nil), secret...)
	k.recv, err = k.form().newPacketKey(k.suite, l)
	return err
}

// Overhead is how many bytes Seal appends.
func (k *DataKeys) Overhead() int { return TagSize }

// Ready reports whether both secrets are known.
func (k *DataKeys) Ready() bool { return k.send != nil && k.recv != nil }

// Room is how many packets may still be sealed. If it is 0, ErrLimit ends the connection: what is left beyond it, sixteen
// packets, is for saying so. It is only 0 if the peer does not follow key updates.
func (k *DataKeys) Room() uint64 {
	used := k.sealed + sealReserve
	if k.sealed >= k.limits.Update && k.mayUpdate() {
		used = sealReserve // the next packet has a new key
	}
	return k.limits.Sealed - min(k.limits.Sealed, used)
}

// Err is what ends the connection: ErrLimit, ErrKeyUpdate, or nil. It is worth a look when Open has reported false.
func (k *DataKeys) Err() error { return k.err }

// Phases are how many key updates there were in each direction.
func (k *DataKeys) Phases() (send, recv uint64) { return k.sendPhase, k.recvPhase }

// Forged is how many packets did not open.
func (k *DataKeys) Forged() uint64 { return k.forged }

// Seal ends a short packet as SealKey does. It may begin a key update. More than Room is a bug, but for a few.
func (k *DataKeys) Seal(b []byte, start, frames int, number uint64) []byte {
	return k.SealFrom(b[:frames], start, b[frames:], number)
}

// SealFrom is Seal of frames that stand elsewhere: b ends with the header. They are read where they are, and written once, behind it.
func (k *DataKeys) SealFrom(b []byte, start int, frames []byte, number uint64) []byte {
	body := len(b)
	n := checkSeal(b[start], body-start, len(frames))
	if k.sealed >= k.limits.Update && k.mayUpdate() {
		k.updateSend()
	}
	if k.sealed >= k.limits.Sealed {
		panic("BUG: a key is used beyond its limit")
	}
	if k.sealed == 0 {
		k.firstSent = number
	}
	k.sealed++
	b[start] |= byte(k.sendPhase&1) * phaseBit
	b = k.send.seal(b, start, frames, number)
	k.sendHeader.protect(b[start:], body-start-n, n)
	return b
}

// Open verifies and decrypts a packet in place, as OpenKey does, and follows the peer's key updates. A packet with reserved
// bits is none that was sent.
func (k *DataKeys) Open(packet []byte, numberAt int, largest uint64, any bool) (number uint64, frames []byte, ok bool) {
	return k.OpenTo(nil, packet, numberAt, largest, any)
}

// OpenTo is Open that decrypts to dst, which is no part of the packet's memory, if that has just the size of the frames; of a packet that
// does not open nothing is left there. Frames of another size are decrypted in place.
func (k *DataKeys) OpenTo(dst, packet []byte, numberAt int, largest uint64, any bool) (number uint64, frames []byte, ok bool) {
	if k.recv == nil || k.err != nil {
		return 0, nil, false
	}
	truncated, n, ok := k.recvHeader.expose(packet, numberAt)
	if !ok {
		return 0, nil, false
	}
	number = wire.DecodeNumber(largest, any, truncated, n)
	phase, key := k.choose(packet[0]&phaseBit != 0, number)
	if len(dst) != len(packet)-numberAt-n-TagSize {
		dst = packet[numberAt+n:]
	}
	if frames, ok = key.open(dst, packet, numberAt+n, number); !ok {
		if k.forged++; k.forged > k.limits.Forged {
			k.err = ErrLimit
		}
		return 0, nil, false
	}
	if packet[0]&reservedBits != 0 || phase > k.recvPhase && !k.follow(number) {
		return 0, nil, false
	}
	k.lastPhase = phase
	if phase == k.recvPhase {
		if k.opened == 0 || number < k.low {
			k.low = number
		}
		k.high = max(k.high, number)
		k.opened++
	}
	return number, frames, true
}

// choose returns the key that a packet has to be opened with. Phases before and after this one share a bit: a number
// below all of this phase is from before. Which key is tried costs the same time, whether it is the right one or not.
func (k *DataKeys) choose(bit bool, number uint64) (phase uint64, key *packetKey) {
	switch {
	case bit == (k.recvPhase&1 != 0):
		return k.recvPhase, k.recv
	case k.prev != nil && (k.opened == 0 || number < k.low):
		return k.recvPhase - 1, k.prev
	case k.next == nil:
		k.makeNext()
	}
	return k.recvPhase + 1, k.next
}

// follow goes to the next phase, in which a packet was opened, and has what is sent follow.
func (k *DataKeys) follow(number uint64) bool {
	// A peer may begin an update once we have acknowledged a packet of this phase, in a packet of this phase (RFC 9001
	// section 6.1). And its numbers rise with its phases (section 6.4).
	if k.sendPhase == k.recvPhase && k.sealed == 0 || k.opened > 0 && number <= k.high {
		k.err = ErrKeyUpdate
		return false
	}
	k.prev, k.recv, k.next = k.recv, k.next, nil
	k.prevTimed = false
	k.recvPhase++
	k.opened, k.high = 0, 0
	if k.sendPhase < k.recvPhase {
		k.updateSend()
	}
	return true
}

// Confirm says that the handshake is confirmed: updates may begin (RFC 9001 section 6.1).
func (k *DataKeys) Confirm() { k.confirmed = true }

// Update begins a key update, unless one is not possible yet, as it reports.
func (k *DataKeys) Update() bool {
	if !k.mayUpdate() {
		return false
	}
	k.updateSend()
	return true
}

// Acked says that the packet that was opened last acknowledges numbers up to largest. It reports false, and Err says why,
// if such a packet cannot do so.
func (k *DataKeys) Acked(largest uint64) bool {
	if k.sealed == 0 || largest < k.firstSent {
		return true
	}
	if k.lastPhase < k.sendPhase {
		k.err = ErrKeyUpdate // the peer has seen the new phase and does not follow (RFC 9001 section 6.2)
		return false
	}
	k.acked = true
	return true
}

// mayUpdate reports whether we may begin an update.
func (k *DataKeys) mayUpdate() bool {
	return k.confirmed && k.acked && !k.paused && k.sendPhase == k.recvPhase
}

func (k *DataKeys) updateSend() {
	k.sendSecret, k.send = k.after(k.sendSecret)
	k.sendPhase++
	k.sealed, k.firstSent, k.acked = 0, 0, false
	k.paused, k.pauseTimed = true, false
}

func (k *DataKeys) makeNext() { k.recvSecret, k.next = k.after(k.recvSecret) }

// after derives the secret and the key that follow a secret.
func (k *DataKeys) after(secret []byte) ([]byte, *packetKey) {
	next := k.form().nextSecret(k.suite, secret)
	key, err := k.form().newPacketKey(k.suite, newLabels(k.suite.newHash, next))
	if err != nil {
		panic("BUG: a secret that TLS had made has a key, its successor none: " + err.Error())
	}
	return next, key
}

// Advance does what is due at now: it gives up old keys three PTO after an update, and prepares for the next. It is to be
// called after packets have come, and at NextTimeout.
func (k *DataKeys) Advance(now, pto time.Duration) {
	if k.prev != nil {
		if !k.prevTimed {
			k.prevTimed, k.prevUntil = true, now+retention*pto
		}
		if now >= k.prevUntil {
			k.prev = nil
		}
	}
	if k.paused && k.acked && k.sendPhase == k.recvPhase {
		if !k.pauseTimed {
			k.pauseTimed, k.pauseUntil = true, now+retention*pto
		}
		if now >= k.pauseUntil && k.prev == nil {
			k.paused = false
		}
	}
	if k.next == nil && k.prev == nil && k.opened >= nextAfter {
		k.makeNext()
	}
}

// NextTimeout is when old keys go, if there are any.
func (k *DataKeys) NextTimeout() (at time.Duration, ok bool) {
	return k.prevUntil, k.prev != nil && k.prevTimed
}

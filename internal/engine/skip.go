package engine

import (
	"math/rand/v2"
	"time"
)

const (
	// firstSkip and lastSkip bound the mean distance of numbers that are left out. It doubles
	// from one to the next: early ones catch whoever cheats from the start, and each costs
	// the receiver a range for a round trip. Who begins to cheat late gets no more than
	// 8192 packets, about 12 MB, before he names one.
	firstSkip = 256
	lastSkip  = 1 << 12
)

// skipState decides which packet numbers are left out. A peer that acknowledges what it has not
// received, to be sent to faster than the path carries (RFC 9000 section 21.4), names one
// of them sooner or later.
type skipState struct {
	rng  rand.PCG
	mean uint64
	at   uint64 // the next number to be left out
}

func (s *skipState) init(seed uint64) {
	s.rng.Seed(seed, 0x736b6970)
	s.mean = firstSkip
	s.next(0)
}

// next draws the distance, uniform up to twice the mean.
func (s *skipState) next(number uint64) {
	s.at = number + 1 + s.rng.Uint64()%(2*s.mean)
	s.mean = min(2*s.mean, lastSkip)
}

// skipNumber leaves the next number out if it is one of those, or if the packet that follows must be acknowledged at once,
// as a peer does with one that comes out of order. Its record counts as lost from the beginning: it is not waited for.
func (s *sentState) skipNumber(now time.Duration, hasten bool) {
	number := s.next
	if number < s.skip.at && !hasten {
		return
	}
	p := s.reserve(now)
	p.flags = neverSent | isLost
	s.push(p)
	s.resolved.Add(number, number+1)
	if number >= s.skip.at {
		s.skip.next(number)
	}
}

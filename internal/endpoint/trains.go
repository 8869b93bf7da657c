package endpoint

import (
	"net/netip"
	"time"
)

// maxVanishing bounds the addresses that vanishingTrains remembers.
const maxVanishing = 1024

// vanishingTrains is the peers' addresses on the way to which trains of packets vanish, until when: the next connection
// there begins without. The zero value is empty.
type vanishingTrains map[netip.Addr]time.Duration

// note takes what a connection has found out about its peer's address. until 0: trains pass.
func (v *vanishingTrains) note(now time.Duration, peer netip.Addr, until time.Duration) {
	if until <= now {
		delete(*v, peer)
		return
	}
	if *v == nil {
		*v = make(vanishingTrains)
	}
	if _, known := (*v)[peer]; !known && len(*v) >= maxVanishing {
		v.makeRoom()
	}
	(*v)[peer] = until
}

// makeRoom forgets the address that would be forgotten first.
func (v *vanishingTrains) makeRoom() {
	var first netip.Addr
	for peer, until := range *v { // order-free: the earliest, of several the least
		if at := (*v)[first]; !first.IsValid() || until < at || until == at && peer.Less(first) {
			first = peer
		}
	}
	delete(*v, first)
}

// until is until when trains to a peer's address vanish. 0: they do not, as far as is known.
func (v *vanishingTrains) until(now time.Duration, peer netip.Addr) time.Duration {
	until := (*v)[peer]
	if until <= now {
		delete(*v, peer)
		return 0
	}
	return until
}

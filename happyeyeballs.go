package ebb

import (
	"context"
	"net/netip"
	"time"
)

// defaultFallbackDelay is net.Dialer's. RFC 8305 section 5 recommends 250 ms, and 100 ms to 2 s.
const defaultFallbackDelay = 300 * time.Millisecond

// interleaved is the addresses with the families in turn, the first one's first (RFC 8305 section 4).
func interleaved(addrs []netip.AddrPort) []netip.AddrPort {
	var families [2][]netip.AddrPort
	for _, a := range addrs {
		f := 0
		if a.Addr().Is4() != addrs[0].Addr().Is4() {
			f = 1
		}
		families[f] = append(families[f], a)
	}
	mixed := make([]netip.AddrPort, 0, len(addrs))
	for i := range addrs {
		for _, f := range families {
			if i < len(f) {
				mixed = append(mixed, f[i])
			}
		}
	}
	return mixed
}

// race tries the addresses side by side: the next begins when the one before has failed, or FallbackDelay later (RFC 8305
// section 5). It returns the first connection, or the error of the first address, when all attempts are over.
func (a *attempts) race(ctx context.Context, addrs []netip.AddrPort) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	delay := a.FallbackDelay
	if delay == 0 {
		delay = defaultFallbackDelay
	}
	type result struct {
		i   int
		c   *conn
		err error
	}
	addrs = interleaved(addrs)
	results := make(chan result, len(addrs))
	next, running := 0, 0
	start := func() {
		i := next
		next, running = next+1, running+1
		go func() {
			c, err := a.try(ctx, addrs[i])
			results <- result{i, c, err}
		}()
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	var won *conn
	errs := make([]error, len(addrs))
	for start(); running > 0; {
		select {
		case r := <-results:
			running--
			errs[r.i] = r.err
			switch {
			case r.err == nil && won == nil:
				won = r.c
				cancel() // and wait for the others, which end at once
			case r.err == nil:
				r.c.Abort()
			}
		case <-timer.C:
		}
		if won == nil && ctx.Err() == nil && next < len(addrs) {
			start()
			timer.Reset(delay)
		}
	}
	if won != nil {
		return won, nil
	}
	return nil, errs[0]
}

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

// sideBySide tries the addresses as race does.
func (a *attempts) sideBySide(ctx context.Context, addrs []netip.AddrPort, try tryAddr) (connection, error) {
	delay := a.FallbackDelay
	if delay == 0 {
		delay = defaultFallbackDelay
	}
	addrs = interleaved(addrs)
	won, _, errs := race(ctx, len(addrs), delay, func(ctx context.Context, i int) (connection, error) { return try(ctx, addrs[i]) })
	return won, errs[0]
}

// race makes n attempts side by side: the next begins when the one before has failed, or delay later unless that is negative (RFC
// 8305 section 5). It returns the first connection, and whose it is, when the other attempts, which are cancelled, are over. If all have failed that is -1, and errs
// says why each did; nil of one that did not begin.
func race(ctx context.Context, n int, delay time.Duration, try func(context.Context, int) (connection, error)) (won connection, winner int, errs []error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		i    int
		made connection
		err  error
	}
	results := make(chan result, n)
	next, running := 0, 0
	timer := time.NewTimer(max(delay, 0))
	defer timer.Stop()
	start := func() {
		i := next
		next, running = next+1, running+1
		go func() {
			made, err := try(ctx, i)
			results <- result{i, made, err}
		}()
		if timer.Reset(max(delay, 0)); delay < 0 {
			timer.Stop()
		}
	}
	winner, errs = -1, make([]error, n)
	for start(); running > 0; {
		select {
		case r := <-results:
			running--
			errs[r.i] = r.err
			switch {
			case r.err == nil && winner < 0:
				won, winner = r.made, r.i
				cancel() // and wait for the others, which end at once
			case r.err == nil:
				r.made.discard()
			}
		case <-timer.C:
		}
		if winner < 0 && ctx.Err() == nil && next < n {
			start()
		}
	}
	if winner >= 0 {
		clear(errs)
	}
	return won, winner, errs
}

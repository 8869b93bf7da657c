package ebb

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb/limits"
)

// attempt is what a scripted attempt of a race does.
type attempt struct {
	takes time.Duration
	err   error
}

// never is an attempt that ends when it is cancelled, and a little later.
var never = attempt{takes: 1000 * time.Hour}

// closeCount is a connection that counts how often it is closed.
type closeCount struct {
	net.Conn
	n atomic.Int32
}

func (c *closeCount) Close() error { c.n.Add(1); return nil }

// An attempt begins when the one before has failed, or the delay is over; the first success ends the race, and the others are over
// before it returns.
func TestRace(t *testing.T) {
	const delay = 250 * time.Millisecond
	failed := errors.New("failed")
	for _, tt := range []struct {
		name   string
		delay  time.Duration
		tries  []attempt
		begins []time.Duration // of each attempt; -1: not at all
		winner int
		took   time.Duration
	}{
		{"the first is quick", delay, []attempt{{takes: 249 * time.Millisecond}, {}}, []time.Duration{0, -1}, 0, 249 * time.Millisecond},
		{"the first is silent", delay, []attempt{never, {takes: 40 * time.Millisecond}}, []time.Duration{0, delay}, 1, 290 * time.Millisecond},
		{"the first fails", delay, []attempt{{10 * time.Millisecond, failed}, {takes: 40 * time.Millisecond}}, []time.Duration{0, 10 * time.Millisecond}, 1, 50 * time.Millisecond},
		{"the first is late, and wins", delay, []attempt{{takes: 300 * time.Millisecond}, never}, []time.Duration{0, delay}, 0, 300 * time.Millisecond},
		{"both fail", delay, []attempt{{400 * time.Millisecond, failed}, {10 * time.Millisecond, failed}}, []time.Duration{0, delay}, -1, 400 * time.Millisecond},
		{"no delay ends the wait", -1, []attempt{{time.Minute, failed}, {}}, []time.Duration{0, time.Minute}, 1, time.Minute},
		{"three, each after the other", delay, []attempt{never, never, {takes: time.Millisecond}}, []time.Duration{0, delay, 2 * delay}, 2, 501 * time.Millisecond},
		{"the delay counts from the last beginning", delay, []attempt{{200 * time.Millisecond, failed}, never, {}},
			[]time.Duration{0, 200 * time.Millisecond, 450 * time.Millisecond}, 2, 450 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				began := make([]time.Duration, len(tt.tries))
				for i := range began {
					began[i] = -1
				}
				var running atomic.Int32
				won, winner, errs := race(t.Context(), len(tt.tries), tt.delay, func(ctx context.Context, i int) (connection, error) {
					began[i] = time.Since(start)
					running.Add(1)
					defer running.Add(-1)
					select {
					case <-time.After(tt.tries[i].takes):
						return connection{tcp: new(closeCount)}, tt.tries[i].err
					case <-ctx.Done():
						return connection{}, ctx.Err()
					}
				})
				if took := time.Since(start); winner != tt.winner || took != tt.took || (won.tcp != nil) != (winner >= 0) {
					t.Errorf("attempt %d wins after %v, want %d after %v", winner, took, tt.winner, tt.took)
				}
				for i, want := range tt.begins {
					if began[i] != want {
						t.Errorf("attempt %d begins after %v, want %v", i, began[i], want)
					}
					if lost := winner < 0; lost != (errs[i] != nil) {
						t.Errorf("the error of attempt %d is %v", i, errs[i])
					}
				}
				if running.Load() != 0 {
					t.Errorf("%d attempts go on", running.Load())
				}
			})
		})
	}
}

// A loser that succeeds after all is closed, and a cancelled context ends the race with nobody beginning any more.
func TestRaceLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := new(closeCount)
		_, winner, _ := race(t.Context(), 2, time.Millisecond, func(ctx context.Context, i int) (connection, error) {
			if i == 0 { // it does not hear that it is cancelled
				time.Sleep(time.Second)
				return connection{tcp: late}, nil
			}
			return connection{tcp: new(closeCount)}, nil
		})
		if winner != 1 || late.n.Load() != 1 {
			t.Errorf("attempt %d wins, and the other is closed %d times", winner, late.n.Load())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var began atomic.Int32
		_, winner, errs := race(ctx, 3, 75*time.Millisecond, func(ctx context.Context, i int) (connection, error) {
			began.Add(1)
			<-ctx.Done()
			return connection{}, ctx.Err()
		})
		if winner >= 0 || began.Load() != 2 || errs[2] != nil || !errors.Is(errs[0], context.DeadlineExceeded) {
			t.Errorf("attempt %d wins of %d that began: %v", winner, began.Load(), errs)
		}
	})
}

// What a Fallback remembers: for how long, of whom, and how much of it.
func TestFallbackMemory(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	peer := limits.PeerOf(netip.MustParseAddr("2001:db8:1:200::1"))
	neighbour := limits.PeerOf(netip.MustParseAddr("2001:db8:1:2ff::2")) // of the same 56 bits
	other := limits.PeerOf(netip.MustParseAddr("2001:db8:1:300::1"))
	var f Fallback
	lasts := func(what string, want time.Duration) {
		t.Helper()
		if want > 0 && !f.tcpFirst(now.Add(want-1), neighbour) || f.tcpFirst(now.Add(want), peer) {
			t.Errorf("%s: TCP does not begin for %v", what, want)
		}
		if f.tcpFirst(now, other) {
			t.Errorf("%s: it holds for another peer", what)
		}
	}
	if f.tcpFirst(now, peer) {
		t.Error("TCP begins where nothing is known")
	}
	f.ebbLost(now, peer, false)
	f.ebbLost(now, peer, false) // by a dial at the same time
	lasts("Ebb has lost", time.Minute)
	for _, want := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
		now = now.Add(time.Hour)
		f.ebbLost(now, peer, false)
		lasts("and again", want*time.Minute)
	}
	f.ebbWon(now, peer)
	lasts("Ebb has won", 0)
	f.ebbLost(now, peer, false)
	lasts("Ebb has lost after it won", time.Minute)
	now = now.Add(2 * time.Hour)
	f.ebbLost(now, peer, false)
	lasts("it was forgotten", time.Minute)

	f = Fallback{}
	for _, want := range []time.Duration{1, 2, 4} { // each time the dial succeeds and the connection does not
		f.ebbWon(now, peer)
		f.ebbLost(now, peer, true)
		f.ebbWon(now, peer) // by a dial that had begun before
		lasts("a connection ended in silence", want*time.Minute)
		now = now.Add(10 * time.Minute)
	}
}

// The memory is bounded, and the newest are in it.
func TestFallbackMemoryIsBounded(t *testing.T) {
	var f Fallback
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	addr := netip.MustParseAddr("10.0.0.0")
	var peers []limits.Peer
	for range 100_000 {
		addr = addr.Next()
		peers = append(peers, limits.PeerOf(addr))
		f.ebbLost(now, peers[len(peers)-1], false)
		if n := len(f.recent) + len(f.older); n > 2*maxDetours {
			t.Fatalf("%d peers are remembered", n)
		}
	}
	for i := range maxDetours {
		if !f.tcpFirst(now, peers[len(peers)-1-i]) {
			t.Fatalf("the last but %d is forgotten", i)
		}
	}
	if f.tcpFirst(now, peers[0]) {
		t.Error("the first is remembered: in what?")
	}
}

package budget

import (
	"slices"
	"testing"
	"time"
)

// grants has n members ask for packets of 1200 bytes over and over, half of them when their wait is over and half
// all the time, and returns who got one, in order.
func grants(t *testing.T, origin time.Duration, n int, span time.Duration) (order []int) {
	t.Helper()
	members := make([]*Member, n)
	next := make([]time.Duration, n)
	p := newTestPool(t, 100_000, 0)
	for i := range members {
		members[i] = join(t, p, 1)
	}
	for now := time.Duration(0); now < span; now += ms {
		for i := range members {
			if next[i] > now {
				continue
			}
			s := members[(i*7)%n].Sending() // any order in which they come
			taken := s.Take(origin+now, 1200)
			if taken == 1200 {
				order = append(order, (i*7)%n)
				s.Report(origin+now, taken, taken, Busy, 50*ms)
				continue
			}
			wait := s.Wait(origin+now, 1200)
			s.Report(origin+now, taken, 0, Throttled, 50*ms)
			if next[i] = now + min(max(wait, 1), 50*ms); i%2 == 0 {
				next[i] = now // it asks all the time
			}
		}
	}
	return order
}

// TestWhoWaitsIsServedInTurn: once their buckets' credit is used up, each of 50 members gets a packet for each that any other
// gets, however often it asks.
func TestWhoWaitsIsServedInTurn(t *testing.T) {
	const n = 50
	order := grants(t, 0, n, time.Minute)
	if want := 60 * 100_000 / 1200; len(order) < want*97/100 {
		t.Fatalf("%d packets in a minute, want about %d", len(order), want)
	}
	order = order[len(order)/2:]
	for round := range len(order)/n - 1 {
		seen := make(map[int]int)
		for _, who := range order[round*n : (round+1)*n] {
			seen[who]++
		}
		for who, times := range seen {
			if times > 2 {
				t.Fatalf("round %d: member %d got %d packets while others wait: %v", round, who, times, seen)
			}
		}
		if len(seen) < n*9/10 {
			t.Fatalf("round %d: only %d of %d members got a packet", round, len(seen), n)
		}
	}
}

// TestTheOriginOfTimeDoesNotMatter: it may lie in the future. These differ by whole slots of the meter.
func TestTheOriginOfTimeDoesNotMatter(t *testing.T) {
	want := grants(t, 0, 5, 10*time.Second)
	for _, origin := range []time.Duration{-1 << 50, -1 << 59, 1 << 59} {
		if got := grants(t, origin, 5, 10*time.Second); !slices.Equal(got, want) {
			t.Errorf("with the origin %v there are %d grants, want %d in the same order", origin, len(got), len(want))
		}
	}
}

package pool

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"example.com/ebb/internal/budget"
	"example.com/ebb/limits"
)

func TestNamedPoolsAreTheProcesss(t *testing.T) {
	first := Named("a test's")
	if again := Named("a test's"); Default() != Named("") || again != first || first == Default() {
		t.Error("a name does not stand for one pool")
	}
	const many = 100
	pools := make([]*Pool, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() { pools[i] = Named(fmt.Sprint("shared ", i%10)) })
	}
	all.Wait()
	for i := range many {
		if pools[i] != pools[i%10] {
			t.Fatalf("%d got another pool of its name", i)
		}
	}
	found := make(map[string]*Pool)
	last := ""
	for name, p := range All() {
		if found[name] = p; name < last {
			t.Errorf("%q comes after %q", name, last)
		}
		last = name
	}
	if found[""] != Default() || found["a test's"] != first {
		t.Errorf("All has %v", found)
	}
	if got := Named("untouched").Rate(); got != Unlimited {
		t.Errorf("a pool without limits has the rate %d", got)
	}
}

// TestAPoolIsWhatItIsMadeOf goes through the methods once: what they do is tested where it is done.
func TestAPoolIsWhatItIsMadeOf(t *testing.T) {
	if Unlimited != budget.Unlimited || MaxTotal != budget.MaxTotal || MaxWeight != budget.MaxWeight || MaxMembers != budget.MaxMembers {
		t.Error("a constant differs")
	}
	if p, err := New(-2, 0); p != nil || err == nil {
		t.Error("a total of -2 is accepted")
	}
	p, err := New(1000, 10)
	if err != nil {
		t.Fatal(err)
	}
	peer := limits.PeerOf(netip.MustParseAddr("192.0.2.7"))
	if _, err := p.Join(peer, MaxWeight+1); err == nil || p.Members() != 0 {
		t.Errorf("a weight above the largest: %v, %d members", err, p.Members())
	}
	m, err := p.Join(peer, 2)
	if err != nil {
		t.Fatal(err)
	}
	if p.Members() != 1 || m.Rate(0) != 1000 || p.Rate() != 1000 {
		t.Errorf("%d members, a rate of %d and %d", p.Members(), m.Rate(0), p.Rate())
	}
	for _, err := range []error{p.SetLimits(4000, 20), p.SetReceiveLimits(5000, 30), p.SetPeerWeight(peer, 3)} {
		if err != nil {
			t.Error(err)
		}
	}
	p.SetStrict(true)
	total, min := p.Limits()
	receive, receiveMin := p.ReceiveLimits()
	if total != 4000 || min != 20 || receive != 5000 || receiveMin != 30 || m.Rate(0) != 4000 {
		t.Errorf("limits of %d and %d, for receiving %d and %d; the member has %d", total, min, receive, receiveMin, m.Rate(0))
	}
	want := Snapshot{
		Members: 1, Total: 4000, MinPerConn: 20, ReceiveTotal: 5000, ReceiveMinPerConn: 30, Rate: 4000, Strict: true,
	}
	if got := p.Snapshot(); got != want {
		t.Errorf("the snapshot is %+v, want %+v", got, want)
	}
	m.Close()
	m.Close()
	if p.Members() != 0 {
		t.Errorf("%d members after the last has left", p.Members())
	}
}

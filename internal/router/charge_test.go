package router

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// limited is the scope of an endpoint whose manager has limits, and nobody on the allowlist.
func limited(t *testing.T, c limits.Config) (*limits.Endpoint, *limits.Manager) {
	t.Helper()
	c.Allow = []netip.Prefix{}
	m, err := limits.New(c)
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Endpoint("", limits.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return e, m
}

// TestAProvenNewcomerHasAPlaceOfTheProcess: where the process's half-open places are taken, by whichever endpoint, a newcomer without a proof
// is met with silence, and one with a proof takes the place of the oldest, which goes back to the books once.
func TestAProvenNewcomerHasAPlaceOfTheProcess(t *testing.T) {
	e, m := limited(t, limits.Config{Process: limits.Limits{HalfOpen: 20, Memory: 64 << 20}})
	c := newCrowd(t, Config{Listening: true, RetryAfter: 21, Limits: e})
	for i := range 20 {
		if in, _ := c.begins(addrIn(byte(i), 1)); !in {
			t.Fatalf("handshake %d is turned away", i)
		}
	}
	c.drops(addrIn(99, 1), initial(dstOf(5), 5, nil), OverLimit)
	c.cfg.RetryAfter = 1
	in, displaced := c.begins(addrIn(100, 1))
	if !in || displaced == nil || c.of[displaced] != addrIn(0, 1) {
		t.Errorf("with a proof: let in %v, in the place of %v", in, c.of[displaced])
	}
	s := m.Snapshot()
	if s.Process.HalfOpen.Used != 20 || s.Opened != 21 || s.Released != 1 || s.ReleasedAgain != 0 {
		t.Errorf("%d half-open, %d opened, %d released, %d again", s.Process.HalfOpen.Used, s.Opened, s.Released, s.ReleasedAgain)
	}
}

// TestWhoBeginsTooManyHasToProve: beyond the handshakes of a second an address is asked for a proof, though there is no load, and with
// it has its own rate.
func TestWhoBeginsTooManyHasToProve(t *testing.T) {
	e, m := limited(t, limits.Config{Peer: limits.Limits{Handshakes: 10}})
	c := newCrowd(t, Config{Listening: true, Limits: e})
	from := addrIn(7, 7)
	for range 15 {
		c.begins(from)
	}
	if n := c.Counters().Retries; n != 0 {
		t.Fatalf("%d were asked for a proof, of handshakes that nobody has completed and anybody may have forged", n)
	}
	var held []*limits.Conn
	for range 25 { // complete, so they are the peer's own
		h, err := e.Inbound(c.now, from.Addr(), false)
		if err != nil {
			break
		}
		if err := h.Establish(c.now); err != nil {
			t.Fatal(err)
		}
		held = append(held, h)
	}
	before := c.Counters().Retries
	if in, _ := c.begins(from); in {
		t.Error("one more is let in at once")
	}
	if c.Counters().Retries != before+1 {
		t.Error("it was not asked for a proof")
	}
	c.now += 5 * time.Second
	if in, _ := c.begins(from); !in {
		t.Error("it is turned away for ever")
	}
	for _, h := range held {
		h.Release()
	}
	if m.Snapshot().ReleasedAgain != 0 {
		t.Error("something was released twice")
	}
}

// TestALimitThatLastsIsTold: who is beyond one is answered BUSY, at the rate of answers, and not asked about.
func TestALimitThatLastsIsTold(t *testing.T) {
	e, _ := limited(t, limits.Config{Process: limits.Limits{Inbound: 1}})
	asked := 0
	s := newScene(t, Config{Listening: true, RetryAfter: -1, Limits: e, Admit: func(netip.AddrPort, bool) error {
		asked++
		return errors.New("no")
	}})
	held, err := e.Inbound(0, alice.Addr(), true)
	if err != nil || held.Establish(0) != nil {
		t.Fatal("the first has no place")
	}
	v := s.get(bob, initial(dstOf(9), 9, nil), Reply)
	if h, f := s.parsed(v.Reply, wire.Seed(wire.Version, 9, dstOf(9))); h.Type != wire.Refuse || f.Code != wire.CodeBusy {
		t.Errorf("answered with %v, code %v", h.Type, f.Code)
	}
	if asked != 0 {
		t.Error("Admit was asked about a connection for which there is no place")
	}
}

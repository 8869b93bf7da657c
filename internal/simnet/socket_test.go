package simnet_test

import (
	"errors"
	"net/netip"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb/internal/simnet"
	"example.com/ebb/internal/udp"
)

// lender is a receiver with one message.
type lender [1]udp.Message

func (l *lender) Lend() []udp.Message { return l[:] }
func (l *lender) Take(int) bool       { return false }

// TestReportsPassThroughSockets: what transports read with hands on who is unreachable, with the quoted datagram, as
// an error after which it receives on.
func TestReportsPassThroughSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.NewNetwork(1)
		defer n.Close()
		n.SetICMP(true)
		a, b := n.Host("10.0.0.1"), n.Host("10.0.0.2")
		n.Connect(a, b, simnet.LinkConfig{Delay: 10 * time.Millisecond}, simnet.LinkConfig{Delay: 10 * time.Millisecond})
		pa, err := a.ListenPacket(1)
		if err != nil {
			t.Fatal(err)
		}
		s, err := udp.New(pa, udp.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		to := netip.MustParseAddrPort("10.0.0.2:2")
		if _, err := pa.WriteToUDPAddrPort([]byte("hello"), to); err != nil {
			t.Fatal(err)
		}
		err = s.Receive(&lender{{Buf: make([]byte, 1500)}})
		var u *simnet.Unreachable
		if !errors.As(err, &u) || u.To != to || string(u.Quoted) != "hello" || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("Receive: %v (%+v), want a report for %v that quotes hello", err, u, to)
		}
		if !udp.IsTemporary(err) {
			t.Errorf("%v ends the socket", err)
		}
		pb, err := b.ListenPacket(2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pb.WriteToUDPAddrPort([]byte("here I am"), netip.MustParseAddrPort("10.0.0.1:1")); err != nil {
			t.Fatal(err)
		}
		if err := s.Receive(&lender{{Buf: make([]byte, 1500)}}); err != nil {
			t.Errorf("Receive after the report: %v", err)
		}
	})
}

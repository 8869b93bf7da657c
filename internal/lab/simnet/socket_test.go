package simnet_test

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/internal/udp"
)

// lender is a receiver with one message, which wants one thing.
type lender struct {
	message [1]udp.Message
	taken   int
	reports []udp.Report
}

func newLender() *lender { return &lender{message: [1]udp.Message{{Buf: make([]byte, 1500)}}} }

func (l *lender) Lend() []udp.Message { return l.message[:] }

func (l *lender) Take(n int) bool {
	l.taken += n
	return n == 0
}

func (l *lender) Report(rs []udp.Report) bool {
	l.reports = append(l.reports, rs...)
	return false
}

// TestReportsPassThroughSockets: what transports read with reports who is unreachable, with the quoted datagram, and
// receives on.
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
		l := newLender()
		err = s.Receive(l)
		if err != nil || len(l.reports) != 1 || l.reports[0].Remote != to || l.reports[0].Kind != udp.PortUnreachable || string(l.reports[0].Quoted) != "hello" {
			t.Fatalf("Receive: %v, reports %+v, want one for %v that quotes hello", err, l.reports, to)
		}
		pb, err := b.ListenPacket(2)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pb.WriteToUDPAddrPort([]byte("here I am"), netip.MustParseAddrPort("10.0.0.1:1")); err != nil {
			t.Fatal(err)
		}
		if err := s.Receive(l); err != nil || l.taken != 1 {
			t.Errorf("Receive after the report: %v, %d datagrams", err, l.taken)
		}
	})
}

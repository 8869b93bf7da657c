package simnet

import (
	"errors"
	"net"
	"testing"
	"time"
)

func loopback(t *testing.T) *net.UDPConn {
	t.Helper()
	pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	return pc
}

func TestWrap(t *testing.T) {
	to := loopback(t)
	w := Wrap(loopback(t), LinkConfig{
		Delay: 20 * ms, Duplicate: 1,
		Drop: func(n int, _ []byte) bool { return n == 1 },
	}, 1)
	start := time.Now()
	b, addr := []byte{0}, *to.LocalAddr().(*net.UDPAddr)
	for i := range 3 {
		b[0] = byte(i)
		if _, err := w.WriteTo(b, &addr); err != nil {
			t.Fatal(err)
		}
	}
	// The caller's memory is its own again.
	b[0], addr.Port = 9, 1
	to.SetReadDeadline(time.Now().Add(10 * time.Second))
	for _, want := range []byte{0, 0, 2, 2} {
		got := make([]byte, 10)
		n, src, err := to.ReadFrom(got)
		if err != nil {
			t.Fatal(err)
		}
		if n != 1 || got[0] != want || src.String() != w.LocalAddr().String() {
			t.Errorf("received %v from %v, want %v", got[:n], src, want)
		}
	}
	if took := time.Since(start); took < 20*ms {
		t.Errorf("arrived after %v, want 20ms at least", took)
	}
	if link, failed := w.Stats(); link.Sent != 3 || link.Scripted != 1 || failed != 0 {
		t.Errorf("stats %+v, %d failed", link, failed)
	}
}

func TestWrapClose(t *testing.T) {
	to := loopback(t)
	w := Wrap(loopback(t), LinkConfig{Delay: time.Minute}, 1)
	if _, err := w.WriteTo([]byte{1}, to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if n := w.line.len(); n != 0 {
		t.Errorf("%d datagrams still on the way", n)
	}
	if _, err := w.WriteTo([]byte{1}, to.LocalAddr()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}

func TestWrapCountsFailures(t *testing.T) {
	w := Wrap(loopback(t), LinkConfig{}, 1)
	defer w.Close()
	if _, err := w.WriteTo(make([]byte, 70_000), w.LocalAddr()); err != nil {
		t.Fatalf("the link has no limit: %v", err)
	}
	if _, failed := w.Stats(); failed != 1 {
		t.Errorf("%d failed, want 1", failed)
	}
	w.SetLink(LinkConfig{MTU: 1500})
	if _, err := w.WriteTo(make([]byte, 70_000), w.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if link, failed := w.Stats(); failed != 1 || link.TooLarge != 1 {
		t.Errorf("stats %+v, %d failed", link, failed)
	}
}

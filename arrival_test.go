package ebb_test

import (
	"io"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/congestion"
)

// lateReader is a congestion controller that keeps its connection's reader from coming back, when there are packets that
// the peer has not acknowledged, until the peer has all of them and twenty times the least round trip have passed. It does so again
// until what it sees next is a round trip shorter than its delay: of a packet that was sent before the delay, and of
// which the ACK was read after it.
type lateReader struct {
	congestion.Base
	size int
	sent uint64

	mu     sync.Mutex
	least  time.Duration
	tries  int
	peer   *ebb.Conn     // who is to receive them; nil: wait for nobody
	late   time.Duration // for how long it has waited
	sample time.Duration // the first round trip after that
}

func (c *lateReader) OnSend(time.Duration, congestion.SendEvent) { c.sent++ }

func (c *lateReader) OnAck(_ time.Duration, e congestion.AckEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.RTT > 0 && (c.least == 0 || e.RTT < c.least) {
		c.least = e.RTT
	}
	switch {
	case c.late > 0 && c.sample == 0:
		if c.sample = e.RTT; c.sample >= c.late && c.tries < 50 { // the ACK came later
			c.late, c.sample = 0, 0
		}
	case c.peer != nil && c.late == 0 && e.InFlight > 0 && c.least > 0:
		c.tries++
		start := time.Now()
		// Longer from try to try, and in the end than an ACK may wait.
		for c.late = 0; c.late < time.Duration(20*c.tries)*c.least || c.peer.Info().PacketsReceived < c.sent && c.late < patience; c.late = time.Since(start) {
			runtime.Gosched()
		}
	}
}

func (c *lateReader) Window() int                    { return 40 * c.size }
func (c *lateReader) PacingRate(time.Duration) int64 { return 0 }
func (c *lateReader) Stats() congestion.Stats        { return congestion.Stats{Name: "late reader"} }

// TestLateReadersAreNoQueue: what the peer has said while nobody read counts from when it arrived, over real sockets of both
// families.
func TestLateReadersAreNoQueue(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := (&ebb.ListenConfig{Config: inMode(nil)}).Listen(t.Context(), "udp", address)
		if err != nil {
			t.Logf("%s: %v", address, err)
			continue
		}
		defer l.Close()
		notes := new(lateReader)
		cfg := &ebb.Config{BandwidthLimit: ebb.Unlimited, Congestion: func(p congestion.Params) congestion.Controller {
			notes.size = p.MaxDatagramSize
			return notes
		}}
		// A socket on loopback does not ask the kernel for times: see SocketInfo.Stamps.
		c, err := endpointOn(t, "udp", ":0", cfg).DialAddr(t.Context(), l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		s := accept(t, l.(*ebb.Listener))
		go io.Copy(io.Discard, s)
		if !c.Info().Socket.Stamps {
			if runtime.GOOS == "linux" && c.Info().Socket.Batch {
				t.Error("no stamps on Linux")
			}
			t.Logf("%s: the system does not say when a datagram arrived", address)
			continue
		}
		write(t, c, "the first round trip")
		eventually(t, "a sample", func() bool { return c.Info().MinRTT > 0 && c.Info().InFlight == 0 })
		notes.mu.Lock()
		notes.peer = s
		notes.mu.Unlock()
		done := func() bool { notes.mu.Lock(); defer notes.mu.Unlock(); return notes.sample > 0 }
		c.SetWriteDeadline(time.Now().Add(patience))
		for b := make([]byte, 64<<10); !done(); {
			if _, err := c.Write(b); err != nil {
				t.Fatal(err)
			}
		}
		notes.mu.Lock()
		late, sample, least, tries := notes.late, notes.sample, notes.least, notes.tries
		notes.mu.Unlock()
		if sample >= late {
			t.Errorf("%s: a reader that came %v late has seen a round trip of %v", address, late, sample)
		}
		t.Logf("%v: %v late, round trip %v, least %v, after %d tries", netip.MustParseAddrPort(address).Addr(), late, sample, least, tries)
	}
}

// dialAny is a connection to an address of any family that closes with the test.
func dialAny(t *testing.T, address string, cfg *ebb.Config) *ebb.Conn {
	t.Helper()
	d := ebb.Dialer{Config: inMode(cfg), Timeout: patience}
	c, err := d.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*ebb.Conn)
}

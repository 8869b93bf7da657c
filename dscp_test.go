package ebb_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"example.com/ebb"
	"example.com/ebb/congestion"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/internal/udp"
	"example.com/ebb/wire"
)

// witness passes on what a dialler and a listener send each other, over a socket for each, and counts by its DSCP what comes
// from the dialler. It knows the header's byte, which a socket of package net does not show.
type witness struct {
	near, far *udp.Socket // towards the dialler, towards the listener
	receivers sync.WaitGroup

	mu     sync.Mutex
	dialer netip.AddrPort
	long   map[uint8]int // packets of the handshake
	data   map[uint8]int // packets of more than 1000 bytes
	small  map[uint8]int
}

// newWitness stands before a listener's address. It is nil where the system does not show the byte.
func newWitness(t *testing.T, listener *net.UDPAddr) *witness {
	t.Helper()
	w := &witness{long: make(map[uint8]int), data: make(map[uint8]int), small: make(map[uint8]int)}
	opt := udp.Options{NoGRO: true}
	var err error
	if w.far, err = udp.Dial("udp", nil, listener, opt); err != nil {
		t.Fatal(err)
	}
	if w.near, err = udp.Listen("udp", &net.UDPAddr{IP: listener.IP}, opt); err != nil {
		t.Fatal(err)
	}
	w.receivers.Add(2)
	go w.pass(w.near, func(m *udp.Message) *udp.Socket { w.note(m); m.Remote = w.far.Remote(); return w.far })
	go w.pass(w.far, func(m *udp.Message) *udp.Socket { m.Remote = w.dialler(); return w.near })
	t.Cleanup(func() {
		w.near.Close()
		w.far.Close()
		w.receivers.Wait()
	})
	return w
}

// note counts a packet of the dialler.
func (w *witness) note(m *udp.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dialer = m.Remote
	switch {
	case wire.IsLong(m.Buf[:m.N]):
		w.long[m.DSCP]++
	case m.N > 1000:
		w.data[m.DSCP]++
	default:
		w.small[m.DSCP]++
	}
}

func (w *witness) dialler() netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dialer
}

// pass reads one socket until it is closed and writes to another.
func (w *witness) pass(from *udp.Socket, route func(*udp.Message) *udp.Socket) {
	defer w.receivers.Done()
	r := &passer{route: route, ms: make([]udp.Message, 32)}
	for i := range r.ms {
		r.ms[i].Buf = make([]byte, 2048)
	}
	for !errors.Is(from.Receive(r), net.ErrClosed) {
	}
}

// passer is the witness's udp.Receiver.
type passer struct {
	route func(*udp.Message) *udp.Socket
	ms    []udp.Message
}

func (r *passer) Lend() []udp.Message      { return r.ms }
func (r *passer) Report([]udp.Report) bool { return true }

func (r *passer) Take(n int) bool {
	for i := range r.ms[:n] {
		m := &r.ms[i]
		to := r.route(m)
		m.Local = netip.Addr{}
		to.Write(r.ms[i : i+1]) // what it does not take is lost
	}
	return true
}

// TestServiceOfYieldingConnections: over real sockets of both families, packets of data of a connection that yields ask for Lower
// Effort, its handshake does not, and neither does anything of one that competes, or that is told not to.
func TestServiceOfYieldingConnections(t *testing.T) {
	const le = 1
	tests := []struct {
		name string
		cfg  ebb.Config
		want uint8
	}{
		{"default", ebb.Config{}, le},
		{"competing", ebb.Config{Congestion: cubic.Factory()}, 0},
		{"of the program", ebb.Config{Congestion: func(p congestion.Params) congestion.Controller { return newAIMD(p) }}, 0},
		{"none", ebb.Config{DSCP: -1}, 0},
		{"one that was chosen", ebb.Config{DSCP: 46, Congestion: cubic.Factory()}, 46},
		{"without ECN", ebb.Config{NoECN: true}, le},
	}
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		for _, test := range tests {
			t.Run(address+"/"+test.name, func(t *testing.T) {
				l, err := (&ebb.ListenConfig{Config: inMode(nil)}).Listen(t.Context(), "udp", address)
				if err != nil {
					t.Skip(err)
				}
				defer l.Close()
				w := newWitness(t, l.Addr().(*net.UDPAddr))
				if !w.near.Info().ECN {
					t.Skip("the system does not show the byte of the header")
				}
				cfg := test.cfg
				cfg.BandwidthLimit = 5_000_000
				c := dialAny(t, w.near.LocalAddr().String(), &cfg)
				s := accept(t, l.(*ebb.Listener))
				go func() { c.Write(make([]byte, 2<<20)); c.CloseWrite() }()
				if n, err := io.Copy(io.Discard, s); n != 2<<20 || err != nil {
					t.Fatalf("%d bytes arrived, %v", n, err)
				}
				want := test.want
				if !c.Info().Socket.ECN { // a mode in which the byte is not set
					want = 0
				}
				w.mu.Lock()
				defer w.mu.Unlock()
				for d, n := range w.data {
					if d != want && (d != 0 || n > 300) {
						t.Errorf("%d packets of data with DSCP %d, want %d", n, d, want)
					}
				}
				if w.data[want] < 1000 || w.long[0] == 0 || len(w.long) != 1 {
					t.Errorf("by DSCP: packets of data %v, of the handshake %v, others %v", w.data, w.long, w.small)
				}
				if got := c.Info().DSCP; got != int(test.want) {
					t.Errorf("Info says %d, want %d", got, test.want)
				}
			})
		}
	}
}

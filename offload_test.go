package ebb_test

import (
	"net"
	"net/netip"
	"runtime"
	"testing"

	"example.com/ebb"
	"example.com/ebb/internal/udp"
)

// TestOffloadSwitches moves data in every mode of a socket, and looks at what
// it says of itself.
func TestOffloadSwitches(t *testing.T) {
	if offload.name != "all" {
		t.Skip("-offload is a switch itself")
	}
	leavesNothing(t)
	linux := runtime.GOOS == "linux"
	tests := []struct {
		name            string
		config          ebb.Config
		batch, gso, gro bool // on Linux
	}{
		{"default", ebb.Config{}, true, true, true},
		{"NoGSO", ebb.Config{NoGSO: true}, true, false, true},
		{"NoGRO", ebb.Config{NoGRO: true}, true, true, false},
		{"NoGSO and NoGRO", ebb.Config{NoGSO: true, NoGRO: true}, true, false, false},
		{"NoBatch", ebb.Config{NoBatch: true}, false, false, false},
		{"NoECN", ebb.Config{NoECN: true}, true, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.BandwidthLimit = ebb.Unlimited
			check := func(who string, e *ebb.Endpoint) {
				s := e.Info().Socket
				if s.Batch != (tt.batch && linux) || s.GSO != (tt.gso && linux) || s.GRO != (tt.gro && linux) {
					t.Errorf("%s: Batch, GSO, GRO = %v, %v, %v", who, s.Batch, s.GSO, s.GRO)
				}
			}
			lc := ebb.ListenConfig{Config: &tt.config}
			nl, err := lc.Listen(t.Context(), "udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer nl.Close()
			l := nl.(*ebb.Listener)
			check("Listen", l.Endpoint())
			e := endpoint(t, &tt.config)
			check("NewEndpoint", e)

			d := ebb.Dialer{Config: &tt.config}
			nc, err := d.Dial("udp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			c, s := nc.(*ebb.Conn), accept(t, l)
			delivers(t, c, s, 4<<20)
			if got, want := c.Info().ECN, !tt.config.NoECN && e.Info().Socket.ECN; got != want {
				t.Errorf("packets are marked as ECN-capable: %v", got)
			}
			c.Close()
			s.Close()

			readsOf(t, l.Endpoint().Info().Socket, tt.gso && tt.gro && linux, tt.batch)
		})
	}
}

// readsOf compares the reads of a socket with what they brought: a train that gets through whole is read
// in one piece, and without batches every read brings one datagram.
func readsOf(t *testing.T, i ebb.SocketInfo, trains, batch bool) {
	t.Helper()
	if whole := i.DatagramsReceived > 5*i.CallsReceived; trains && !whole {
		t.Errorf("%d datagrams in %d reads", i.DatagramsReceived, i.CallsReceived)
	}
	if !batch && i.DatagramsReceived != i.CallsReceived {
		t.Errorf("%d datagrams in %d reads, want as many", i.DatagramsReceived, i.CallsReceived)
	}
}

// TestForeignTrain: what arrives joined goes to the hook apart.
func TestForeignTrain(t *testing.T) {
	leavesNothing(t)
	got := make(chan string, 10)
	e := endpoint(t, &ebb.Config{Foreign: func(b []byte, _ net.Addr) { got <- string(b) }})
	sock, err := udp.Dial("udp", nil, net.UDPAddrFromAddrPort(addrPort(e.Addr())), udp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sock.Close()
	b := []byte("one..two..three")
	if _, err := sock.Write([]udp.Message{{Buf: b, N: len(b), SegmentSize: 5, Remote: netip.AddrPort{}}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"one..", "two..", "three"} {
		if s := <-got; s != want {
			t.Errorf("got %q, want %q", s, want)
		}
	}
	if n := e.Info().Foreign; n != 3 {
		t.Errorf("%d foreign datagrams are counted, want 3", n)
	}
}

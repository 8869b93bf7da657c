package simnet

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// natted is a server and a host behind a NAT.
func natted(t *testing.T, n *Network, cfg NATConfig) (server *PacketConn, nat *NAT, inside *PacketConn) {
	t.Helper()
	s := n.Host("10.0.0.1")
	nat = n.NAT(cfg, "192.0.2.1")
	h := nat.Host("192.168.0.2")
	n.Connect(h, s, LinkConfig{Delay: 10 * ms}, LinkConfig{Delay: 10 * ms})
	return listen(t, s, 443), nat, listen(t, h, 5000)
}

func TestNATBindings(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		server, nat, inside := natted(t, n, NATConfig{BindingTimeout: 30 * time.Second})
		send(t, inside, "10.0.0.1:443", "a")
		outside := wantDatagram(t, server, "a")
		if outside != "192.0.2.1:49152" {
			t.Fatalf("from %s, want the NAT's", outside)
		}
		send(t, server, outside, "b")
		if src := wantDatagram(t, inside, "b"); src != "10.0.0.1:443" {
			t.Errorf("from %s", src)
		}

		// Sent every 29 s from inside, it lives.
		for range 3 {
			time.Sleep(29*time.Second - 10*ms)
			send(t, inside, "10.0.0.1:443", "c")
			if src := wantDatagram(t, server, "c"); src != outside {
				t.Fatalf("a live binding moved to %s", src)
			}
		}
		// What comes from outside does not refresh it: after 20 s yes, after 40 s no.
		time.Sleep(20 * time.Second)
		send(t, server, outside, "d")
		wantDatagram(t, inside, "d")
		time.Sleep(20 * time.Second)
		send(t, server, outside, "e")
		wantSilence(t, inside)

		// The next from inside has another port, and the old one stays dead.
		send(t, inside, "10.0.0.1:443", "f")
		if src := wantDatagram(t, server, "f"); src != "192.0.2.1:49153" {
			t.Errorf("from %s, want another port", src)
		}
		send(t, server, outside, "g")
		wantSilence(t, inside)
		if diff := cmp.Diff(NATStats{Bound: 2, Expired: 1, Unknown: 2}, nat.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

// The binding's last moment is the last one before the timeout.
func TestNATTimeoutIsExact(t *testing.T) {
	for _, tt := range []struct {
		wait  time.Duration
		alive bool
	}{{30*time.Second - 1, true}, {30 * time.Second, false}} {
		bubble(t, func(t *testing.T, n *Network) {
			server, _, inside := natted(t, n, NATConfig{})
			send(t, inside, "10.0.0.1:443", "a")
			outside := wantDatagram(t, server, "a") // 10 ms later; the answer takes 10 more
			time.Sleep(tt.wait - 20*ms)
			send(t, server, outside, "b")
			time.Sleep(10 * ms)
			synctest.Wait()
			if got := inside.Stats().Received == 1; got != tt.alive {
				t.Errorf("after %v: alive %v, want %v", tt.wait, got, tt.alive)
			}
		})
	}
}

func TestNATRebind(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		server, nat, inside := natted(t, n, NATConfig{})
		send(t, inside, "10.0.0.1:443", "a")
		before := wantDatagram(t, server, "a")
		nat.Rebind()
		send(t, server, before, "b")
		wantSilence(t, inside)
		send(t, inside, "10.0.0.1:443", "c")
		after := wantDatagram(t, server, "c")
		if after == before {
			t.Errorf("the binding is still %s", after)
		}
		send(t, server, after, "d")
		wantDatagram(t, inside, "d")
	})
}

func TestNATFilter(t *testing.T) {
	tests := []struct {
		filter                   Behavior
		otherPort, otherHost     bool // may come in
		afterPort, afterContact2 bool // after the inside has sent to the other host's port
	}{
		{EndpointIndependent, true, true, true, true},
		{AddressDependent, true, false, true, true},
		{AddressAndPortDependent, false, false, false, true},
	}
	for _, tt := range tests {
		bubble(t, func(t *testing.T, n *Network) {
			server, nat, inside := natted(t, n, NATConfig{Filter: tt.filter})
			other := n.Host("10.0.0.3")
			n.Connect(nat.Public(), other, LinkConfig{}, LinkConfig{})
			port := listen(t, n.Host("10.0.0.1"), 444)
			stranger, stranger2 := listen(t, other, 7), listen(t, other, 8)
			send(t, inside, "10.0.0.1:443", "a")
			outside := wantDatagram(t, server, "a")

			try := func(what string, from *PacketConn, want bool) {
				t.Helper()
				before := inside.Stats().Received
				send(t, from, outside, "x")
				time.Sleep(10 * ms)
				synctest.Wait()
				if got := inside.Stats().Received > before; got != want {
					t.Errorf("filter %d: %s comes in: %v, want %v", tt.filter, what, got, want)
				}
			}
			try("the server", server, true)
			try("another port of it", port, tt.otherPort)
			try("another host", stranger, tt.otherHost)
			send(t, inside, "10.0.0.3:8", "hello")
			wantDatagram(t, stranger2, "hello")
			try("another host's other port", stranger, tt.afterPort)
			try("whom the inside spoke to", stranger2, tt.afterContact2)
		})
	}
}

func TestNATInside(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		server, nat, one := natted(t, n, NATConfig{})
		two := listen(t, nat.Host("192.168.0.3"), 5000)

		send(t, one, "192.168.0.3:5000", "direct")
		if src := wantDatagram(t, two, "direct"); src != "192.168.0.2:5000" {
			t.Errorf("direct from %s", src)
		}
		// Two hosts with the same port have different ones outside.
		send(t, one, "10.0.0.1:443", "one")
		outOne := wantDatagram(t, server, "one")
		send(t, two, "10.0.0.1:443", "two")
		outTwo := wantDatagram(t, server, "two")
		if outOne == outTwo {
			t.Errorf("both are %s", outOne)
		}
		send(t, one, outTwo, "hairpin")
		if src := wantDatagram(t, two, "hairpin"); src != outOne {
			t.Errorf("hairpin from %s, want %s", src, outOne)
		}
		// Another NAT has the same address inside.
		far := n.NAT(NATConfig{}, "192.0.2.9").Host("192.168.0.3")
		n.Connect(far, n.Host("10.0.0.1"), LinkConfig{}, LinkConfig{})
		send(t, listen(t, far, 5000), "10.0.0.1:443", "far")
		if src := wantDatagram(t, server, "far"); src != "192.0.2.9:49152" {
			t.Errorf("far from %s", src)
		}
	})
}

// A NAT that runs out of ports takes those whose time is over, and drops what
// has none.
func TestNATPorts(t *testing.T) {
	bubble(t, func(t *testing.T, n *Network) {
		server, nat, _ := natted(t, n, NATConfig{})
		server.SetReadBuffer(1 << 20)
		inside := nat.Host("192.168.0.2")
		const ports = 1<<16 - firstEphemeral
		open := func(from, count int) {
			for i := range count {
				send(t, listen(t, inside, uint16(from+i)), "10.0.0.1:443", "x")
			}
		}
		open(10_000, ports)
		if got := n.Stats().NoRoute; got != 0 {
			t.Fatalf("%d dropped with ports left", got)
		}
		open(30_000, 1)
		if got := n.Stats().NoRoute; got != 1 {
			t.Errorf("%d dropped without ports, want 1", got)
		}
		time.Sleep(DefaultBindingTimeout)
		open(30_001, 1)
		want := NATStats{Bound: ports + 1, Expired: ports}
		if diff := cmp.Diff(want, nat.Stats()); diff != "" {
			t.Errorf("stats (-want +got):\n%s", diff)
		}
	})
}

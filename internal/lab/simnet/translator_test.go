package simnet

import (
	"slices"
	"testing"
	"time"
)

func newTestTranslator(cfg NATConfig) translator {
	next := ephemeral(firstEphemeral)
	return newTranslator(cfg, func() uint16 { return next.take(func(uint16) bool { return false }) })
}

// TestMappingDependsOnThePeer: as much of it as RFC 4787 section 4.1 says gets a port of its own.
func TestMappingDependsOnThePeer(t *testing.T) {
	peers := []string{"10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1", "10.0.0.1:1"}
	for mapping, want := range map[Behavior][]uint16{
		EndpointIndependent:     {49152, 49152, 49152, 49152},
		AddressDependent:        {49152, 49152, 49153, 49152},
		AddressAndPortDependent: {49152, 49153, 49154, 49152},
	} {
		nat := newTestTranslator(NATConfig{Mapping: mapping})
		for i, peer := range peers {
			if got := nat.outbound(0, addr("192.168.0.2:5000"), addr(peer)); got != want[i] {
				t.Errorf("mapping %d: to %s from %d, want %d", mapping, peer, got, want[i])
			}
		}
		if got, want := nat.outbound(0, addr("192.168.0.3:5000"), addr(peers[0])), slices.Max(want)+1; got != want {
			t.Errorf("mapping %d: another host leaves from %d, want %d", mapping, got, want)
		}
		for i, peer := range peers { // every one of them leads back inside
			if got := nat.inbound(0, addr(peer), want[i]); got != addr("192.168.0.2:5000") {
				t.Errorf("mapping %d: from %s to %d goes to %v", mapping, peer, want[i], got)
			}
		}
	}
}

// TestFilterHoldsForEachBinding: a port that was made for one peer does not let in another that the same inside
// address has spoken to from another port.
func TestFilterHoldsForEachBinding(t *testing.T) {
	nat := newTestTranslator(NATConfig{Mapping: AddressAndPortDependent, Filter: AddressAndPortDependent})
	inside, one, two := addr("192.168.0.2:5000"), addr("10.0.0.1:1"), addr("10.0.0.2:1")
	port1, port2 := nat.outbound(0, inside, one), nat.outbound(0, inside, two)
	for _, tt := range []struct {
		port uint16
		ok   bool
	}{{port1, true}, {port2, false}} {
		if got := nat.inbound(0, one, tt.port).IsValid(); got != tt.ok {
			t.Errorf("the first peer comes in by %d: %v, want %v", tt.port, got, tt.ok)
		}
	}
	if nat.stats != (NATStats{Bound: 2, Filtered: 1}) {
		t.Errorf("stats %+v", nat.stats)
	}
}

// TestInboundRefreshes: if it is to, and only what is let in.
func TestInboundRefreshes(t *testing.T) {
	inside, peer, stranger := addr("192.168.0.2:5000"), addr("10.0.0.1:1"), addr("10.0.0.2:1")
	for _, tt := range []struct {
		refresh bool
		from    string
		alive   bool
	}{{true, peer.String(), true}, {true, stranger.String(), false}, {false, peer.String(), false}} {
		nat := newTestTranslator(NATConfig{BindingTimeout: 30 * time.Second, RefreshInbound: tt.refresh, Filter: AddressDependent})
		port := nat.outbound(0, inside, peer)
		nat.inbound(20*time.Second, addr(tt.from), port)
		if got := nat.inbound(40*time.Second, peer, port).IsValid(); got != tt.alive {
			t.Errorf("refresh %v, from %s: alive %v, want %v", tt.refresh, tt.from, got, tt.alive)
		}
	}
}

package udp

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
)

// TestCanonical: an address that came from the system and one that a user has typed are equal if they are the same.
func TestCanonical(t *testing.T) {
	all, err := net.Interfaces()
	if err != nil || len(all) == 0 {
		t.Fatal(all, err)
	}
	one := all[0]
	for _, tt := range []struct{ give, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"2001:db8::1", "2001:db8::1"},
		{"fe80::1", "fe80::1"},
		{"fe80::1%" + one.Name, "fe80::1%" + one.Name},
		{"fe80::1%" + strconv.Itoa(one.Index), "fe80::1%" + one.Name},
		{"fe80::1%none", "fe80::1%none"},
		{"::1%" + one.Name, "::1"},
		{"2001:db8::1%none", "2001:db8::1"},
	} {
		got := Canonical(netip.AddrPortFrom(netip.MustParseAddr(tt.give), 7))
		if want := netip.AddrPortFrom(netip.MustParseAddr(tt.want), 7); got != want {
			t.Errorf("%s: %v, want %v", tt.give, got, want)
		}
	}
}

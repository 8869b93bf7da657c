package udp

import (
	"net"
	"net/netip"
	"strconv"
)

// Canonical returns an address whose zone is the name of a network interface, as package net has it of what it receives, and
// not its number, which users may give as well: addresses are compared. A zone that is neither stays as it is. Only an address of
// a link has one (RFC 4007 section 6): the system ignores that of any other, and does not say it of what it receives.
func Canonical(a netip.AddrPort) netip.AddrPort {
	zone := a.Addr().Zone()
	if zone != "" && !a.Addr().IsLinkLocalUnicast() {
		return netip.AddrPortFrom(a.Addr().WithZone(""), a.Port())
	}
	if zone == "" || zone[0] < '0' || zone[0] > '9' {
		return a
	}
	if _, err := net.InterfaceByName(zone); err == nil {
		return a
	}
	index, err := strconv.Atoi(zone)
	if err != nil {
		return a
	}
	name := strconv.Itoa(index)
	if i, err := net.InterfaceByIndex(index); err == nil {
		name = i.Name
	}
	return netip.AddrPortFrom(a.Addr().WithZone(name), a.Port())
}

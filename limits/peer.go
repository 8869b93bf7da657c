package limits

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"net/netip"
)

// Peer is who a limit, or a share of a pool, is for: an IPv4 address, an IPv6 prefix of 56 bits, or an identity. It can be
// compared with == and be the key of a map. The zero Peer is nobody in particular: it has no scope, and no limit of
// a peer holds for it.
//
// IPv6 is counted by prefix because a customer is given a whole one (RFC 6177: 56 bits and up): who has one address
// has 2^72, and a limit per address would be none.
type Peer struct {
	kind peerKind
	id   [32]byte // an address fills it from the left
}

// peerKind is what the bytes of a Peer mean.
type peerKind uint8

const (
	nobody peerKind = iota
	address4
	address6
	network4
	network6
	identity
)

// The lengths of prefixes, in bits. A network is 256 peers in both families.
const (
	peerBits6    = 56
	networkBits4 = 24
	networkBits6 = 48
)

// PeerOf is the peer with an address. IPv4 in IPv6 is IPv4, a zone does not matter, and no address is nobody.
func PeerOf(addr netip.Addr) Peer {
	addr = addr.Unmap()
	switch {
	case addr.Is4():
		return keep(address4, addr, 32)
	case addr.Is6():
		return keep(address6, addr, peerBits6)
	}
	return Peer{}
}

// IdentityOf is the peer with an identity that was proved: a public key, or the hash of one. Whoever passes something else, a
// name that the peer has merely said, lets it be as many peers as it likes.
func IdentityOf(id [32]byte) Peer { return Peer{identity, id} }

func keep(kind peerKind, addr netip.Addr, bits int) Peer {
	p := Peer{kind: kind}
	prefix := netip.PrefixFrom(addr, bits).Masked()
	copy(p.id[:], prefix.Addr().AsSlice())
	return p
}

// Network is the network that a peer belongs to, IPv4 /24 or IPv6 /48: who has one address often has its neighbours. That of an
// identity, and of nobody, is nobody.
func (p Peer) Network() Peer {
	switch p.kind {
	case address4:
		return keep(network4, p.addr(), networkBits4)
	case address6:
		return keep(network6, p.addr(), networkBits6)
	}
	return Peer{}
}

// addr is the first address of a peer or a network.
func (p Peer) addr() netip.Addr {
	switch p.kind {
	case address4, network4:
		return netip.AddrFrom4([4]byte(p.id[:4]))
	case address6, network6:
		return netip.AddrFrom16([16]byte(p.id[:16]))
	}
	return netip.Addr{}
}

// Prefix is the addresses of a peer: a single one of IPv4, or an IPv6 prefix of 56 bits. That of an identity, and of nobody, is
// not valid.
func (p Peer) Prefix() netip.Prefix {
	switch p.kind {
	case address4:
		return netip.PrefixFrom(p.addr(), 32)
	case address6:
		return netip.PrefixFrom(p.addr(), peerBits6)
	case network4:
		return netip.PrefixFrom(p.addr(), networkBits4)
	case network6:
		return netip.PrefixFrom(p.addr(), networkBits6)
	}
	return netip.Prefix{}
}

// IsIdentity reports whether the peer is an identity, and not an address.
func (p Peer) IsIdentity() bool { return p.kind == identity }

// Compare orders peers: addresses before identities, and each by value. It is for lists that are always in one order.
func (p Peer) Compare(q Peer) int {
	if c := cmp.Compare(p.kind, q.kind); c != 0 {
		return c
	}
	return bytes.Compare(p.id[:], q.id[:])
}

// String is "192.0.2.7", "2001:db8:1:200::/56", the first bytes of an identity in hexadecimal, or "nobody".
func (p Peer) String() string {
	switch p.kind {
	case address4:
		return p.addr().String()
	case address6, network4, network6:
		return p.Prefix().String()
	case identity:
		return hex.EncodeToString(p.id[:8])
	}
	return "nobody"
}

// level is the level of the scope of a peer or a network.
func (p Peer) level() Level {
	switch p.kind {
	case network4, network6:
		return LevelNetwork
	case identity:
		return LevelIdentity
	}
	return LevelPeer
}

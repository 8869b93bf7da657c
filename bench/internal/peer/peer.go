// Package peer is the transports that are compared, one file each, behind the
// shape of package net.
package peer

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
)

// Transport is one end's use of a peer: what it dials from and listens on.
// Its methods may be called by any number of goroutines.
type Transport interface {
	// Listen announces on an address, of which port 0 is one that is free.
	Listen(address string) (net.Listener, error)
	// Dial connects to what Listen announced. A peer without a handshake
	// returns at once.
	Dial(ctx context.Context, address string) (net.Conn, error)
	// Close lets go of what Dial shares between connections. Listeners and
	// connections have a Close of their own.
	Close() error
}

// Peer is a transport that takes part, and how it is set up.
type Peer struct {
	// Name is what the command line and the tables call it.
	Name string
	// Module is the path of the module it comes from; empty for the kernel's
	// and the standard library's.
	Module string
	// Tuning says in a few words how it differs from its defaults.
	Tuning string
	// Datagram is the most bytes that the kernel hands the receiver as one
	// datagram and counts as one, in bytes of UDP payload; 0 if the peer does
	// not use UDP.
	Datagram int
	// Many is how many connections at a time it is tried with, 0 for not at all. With a
	// socket for each, or two, descriptors bound it.
	Many int
	// Open makes one end.
	Open func() (Transport, error)
	// Resume makes an end whose dials resume the sessions of earlier ones by their tickets; nil: the peer has none. Dials
	// of Open's make full handshakes.
	Resume func() (Transport, error)
	// TLS is what TLS says of a connection, of a peer that has Resume.
	TLS func(net.Conn) tls.ConnectionState
}

// Largest datagrams by what the receiver asks of the kernel, in bytes of UDP
// payload.
const (
	// wholeDatagrams: each datagram of an Ethernet packet is counted.
	wholeDatagrams = 1472
	// mergedDatagrams: with GRO a train of datagrams counts as one.
	mergedDatagrams = 65535 - 28
)

// All is every peer of this build, in the order of the tables.
func All() []Peer {
	peers := []Peer{
		ebbPeer(), ebbEndpointPeer(), ebbBarePeer(), ebbLargePeer(), ebbSocketsPeer(),
		ebbTLSPeer(), ebbTLSEndpointPeer(),
		tcpPeer("cubic"), tcpPeer("bbr"), tlsPeer(),
		quicPeer(), kcpPeer(), utpPeer(),
	}
	return append(peers, libutpPeers()...)
}

// Select is the peers with the names in a comma-separated list; all for an
// empty one. A name that no peer has is an error.
func Select(names string) ([]Peer, error) {
	all := All()
	if names == "" {
		return all, nil
	}
	var selected []Peer
	for name := range strings.SplitSeq(names, ",") {
		p, err := find(all, strings.TrimSpace(name))
		if err != nil {
			return nil, err
		}
		selected = append(selected, p)
	}
	return selected, nil
}

func find(peers []Peer, name string) (Peer, error) {
	var known []string
	for _, p := range peers {
		if p.Name == name {
			return p, nil
		}
		known = append(known, p.Name)
	}
	return Peer{}, fmt.Errorf("no peer %q; they are %s", name, strings.Join(known, ", "))
}

// Version is the version of the peer's module that this program was built
// with; empty if it has none, and "this tree" for what was replaced by a folder.
func (p Peer) Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || p.Module == "" {
		return ""
	}
	for _, m := range info.Deps {
		if m.Path == p.Module {
			if m.Replace != nil {
				return "this tree"
			}
			return m.Version
		}
	}
	return "unknown"
}

package limits_test

import (
	"errors"
	"expvar"
	"fmt"
	"net/netip"
	"strings"

	"example.com/ebb/limits"
)

// A gateway that is to use 2 GiB, of which one customer's network may have half.
func ExampleNew_gateway() {
	m, err := limits.New(limits.Config{
		Process: limits.Limits{Memory: 2 << 30, Inbound: 20_000},
		Allow:   []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}, // the operator's own
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := m.Config()
	fmt.Println(c.Peer.Inbound, c.Network.Inbound, c.Network.Memory>>20)
	// Output: 2500 5000 1024
}

// A peer among peers that also wants its bootstrap node, whoever else is there.
func ExamplePeerNode() {
	bootstrap := [32]byte{0xb0, 0x07}
	c := limits.PeerNode().Config()
	c.AllowIdentities = append(c.AllowIdentities, bootstrap)
	m, err := limits.New(c)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Config().Process.Inbound, m.Config().Peer.Connections, m.Config().HealthCheck)
	// Output: 1024 8 30s
}

// A device with 16 MiB of memory, two of them for connections.
func ExampleNew_device() {
	m, err := limits.New(limits.Config{
		Process: limits.Limits{Memory: 2 << 20},
		Peer:    limits.Limits{Connections: 4, Handshakes: 10},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	c := m.Config().Process
	fmt.Println(c.Inbound, c.HalfOpen)
	// Output: 128 32
}

// What is refused says where, and of what there was no more.
func ExampleError() {
	m, _ := limits.New(limits.Config{Peer: limits.Limits{Connections: 1}})
	e, _ := m.Endpoint("192.0.2.1:443", limits.Limits{})
	for range 2 {
		c, err := e.Outbound(netip.MustParseAddr("198.51.100.7"))
		if refusal, ok := errors.AsType[*limits.Error](err); ok {
			fmt.Println(refusal, errors.Is(err, limits.ErrLimit), refusal.Lasting())
			continue
		}
		defer c.Release()
	}
	// Output: limits: 1 of 1 connections in use (peer 198.51.100.7) true true
}

// The books for /debug/vars, and as lines that Prometheus reads.
func ExampleManager_Snapshot() {
	m := limits.PeerNode()
	expvar.Publish("limits", expvar.Func(func() any { return m.Snapshot() }))

	for r, b := range m.Snapshot().Process.All() {
		if r == limits.Inbound || r == limits.Outbound {
			name := "ebb_" + strings.ReplaceAll(r.String(), " ", "_")
			fmt.Printf("%s{scope=\"process\"} %d\n%s_limit{scope=\"process\"} %d\n", name, b.Used, name, b.Limit)
		}
	}
	// Output:
	// ebb_inbound_connections{scope="process"} 0
	// ebb_inbound_connections_limit{scope="process"} 1024
	// ebb_outbound_connections{scope="process"} 0
	// ebb_outbound_connections_limit{scope="process"} 512
}

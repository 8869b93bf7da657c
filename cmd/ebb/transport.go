package main

import (
	"context"
	"net"

	"example.com/ebb"
	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/congestion"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// openEbb is the opener of the program: everything the commands know of Ebb
// itself.
func openEbb(s settings.Settings) (transport, error) {
	config := &ebb.Config{
		BandwidthLimit: s.BandwidthLimit,
		Congestion:     s.CongestionControl.Factory(s.MinSSThresh),
		DSCP:           s.DSCP,
	}
	if s.Limits != (settings.Limits{}) {
		m, err := limits.New(limits.Config{
			Process: limits.Limits{Memory: s.Limits.Memory, Inbound: int(s.Limits.Connections)},
			Peer:    limits.Limits{Connections: int(s.Limits.ConnectionsPerPeer), Handshakes: int(s.Limits.HandshakesPerPeer)},
		})
		if err != nil {
			return transport{}, &usageError{err}
		}
		config.Limits = m
	}
	if s.TotalBandwidthLimit > 0 {
		shared, err := pool.New(s.TotalBandwidthLimit, s.MinBandwidthPerConnection)
		if err != nil {
			return transport{}, &usageError{err}
		}
		config.Pool = shared
	}
	if err := congestion.Check(config.Congestion); err != nil {
		return transport{}, &usageError{err}
	}
	return transport{
		listen: func(ctx context.Context, address string) (net.Listener, error) {
			return (&ebb.ListenConfig{Config: config}).Listen(ctx, "udp", address)
		},
		dial: func(ctx context.Context, address string) (net.Conn, error) {
			return (&ebb.Dialer{Config: config}).DialContext(ctx, "udp", address)
		},
		drain: ebb.Drain,
		describe: func(conn net.Conn) func() string {
			if c, ok := conn.(*ebb.Conn); ok {
				return newDescription(c.Info)
			}
			return func() string { return "" }
		},
	}, nil
}

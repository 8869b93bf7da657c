package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"example.com/ebb"
	"example.com/ebb/ledbat"
)

// openEbb is the opener of the program: everything the commands know of Ebb
// itself.
func openEbb(o transportOptions) (transport, error) {
	config := &ebb.Config{
		BandwidthLimit: int64(o.bandwidthLimit),
		LEDBAT:         ledbat.Config{Mode: ledbat.Mode(o.mode), MinSSThresh: int(o.minSSThresh)},
	}
	if err := config.LEDBAT.Validate(); err != nil {
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
		describe: func(conn net.Conn) string {
			if c, ok := conn.(*ebb.Conn); ok {
				return describeInfo(c.Info())
			}
			return ""
		},
	}, nil
}

// describeInfo is what a person asks about first when a transfer is slow.
func describeInfo(i ebb.ConnInfo) string {
	return fmt.Sprintf("%s, limited by %s; round trip %v (least %v); %s %s, window %d bytes, queue %v; "+
		"sent %d packets of up to %d bytes, %d lost, %d of %d bytes repeated; received %d packets",
		i.State, i.LimitedBy, i.SmoothedRTT.Round(time.Microsecond), i.MinRTT.Round(time.Microsecond),
		i.Congestion.Name, i.Congestion.State, i.CongestionWindow, i.Congestion.QueueDelay.Round(time.Microsecond),
		i.PacketsSent, i.PacketSize, i.PacketsLost, i.BytesRetransmitted, i.StreamBytesSent, i.PacketsReceived)
}

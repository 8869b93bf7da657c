package differential

import (
	"context"
	"net"
	"time"

	"example.com/ebb"
)

// Kernel is the kernel's TCP. What is sent over loopback has arrived when the call returns, or as soon as the processor is free for it.
func Kernel() Transport {
	return Transport{
		Name:   "TCP",
		Listen: net.Listen,
		Dial:   new(net.Dialer).DialContext,
		Quiet:  func(pause time.Duration, _ net.Listener, _ []net.Conn) { time.Sleep(pause) },
		Discard: func(c net.Conn) {
			c.(conn).SetLinger(0)
			c.Close()
		},
		Patience: 5 * time.Millisecond,
	}
}

// Ebb is Ebb over loopback.
func Ebb() Transport {
	return Transport{
		Name:   "Ebb",
		Listen: ebb.Listen,
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			return ebb.DialContext(ctx, network, address)
		},
		Quiet:    quiet,
		Discard:  func(c net.Conn) { c.(*ebb.Conn).Abort() },
		Patience: 30 * time.Millisecond,
	}
}

// counts is what changes while something is under way.
type counts struct {
	received, sent, read, written uint64
	state                         ebb.State
}

// quiet waits until nothing has changed for a pause. What is to be delivered holds it up for longer, a second at most: a peer that does not
// answer any more acknowledges nothing.
func quiet(pause time.Duration, l net.Listener, ends []net.Conn) {
	limit := time.Now().Add(max(time.Second, 4*pause))
	look := func() (all []counts, busy bool) {
		i := l.(*ebb.Listener).Endpoint().Info()
		all = append(all, counts{received: i.Delivered, sent: i.Opened, read: uint64(i.Queued), written: uint64(i.Connections)})
		for _, c := range ends {
			i := c.(*ebb.Conn).Info()
			all = append(all, counts{i.PacketsReceived, i.PacketsSent, uint64(i.ReceiveBuffered), uint64(i.SendBuffered), i.State})
			busy = busy || i.SendBuffered > 0 && i.State == ebb.StateEstablished
		}
		return all, busy
	}
	before, _ := look()
	for since := time.Now(); time.Now().Before(limit); {
		time.Sleep(pause / 4)
		now, busy := look()
		if busy || !same(now, before) {
			before, since = now, time.Now()
		}
		if time.Since(since) >= pause {
			return
		}
	}
}

func same(a, b []counts) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

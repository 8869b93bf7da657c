package measure

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ebb/internal/simnet"
)

// The relay's path: 100 Mbit/s and 10 ms each way, and a queue of one
// bandwidth-delay product.
const (
	relayRate  = 100_000_000 / 8 // bytes per second, headers included
	relayDelay = 10 * time.Millisecond
	relayQueue = relayRate * 20 / 1000
	relaySeed  = 1
)

// relayed is a bulk connection through the relay, without and with 1 % of the
// datagrams to the server lost at random.
func relayed(ctx context.Context, t Turn) (Sample, error) {
	clean, err := t.throughRelay(ctx, 0)
	if err != nil {
		return nil, err
	}
	lossy, err := t.throughRelay(ctx, 0.01)
	if err != nil {
		return nil, fmt.Errorf("with loss: %w", err)
	}
	return Sample{RelayClean: clean, RelayLossy: lossy}, nil
}

func (t Turn) throughRelay(ctx context.Context, loss float64) (float64, error) {
	path := simnet.LinkConfig{Rate: relayRate, Queue: relayQueue, Delay: relayDelay}
	lossy := path
	lossy.Loss = loss
	r, err := newRelay(t.Server.Address, lossy, path)
	if err != nil {
		return 0, err
	}
	defer r.close()
	c, err := t.dial(ctx, r.address(), t.Plan.RelaySlot)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	start := time.Now()
	n, err := pour(c, start.Add(t.Plan.RelaySlot))
	if err != nil {
		return 0, err
	}
	return movement{bytes: n, elapsed: time.Since(start)}.rate(), nil
}

// relay carries the datagrams of one client to a server and back, each way
// over a simulated link.
type relay struct {
	front, back *simnet.Wrapped
	server      net.Addr
	client      atomic.Pointer[net.Addr]
	carrying    sync.WaitGroup
}

func newRelay(server string, toServer, toClient simnet.LinkConfig) (*relay, error) {
	address, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		return nil, err
	}
	front, err := relaySocket()
	if err != nil {
		return nil, err
	}
	back, err := relaySocket()
	if err != nil {
		front.Close()
		return nil, err
	}
	r := &relay{
		front:  simnet.Wrap(front, toClient, relaySeed),
		back:   simnet.Wrap(back, toServer, relaySeed+1),
		server: address,
	}
	r.carrying.Go(r.carryToServer)
	r.carrying.Go(r.carryToClient)
	return r, nil
}

func relaySocket() (*net.UDPConn, error) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	const buffer = 4 << 20 // the bottleneck is the link's queue, not this
	if err := c.SetReadBuffer(buffer); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (r *relay) address() string { return r.front.LocalAddr().String() }

func (r *relay) close() {
	r.front.Close()
	r.back.Close()
	r.carrying.Wait()
}

// largestDatagram is UDP's over IPv4, in bytes.
const largestDatagram = 65507

func (r *relay) carryToServer() {
	buf := make([]byte, largestDatagram)
	for {
		n, from, err := r.front.ReadFrom(buf)
		if err != nil {
			return
		}
		r.client.Store(&from)
		r.back.WriteTo(buf[:n], r.server) // its loss is the link's matter
	}
}

func (r *relay) carryToClient() {
	buf := make([]byte, largestDatagram)
	for {
		n, _, err := r.back.ReadFrom(buf)
		if err != nil {
			return
		}
		if to := r.client.Load(); to != nil {
			r.front.WriteTo(buf[:n], *to)
		}
	}
}

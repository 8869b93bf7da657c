package measure

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"example.com/ebb/internal/lab/simnet"
)

// The relay's path: 100 Mbit/s and 10 ms each way, and a queue of one
// bandwidth-delay product. relayRounds is the most there are of it: a turn is long, so that
// the start of a connection counts for little.
const (
	RelayRate  = 100_000_000 / 8 // bytes per second, headers of UDP and IP included
	relayDelay = 10 * time.Millisecond
	relayQueue = RelayRate * 20 / 1000
	relaySeed  = 1

	relayRounds = 5
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
	return Sample{
		RelayClean: clean.rate(), RelayCleanUsed: clean.used(), RelayCleanSent: clean.overhead(),
		RelayLossy: lossy.rate(), RelayLossyUsed: lossy.used(), RelayLossySent: lossy.overhead(),
	}, nil
}

// passage is the result of a turn through the relay.
type passage struct {
	movement
	sent   int64 // by the client, in UDP payload
	passed int64 // through the bottleneck, with the headers of UDP and IP
}

// used is the part of the link's capacity that was used.
func (p passage) used() float64 { return float64(p.passed) / (RelayRate * p.elapsed.Seconds()) }

// overhead is how many bytes the client sent for one that arrived.
func (p passage) overhead() float64 { return float64(p.sent) / float64(p.bytes) }

func (t Turn) throughRelay(ctx context.Context, loss float64) (passage, error) {
	path := simnet.LinkConfig{Rate: RelayRate, Queue: relayQueue, Delay: relayDelay}
	lossy := path
	lossy.Loss = loss
	r, err := newRelay(t.Server.Address, lossy, path)
	if err != nil {
		return passage{}, err
	}
	defer r.close()
	c, err := t.dial(ctx, r.address(), t.Plan.RelaySlot)
	if err != nil {
		return passage{}, err
	}
	defer c.Close()
	start := time.Now()
	n, err := pour(c, start.Add(t.Plan.RelaySlot))
	if err != nil {
		return passage{}, err
	}
	moved := movement{bytes: n, elapsed: time.Since(start)}
	link, _ := r.back.Stats()
	return passage{movement: moved, sent: r.sent.Load(), passed: link.Bytes}, nil
}

// relay carries the datagrams of one client to a server and back, each way
// over a simulated link.
type relay struct {
	front, back *simnet.Wrapped
	server      net.Addr
	client      atomic.Pointer[net.Addr]
	sent        atomic.Int64 // by the client, bytes of UDP payload
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
		r.sent.Add(int64(n))
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

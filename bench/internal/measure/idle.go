package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"example.com/ebb/bench/internal/peer"
)

// inChild takes a turn in a process that has done nothing else, so that no
// earlier turn's memory is reused unseen.
func inChild(ctx context.Context, kind string, p peer.Peer, plan Plan) (Sample, error) {
	c, err := startChild(ctx, task{Kind: kind, Peer: p.Name, Plan: plan})
	if err != nil {
		return nil, err
	}
	var sample Sample
	decoded := c.out.Decode(&sample)
	if err := errors.Join(decoded, c.stop()); err != nil {
		return nil, fmt.Errorf("the process of %s: %w", kind, err)
	}
	return sample, nil
}

// idle makes pairs, both ends in this process, each of which has exchanged a
// byte, and watches what they cost while nothing happens.
func idle(ctx context.Context, p peer.Peer, plan Plan) (Sample, error) {
	return pairsOf(ctx, p, plan, func(t Turn) (Sample, error) { return t.idle(ctx) })
}

// pairsOf takes a turn with both ends in this process, which has dialled once.
func pairsOf(ctx context.Context, p peer.Peer, plan Plan, run func(Turn) (Sample, error)) (Sample, error) {
	dialer, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer dialer.Close()
	server, err := StartServer(ctx, p, Together)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	t := Turn{Peer: p, Plan: plan, Dialer: dialer, Server: server}
	if _, err := t.dialOnce(ctx); err != nil { // what is made once and kept
		return nil, err
	}
	return run(t)
}

func (t Turn) idle(ctx context.Context) (Sample, error) {
	before, err := settledUsage()
	if err != nil {
		return nil, err
	}
	var conns []net.Conn
	defer func() { closeAll(conns) }()
	for range t.Plan.IdlePairs {
		c, err := t.dialQuiet(ctx)
		if err != nil {
			return nil, err
		}
		conns = append(conns, c)
	}
	return t.watchIdle(before)
}

// dialQuiet makes a pair that has exchanged a byte and will no more.
func (t Turn) dialQuiet(ctx context.Context) (net.Conn, error) {
	c, err := t.dial(ctx, t.Server.Address, 0)
	if err != nil {
		return nil, err
	}
	b := []byte{wantQuiet}
	if _, err = c.Write(b); err == nil {
		_, err = io.ReadFull(c, b)
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (t Turn) watchIdle(before Usage) (Sample, error) {
	time.Sleep(t.Plan.Settle) // the last ACKs and handshakes' timers are not idleness
	held, err := settledUsage()
	if err != nil {
		return nil, err
	}
	time.Sleep(t.Plan.IdleTime)
	cpu, err := ProcessorTime()
	if err != nil {
		return nil, err
	}
	pairs := float64(t.Plan.IdlePairs)
	return Sample{
		IdleRSS:    float64(held.RSS-before.RSS) / pairs,
		IdleRoutes: float64(held.Goroutines-before.Goroutines) / pairs,
		IdleCPU:    (cpu - held.CPU).Seconds() / t.Plan.IdleTime.Seconds() / pairs,
	}, nil
}

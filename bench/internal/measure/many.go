package measure

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"example.com/ebb/bench/internal/peer"
	"golang.org/x/sync/errgroup"
)

const (
	// fewConns is how many connections carry, alone, what many carry later.
	fewConns = 100
	// busyConns is how many of them are busy.
	busyConns = 100
	// talkers is how many goroutines exchange the messages, each over its share.
	talkers = 4
)

// many watches a multitude of connections: with each silent, with each exchanging a message a
// second, and with some of them busy. What the messages cost is known from
// exchanging as many on a few connections, before there are more.
func many(ctx context.Context, p peer.Peer, plan Plan) (Sample, error) {
	return pairsOf(ctx, p, plan, func(t Turn) (Sample, error) {
		n := p.Many / max(plan.ManyDivisor, 1)
		var m multitude
		defer func() { closeAll(m.conns) }()
		if err := m.grow(ctx, t, min(fewConns, n)); err != nil {
			return nil, err
		}
		few, err := m.exchange(n, plan.IdleTime)
		if err != nil {
			return nil, err
		}
		alone, err := t.bulk(ctx, busyConns)
		if err != nil {
			return nil, fmt.Errorf("%d busy connections alone: %w", busyConns, err)
		}
		if err := m.grow(ctx, t, n); err != nil {
			return nil, err
		}
		time.Sleep(plan.Settle)
		idle, err := processorShare(plan.IdleTime, func() error { time.Sleep(plan.IdleTime); return nil })
		if err != nil {
			return nil, err
		}
		all, err := m.exchange(n, plan.IdleTime)
		if err != nil {
			return nil, err
		}
		among, err := t.bulk(ctx, busyConns)
		if err != nil {
			return nil, fmt.Errorf("%d busy connections of %d: %w", busyConns, n, err)
		}
		return Sample{
			ManyConns: float64(n), ManyIdle: idle, ManyMessages: all, ManyFew: few,
			ManyBusy: among.rate(), ManyAlone: alone.rate(),
		}, nil
	})
}

// multitude is connections whose far end sends messages back.
type multitude struct{ conns []net.Conn }

// grow makes them n.
func (m *multitude) grow(ctx context.Context, t Turn, n int) error {
	for len(m.conns) < n {
		c, err := t.dial(ctx, t.Server.Address, 0)
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", len(m.conns)+1, n, err)
		}
		m.conns = append(m.conns, c)
		if _, err = c.Write([]byte{wantEcho}); err == nil {
			_, err = roundTrips(c, 1, time.Time{})
		}
		if err == nil {
			err = c.SetDeadline(time.Time{})
		}
		if err != nil {
			return fmt.Errorf("connection %d of %d: %w", len(m.conns), n, err)
		}
	}
	return nil
}

// exchange has n messages a second sent back over the connections in turn, for a time, and returns
// the share of a processor that takes. It is an error if that is more than there is.
func (m *multitude) exchange(n int, d time.Duration) (cores float64, err error) {
	const ticks = 100 // a second
	return processorShare(d, func() error {
		start := time.Now()
		total := int(float64(n) * d.Seconds())
		var group errgroup.Group
		for k := range talkers {
			group.Go(func() error {
				message := make([]byte, messageSize)
				for i := k; i < total; i += talkers {
					due := start.Add(time.Duration(i*ticks/n) * time.Second / ticks)
					time.Sleep(time.Until(due))
					if err := sentBack(m.conns[i%len(m.conns)], message); err != nil {
						return fmt.Errorf("message %d of %d: %w", i, total, err)
					}
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if took := time.Since(start); took > d*5/4+100*time.Millisecond {
			return fmt.Errorf("the messages of %v took %v", d, took)
		}
		return nil
	})
}

// sentBack sends a message and waits for it.
func sentBack(c net.Conn, message []byte) error {
	if err := c.SetDeadline(time.Now().Add(grace)); err != nil {
		return err
	}
	if _, err := c.Write(message); err != nil {
		return err
	}
	_, err := io.ReadFull(c, message)
	return err
}

// processorShare is how much of a processor this process uses while f runs, over the time d that it
// should take.
func processorShare(d time.Duration, f func() error) (cores float64, err error) {
	before, err := ProcessorTime()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := ProcessorTime()
	return (after - before).Seconds() / d.Seconds(), err
}

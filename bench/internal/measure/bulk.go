package measure

import (
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

func bulkOne(ctx context.Context, t Turn) (Sample, error) {
	moved, err := t.bulk(ctx, 1)
	if err != nil {
		return nil, err
	}
	return Sample{BulkRate: moved.rate(), BulkCPU: moved.cost()}, nil
}

func bulkEight(ctx context.Context, t Turn) (Sample, error) {
	moved, err := t.bulk(ctx, 8)
	if err != nil {
		return nil, err
	}
	return Sample{EightRate: moved.rate(), EightCPU: moved.cost()}, nil
}

// movement is the result of a bulk turn.
type movement struct {
	bytes   int64
	elapsed time.Duration // from the first write until the far end has had all
	cpu     time.Duration
}

func (m movement) rate() float64 { return float64(m.bytes) / m.elapsed.Seconds() }
func (m movement) cost() float64 { return m.cpu.Seconds() / (float64(m.bytes) / 1e9) }

// bulk writes on n connections together for the slot.
func (t Turn) bulk(ctx context.Context, n int) (movement, error) {
	conns, err := t.dialAll(ctx, n)
	defer closeAll(conns)
	if err != nil {
		return movement{}, err
	}
	before, err := CountDatagrams()
	if err != nil {
		return movement{}, err
	}
	cpu, err := t.Server.processorTime()
	if err != nil {
		return movement{}, err
	}
	start := time.Now()
	sent := make([]int64, n)
	var group errgroup.Group
	for i, c := range conns {
		group.Go(func() (err error) {
			sent[i], err = pour(c, start.Add(t.Plan.Slot))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return movement{}, err
	}
	moved := movement{elapsed: time.Since(start)}
	for _, n := range sent {
		moved.bytes += n
	}
	used, err := t.Server.processorTime()
	if err != nil {
		return movement{}, err
	}
	moved.cpu = used - cpu
	after, err := CountDatagrams()
	if err != nil {
		return movement{}, err
	}
	if t.Peer.Datagram > 0 {
		err = before.CheckCrossed(after, moved.bytes, t.Peer.Datagram)
	}
	return moved, err
}

func (t Turn) dialAll(ctx context.Context, n int) ([]net.Conn, error) {
	var conns []net.Conn
	for range n {
		c, err := t.dial(ctx, t.Server.Address, t.Plan.Slot)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
	}
	return conns, nil
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		c.Close()
	}
}

// pour writes blocks until the given time, waits until the far end says that
// it has the last, and returns how many bytes that was.
func pour(c net.Conn, until time.Time) (int64, error) {
	if _, err := c.Write([]byte{wantSink}); err != nil {
		return 0, err
	}
	block := make([]byte, blockSize)
	var sent int64
	for block[0] != blockLast {
		if !time.Now().Before(until) {
			block[0] = blockLast
		}
		n, err := c.Write(block)
		sent += int64(n)
		if err != nil {
			return sent, err
		}
	}
	_, err := io.ReadFull(c, block[:1])
	return sent, err
}

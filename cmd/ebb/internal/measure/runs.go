package measure

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	bulkBuffer = 256 << 10 // bytes of a write and of a read
	pingSize   = 64        // bytes
	pingWarmUp = 16        // trips that are not counted
	minPings   = 100       // trips that are, however short the time
)

// transferred is the outcome of a bulk run.
type transferred struct {
	bytes        int64
	elapsed, cpu time.Duration
}

// bulk sends size bytes, or for a time as many as it can, over a new connection.
// The clock stops when the receiver's count of them has come back.
func bulk(ctx context.Context, n Network, slot time.Duration, size int64) (out transferred, err error) {
	err = connected(ctx, n, countAll, func(conn net.Conn) error {
		began, cpuBegan := time.Now(), processorTime()
		sent, err := fill(conn, slot, size)
		if err != nil {
			return err
		}
		var count [8]byte
		if _, err := io.ReadFull(conn, count[:]); err != nil {
			return err
		}
		out = transferred{bytes: sent, elapsed: time.Since(began), cpu: processorTime() - cpuBegan}
		if got := int64(binary.BigEndian.Uint64(count[:])); got != sent {
			return fmt.Errorf("%d bytes were sent and %d arrived", sent, got)
		}
		return nil
	})
	return out, err
}

// fill writes size bytes, or at least one buffer and then until slot is over, and
// ends the direction.
func fill(conn net.Conn, slot time.Duration, size int64) (sent int64, err error) {
	buf := make([]byte, bulkBuffer)
	for began := time.Now(); ; {
		if size > 0 {
			buf = buf[:min(int64(len(buf)), size-sent)]
		}
		n, err := conn.Write(buf)
		sent += int64(n)
		if err != nil {
			return sent, err
		}
		if size > 0 && sent == size || size == 0 && time.Since(began) >= slot {
			break
		}
	}
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return sent, errors.New("the connection cannot be closed in one direction")
	}
	return sent, half.CloseWrite()
}

// countAll reads to the end and answers how many bytes there were.
func countAll(conn net.Conn) error {
	buf := make([]byte, bulkBuffer)
	var count uint64
	for {
		n, err := conn.Read(buf)
		count += uint64(n)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	_, err := conn.Write(binary.BigEndian.AppendUint64(nil, count))
	return err
}

// pingPong measures round trips of a short message for a time, at least minPings
// of them.
func pingPong(ctx context.Context, n Network, slot time.Duration) (trips []time.Duration, err error) {
	err = connected(ctx, n, echo, func(conn net.Conn) error {
		buf := make([]byte, pingSize)
		for range pingWarmUp {
			if _, err := trip(conn, buf); err != nil {
				return err
			}
		}
		for began := time.Now(); len(trips) < minPings || time.Since(began) < slot; {
			took, err := trip(conn, buf)
			if err != nil {
				return err
			}
			trips = append(trips, took)
		}
		return nil
	})
	return trips, err
}

// trip sends a message and waits for it to come back.
func trip(conn net.Conn, buf []byte) (time.Duration, error) {
	began := time.Now()
	if _, err := conn.Write(buf); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(conn, buf)
	return time.Since(began), err
}

// echo sends messages back until the other side closes.
func echo(conn net.Conn) error {
	buf := make([]byte, pingSize)
	for {
		if _, err := io.ReadFull(conn, buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if _, err := conn.Write(buf); err != nil {
			return err
		}
	}
}

// connected makes a connection over loopback, serves its one end, drives the
// other, and closes both when that is over or ctx ends.
func connected(ctx context.Context, n Network, serve, drive func(net.Conn) error) error {
	ln, err := n.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	served := make(chan error, 1)
	go func() { served <- accept(ctx, ln, serve) }()

	client, err := n.Dial(ctx, ln.Addr().String())
	if err != nil {
		return ended(ctx, err)
	}
	defer client.Close()
	stop := context.AfterFunc(ctx, func() { client.Close() })
	defer stop()
	if err := drive(client); err != nil {
		return ended(ctx, err)
	}
	client.Close()
	return ended(ctx, <-served)
}

// accept serves one connection of ln.
func accept(ctx context.Context, ln net.Listener, serve func(net.Conn) error) error {
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	return serve(conn)
}

// ended replaces the error that the end of ctx brings about by the reason for
// that end.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

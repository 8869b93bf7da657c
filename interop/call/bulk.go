package main

import (
	"context"
	"fmt"
	"time"

	"example.com/ebb"
)

// sendBulk sends zeros as fast as Ebb's default controller lets it, until the context ends.
func sendBulk(ctx context.Context, address string) error {
	dialer := ebb.Dialer{Config: &ebb.Config{BandwidthLimit: ebb.Unlimited}}
	conn, err := dialer.DialContext(ctx, "udp", address)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	zeros := make([]byte, 256<<10)
	for ctx.Err() == nil {
		if _, err := conn.Write(zeros); err != nil && ctx.Err() == nil {
			return fmt.Errorf("the bulk transfer: %w", err)
		}
	}
	conn.(*ebb.Conn).SetLinger(0)
	return conn.Close()
}

// bulkFigures are what a bulk transfer had, without its start.
type bulkFigures struct {
	Mbit float64 `json:"mbit"` // of the application's bytes, a second
}

// receiveBulk takes a bulk transfer until the context ends. It is measured from so long after the first byte on.
func receiveBulk(ctx context.Context, address string, warm time.Duration) (f bulkFigures, err error) {
	ln, err := ebb.Listen("udp", address)
	if err != nil {
		return f, err
	}
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	conn, err := ln.Accept()
	if err != nil {
		return f, nil // nobody came in time: there is no transfer beside the call
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	conn.SetReadDeadline(end)
	buffer := make([]byte, 256<<10)
	began := time.Now()
	from, last, bytes := began.Add(warm), began, 0
	for {
		n, err := conn.Read(buffer)
		if now := time.Now(); n > 0 && now.After(from) {
			bytes, last = bytes+n, now
		}
		if err != nil {
			break // the deadline, or the sender has ended
		}
	}
	if d := last.Sub(from); d > 0 {
		f.Mbit = float64(bytes) * 8 / 1e6 / d.Seconds()
	}
	return f, nil
}

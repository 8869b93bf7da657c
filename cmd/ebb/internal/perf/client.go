package perf

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"example.com/ebb/internal/untrusted"
)

// Interval is what was carried in a part of a test, as the client has seen it.
type Interval struct {
	Start, End           float64 // seconds since the beginning
	BytesUp, BytesDown   int64
	StreamsUp, StreamsDn []int64   // by connection
	Senders              []*Sample // of each connection in StreamsUp at the end of the part, with what was lost and sent again in it; nil: it cannot tell
}

// Report is a test.
type Report struct {
	Request
	Began         time.Time
	Local, Remote string // of the control connection
	Intervals     []Interval
	Here, There   []Result // what each side has measured
}

// Run makes a test with a server, over connections that dial makes. Each interval, unless it is nil, is told as it ends.
func Run(ctx context.Context, dial func(context.Context) (net.Conn, error), q Request, look Look, every time.Duration, tell func(Interval)) (*Report, error) {
	control, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	defer context.AfterFunc(ctx, func() { control.Close() })()
	control.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReaderSize(control, maxMessage)
	var a answer
	if err := errors.Join(writeMessage(control, opening{Test: &q}), readMessage(in, &a)); err != nil {
		return nil, fmt.Errorf("the server does not answer as one of ebb perf: %w", err)
	}
	if a.Error != "" || a.Token == "" {
		return nil, fmt.Errorf("the server refuses the test: %s", untrusted.Text(a.Error))
	}
	streams, err := open(ctx, dial, &q, a.Token)
	if err != nil {
		return nil, err
	}
	r := &Report{Request: q, Began: time.Now(), Local: control.LocalAddr().String(), Remote: control.RemoteAddr().String()}
	r.Here = make([]Result, len(streams))
	control.SetDeadline(time.Time{})
	told := make(chan error, 1) // what the server says meanwhile would fill a buffer some day
	go func() { told <- readMessage(in, &r.There) }()
	var group sync.WaitGroup
	for i, s := range streams {
		group.Go(func() { r.Here[i] = s.run(ctx, &q, look) })
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	r.watch(streams, look, every, done, tell)
	control.SetDeadline(time.Now().Add(2 * patience))
	if err := <-told; err != nil {
		return r, fmt.Errorf("the server does not say what it has measured: %w", err)
	}
	return r, nil
}

// open makes the data connections.
func open(ctx context.Context, dial func(context.Context) (net.Conn, error), q *Request, token string) (all []*stream, err error) {
	for i := range q.Up + q.Down {
		g := greeting{Token: token, Down: i >= q.Up, Index: i}
		if g.Down {
			g.Index -= q.Up
		}
		conn, err := dial(ctx)
		if err == nil {
			conn.SetDeadline(time.Now().Add(patience))
			all = append(all, &stream{conn: conn, in: bufio.NewReaderSize(conn, block), down: g.Down, index: g.Index, sender: !g.Down})
			err = writeMessage(conn, opening{Data: &g})
		}
		if err != nil {
			for _, s := range all {
				s.conn.Close()
			}
			return nil, err
		}
	}
	return all, nil
}

// watch notes intervals until the test is done.
func (r *Report) watch(streams []*stream, look Look, every time.Duration, done <-chan struct{}, tell func(Interval)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	before, samples := make([]int64, len(streams)), make([]Sample, len(streams))
	for at, over := 0.0, false; !over; {
		select {
		case <-tick.C:
		case <-done:
			over = true
		}
		i := Interval{Start: at, End: time.Since(r.Began).Seconds()}
		for k, s := range streams {
			n := s.bytes.Load()
			moved := n - before[k]
			before[k] = n
			if s.down {
				i.BytesDown, i.StreamsDn = i.BytesDown+moved, append(i.StreamsDn, moved)
			} else {
				i.BytesUp, i.StreamsUp = i.BytesUp+moved, append(i.StreamsUp, moved)
				i.Senders = append(i.Senders, samples[k].since(s, look))
			}
		}
		at = i.End
		r.Intervals = append(r.Intervals, i)
		if tell != nil {
			tell(i)
		}
	}
}

// since looks at a sender, and returns what has changed since the time before; nil: it cannot tell.
func (s *Sample) since(of *stream, look Look) *Sample {
	now, ok := look(of.conn)
	if last := of.last.Load(); last != nil { // its connection may be closed
		now, ok = *last, true
	}
	if !ok {
		return nil
	}
	part := now
	part.Packets -= s.Packets
	part.PacketBytes -= s.PacketBytes
	part.Lost -= s.Lost
	part.Spurious -= s.Spurious
	part.Retransmitted -= s.Retransmitted
	*s = now
	return &part
}

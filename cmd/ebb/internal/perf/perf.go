// Package perf measures what connections between two machines carry: a server that takes tests, and a client that makes one. Both work on any
// net.Conn. A test has a control connection, on which the client asks for it and the server tells what it has measured, and data
// connections, each of which carries bytes in one direction. A message is a line of JSON; while the test is on, the server sends spaces
// in front of the one with its results.
package perf

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxMessage bounds a message, in bytes.
	maxMessage = 64 << 10
	// patience is how long the other side may take to say what is due, or to end what is over.
	patience = 10 * time.Second
	// heartbeat is how often the server says something on the control connection, so that it learns of a client that is no more.
	heartbeat = time.Second
	// block is how much is written or read at a time, in bytes.
	block = 128 << 10
	// tlsBlock is the same for writing to a connection of crypto/tls, of which a Write that was too late is the last.
	tlsBlock = 16 << 10
	// sampleEvery is how often a sender is looked at.
	sampleEvery = 10 * time.Millisecond
)

// Request is what a client asks for.
type Request struct {
	Up      int     `json:"up"`      // connections on which the client sends
	Down    int     `json:"down"`    // connections on which the server does
	Seconds float64 `json:"seconds"` // for how long each sender sends, unless Bytes are sent before
	Bytes   int64   `json:"bytes"`   // that each sender sends at most; 0: any number
}

// opening is how a connection begins.
type opening struct {
	Test *Request  `json:"test,omitempty"` // a control connection
	Data *greeting `json:"data,omitempty"` // a data connection
}

// answer is what the server says to a request.
type answer struct {
	Token string `json:"token,omitempty"`
	Error string `json:"error,omitempty"`
}

// greeting is how a data connection begins.
type greeting struct {
	Token string `json:"token"`
	Down  bool   `json:"down"`
	Index int    `json:"index"`
}

// Result is what one end of a data connection has measured.
type Result struct {
	Down    bool    `json:"down"`
	Index   int     `json:"index"`
	Sender  bool    `json:"sender"`
	Bytes   int64   `json:"bytes"`
	Seconds float64 `json:"seconds"`
	Sent    *Sent   `json:"sent,omitempty"` // of a sender whose connection can tell
	Error   string  `json:"error,omitempty"`
}

// Sent is what a sender knows of its connection beside bytes. Times are in seconds.
type Sent struct {
	Packets       uint64             `json:"packets"`
	PacketBytes   uint64             `json:"packet_bytes"`        // of UDP payload in them
	Lost          uint64             `json:"lost_packets"`        // declared lost
	Spurious      uint64             `json:"spurious_losses"`     // of these, arrived after all
	Retransmitted uint64             `json:"retransmitted_bytes"` //
	MaxWindow     int                `json:"max_window"`          // bytes
	MinRTT        float64            `json:"min_rtt"`
	MeanRTT       float64            `json:"mean_rtt"`
	MaxRTT        float64            `json:"max_rtt"`
	MeanQueue     float64            `json:"mean_queueing_delay"`
	MaxQueue      float64            `json:"max_queueing_delay"`
	LimitedBy     map[string]float64 `json:"limited_by"` // for how long by what
}

// Sample is one look at the connection of a sender.
type Sample struct {
	Packets, PacketBytes, Lost, Spurious, Retransmitted uint64 // since the beginning, the last in bytes
	Window                                              int
	RTT, RTTVariance, Queue                             time.Duration
	LimitedBy                                           string // empty: it cannot tell
}

// Look looks at a connection; false: it cannot tell.
type Look func(net.Conn) (Sample, bool)

// readMessage reads a line of JSON, and any number of spaces before it.
func readMessage(r *bufio.Reader, v any) error {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return err
		}
		if b != ' ' {
			r.UnreadByte()
			break
		}
	}
	line, err := r.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull:
		return fmt.Errorf("a message is longer than %d bytes", maxMessage)
	case err != nil:
		return err
	}
	return json.Unmarshal(line, v)
}

// writeMessage writes a line of JSON.
func writeMessage(w io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// stream is one end of a data connection.
type stream struct {
	conn   net.Conn
	in     *bufio.Reader
	down   bool
	index  int
	sender bool
	bytes  atomic.Int64
	last   atomic.Pointer[Sample] // of a sender that has sent; nil: it sends, or cannot tell
}

// run sends or receives until the end, and returns what was measured.
func (s *stream) run(ctx context.Context, q *Request, look Look) Result {
	defer context.AfterFunc(ctx, func() { s.conn.Close() })()
	start := time.Now()
	limit := time.Duration(q.Seconds * float64(time.Second))
	s.conn.SetDeadline(start.Add(limit + patience))
	r := Result{Down: s.down, Index: s.index, Sender: s.sender}
	var err error
	if s.sender {
		watch := watchSender(s.conn, look)
		err = s.send(start.Add(limit), q.Bytes)
		var end time.Time
		r.Sent, end = watch()
		r.Seconds = end.Sub(start).Seconds()
		if last, ok := look(s.conn); ok {
			s.last.Store(&last)
		}
		err = errors.Join(err, s.end())
	} else {
		err = s.receive()
		r.Seconds = time.Since(start).Seconds()
		err = errors.Join(err, s.end())
	}
	r.Bytes = s.bytes.Load()
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// send writes until a time, or so many bytes. That the time is over within a Write is no error.
func (s *stream) send(until time.Time, most int64) error {
	b := make([]byte, block)
	rand.Read(b) // which no link compresses
	if _, ok := s.conn.(*tls.Conn); ok {
		b = b[:tlsBlock] // a deadline within a Write would be its end, and the time is looked at between two
	} else {
		s.conn.SetWriteDeadline(until)
	}
	for time.Now().Before(until) && (most <= 0 || s.bytes.Load() < most) {
		piece := b
		if left := most - s.bytes.Load(); most > 0 && left < int64(len(b)) {
			piece = b[:left]
		}
		n, err := s.conn.Write(piece)
		s.bytes.Add(int64(n))
		if err != nil && !time.Now().Before(until) {
			break
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// receive reads until the end.
func (s *stream) receive() error {
	b := make([]byte, block)
	for {
		n, err := s.in.Read(b)
		s.bytes.Add(int64(n))
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// end ends this side, and waits for the end of the other: a sender whose peer has ended knows that all has arrived.
func (s *stream) end() error {
	s.conn.SetDeadline(time.Now().Add(patience))
	if c, ok := s.conn.(interface{ CloseWrite() error }); ok {
		if err := c.CloseWrite(); err != nil {
			return err
		}
	}
	if s.sender {
		if _, err := s.in.ReadByte(); err != io.EOF {
			return fmt.Errorf("the receiver did not end: %w", err)
		}
	}
	return s.conn.Close()
}

// watchSender looks at a sender until the function is called that it returns; that one says when the last look was, at which the sending
// ended: what limited a sender makes its time only if both end with one reading of the clock.
func watchSender(conn net.Conn, look Look) (stop func() (*Sent, time.Time)) {
	first, ok := look(conn)
	if !ok {
		return func() (*Sent, time.Time) { return nil, time.Now() }
	}
	var group sync.WaitGroup
	over := make(chan struct{})
	sent := &Sent{LimitedBy: make(map[string]float64)}
	var end time.Time
	group.Go(func() { end = sent.watch(conn, look, first, over) })
	return func() (*Sent, time.Time) {
		close(over)
		group.Wait()
		return sent, end
	}
}

// watch returns the time of its last look.
func (t *Sent) watch(conn net.Conn, look Look, s Sample, over <-chan struct{}) time.Time {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	var rtt, queue time.Duration // summed
	last, looks := time.Now(), time.Duration(0)
	for done := false; !done; {
		select {
		case <-tick.C:
		case <-over:
			done = true
		}
		now := time.Now()
		if s.LimitedBy != "" {
			t.LimitedBy[s.LimitedBy] += now.Sub(last).Seconds()
		}
		last = now
		latest, ok := look(conn)
		if !ok { // it is closed
			continue
		}
		s = latest
		t.Packets, t.PacketBytes, t.Lost, t.Spurious, t.Retransmitted = s.Packets, s.PacketBytes, s.Lost, s.Spurious, s.Retransmitted
		t.MaxWindow = max(t.MaxWindow, s.Window)
		if s.RTT == 0 {
			continue
		}
		looks++
		rtt, queue = rtt+s.RTT, queue+s.Queue
		if t.MinRTT == 0 {
			t.MinRTT = s.RTT.Seconds()
		}
		t.MinRTT, t.MaxRTT = min(t.MinRTT, s.RTT.Seconds()), max(t.MaxRTT, s.RTT.Seconds())
		t.MaxQueue = max(t.MaxQueue, s.Queue.Seconds())
	}
	if looks > 0 {
		t.MeanRTT, t.MeanQueue = (rtt / looks).Seconds(), (queue / looks).Seconds()
	}
	return last
}

package differential

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"
)

// Transport is one of the two that are compared.
type Transport struct {
	Name   string
	Listen func(network, address string) (net.Listener, error)
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	// Quiet waits until nothing is under way between ends, as far as that is seen within the pause. Ends may be nil, and closed.
	Quiet func(pause time.Duration, l net.Listener, ends []net.Conn)
	// Discard has a connection leave nothing behind. It may be closed.
	Discard func(net.Conn)
	// Patience is after how many pauses a call that has not returned is said to wait.
	Patience time.Duration
}

// timing is how patient a run is.
type timing struct {
	pause time.Duration // at each barrier, and between calls of a step that are made one after another
}

// conn is what programs use of a *net.TCPConn.
type conn interface {
	net.Conn
	CloseRead() error
	CloseWrite() error
	SetLinger(sec int) error
	SetNoDelay(bool) error
}

// end is the state of an end as the program has made it.
type end struct {
	conn
	readPast, writePast   bool // a deadline in the past is set
	written, read         int  // bytes, so far
	readUntil, writeUntil time.Time
}

// run is a program on its way.
type run struct {
	Transport
	timing
	rng     *rand.Rand
	address string

	mu       sync.Mutex // guards what follows: calls of a step run at the same time
	listener net.Listener
	past     bool // the listener's deadline is
	until    time.Time
	ends     [ends]*end
	accepted []accepted // whose other end is not known yet
	leftover []net.Conn
}

// accepted is a connection that a call has accepted.
type accepted struct {
	conn net.Conn
	at   *Result
}

// Run runs a program once. The address is the host of the listener, which nobody else uses: a port that is free has to stay so until the program
// listens on it again.
func (t Transport) Run(p Program, host string, pause time.Duration, seed uint64) (Outcome, error) {
	r := &run{Transport: t, timing: timing{pause}, rng: rand.New(rand.NewPCG(seed, 2))}
	l, err := t.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("differential: the listener of a program over %s: %w", t.Name, err)
	}
	r.listener, r.address = l, l.Addr().String()
	defer r.end()
	var o Outcome
	for _, s := range p {
		o = append(o, r.step(s)...)
	}
	return o, nil
}

// step makes the calls of a step, and waits at the barrier behind it.
func (r *run) step(s Step) []Result {
	results := make([]Result, len(s))
	var wg sync.WaitGroup
	apart := len(s) > 1 && r.rng.IntN(2) == 0
	for i, at := range r.rng.Perm(len(s)) {
		if apart && i > 0 {
			time.Sleep(r.pause) // a call that waits does so now, in most runs
		}
		wg.Go(func() { r.call(s[at], &results[at]) })
	}
	wg.Wait()
	var conns []net.Conn
	for _, e := range r.ends {
		if e != nil {
			conns = append(conns, e.conn)
		}
	}
	for _, a := range r.accepted {
		conns = append(conns, a.conn)
	}
	r.Quiet(r.pause, r.listener, conns)
	r.match()
	return results
}

// match finds the other ends of connections that were accepted.
func (r *run) match() {
	for _, a := range r.accepted {
		a.at.Note = "a connection of nobody"
		for i := range r.ends[:2] {
			dialled, e := r.ends[i], End(i)
			if dialled == nil || r.ends[e.Peer()] != nil || dialled.LocalAddr().String() != a.conn.RemoteAddr().String() {
				continue
			}
			r.ends[e.Peer()] = &end{conn: a.conn.(conn)}
			a.at.Note = fmt.Sprintf("the connection of %v", e)
			a.conn = nil
			break
		}
		if a.conn != nil {
			r.leftover = append(r.leftover, a.conn)
		}
	}
	r.accepted = nil
}

// end closes everything.
func (r *run) end() {
	for _, e := range r.ends {
		if e != nil {
			r.Discard(e.conn)
		}
	}
	for _, c := range r.leftover {
		r.Discard(c)
	}
	r.listener.Close()
}

func (r *run) call(c Call, res *Result) {
	var err error
	switch {
	case c.ofListener():
		err = r.onListener(c, res)
	case c.Op == Dial:
		err = r.dial(c.End)
	default:
		r.mu.Lock()
		e := r.ends[c.End]
		r.mu.Unlock()
		if e == nil {
			res.Note = "no such connection"
			return
		}
		err = r.onConnection(c, e, res)
	}
	res.Err = class(err)
}

func (r *run) dial(at End) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := r.Dial(ctx, "tcp", r.address)
	if err == nil {
		r.mu.Lock()
		r.ends[at] = &end{conn: c.(conn)}
		r.mu.Unlock()
	}
	return err
}

// instant is a deadline, by its name.
func instant(name int) time.Time {
	return [...]time.Time{Past: time.Unix(1, 0), Future: time.Now().Add(time.Hour), Zero: {}}[name]
}

// deadliner is a listener with deadlines.
type deadliner interface{ SetDeadline(time.Time) error }

func (r *run) onListener(c Call, res *Result) error {
	r.mu.Lock()
	l := r.listener
	r.mu.Unlock()
	switch c.Op {
	case ListenerClose:
		return l.Close()
	case ListenerAddr:
		res.Note = r.shape(l.Addr())
	case ListenerDeadline:
		r.mu.Lock()
		defer r.mu.Unlock()
		r.past, r.until = c.N == Past, instant(c.N)
		return l.(deadliner).SetDeadline(r.until)
	case Listen:
		again, err := r.Listen("tcp", r.address)
		if err != nil {
			return err
		}
		r.mu.Lock()
		r.listener, r.past, r.until = again, false, time.Time{}
		r.mu.Unlock()
	case Accept:
		return r.accept(l, res)
	}
	return nil
}

func (r *run) accept(l net.Listener, res *Result) error {
	r.mu.Lock()
	if !r.past {
		l.(deadliner).SetDeadline(time.Now().Add(r.Patience))
	}
	r.mu.Unlock()
	c, err := l.Accept()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.past {
		l.(deadliner).SetDeadline(r.until)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			res.Note = "waits"
			return nil
		}
	}
	if err == nil {
		r.accepted = append(r.accepted, accepted{c, res})
	}
	return err
}

// shape is what an address looks like.
func (r *run) shape(a net.Addr) string {
	which := "another address"
	if a.String() == r.address {
		which = "the listener's"
	}
	return fmt.Sprintf("%T %s, %s", a, a.Network(), which)
}

func (r *run) onConnection(c Call, e *end, res *Result) error {
	switch c.Op {
	case Read:
		return r.read(c, e, res)
	case Write:
		return r.write(c, e, res)
	case CloseRead:
		return e.CloseRead()
	case CloseWrite:
		return e.CloseWrite()
	case Close:
		return e.Close()
	case SetLinger:
		return e.SetLinger(c.N)
	case SetNoDelay:
		return e.SetNoDelay(c.N == 1)
	case LocalAddr:
		res.Note = r.shape(e.LocalAddr())
		return nil
	case RemoteAddr:
		res.Note = r.shape(e.RemoteAddr())
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := instant(c.N)
	if c.Op != SetWriteDeadline {
		e.readPast, e.readUntil = c.N == Past, t
	}
	if c.Op != SetReadDeadline {
		e.writePast, e.writeUntil = c.N == Past, t
	}
	switch c.Op {
	case SetReadDeadline:
		return e.SetReadDeadline(t)
	case SetWriteDeadline:
		return e.SetWriteDeadline(t)
	}
	return e.SetDeadline(t)
}

// The byte at an offset of what an end writes.
func content(e End, at int) byte { return byte(at*7 + at>>8 + int(e)*50) }

func (r *run) read(c Call, e *end, res *Result) error {
	r.mu.Lock()
	if !e.readPast {
		e.SetReadDeadline(time.Now().Add(r.Patience))
	}
	r.mu.Unlock()
	b := make([]byte, c.N)
	n, err := e.Read(b)
	res.N = n
	for i := range b[:n] {
		if b[i] != content(c.End.Peer(), e.read+i) {
			res.Note = "not the bytes that were written"
		}
	}
	e.read += n
	r.mu.Lock()
	defer r.mu.Unlock()
	if !e.readPast {
		e.SetReadDeadline(e.readUntil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			res.Note = "waits"
			return nil
		}
	}
	return err
}

func (r *run) write(c Call, e *end, res *Result) error {
	r.mu.Lock()
	if !e.writePast {
		e.SetWriteDeadline(time.Now().Add(r.Patience))
	}
	r.mu.Unlock()
	b := make([]byte, c.N)
	for i := range b {
		b[i] = content(c.End, e.written+i)
	}
	n, err := e.Write(b)
	res.N = n
	e.written += n
	r.mu.Lock()
	defer r.mu.Unlock()
	if !e.writePast {
		e.SetWriteDeadline(e.writeUntil)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			res.Note = "waits"
			return nil
		}
	}
	return err
}

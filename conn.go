package ebb

import (
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/protect/tlsdriver"
	"example.com/ebb/internal/stream"
	"example.com/ebb/wire"
)

// conn is a connection as the library holds it.
type conn struct {
	endpoint *endpoint
	settings *settings
	sock     *socket                   // on which it sends
	network  atomic.Uint32             // a networkName
	wrote    atomic.Uint32             // when the last small write was done, in microseconds; 0: none that one may follow at once
	local    *netip.AddrPort           // the endpoint's, or its own; nobody changes it
	addrs    atomic.Pointer[addresses] // nil: nobody has asked

	dial *dialling // guarded by endpoint.mu; nil: nobody dials, and nobody wants to know how it ends

	place int32 // in the timer heap of the socket, whose lock guards it

	mu      sync.Mutex // guards everything below
	closed  bool       // the application has closed it, or dropped it
	dropped bool       // the application has dropped it
	aborted bool       // nothing was to be delivered

	gatherer *gatherer // nil: no write has been held back yet
	driver   core.Driver
	read     serializer
	write    serializer
	lease    stream.Lease       // of the Read that waits
	unsent   *batch             // what the socket had no room for
	tls      *tlsdriver.Session // of a protected connection; nil: a plain one, or one that has not begun

	linger  time.Duration // what Close waits for what was not delivered yet; 0: not at all; negative: it is discarded
	closing *closing      // nil: neither closed nor aborted
}

// newConn makes a connection that is about to be entered in the endpoint's books. start completes it.
func newConn(e *endpoint, s *socket, path core.Path) *conn {
	cfg := e.settings.Load()
	c := &conn{
		endpoint: e,
		settings: cfg,
		sock:     s,
		local:    &e.local,
	}
	c.network.Store(uint32(nameOf(cfg.network)))
	if a := path.Local; a != e.local && a.Addr().IsValid() && !a.Addr().IsUnspecified() {
		own := a
		c.local = &own
	}
	c.read.lock, c.write.lock = &c.mu, &c.mu
	return c
}

// id is the connection's own ID. It needs no lock.
func (c *conn) id() wire.ID { return c.driver.Conn.Local() }

// client reports whether this side has dialled. It needs no lock.
func (c *conn) client() bool { return c.driver.Conn.Client() }

// maxCopy is how many bytes a Read or a Write copies under conn.mu at once, at most. Whoever reads the
// socket needs that lock too, and all connections of the socket wait meanwhile.
const maxCopy = 256 << 10

// yield follows an unlock after n bytes were copied. After many it lets those go first who wait for the
// lock: a caller that comes back at once would take it again before them, for a millisecond.
func yield(n int) {
	if n == maxCopy {
		runtime.Gosched()
	}
}

// Read is Conn.Read.
func (c *conn) Read(b []byte) (int, error) {
	c.mu.Lock()
	c.read.acquire()
	for {
		err := c.unusable(&c.read)
		if len(b) == 0 && err != net.ErrClosed {
			err = nil // as of TCP, whatever the deadline
		}
		if err != nil || len(b) == 0 {
			c.read.release()
			c.mu.Unlock()
			return 0, c.opError("read", err)
		}
		n, err := c.driver.Conn.Read(b[:min(len(b), maxCopy)])
		c.wrote.Store(0) // the next write begins a turn of its own
		if n == 0 && err == nil && c.driver.Conn.Corked() {
			c.endpoint.report(c, c.uncork())
			c.mu.Lock()
			continue
		}
		if n == 0 && err == nil && c.driver.Conn.Confirm() {
			c.proceed(c.endpoint.now())
			c.mu.Lock()
			continue
		}
		if n == 0 && err == nil {
			n = c.awaitBytes(b)
		}
		switch {
		case err != nil:
			c.read.release()
			c.proceed(c.endpoint.now())
			return n, c.opError("read", explained(callRead, err))
		case n > 0:
			c.read.release()
			c.proceedRead()
			yield(n)
			return n, nil
		}
	}
}

// awaitBytes makes a reader wait, to whose memory comes what arrives first, and returns how many bytes that
// are. conn.mu is held, but not during the wait.
func (c *conn) awaitBytes(b []byte) int {
	c.lease = stream.Lease{Buf: b}
	c.driver.Conn.Lend(&c.lease)
	c.await(&c.read)
	n := c.driver.Conn.Reclaim()
	c.lease.Buf = nil
	return n
}

// Write is Conn.Write.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.write.acquire()
	written := 0
	for {
		if err := c.unusable(&c.write); err != nil {
			c.write.release()
			c.mu.Unlock()
			return written, c.opError("write", err)
		}
		n, err := c.driver.Conn.Write(b[written:min(written+maxCopy, len(b))])
		written += n
		switch {
		case err != nil || written == len(b):
			c.write.release()
			now := c.endpoint.now()
			c.gather(now, len(b))
			c.proceed(now)
			return written, c.opError("write", explained(callWrite, err))
		case n > 0:
			c.proceed(c.endpoint.now())
			yield(n)
			c.mu.Lock()
		default:
			c.arm(c.driver.Conn.AwaitMemory(c.endpoint.now()))
			c.await(&c.write)
		}
	}
}

// Close is Conn.Close.
func (c *conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	wait := c.linger
	closing := c.shut()
	c.proceed(c.endpoint.now())
	if wait > 0 {
		limit := time.NewTimer(wait)
		defer limit.Stop()
		select {
		case <-closings.wait(closing):
		case <-limit.C:
		}
	}
	return nil
}

// shut closes the engine, or aborts it, as SetLinger says, and returns what Drain waits for. conn.mu is held, but not
// while the lock of Drain's list is.
func (c *conn) shut() *closing {
	c.closed = true
	c.read.wake()
	c.write.wake()
	if c.linger < 0 {
		c.aborted = true
		closing := c.startClosing()
		c.driver.Conn.Abort(c.endpoint.now())
		return closing
	}
	over := c.driver.Conn.Done() || c.driver.Conn.Err() != nil
	closing := c.startClosing()
	closing.overBefore = over
	c.driver.Conn.Close(c.endpoint.now())
	return closing
}

// drop is the cleanup of the handle: the application will not use the connection any more. It must not wait, and, where the
// socket is not the system's, touch no timer and no channel.
func (c *conn) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped = true
	if !c.closed && c.driver.Ended() {
		c.closed = true
		c.driver.Conn.Close(c.endpoint.now()) // it holds what nobody will read
	}
	if !c.closed && c.sock.Interruptible() {
		c.arm(c.endpoint.now()) // step does the rest
	}
}

// CloseWrite ends the stream to the peer, which reads io.EOF behind what was
// written. Reading goes on.
func (c *conn) CloseWrite() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	c.driver.Conn.CloseWrite()
	c.write.wake()
	c.proceed(c.endpoint.now())
	return nil
}

// CloseRead discards what has arrived and whatever else does. Reads return
// io.EOF; the peer is not told.
func (c *conn) CloseRead() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.opError("close", net.ErrClosed)
	}
	c.driver.Conn.CloseRead()
	c.read.wake()
	c.proceed(c.endpoint.now())
	return nil
}

// Abort is Conn.Abort.
func (c *conn) Abort() error {
	c.endpoint.report(c, c.discard(false))
	return nil
}

// discard is Abort, but for the report, which is the caller's. Drain waits until the peer was told, which may be
// another goroutine's part. busy says that the peer is to hear that there is no place for it.
func (c *conn) discard(busy bool) core.Topic {
	c.mu.Lock()
	c.closed = true
	c.read.wake()
	c.write.wake()
	if c.closing == nil {
		c.aborted = true
	}
	c.startClosing()
	now := c.endpoint.now()
	if busy {
		c.driver.Conn.Refuse(now)
	} else {
		c.driver.Conn.Abort(now)
	}
	return c.step(now)
}

// giveUp has a closed connection end that has not delivered everything. Its timer does the rest.
func (c *conn) giveUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.endpoint.now()
	c.driver.Conn.GiveUp(now)
	c.arm(now)
}

// startClosing puts the connection on Drain's list, once. conn.mu is held, but not while the
// list's own lock is.
func (c *conn) startClosing() *closing {
	if c.closing == nil {
		c.closing = &closing{conn: c, lingers: !c.aborted}
		d := c.closing
		c.mu.Unlock()
		if first := closings.add(d); first != nil {
			first.giveUp()
		}
		c.mu.Lock()
		c.driver.Await(c.aborted)
	}
	return c.closing
}

// SetLinger says what Close does with bytes that the peer has not acknowledged:
// with sec < 0, the default, they are delivered in the background; with 0
// they are discarded and the connection is aborted; with sec > 0 Close
// waits up to so many seconds, and the background has the rest.
func (c *conn) SetLinger(sec int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.opError("set", net.ErrClosed)
	}
	c.linger = time.Duration(max(sec, 0)) * time.Second
	if sec == 0 {
		c.linger = -1
	}
	return nil
}

// SetBandwidthLimit changes the connection's own limit from now on, in bytes per second. 0 and
// negative mean what they mean in Config.BandwidthLimit.
func (c *conn) SetBandwidthLimit(limit int64) error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return c.opError("set", net.ErrClosed)
	}
	now := c.endpoint.now()
	c.driver.Conn.SetRate(now, c.settings.limit(limit))
	c.proceed(now)
	return nil
}

// SetDeadline sets the time after which reads and writes fail with
// os.ErrDeadlineExceeded, those that wait already included. The zero time is no
// deadline.
func (c *conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.read, &c.write) }

// SetReadDeadline is SetDeadline for reads.
func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.read) }

// SetWriteDeadline is SetDeadline for writes. A write that fails may have
// written a part.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.write) }

func (c *conn) setDeadlines(t time.Time, directions ...*serializer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed { // the shape of package net's error, which names this side alone
		return &net.OpError{Op: "set", Net: networkNames[c.network.Load()], Addr: c.LocalAddr(), Err: net.ErrClosed}
	}
	for _, d := range directions {
		if left := d.setDeadline(t); left > 0 {
			c.arm(c.endpoint.now() + left)
		}
	}
	return nil
}

// deadline is when a caller's wait ends, in the engines' time. conn.mu is held.
func (c *conn) deadline() time.Duration {
	at := min(c.read.due(), c.write.due())
	if at == core.Never {
		return at
	}
	return at - c.endpoint.sinceStart
}

// look ends the waits of callers whose deadline has passed. conn.mu is held.
func (c *conn) look(now time.Duration) {
	c.read.look(now + c.endpoint.sinceStart)
	c.write.look(now + c.endpoint.sinceStart)
}

// unusable is why a direction cannot be used whatever the engine says. conn.mu
// is held.
func (c *conn) unusable(t *serializer) error {
	if c.driver.Ended() && t.due() != core.Never { // no timer looks after it any more
		t.look(time.Since(started))
	}
	switch {
	case c.closed:
		return net.ErrClosed
	case t.expired:
		return os.ErrDeadlineExceeded
	}
	return nil
}

// opError says of an error what was done and to whom. nil and io.EOF stay what
// they are.
func (c *conn) opError(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: networkNames[c.network.Load()], Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

package ebb

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// closings is the connections of the process that were closed and still have
// something to deliver. Its lock is taken with no other held.
var closings = closingSet{open: make(map[*conn]*closing)}

// maxUntold bounds the errors that are kept for the next Drain.
const maxUntold = 64

type closingSet struct {
	mu      sync.Mutex
	open    map[*conn]*closing
	untold  []error // of those that gave up while no Drain waited for them, the oldest first
	dropped int     // errors that there was no room for
}

// closing is one of them, until it is over.
type closing struct {
	conn   *conn
	over   bool          // guarded by closings.mu, as are the next two
	done   chan struct{} // closed then; nil: nobody has asked, as of most
	drains int           // how many wait for it and will tell
	err    error         // why it gave up; nil: all was delivered. Valid once it is over

	overBefore bool     // the connection had ended when it was closed. Guarded by conn.mu.
	lingers    bool     // something may be left to be delivered: it is on the list of its endpoint
	prev, next *closing // on that list. Guarded by closings.mu.
}

// lingerList is the closed connections of an endpoint that are still delivering, the first closed first.
type lingerList struct {
	first, last *closing
	length      int
}

func (l *lingerList) push(d *closing) {
	l.length++
	if d.prev = l.last; d.prev == nil {
		l.first = d
	} else {
		d.prev.next = d
	}
	l.last = d
}

func (l *lingerList) remove(d *closing) {
	l.length--
	if d.prev == nil {
		l.first = d.next
	} else {
		d.prev.next = d.next
	}
	if d.next == nil {
		l.last = d.prev
	} else {
		d.next.prev = d.prev
	}
	d.prev, d.next, d.lingers = nil, nil, false
}

// add puts a connection on the list, and returns one that has to give up for it, if there are too many of the endpoint.
func (s *closingSet) add(d *closing) (tooMany *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[d.conn] = d
	if !d.lingers {
		return nil
	}
	l := &d.conn.endpoint.lingering
	l.push(d)
	most := d.conn.settings.MaxLingering
	if most < 0 || l.length <= most {
		return nil
	}
	first := l.first
	l.remove(first)
	return first.conn
}

func (s *closingSet) resolve(c *conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.open[c]
	if d == nil {
		panic("BUG: a connection resolved that was not closed")
	}
	d.err, d.over = err, true
	if d.done != nil {
		close(d.done)
	}
	if d.lingers {
		c.endpoint.lingering.remove(d)
	}
	delete(s.open, c)
	if err != nil && d.drains == 0 {
		s.keep(err)
	}
}

// wait returns what is closed when a connection is over.
func (s *closingSet) wait(d *closing) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return d.awaited()
}

// awaited is wait with closings.mu held.
func (d *closing) awaited() <-chan struct{} {
	if d.done == nil {
		if d.done = make(chan struct{}); d.over {
			close(d.done)
		}
	}
	return d.done
}

// keep leaves an error to the next Drain. The newest ones are what a program that never calls it would want.
func (s *closingSet) keep(err error) {
	if len(s.untold) == maxUntold {
		s.untold = append(s.untold[:0], s.untold[1:]...)
		s.dropped++
	}
	s.untold = append(s.untold, err)
}

// begin returns those that a Drain has to wait for, and the errors that nobody was told of.
func (s *closingSet) begin() (all []*closing, untold []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all = make([]*closing, 0, len(s.open))
	for _, d := range s.open {
		d.drains++
		d.awaited()
		all = append(all, d)
	}
	untold = s.untold
	if s.dropped > 0 {
		untold = append(untold, fmt.Errorf("ebb: %d closed connections more gave up before", s.dropped))
	}
	s.untold, s.dropped = nil, 0
	return all, untold
}

// abandon leaves those that a Drain waits for no longer to the next one, and returns the errors of those that are over.
func (s *closingSet) abandon(rest []*closing) (errs []error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range rest {
		switch {
		case !d.over:
			d.drains--
		case d.err != nil:
			errs = append(errs, d.err)
		}
	}
	return errs
}

// describe says how many there are, and of one where it goes and what it waits for.
func (s *closingSet) describe() string {
	s.mu.Lock()
	n := len(s.open)
	var one *conn
	for one = range s.open {
		break
	}
	s.mu.Unlock()
	if one == nil {
		return "no closed connection is delivering any more"
	}
	i := one.Info()
	return fmt.Sprintf("%d closed connections are still delivering, one of them %d bytes to %v (%s, limited by %v)",
		n, i.SendBuffered, one.RemoteAddr(), i.State, i.LimitedBy)
}

// Drain waits until every connection that was closed so far has delivered what
// was written to it, or has given up, and until the peers of those that were aborted were
// told. A program that ends right after Close calls
// it. Its error joins the context's, if that is done first, and those of the connections that
// gave up, also of those that did so since the last Drain: of the newest 64, if it were more.
// Each is returned once. It waits too until the traces are written that QLOGDIR has asked for, as far as they have got.
func Drain(ctx context.Context) error {
	all, errs := closings.begin()
	for i, d := range all {
		select {
		case <-d.done:
		case <-ctx.Done():
			first := fmt.Errorf("ebb: %s: %w", closings.describe(), context.Cause(ctx))
			errs = append(errs, closings.abandon(all[i:])...)
			if len(errs) == 0 {
				return first
			}
			return errors.Join(append([]error{first}, errs...)...)
		}
		if d.err != nil {
			errs = append(errs, d.err)
		}
	}
	directories.flush(ctx)
	return errors.Join(errs...)
}

// undelivered is why a closed connection gave up; nil if it did not. One that was over before it was closed has told
// why, and gave up nothing if the peer had all its bytes.
func (c *conn) undelivered() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted || c.driver.Conn.Delivered() || c.closing.overBefore && !c.driver.Conn.Dropped() {
		return nil
	}
	err := explained(callWrite, c.driver.Conn.Err())
	if err == nil {
		err = ErrNotDelivered
	}
	return c.opError("close", err)
}

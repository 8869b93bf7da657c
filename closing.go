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

type closingSet struct {
	mu   sync.Mutex
	open map[*conn]*closing
}

// closing is one of them, until done is closed.
type closing struct {
	done chan struct{}
	err  error // why it gave up; nil: all was delivered. Valid once done.
}

func (s *closingSet) add(c *conn, d *closing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[c] = d
}

func (s *closingSet) resolve(c *conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.open[c]
	if d == nil {
		panic("BUG: a connection settled that was not closed")
	}
	d.err = err
	close(d.done)
	delete(s.open, c)
}

func (s *closingSet) all() []*closing {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*closing, 0, len(s.open))
	for _, d := range s.open {
		all = append(all, d)
	}
	return all
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
// it. Its error is the context's, or else joins those of the connections that
// gave up while it waited.
func Drain(ctx context.Context) error {
	var errs []error
	for _, d := range closings.all() {
		select {
		case <-d.done:
		case <-ctx.Done():
			return fmt.Errorf("ebb: %s: %w", closings.describe(), context.Cause(ctx))
		}
		if d.err != nil {
			errs = append(errs, d.err)
		}
	}
	return errors.Join(errs...)
}

// undelivered is why a closed connection gave up; nil if it did not.
func (c *conn) undelivered() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted || c.engine.Delivered() {
		return nil
	}
	err := explained(c.engine.Err())
	if err == nil {
		err = ErrNotDelivered
	}
	return c.opError("close", err)
}

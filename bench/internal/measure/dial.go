package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

func dialOne(ctx context.Context, t Turn) (Sample, error) {
	rate, err := t.dials(ctx, 1)
	return Sample{DialOne: rate}, err
}

func dialMany(ctx context.Context, t Turn) (Sample, error) {
	rate, err := t.dials(ctx, 32)
	return Sample{DialMany: rate}, err
}

func dialResumed(ctx context.Context, t Turn) (Sample, error) {
	rate, err := t.resumptions(ctx, 1)
	return Sample{Resumed: rate}, err
}

func dialManyResumed(ctx context.Context, t Turn) (Sample, error) {
	rate, err := t.resumptions(ctx, 32)
	return Sample{ResumedAll: rate}, err
}

// resumptions is dials that resume the session of dials before them, which are not counted. A ticket may come after the
// bytes of the application, so the first dial may be over without one.
func (t Turn) resumptions(ctx context.Context, n int) (float64, error) {
	for range 100 {
		if resumed, err := t.dialOnce(ctx); err != nil {
			return 0, err
		} else if resumed {
			t.resumes = true
			return t.dials(ctx, n)
		}
	}
	return 0, errFull
}

// errFull is a dial that resumed nothing, where it should.
var errFull = errors.New("a full handshake, where a session was to be resumed")

// dials has n callers each dial, get one byte back and close, over and over
// for the slot, but once at least, and returns how often that succeeded per second. It is an
// error if more than one in a hundred did not.
func (t Turn) dials(ctx context.Context, n int) (float64, error) {
	var mu sync.Mutex
	var done, failed int
	var why error
	start := time.Now()
	until := start.Add(t.Plan.Slot)
	var callers sync.WaitGroup
	for range n {
		callers.Go(func() {
			for again := true; again; again = time.Now().Before(until) {
				resumed, err := t.dialOnce(ctx)
				if err == nil && t.resumes && !resumed {
					err = errFull
				}
				mu.Lock()
				if err != nil {
					failed, why = failed+1, err
				} else {
					done++
				}
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	elapsed := time.Since(start)
	if failed*100 > done {
		return 0, fmt.Errorf("%d of %d dials failed, one so: %w", failed, done+failed, why)
	}
	return float64(done) / elapsed.Seconds(), nil
}

// dialGrace is what one dial and its byte may take.
const dialGrace = 5 * time.Second

// dialOnce also says whether the connection resumed a session.
func (t Turn) dialOnce(ctx context.Context) (resumed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialGrace)
	defer cancel()
	c, err := t.Dialer.Dial(ctx, t.Server.Address)
	if err != nil {
		return false, err
	}
	if err := t.echoOne(c); err != nil {
		c.Close()
		return false, err
	}
	if t.Peer.TLS != nil {
		resumed = t.Peer.TLS(c).DidResume
	}
	return resumed, c.Close()
}

// echoOne has one byte come back.
func (t Turn) echoOne(c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(dialGrace)); err != nil {
		return err
	}
	b := []byte{wantOne}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}

package ebb_test

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// TestDeadlineOutlivesTheConnection: when both ends are over, a deadline that was set before and one that is set now decide as
// before what Read and Write return, as TCP's do: until then what arrived and the end behind it, from then on
// os.ErrDeadlineExceeded.
func TestDeadlineOutlivesTheConnection(t *testing.T) {
	leavesNothing(t)
	inBubble(t, delayed, delayed, func(b *bubble) {
		c, s := b.connect(nil, nil)
		c.SetDeadline(time.Now().Add(time.Minute))
		write(b.T, s, "data")
		s.CloseWrite()
		time.Sleep(time.Second)
		s.Abort()
		time.Sleep(time.Second)
		if got := c.Info().State; got != "done" {
			t.Fatalf("the connection is %s", got)
		}
		buf := make([]byte, 100)
		if n, err := c.Read(buf); string(buf[:n]) != "data" || err != nil {
			t.Errorf("before the deadline: %q, %v", buf[:n], err)
		}
		if _, err := c.Read(buf); err != io.EOF {
			t.Errorf("before the deadline, at the end: %v", err)
		}
		for _, later := range []time.Duration{0, time.Hour} { // the deadline set before the end, and one after
			if later > 0 {
				c.SetDeadline(time.Now().Add(later))
				if _, err := c.Read(buf); err != io.EOF {
					t.Errorf("before the next deadline: %v", err)
				}
				if _, err := c.Write(buf); errors.Is(err, os.ErrDeadlineExceeded) || err == nil {
					t.Errorf("before the next deadline, Write: %v", err)
				}
			}
			time.Sleep(time.Minute + later)
			if _, err := c.Read(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("past the deadline, Read: %v", err)
			}
			if _, err := c.Write(buf); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("past the deadline, Write: %v", err)
			}
		}
		c.SetDeadline(time.Time{})
		if _, err := c.Read(buf); err != io.EOF {
			t.Errorf("without a deadline: %v", err)
		}
	})
}

// Package ebbtest is for tests of programs that use Ebb.
package ebbtest

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"example.com/ebb"
)

// patience is how long what a test has closed may take to end.
const patience = 10 * time.Second

// NoLeaks has the test fail if Ebb has something at its end that it had not when NoLeaks was called: a listener, an endpoint or a
// connection that nobody has closed has a goroutine that reads its socket. It first waits for what closed connections still deliver (ebb.Drain),
// and for goroutines that are about to end, 10 s at most. Detectors of leaks that compare goroutines of the whole process are to
// look after that: Cleanup functions run in reverse order, so NoLeaks is called after theirs was registered. It is not for tests that run in parallel with others.
func NoLeaks(t testing.TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ebb.Drain(ctx) // an error is of a peer that is gone, which is no leak, or of ctx, and then there is one
		for wait := time.Millisecond; ; wait = min(2*wait, time.Second/4) {
			left := goroutines()
			for id := range before {
				delete(left, id)
			}
			if len(left) == 0 {
				return
			}
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				for _, stack := range left {
					t.Errorf("ebbtest: a goroutine of Ebb is left: something was not closed\n%s", stack)
				}
				return
			}
		}
	})
}

// goroutines is the stacks of Ebb's own goroutines, by their names.
func goroutines() map[string]string {
	b := make([]byte, 1<<20)
	for {
		n := runtime.Stack(b, true)
		if n < len(b) {
			b = b[:n]
			break
		}
		b = make([]byte, 2*len(b))
	}
	own := make(map[string]string)
	for stack := range strings.SplitSeq(string(b), "\n\n") {
		if name, _, ok := strings.Cut(stack, " ["); ok && strings.Contains(stack, "created by example.com/ebb.") {
			own[name] = stack
		}
	}
	return own
}

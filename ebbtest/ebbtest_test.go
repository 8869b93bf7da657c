package ebbtest_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"example.com/ebb"
	"example.com/ebb/ebbtest"
	"example.com/ebb/internal/lab/simnet"
)

// witness is a test that is watched.
type witness struct {
	testing.TB
	cleanups []func()
	errors   []string
}

func (w *witness) Helper()          {}
func (w *witness) Cleanup(f func()) { w.cleanups = append(w.cleanups, f) }
func (w *witness) Errorf(format string, a ...any) {
	w.errors = append(w.errors, fmt.Sprintf(format, a...))
}

// What was closed is waited for.
func TestNoLeaks(t *testing.T) {
	ebbtest.NoLeaks(t)
	l, err := ebb.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := ebb.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Write(make([]byte, 1<<20))
	c.Close()
	accepted.Close()
	l.Close()
}

// What was not closed is found. The wait for it is in a bubble's time.
func TestNoLeaksFindsAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &witness{TB: t}
		ebbtest.NoLeaks(w)
		pc, err := simnet.NewNetwork(1).Host("10.0.0.1").ListenPacket(1)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ebb.NewEndpoint(pc, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		for _, f := range w.cleanups {
			f()
		}
		if len(w.errors) != 1 || !strings.Contains(w.errors[0], "readLoop") {
			t.Errorf("an endpoint that is open: %q", w.errors)
		}
	})
}

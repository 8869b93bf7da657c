package ebb

import (
	"reflect"
	"runtime"
	"sync/atomic"
	"time"
)

// goroutines counts the goroutines of an endpoint, for its Close to wait for.
type goroutines struct {
	counts  atomic.Int64  // how many there are, and, times inCall, how many of them are calling the application
	changed chan struct{} // capacity 1: it may be worth another look
}

const inCall = 1 << 32

// callPatience is how long Close waits for a call of the application's. It may be one that waits for Close.
const callPatience = time.Second

func (g *goroutines) start(f func()) {
	g.begin()
	go func() {
		defer g.end()
		f()
	}()
}

// begin counts a goroutine that the caller starts and that calls end itself: it takes no closure, and so no allocation.
func (g *goroutines) begin() { g.counts.Add(1) }

func (g *goroutines) end() { g.add(-1) }

// outside is for one of the goroutines, which calls f, in which the application may be called.
func (g *goroutines) outside(f func()) {
	g.add(inCall)
	defer g.counts.Add(-inCall)
	f()
}

func (g *goroutines) add(n int64) {
	g.counts.Add(n)
	signal(g.changed)
}

// wait waits until there are none, but not for one that is calling the application if that is the caller, and for another not for
// ever.
func (g *goroutines) wait() {
	patient := !calledBack()
	limit := time.NewTimer(callPatience)
	defer limit.Stop()
	for {
		counts := g.counts.Load()
		all, calling := counts%inCall, counts/inCall
		if all == 0 || all == calling && !patient {
			return
		}
		select {
		case <-g.changed:
		case <-limit.C:
			patient = false
		}
	}
}

// calledBack reports whether the caller was called by outside. A goroutine has no name in Go, but it has a stack.
func calledBack() bool {
	outside := runtime.FuncForPC(reflect.ValueOf((*goroutines).outside).Pointer()).Name()
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if f.Function == outside {
			return true
		}
		if !more {
			return false
		}
	}
}

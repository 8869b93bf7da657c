package ebb

import "sync/atomic"

// goroutines counts the goroutines of an endpoint, for its Close to wait for. One that calls the application does not count
// meanwhile: the application may close the endpoint from there, or wait for somebody who does.
type goroutines struct {
	running atomic.Int64
	none    chan struct{} // capacity 1: perhaps there are none
}

func (g *goroutines) start(f func()) {
	g.running.Add(1)
	go func() {
		defer g.end()
		f()
	}()
}

// outside is for one of the goroutines, which calls f without being counted.
func (g *goroutines) outside(f func()) {
	g.end()
	defer g.running.Add(1)
	f()
}

func (g *goroutines) end() {
	if g.running.Add(-1) == 0 {
		signal(g.none)
	}
}

// wait waits until there are none. One caller at a time may wait.
func (g *goroutines) wait() {
	for g.running.Load() > 0 {
		<-g.none
	}
}

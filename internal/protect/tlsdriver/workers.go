package tlsdriver

import "sync"

// Workers calls Work of many drivers, on a bounded number of goroutines. The other drivers wait their turn: each has at
// most one place in the queue, so whoever bounds the connections bounds that too. A goroutine ends when nobody waits.
type Workers struct {
	start func(func())
	most  int

	mu      sync.Mutex
	running int
	queue   []job
}

// job is a driver with work to do.
type job struct {
	driver *Driver
	news   func()
}

// NewWorkers makes workers that are at most so many at a time. Each begins with a call of start, which runs its argument on a
// goroutine that the owner waits for.
func NewWorkers(most int, start func(func())) *Workers { return &Workers{start: start, most: most} }

// Run has Work called. It returns at once, and may be called with a lock held unless start or news need that.
func (w *Workers) Run(d *Driver, news func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue = append(w.queue, job{d, news})
	if w.running < w.most {
		w.running++
		w.start(w.work)
	}
}

// Running is how many goroutines there are.
func (w *Workers) Running() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running
}

func (w *Workers) work() {
	for j, ok := w.next(); ok; j, ok = w.next() {
		j.driver.Work(j.news)
	}
}

// next returns who waits longest. If nobody does, the goroutine that asks ends.
func (w *Workers) next() (j job, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		w.running--
		w.queue = nil
		return job{}, false
	}
	j, w.queue[0] = w.queue[0], job{}
	w.queue = w.queue[1:]
	return j, true
}

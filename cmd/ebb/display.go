package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/internal/untrusted"
)

// display is what a sender's user sees: results, failures, lines about the
// connection, and a progress bar below them if a person is watching.
type display struct {
	console

	mu  sync.Mutex               // one thing at a time
	bar *progressbar.ProgressBar // nil if nobody is watching
}

func newDisplay(c console, files []transfer.File) *display {
	d := &display{console: c}
	if term.IsTerminal(int(c.stderr.Fd())) {
		d.bar = newProgress(c.stderr, files)
	}
	return d
}

// progress moves the bar by n bytes of a file.
func (d *display) progress(name string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bar != nil {
		d.bar.Describe(untrusted.Text(name).String())
		d.bar.Add(n)
	}
}

// report says how the sending of a file ended.
func (d *display) report(r transfer.Result) {
	d.above(func() {
		if r.Err != nil {
			fmt.Fprintf(d.stderr, "ebb send: %s: %s\n", r.Name, oneLine(r.Err))
			return
		}
		printResult(d.stdout, r)
	})
}

// line writes one about the connection.
func (d *display) line(text string) {
	d.above(func() { io.WriteString(d.stderr, text) })
}

// above prints where the bar is, which moves below it with the next progress.
func (d *display) above(print func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bar != nil {
		d.bar.Clear()
	}
	print()
}

// close takes the bar away.
func (d *display) close() { d.above(func() {}) }

// newProgress is a bar over the bytes of all files, with their rate and the time
// left.
func newProgress(w io.Writer, files []transfer.File) *progressbar.ProgressBar {
	var total int64
	for _, f := range files {
		total += f.Size
	}
	return progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(w),
		progressbar.OptionShowBytes(true),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionFullWidth(),
	)
}

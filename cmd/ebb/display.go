package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/internal/untrusted"
)

// display is what a sender's user sees: results, failures, lines about the
// connection, and a line of progress below them if a person is watching.
type display struct {
	console
	status *statusLine
	files  int
	bytes  int64 // of all files
	rate   rateMeter

	mu      sync.Mutex
	current untrusted.Text // the file that is being sent
	sent    int64          // bytes of all files
	done    int            // files that were sent, or failed
}

func newDisplay(c console, files []transfer.File) *display {
	d := &display{console: c, files: len(files)}
	for _, f := range files {
		d.bytes += f.Size
	}
	d.status = newStatusLine(c.stderr, d.parts)
	return d
}

// progress is n more bytes of a file.
func (d *display) progress(name string, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = untrusted.Text(name)
	d.sent += int64(n)
}

// parts are those of the line of progress.
func (d *display) parts(now time.Time) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	rate := d.rate.add(now, d.sent)
	return progressParts(rate, d.sent, d.bytes, d.done, d.files, d.current.String())
}

// progressParts are the parts of a line of progress, the most important ones first.
func progressParts(rate float64, sent, bytes int64, done, files int, current string) []string {
	percent, left := 100.0, ""
	if bytes > 0 {
		percent = min(100*float64(sent)/float64(bytes), 100)
	}
	if rate > 0 && bytes >= sent {
		left = clockText(time.Duration(float64(bytes-sent)/rate*float64(time.Second))) + " left"
	}
	return []string{
		fmt.Sprintf("%.0f %%", percent), bytesText(rate) + "/s", left,
		fmt.Sprintf("%s of %s", bytesText(float64(sent)), bytesText(float64(bytes))),
		fmt.Sprintf("%d of %d files", done, files), current,
	}
}

// report says how the sending of a file ended.
func (d *display) report(r transfer.Result) {
	d.mu.Lock()
	d.done++
	d.mu.Unlock()
	d.status.above(func() {
		if r.Err != nil {
			fmt.Fprintf(d.stderr, "ebb send: %s: %s\n", r.Name, oneLine(r.Err))
			return
		}
		printResult(d.stdout, r)
	})
}

// line writes one about the connection.
func (d *display) line(text string) {
	d.status.above(func() { io.WriteString(d.stderr, text) })
}

// close takes the line of progress away.
func (d *display) close() { d.status.close() }

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rivo/uniseg"
	"golang.org/x/term"
)

// statusInterval is how often the line of progress is drawn.
const statusInterval = 200 * time.Millisecond

// statusLine is one line at the bottom of a terminal, drawn again as long as it lasts. What is printed meanwhile is above it.
type statusLine struct {
	w    io.Writer
	text func(now time.Time) []string // its parts, the most important first; none: nothing is shown
	size func() int                   // columns

	mu    sync.Mutex
	shown bool
	over  chan struct{}
	done  sync.WaitGroup
}

// newStatusLine draws on f until it is closed; if f is no terminal, it draws nothing.
func newStatusLine(f *os.File, text func(now time.Time) []string) *statusLine {
	s := &statusLine{w: f, text: text, over: make(chan struct{})}
	if !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.size = func() int {
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil || columns < 1 {
			return 80
		}
		return columns
	}
	s.done.Go(s.run)
	return s
}

// watched reports whether anybody sees it.
func (s *statusLine) watched() bool { return s.size != nil }

func (s *statusLine) run() {
	ticker := time.NewTicker(statusInterval)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			s.mu.Lock()
			s.draw(now)
			s.mu.Unlock()
		case <-s.over:
			return
		}
	}
}

func (s *statusLine) draw(now time.Time) {
	line := fitParts(s.text(now), s.size()-1) // the last column would begin another line
	if line == "" {
		s.clear()
		return
	}
	fmt.Fprintf(s.w, "\r%s\x1b[K", line)
	s.shown = true
}

func (s *statusLine) clear() {
	if s.shown {
		io.WriteString(s.w, "\r\x1b[K")
		s.shown = false
	}
}

// above prints where the line is, which is drawn below it the next time.
func (s *statusLine) above(print func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	print()
}

// close takes the line away.
func (s *statusLine) close() {
	close(s.over)
	s.done.Wait()
	s.above(func() {})
}

// fitParts is as many of the parts as have room in so many columns, with two spaces between them. The first part that has none
// is cut, if something of it can be seen.
func fitParts(parts []string, columns int) string {
	var line strings.Builder
	used := 0
	for _, part := range parts {
		if part == "" {
			continue
		}
		gap := min(used, 2)
		room := columns - used - gap
		width := uniseg.StringWidth(part)
		if width > room {
			if used == 0 || room >= 8 {
				line.WriteString(strings.Repeat(" ", gap) + cut(part, room))
			}
			break
		}
		line.WriteString(strings.Repeat(" ", gap) + part)
		used += gap + width
	}
	return line.String()
}

// cut is the beginning of s that has room in so many columns, an ellipsis included.
func cut(s string, columns int) string {
	if columns < 1 {
		return ""
	}
	var b strings.Builder
	state, used := -1, 0
	for len(s) > 0 {
		var cluster string
		var width int
		cluster, s, width, state = uniseg.FirstGraphemeClusterInString(s, state)
		if used+width > columns-1 {
			break
		}
		b.WriteString(cluster)
		used += width
	}
	return b.String() + "…"
}

// clockText is a time as a clock shows it.
func clockText(d time.Duration) string {
	seconds := int64(d.Round(time.Second) / time.Second)
	if seconds >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", seconds/3600, seconds/60%60, seconds%60)
	}
	return fmt.Sprintf("%d:%02d", seconds/60, seconds%60)
}

// rateMeter is the rate of a number that grows, over the last seconds.
type rateMeter struct {
	times  [16]time.Time
	values [16]int64
	next   int
}

// add takes in a value, and returns the rate per second since the oldest that is kept.
func (r *rateMeter) add(now time.Time, value int64) float64 {
	i := r.next % len(r.times)
	oldest, before := r.times[i], r.values[i]
	if oldest.IsZero() {
		oldest, before = r.times[0], r.values[0]
	}
	r.times[i], r.values[i] = now, value
	r.next++
	if oldest.IsZero() || !now.After(oldest) {
		return 0
	}
	return float64(value-before) / now.Sub(oldest).Seconds()
}

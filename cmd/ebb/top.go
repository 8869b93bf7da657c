package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/term"

	"example.com/ebb/debug"
)

const (
	// textWidth is how many columns the list has that is printed without a terminal.
	textWidth = 120
	// sizeInterval is how often the size of the terminal is looked at.
	sizeInterval = 200 * time.Millisecond
)

// top is the command.
func top(ctx context.Context, c console, _ opener, args []string) error {
	fs := newFlagSet("top", "[SOCKET|URL]",
		`Shows the connections of a process that serves figures about them, such as "ebb receive
--debug" or any program that uses example.com/ebb/debug: what each connection sends and
receives, what limits it, its round trip, queue and losses. SOCKET is the path of a Unix
socket, and URL is the address of the debug page. Without either, top shows the one
process that has a socket in `+debug.SocketDir()+`.
If the output is not a terminal, the list is printed once.`,
		`  ebb top
  ebb top http://127.0.0.1:6060/debug/ebb/
  ebb top --interval 5s /run/user/1000/ebb/4711.sock
`)
	interval := fs.Duration("interval", time.Second, "refresh the figures every `DURATION`")
	once := fs.Bool("once", false, "print the list once, even on a terminal")
	if err := fs.parse(args, 0, 1); err != nil {
		return err
	}
	if *interval < 100*time.Millisecond {
		return usageErrorf("--interval is %v: want at least 100ms", *interval)
	}
	source, err := newSource(fs.Arg(0))
	if err != nil {
		return err
	}
	first, err := source.read(ctx)
	if err != nil {
		return err
	}
	view := newTopView()
	view.take(first)
	if *once || !term.IsTerminal(int(c.stdout.Fd())) || !term.IsTerminal(int(c.stdin.Fd())) {
		return printTop(ctx, c.stdout, source, view, *interval)
	}
	return watchTop(ctx, c, source, view, *interval)
}

// printTop prints the list, with rates over an interval.
func printTop(ctx context.Context, w io.Writer, source *figureSource, view *topView, interval time.Duration) error {
	select {
	case <-time.After(interval):
	case <-ctx.Done():
		return errStopped
	}
	second, err := source.read(ctx)
	if err != nil {
		return err
	}
	view.take(second)
	_, err = io.WriteString(w, view.text(textWidth))
	return err
}

// topKey is a key that the user has pressed.
type topKey int

const (
	keyQuit topKey = iota
	keyNext
	keyPrevious
	keyReverse
	keyPause
	keyUp
	keyDown
	keyPageUp
	keyPageDown
	keyHome
	keyEnd
)

// topKeys are the bytes that terminals send.
var topKeys = map[string]topKey{
	"q": keyQuit, "Q": keyQuit, "\x03": keyQuit, "s": keyNext, ">": keyNext, "\x1b[C": keyNext, "S": keyPrevious, "<": keyPrevious, "\x1b[D": keyPrevious,
	"r": keyReverse, "p": keyPause, " ": keyPause, "k": keyUp, "\x1b[A": keyUp, "j": keyDown, "\x1b[B": keyDown, "\x1bOA": keyUp, "\x1bOB": keyDown,
	"\x1b[5~": keyPageUp, "\x1b[6~": keyPageDown, "g": keyHome, "\x1b[H": keyHome, "G": keyEnd, "\x1b[F": keyEnd,
}

// readKeys sends the keys that are pressed, until the input ends. Reading a terminal cannot be interrupted: it ends with the process.
func readKeys(r io.Reader, keys chan<- topKey) {
	in := bufio.NewReader(r)
	pending := ""
	for {
		b, err := in.ReadByte()
		if err != nil {
			return
		}
		if pending += string(b); b == '\x1b' {
			pending = "\x1b"
		}
		key, ok := topKeys[pending]
		if ok {
			keys <- key
		}
		if ok || !strings.HasPrefix(pending, "\x1b") || len(pending) > 4 {
			pending = ""
		}
	}
}

// figures is what came of a read.
type figures struct {
	snapshot *debug.Snapshot
	err      error
}

// watchTop shows the list on the terminal until the user has seen enough.
func watchTop(ctx context.Context, c console, source *figureSource, view *topView, interval time.Duration) error {
	before, err := term.MakeRaw(int(c.stdin.Fd()))
	if err != nil {
		return fmt.Errorf("cannot use the terminal: %w", err)
	}
	io.WriteString(c.stdout, "\x1b[?1049h\x1b[?25l\x1b[?7l") // another screen, without a cursor, whose lines do not wrap
	defer func() {
		io.WriteString(c.stdout, "\x1b[?7h\x1b[?25h\x1b[?1049l")
		term.Restore(int(c.stdin.Fd()), before)
	}()
	ctx, cancel := context.WithCancel(ctx)
	reads, done := make(chan figures), make(chan struct{})
	defer func() { cancel(); <-done }()
	go func() {
		defer close(done)
		readFigures(ctx, source, interval, reads)
	}()
	keys := make(chan topKey)
	go readKeys(c.stdin, keys)
	return view.interact(ctx, c, keys, reads)
}

// readFigures reads at each interval until the context ends.
func readFigures(ctx context.Context, source *figureSource, interval time.Duration, to chan<- figures) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		s, err := source.read(ctx)
		select {
		case to <- figures{s, err}:
		case <-ctx.Done():
			return
		}
	}
}

// interact draws what comes, and does what the keys say.
func (v *topView) interact(ctx context.Context, c console, keys <-chan topKey, reads <-chan figures) error {
	size := time.NewTicker(sizeInterval)
	defer size.Stop()
	width, height := 0, 0
	for {
		w, h, err := term.GetSize(int(c.stdout.Fd()))
		if err != nil || w < 1 || h < 1 {
			w, h = 80, 24
		}
		drawn := w == width && h == height
		width, height = w, h
		if !drawn {
			v.draw(c.stdout, width, height)
		}
		select {
		case <-size.C:
			continue
		case key := <-keys:
			if key == keyQuit {
				return nil
			}
			v.press(key, width, height)
		case f := <-reads:
			switch {
			case v.paused:
			case f.err != nil && !errors.Is(f.err, context.Canceled):
				v.trouble = oneLine(f.err)
			case f.err == nil:
				v.take(f.snapshot)
			}
		case <-ctx.Done():
			return errStopped
		}
		v.draw(c.stdout, width, height)
	}
}

// press does what a key is for.
func (v *topView) press(key topKey, width, height int) {
	room := max(1, height-len(v.head())-2)
	switch key {
	case keyNext:
		v.sortBy(1, width)
	case keyPrevious:
		v.sortBy(-1, width)
	case keyReverse:
		v.descending = !v.descending
		v.arrange()
	case keyPause:
		v.paused = !v.paused
	case keyUp:
		v.scroll(-1, room)
	case keyDown:
		v.scroll(1, room)
	case keyPageUp:
		v.scroll(-room, room)
	case keyPageDown:
		v.scroll(room, room)
	case keyHome:
		v.scroll(-len(v.rows), room)
	case keyEnd:
		v.scroll(len(v.rows), room)
	}
}

// draw writes all lines in one piece, each over what was there.
func (v *topView) draw(w io.Writer, width, height int) {
	lines, titles := v.screen(width, height)
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if i == titles && i < len(lines)-1 {
			line = "\x1b[7m" + line + strings.Repeat(" ", width-len(line)) + "\x1b[0m"
		}
		b.WriteString("\x1b[K" + line) // behind a full line it would take the last character away
	}
	io.WriteString(w, b.String())
}

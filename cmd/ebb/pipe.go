package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/term"

	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/cmd/ebb/internal/settings"
)

// pipeBuffer is how much moves at a time, in bytes.
const pipeBuffer = 256 << 10

// pipe is the command.
func pipe(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("pipe", "ID@HOST:PORT or -l HOST:PORT",
		`Joins standard input and output over one connection to HOST:PORT or, with -l, over the
first connection accepted there. The connection is encrypted, and ID is the identity of
the other side; with -l, pipe prints its own identity and the command to run at the
other end. The end of standard input ends only that direction; the other continues
until it ends too. (If standard input is a terminal, pipe exits when the other side
ends.)`,
		`  ebb pipe -l :9000 > copy                 one side
  ebb pipe ID@localhost:9000 < original    the other
  tar c dir | ebb pipe ID@backup.example:9000
  ebb pipe --plain localhost:9000          not encrypted; the other side has --plain too
`)
	var options transportOptions
	listen := fs.BoolP("listen", "l", false, "accept one connection instead of making one")
	verbose := fs.BoolP("verbose", "v", false, "print details of the connection")
	options.registerProtection(fs, true)
	var figures debugFlag
	figures.register(fs)
	options.register(fs, defaultBandwidthLimit)
	if err := fs.parse(args, 1, 1); err != nil {
		return err
	}
	shown, err := figures.serve("pipe")
	if err != nil {
		return err
	}
	defer shown.close()
	t, conn, err := openPipe(ctx, c, open, &options, fs.Arg(0), *listen)
	if err != nil {
		return err
	}
	shown.say(c.stderr, "pipe")
	// Reading standard input cannot be interrupted, so it may go on behind the
	// end; reading the connection is.
	context.AfterFunc(ctx, func() { conn.Close() })
	detail := t.detailOf(conn)
	err = join(conn, c.stdin, c.stdout, !term.IsTerminal(int(c.stdin.Fd())))
	if *verbose {
		fmt.Fprint(c.stderr, detail())
	}
	conn.Close()
	return errors.Join(t.explain(err), t.drain(ctx))
}

// openPipe connects to where an argument says, or accepts a connection there.
func openPipe(ctx context.Context, c console, open opener, options *transportOptions, where string, listen bool) (t transport, conn net.Conn, err error) {
	var to target
	var chosen settings.Settings
	if !listen {
		to, chosen, err = options.resolveTarget(c.stderr, where, "ebb pipe -l")
	} else if err = checkAddress(where, true); err == nil {
		chosen, err = options.resolve(c.stderr)
	}
	if err != nil {
		return t, nil, err
	}
	if t, err = options.open(c.stderr, open, chosen); err != nil {
		return t, nil, err
	}
	if listen {
		conn, err = t.acceptOne(ctx, where, c.stderr)
	} else {
		conn, err = t.dialOrSay(ctx, to)
	}
	return t, conn, err
}

// acceptOne listens for one connection. What to type at the other end goes to w.
func (t transport) acceptOne(ctx context.Context, address string, w io.Writer) (net.Conn, error) {
	var mu sync.Mutex // one line at a time
	grumbling := newGrumbler(w, "pipe")
	ln, err := t.listenOrSay(ctx, address, func(line string) {
		mu.Lock()
		defer mu.Unlock()
		grumbling.printf(time.Now(), "ebb pipe: %s\n", line)
	})
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	mu.Lock()
	t.announce(w, "pipe", "pipe", "", address, ln.Addr())
	mu.Unlock()
	conn, err := ln.Accept()
	if err != nil {
		return nil, fmt.Errorf("cannot accept a connection on %v: %w", ln.Addr(), err)
	}
	return conn, nil
}

// join copies in to conn and conn to out until the peer ends its direction and,
// if whole, in has ended too. A failure of either direction ends both.
func join(conn net.Conn, in io.Reader, out io.Writer, whole bool) error {
	up, down := make(chan error, 1), make(chan error, 1)
	go func() { up <- upload(conn, in) }()
	go func() { down <- download(out, conn) }()
	for up != nil || down != nil {
		select {
		case err := <-up:
			if err != nil {
				return err
			}
			up = nil
		case err := <-down:
			if err != nil || !whole {
				return err
			}
			down = nil
		}
	}
	return nil
}

// upload copies in to conn and ends that direction.
func upload(conn net.Conn, in io.Reader) error {
	// The bare reader and writer keep a file's own copying, which knows
	// nothing of conn, out of the way.
	if _, err := io.CopyBuffer(conn, struct{ io.Reader }{in}, make([]byte, pipeBuffer)); err != nil {
		return fmt.Errorf("from standard input to %v: %w", conn.RemoteAddr(), err)
	}
	if err := ends.CloseWrite(conn); err != nil {
		return fmt.Errorf("ending the direction to %v: %w", conn.RemoteAddr(), err)
	}
	return nil
}

func download(out io.Writer, conn net.Conn) error {
	if _, err := io.CopyBuffer(struct{ io.Writer }{out}, conn, make([]byte, pipeBuffer)); err != nil {
		return fmt.Errorf("from %v to standard output: %w", conn.RemoteAddr(), err)
	}
	return nil
}

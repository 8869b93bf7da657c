package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/term"

	"example.com/ebb/cmd/ebb/internal/ends"
)

// pipeBuffer is how much moves at a time, in bytes.
const pipeBuffer = 256 << 10

// pipe is the command.
func pipe(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("pipe", "HOST:PORT",
		`Joins standard input and output over one connection to HOST:PORT, or with -l over
the first one that is accepted there. The end of standard input ends the one
direction; the other goes on until its own end. (If standard input is a terminal,
the other side's end is the end.)`,
		`  ebb pipe -l :9000 > copy                 the one side
  ebb pipe localhost:9000 < original       the other
  tar c dir | ebb pipe backup.example:9000
`)
	var options transportOptions
	listen := fs.BoolP("listen", "l", false, "accept one connection instead of making one")
	verbose := fs.BoolP("verbose", "v", false, "print details of the connection")
	var figures debugFlag
	figures.register(fs)
	options.register(fs, defaultBandwidthLimit)
	if err := fs.parse(args, 1, 1); err != nil {
		return err
	}
	address := fs.Arg(0)
	if err := checkAddress(address, *listen); err != nil {
		return err
	}
	chosen, err := options.resolve(c.stderr)
	if err != nil {
		return err
	}
	t, err := open(chosen)
	if err != nil {
		return err
	}
	shown, err := figures.serve("pipe")
	if err != nil {
		return err
	}
	defer shown.close()
	var conn net.Conn
	if *listen {
		conn, err = t.acceptOne(ctx, address, c.stderr)
	} else {
		conn, err = t.dialOrSay(ctx, address)
	}
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
	return errors.Join(err, t.drain(ctx))
}

// acceptOne listens for one connection. The address goes to w, since port 0 is
// any.
func (t transport) acceptOne(ctx context.Context, address string, w io.Writer) (net.Conn, error) {
	ln, err := t.listenOrSay(ctx, address)
	if err != nil {
		return nil, err
	}
	defer ln.Close()
	fmt.Fprintf(w, "ebb pipe: listening on %v\n", ln.Addr())
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

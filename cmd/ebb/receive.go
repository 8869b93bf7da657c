package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

const (
	// maxSenders is how many senders are served at once; others wait.
	maxSenders = 64
	// senderTimeout is how long a sender may be silent.
	senderTimeout = 2 * time.Minute
)

// fileServer receives files into a directory.
type fileServer struct {
	transport transport
	receiver  transfer.Receiver
	console   console
	once      bool // end with the first sender
	verbose   bool

	mu sync.Mutex // one line at a time
}

// receive is the command.
func receive(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("receive", "ADDR DIR",
		`Listens on ADDR, a UDP HOST:PORT, and stores the files that "ebb send" sends in
DIR, which must exist. A file gets its name when all of it has arrived and its
SHA-256 matches; what is on its way has a name that ends in `+transfer.PartialSuffix+`.
Prints a line per file, with tabs: name, size, seconds, rate, SHA-256.`,
		`  ebb receive :9000 inbox                   until it is interrupted
  ebb receive --once localhost:9000 inbox   one sender, for scripts
`)
	var options transportOptions
	server := fileServer{console: c}
	fs.BoolVar(&server.once, "once", false, "end when the first sender is done")
	fs.BoolVar(&server.receiver.Overwrite, "overwrite", false, "let files replace those of the same name")
	fs.BoolVarP(&server.verbose, "verbose", "v", false, "print details of the connections")
	options.register(fs, defaultBandwidthLimit)
	if err := fs.parse(args, 2, 2); err != nil {
		return err
	}
	address, dir := fs.Arg(0), fs.Arg(1)
	if err := checkAddress(address, true); err != nil {
		return err
	}
	chosen, err := options.resolve(c.stderr)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("cannot store files in %s: %w", dir, err)
	}
	defer root.Close()
	if server.transport, err = open(chosen); err != nil {
		return err
	}
	ln, err := server.transport.listenOrSay(ctx, address)
	if err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "ebb receive: listening on %v\n", ln.Addr())
	server.receiver.Root = root
	server.receiver.Timeout = senderTimeout
	err = server.serve(ctx, ln)
	server.transport.drainEnds()
	return err
}

// serve accepts senders until ctx ends, or the first of them is done.
func (s *fileServer) serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	var sessions sync.WaitGroup
	defer sessions.Wait()
	free := make(chan struct{}, maxSenders)
	for {
		free <- struct{}{}
		conn, err := ln.Accept()
		if err != nil {
			return fmt.Errorf("cannot accept senders: %w", err)
		}
		if s.once {
			if err := s.session(ctx, conn); !errors.Is(err, transfer.ErrGreeting) {
				return err
			}
			<-free
			continue
		}
		sessions.Go(func() {
			s.session(ctx, conn)
			<-free
		})
	}
}

// session serves one sender. What goes wrong has been told when it returns.
func (s *fileServer) session(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	receiver, detail := s.receiver, s.transport.detailOf(conn)
	receiver.Report = func(r transfer.Result) { s.print(conn, r) }
	err := receiver.Receive(ctx, conn)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.verbose {
		fmt.Fprint(s.console.stderr, detail())
	}
	if err == nil {
		return nil
	}
	var incomplete *transfer.IncompleteError
	if !errors.As(err, &incomplete) {
		fmt.Fprintf(s.console.stderr, "ebb receive: the sender at %v: %s\n", conn.RemoteAddr(), oneLine(err))
	}
	return &toldError{err}
}

func (s *fileServer) print(conn net.Conn, r transfer.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Err != nil {
		fmt.Fprintf(s.console.stderr, "ebb receive: %s from %v: %s\n", r.Name, conn.RemoteAddr(), oneLine(r.Err))
		return
	}
	printResult(s.console.stdout, r)
}

// printResult writes the line of a file that was stored. A name has no tabs, so
// the line can be taken apart.
func printResult(w io.Writer, r transfer.Result) {
	seconds := r.Elapsed.Seconds()
	fmt.Fprintf(w, "%s\t%d bytes\t%.3f s\t%s/s\tsha256:%s\n",
		r.Name, r.Size, seconds, bytesText(float64(r.Size)/max(seconds, 1e-9)), hex.EncodeToString(r.Sum[:]))
}

// bytesText is a number of bytes with a decimal unit and three digits.
func bytesText(n float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for ; n >= 999.5 && i < len(units)-1; i++ {
		n /= 1000
	}
	switch {
	case i == 0 || n >= 99.95:
		return fmt.Sprintf("%.0f %s", n, units[i])
	case n >= 9.995:
		return fmt.Sprintf("%.1f %s", n, units[i])
	}
	return fmt.Sprintf("%.2f %s", n, units[i])
}

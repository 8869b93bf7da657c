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
	"sync/atomic"
	"time"

	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/cmd/ebb/internal/folder"
	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/cmd/ebb/internal/tree"
)

const (
	// offerTimeout is how long a sender may take to say what it wants, and senderTimeout for any
	// message behind that.
	offerTimeout  = 30 * time.Second
	senderTimeout = 2 * time.Minute
	// maxRefusing is how many senders are told at once that there is no place; more hear nothing.
	maxRefusing = 32
)

// fileServer receives files into a directory.
type fileServer struct {
	transport transport
	dir       string // whose Root the receivers have
	receiver  transfer.Receiver
	folders   folder.Receiver
	meter     folder.Meter
	sessions  atomic.Int64 // of folders, that are going on
	status    *statusLine
	rate      rateMeter
	json      bool          // objects instead of lines, of folders
	keep      time.Duration // how long what is left behind of a file may serve another session
	console   console
	from      networks
	places    *places
	once      bool // end with the first sender
	verbose   bool

	mu        sync.Mutex // one line at a time
	grumbling *grumbler
}

// receiveOptions is what the command line says beside the connections.
type receiveOptions struct {
	maxSenders, maxSendersPerHost int
	maxFiles                      int64
	maxSize                       settings.Size
	minRate                       settings.Rate
}

// receiveText and receiveExamples are of the help.
const (
	receiveText = `Listens on ADDR, a UDP HOST:PORT, and stores the files that "ebb send" sends in DIR,
which must exist; if it is removed meanwhile, the command ends with status 1. A file gets
its final name once all of it has arrived and its SHA-256 matches; until then its name
ends in ` + transfer.PartialSuffix + `.
Prints one line per file, separated by tabs: name, size, seconds, rate, SHA-256.

Folders from "ebb send -r" are stored in DIR. Files already there with the same size
and time are kept; files that differ are replaced only with --overwrite. The part of a
file that arrived before an interruption is kept for a week, so that a later run can
use it. Of a file that was sent without -r nothing is kept: if receive was killed, the
next one on DIR removes what is left.

Connections are encrypted. The receiver has an identity, which its senders have to
know. It creates the identity on its first run, and prints the command to run at the
other end. Anyone who can reach it may send, unless --peer lists who may; "ebb id"
prints a sender's identity.`
	receiveExamples = `  ebb receive :9000 inbox                   until interrupted
  ebb receive --once localhost:9000 inbox   one sender, for scripts
  ebb receive --peer ID :9000 inbox         from one sender, wherever it is
  ebb receive --from 192.0.2.0/24 --max-size 10GB :9000 inbox
`
)

// receive is the command.
func receive(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("receive", "ADDR DIR", receiveText, receiveExamples)
	var options transportOptions
	var own receiveOptions
	server := fileServer{console: c, grumbling: newGrumbler(c.stderr, "receive")}
	server.register(fs, &own)
	options.registerProtection(fs, true)
	var figures debugFlag
	figures.register(fs)
	options.register(fs, defaultBandwidthLimit)
	if err := fs.parse(args, 2, 2); err != nil {
		return err
	}
	address, dir := fs.Arg(0), fs.Arg(1)
	if err := checkAddress(address, true); err != nil {
		return err
	}
	if dir == "" {
		return usageErrorf("DIR has an empty name")
	}
	if err := server.configure(own); err != nil {
		return err
	}
	chosen, err := options.resolve(c.stderr)
	if err != nil {
		return err
	}
	server.places.listed = len(chosen.Protection.Peers) > 0
	root, err := os.OpenRoot(dir)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot store files in %s: there is no such folder; create it first", dir)
	}
	if err != nil {
		return fmt.Errorf("cannot store files in %s: %w", dir, err)
	}
	defer root.Close()
	server.dir, server.receiver.Root, server.folders.Root = dir, root, root
	server.status = newStatusLine(c.stderr, server.parts)
	defer server.status.close()
	if server.transport, err = options.open(c.stderr, open, chosen); err != nil {
		return err
	}
	shown, err := figures.serve("receive")
	if err != nil {
		return err
	}
	defer shown.close()
	ln, err := server.transport.listenOrSay(ctx, address, func(line string) { server.grumble("ebb receive: %s\n", line) })
	if err != nil {
		return err
	}
	server.above(func() {
		server.transport.announce(c.stderr, "receive", "send", " FILE...", address, ln.Addr())
		shown.say(c.stderr, "receive")
	})
	err = server.serve(ctx, ln)
	server.transport.drainEnds()
	return err
}

// register adds the flags that are receive's alone.
func (s *fileServer) register(fs *flagSet, own *receiveOptions) {
	fs.BoolVar(&s.once, "once", false, "exit when the first sender is done")
	fs.BoolVar(&s.receiver.Overwrite, "overwrite", false, "let files replace existing ones of the same name")
	fs.Var(&s.from, "from", "serve only this `NETWORK`, such as 192.0.2.0/24, or this address; may be repeated")
	fs.IntVar(&own.maxSenders, "max-senders", 64, "serve at most this `NUMBER` of senders at once")
	fs.IntVar(&own.maxSendersPerHost, "max-senders-per-host", 8, "serve at most this `NUMBER` of senders from one IPv4 address or IPv6 /56, or with --peer from one identity")
	fs.Int64Var(&own.maxFiles, "max-files", 100_000, "store at most this `NUMBER` of files in total; 0 means no limit")
	fs.Var(&own.maxSize, "max-size", "store at most this many `BYTES` in total; 0 means no limit")
	own.minRate = 1000
	fs.Var(&own.minRate, "min-rate", "drop a sender that is slower than this `RATE` over a minute; 0 means never")
	s.registerFolders(fs)
	fs.BoolVarP(&s.verbose, "verbose", "v", false, "print details of each connection")
}

// configure takes what the flags say.
func (s *fileServer) configure(own receiveOptions) error {
	switch {
	case own.maxSenders < 1:
		return usageErrorf("--max-senders is %d: want at least 1", own.maxSenders)
	case own.maxSendersPerHost < 1:
		return usageErrorf("--max-senders-per-host is %d: want at least 1", own.maxSendersPerHost)
	case own.maxFiles < 0:
		return usageErrorf("--max-files is %d: want at least 0", own.maxFiles)
	}
	s.places = newPlaces(own.maxSenders, own.maxSendersPerHost)
	s.receiver.Quota = transfer.NewQuota(own.maxFiles, int64(own.maxSize))
	s.receiver.MinRate = int64(own.minRate)
	s.receiver.Greeting, s.receiver.Timeout = offerTimeout, senderTimeout
	s.receiver.Umask = transfer.Umask()
	return s.configureFolders()
}

// serve accepts senders until ctx ends, or the first of them is done, or there is no folder for them any more.
func (s *fileServer) serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var sessions sync.WaitGroup
	defer sessions.Wait()
	defer cancel()
	defer ln.Close()
	sessions.Go(func() { s.sweep(ctx) })
	over := make(chan error, 1) // why no more senders are accepted: with --once how the session of the first ended
	end := func(why error) {
		select {
		case over <- why:
			ln.Close()
		default:
		}
	}
	refusing := make(chan struct{}, maxRefusing)
	for {
		conn, err := ln.Accept()
		if err != nil {
			select {
			case err := <-over:
				return err
			default:
			}
			if ctx.Err() != nil && !s.once {
				return errStopped
			}
			return fmt.Errorf("cannot accept senders: %w", err)
		}
		from := addrOf(conn.RemoteAddr())
		if !s.from.admit(from) {
			s.grumble("ebb receive: %v is in no network of --from\n", conn.RemoteAddr())
			ends.Abort(conn)
			continue
		}
		if err := s.gone(); err != nil {
			refuse(conn, errNoFolder, &sessions, refusing)
			end(err)
			continue
		}
		release, err := s.places.takeFor(conn)
		if err != nil {
			s.grumble("ebb receive: the sender at %v is refused: %v\n", conn.RemoteAddr(), err)
			refuse(conn, err, &sessions, refusing)
			continue
		}
		sessions.Go(func() {
			defer release()
			err := s.session(ctx, conn)
			if s.once && !errors.Is(err, transfer.ErrNoSender) {
				end(err)
			}
			if gone := s.gone(); err != nil && gone != nil {
				end(gone)
			}
		})
	}
}

// errNoFolder is what a sender hears when there is no folder any more.
var errNoFolder = errors.New("its folder is gone")

// gone reports that the folder was removed. Another of its name is not taken instead: nobody has said what may be stored there.
func (s *fileServer) gone() error {
	open, err := s.receiver.Root.Stat(".")
	named, notNamed := os.Stat(s.dir)
	if err == nil && notNamed == nil && os.SameFile(open, named) || !tree.Removed(s.receiver.Root) {
		return nil
	}
	if notNamed == nil {
		return fmt.Errorf("cannot store files in %s any more: the folder was removed, and there is another of its name; start again to use that", s.dir)
	}
	return fmt.Errorf("cannot store files in %s any more: the folder was removed; create it, and start again", s.dir)
}

// refuse tells a sender why it is not served, if not too many are being told just now.
func refuse(conn net.Conn, why error, sessions *sync.WaitGroup, refusing chan struct{}) {
	select {
	case refusing <- struct{}{}:
	default:
		ends.Abort(conn)
		return
	}
	sessions.Go(func() {
		defer func() { <-refusing }()
		defer conn.Close()
		transfer.Refuse(conn, why.Error())
	})
}

// session serves one sender. What goes wrong has been told when it returns.
func (s *fileServer) session(ctx context.Context, conn net.Conn) error {
	defer conn.Close()
	detail := s.transport.detailOf(conn)
	err := s.serveOne(ctx, conn)
	if s.verbose {
		s.above(func() { fmt.Fprint(s.console.stderr, detail()) })
	}
	if err == nil {
		return nil
	}
	var incomplete *transfer.IncompleteError
	var folders *folder.IncompleteError
	var told *toldError
	if !errors.As(err, &incomplete) && !errors.As(err, &folders) && !errors.As(err, &told) {
		s.grumble("ebb receive: the sender at %v: %s\n", conn.RemoteAddr(), oneLine(err))
	}
	return &toldError{err}
}

func (s *fileServer) print(conn net.Conn, r transfer.Result) {
	if r.Err != nil {
		s.grumble("ebb receive: %s from %v: %s\n", r.Name, conn.RemoteAddr(), oneLine(r.Err))
		return
	}
	s.above(func() { printResult(s.console.stdout, r) })
}

// grumble writes a line about what a peer has done wrong, if there were not too many.
func (s *fileServer) grumble(format string, args ...any) {
	s.above(func() { s.grumbling.printf(time.Now(), format, args...) })
}

// above prints something, one thing at a time, above the line of progress.
func (s *fileServer) above(print func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.above(print)
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

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/ebb/internal/lab/netlab"
)

// The exit statuses, as the ebb command has them.
const (
	exitFailed  = 1
	exitUsage   = 2
	exitSkipped = 77
)

// errMissed says that a bar is missed.
var errMissed = errors.New("not every bar is met")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case err == nil:
		return
	case errors.Is(err, flag.ErrHelp):
		os.Exit(exitUsage)
	case skipped(err):
		fmt.Fprintln(os.Stderr, "call: skipped:", err)
		os.Exit(exitSkipped)
	}
	fmt.Fprintln(os.Stderr, "call:", err)
	os.Exit(exitFailed)
}

// run is the program. The words source, sink, bulk-source and bulk-sink are its parts, which it runs in the laboratory.
func run(ctx context.Context, args []string, w io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "source", "sink", "bulk-source", "bulk-sink":
			return part(ctx, args[0], args[1:], w)
		}
	}
	fs := flag.NewFlagSet("call", flag.ContinueOnError)
	p := plan{times: times{call: 40 * time.Second, warm: 15 * time.Second, ebb: 5 * time.Second}}
	fs.StringVar(&p.folder, "netlab", os.Getenv(netlab.Variable), "folder of the laboratory's module; by default $"+netlab.Variable)
	fs.IntVar(&p.rounds, "rounds", 5, "how often each path is measured, alone and beside Ebb")
	fs.IntVar(&p.start, "start", 1_500_000, "bits per second at which the call begins")
	fs.IntVar(&p.most, "most", 2_500_000, "bits per second that the call takes at most")
	fs.DurationVar(&p.stall, "stall", 25*time.Millisecond, "lateness of the laboratory from which a run is repeated; 0 never")
	quick := fs.Bool("quick", false, "short runs, which show that it works")
	verbose := fs.Bool("v", false, "show what the processes say")
	fs.Usage = func() {
		fmt.Fprint(fs.Output(), "Measures what a video call loses beside an Ebb transfer: see interop/call/doc.go.\n\n"+
			"usage: call [FLAG]... [WORD OF A PATH'S NAME]...\n\n")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	if p.rounds < 1 || p.start < smallest || p.most < p.start {
		return fmt.Errorf("want at least one round, and a call from %d bits per second up", smallest)
	}
	if *quick {
		p.times = times{call: 8 * time.Second, warm: 3 * time.Second, ebb: time.Second}
	}
	if *verbose {
		p.log = os.Stderr
	}
	p.paths = fs.Args()
	met, err := measure(ctx, p, w)
	if err == nil && !met {
		return errMissed
	}
	return err
}

// part is one end of the call or of the transfer. Receivers print what they have measured.
func part(ctx context.Context, name string, args []string, w io.Writer) error {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	length := fs.Duration("for", 10*time.Second, "how long")
	warm := fs.Duration("warm", 0, "what is left out at the start")
	start := fs.Int("start", 1_500_000, "bits per second at first")
	most := fs.Int("most", 2_500_000, "bits per second at most")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return fmt.Errorf("%s: want one HOST:PORT", name)
	}
	address := fs.Arg(0)
	ctx, cancel := context.WithTimeout(ctx, *length)
	defer cancel()
	switch name {
	case "source":
		conn, err := net.Dial("udp", address)
		if err != nil {
			return err
		}
		s, err := newSource(conn, *start, *most)
		if err != nil {
			return err
		}
		return s.run(ctx)
	case "bulk-source":
		return sendBulk(ctx, address)
	case "bulk-sink":
		f, err := receiveBulk(ctx, address, *warm)
		return errors.Join(err, json.NewEncoder(w).Encode(f))
	}
	local, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return err
	}
	conn, err := net.ListenUDP("udp", local)
	if err != nil {
		return err
	}
	s := sink{conn: conn}
	return errors.Join(s.receive(ctx), json.NewEncoder(w).Encode(s.figures(*warm)))
}

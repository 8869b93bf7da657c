// Command ebb sends and receives files, joins standard input and output over a
// connection, carries TCP connections, and compares Ebb with the kernel's TCP. Every connection it makes
// is an Ebb connection; `ebb -h` lists the commands.
//
// It exits with 0 when all went well, 1 when something failed, 2 for a command
// line that makes no sense, and 128 plus the number of the signal that ended it. A
// command that serves until it is stopped exits with 0 when SIGTERM stops it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/pflag"

	"example.com/ebb/internal/untrusted"
)

func main() {
	os.Exit(run(os.Args[1:], console{os.Stdin, os.Stdout, os.Stderr}, openEbb))
}

// console is what a command reads and writes.
type console struct {
	stdin, stdout, stderr *os.File
}

// command is one word behind ebb.
type command struct {
	name, summary string
	run           func(ctx context.Context, c console, open opener, args []string) error
}

// commands are all of them, in the order of the help.
func commands() []command {
	return []command{
		{"send", "send files to a receiver", send},
		{"receive", "receive files into a directory", receive},
		{"pipe", "join standard input and output over one connection", pipe},
		{"tunnel", "carry TCP connections over Ebb", runTunnel},
		{"top", "show the connections of a process, live", top},
		{"id", "print your identity", printID},
		{"bench", "compare the speed of Ebb and TCP, and show what Ebb leaves to others", bench},
		{"kernel", "measure Ebb beside the kernel's TCP at one bottleneck", measureKernel},
		{"sim", "simulate the scenarios that congestion control is tested with", sim},
		{"perf", "measure throughput between two machines", measurePerf},
		{"qlog", "summarize the trace of a connection, and draw it", readQlog},
		{"completion", "print a completion script for a shell", printCompletion},
	}
}

const about = `Ebb is a reliable transport over UDP that yields to other traffic.

usage: ebb COMMAND [FLAG]... [ARGUMENT]...

`

const firstSteps = `
Try it on one machine, in two terminals:
  mkdir inbox
  ebb receive localhost:9000 inbox      (prints an ID)
  ebb send photo.jpg ID@localhost:9000

For more about a command, run "ebb COMMAND -h" or "ebb help COMMAND".
`

// run is the whole program but for the exit. It returns the status.
func run(args []string, c console, open opener) int {
	name, err := "ebb", error(usageErrorf("a command is missing: send, receive, pipe, tunnel, top, id, bench, kernel, sim, perf or qlog"))
	if len(args) > 0 {
		name, err = dispatch(args, c, open)
	}
	return exit(name, err, c)
}

// dispatch runs the command that args name. The name it returns is the one that
// messages begin with.
func dispatch(args []string, c console, open opener) (name string, err error) {
	switch args[0] {
	case "help":
		if len(args) == 2 {
			args = []string{args[1], "-h"} // as the command itself has it
			break
		}
		if len(args) > 2 {
			return "ebb", usageErrorf("unexpected argument %q", args[2])
		}
		return "ebb", &helpRequest{text: overview()}
	case "-h", "--help":
		return "ebb", &helpRequest{text: overview()}
	case "version", "--version":
		if len(args) == 2 && (args[1] == "-h" || args[1] == "--help") {
			return "ebb", &helpRequest{text: "Prints the version of Ebb, and of Go that it was built with.\n\nusage: ebb version\n"}
		}
		if len(args) > 1 {
			return "ebb", usageErrorf("unexpected argument %q", args[1])
		}
		info, _ := debug.ReadBuildInfo()
		return "ebb", &helpRequest{text: versionText(info)}
	}
	for _, cmd := range commands() {
		if cmd.name == args[0] {
			ctx, stop := untilSignal()
			defer stop()
			err := cmd.run(ctx, c, open, args[1:])
			var stopped *signalError
			if cause := context.Cause(ctx); errors.As(cause, &stopped) {
				if errors.Is(err, errStopped) && (stopped.signal == syscall.SIGTERM || stopped.signal == syscall.SIGHUP) {
					return "", nil
				}
				err = cause
			}
			return "ebb " + cmd.name, err
		}
	}
	return "ebb", usageErrorf("there is no command %q", args[0])
}

func overview() string {
	var b strings.Builder
	b.WriteString(about)
	for _, cmd := range commands() {
		fmt.Fprintf(&b, "  %-10s %s\n", cmd.name, cmd.summary)
	}
	fmt.Fprintf(&b, "  %-10s %s\n", "version", "print the version")
	b.WriteString(firstSteps)
	return b.String()
}

// exit says what is to be said about err and returns the status.
func exit(name string, err error, c console) int {
	var help *helpRequest
	var usage *usageError
	var skipped *skippedError
	var stopped *signalError
	var told *toldError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &help):
		io.WriteString(c.stdout, help.text)
		return 0
	case errors.As(err, &skipped):
		fmt.Fprintf(c.stderr, "%s: %s\n", name, oneLine(err))
		return exitSkipped
	case errors.As(err, &usage):
		fmt.Fprintf(c.stderr, "%s: %s (see %q)\n", name, oneLine(err), name+" -h")
		return 2
	case errors.As(err, &stopped):
		fmt.Fprintf(c.stderr, "%s: %s\n", name, oneLine(err))
		return 128 + int(stopped.signal)
	case errors.As(err, &told):
		return 1
	}
	fmt.Fprintf(c.stderr, "%s: %s\n", name, oneLine(err))
	return 1
}

// untilSignal returns a context that ends with a signalError at the first
// interrupt, request to terminate or end of the terminal. The second one ends the process.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	finished := make(chan struct{})
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(newSignalError(s))
		case <-finished:
		}
	}()
	return ctx, func() { signal.Stop(signals); close(finished) }
}

// helpRequest is what -h asks for.
type helpRequest struct {
	text  string
	flags *pflag.FlagSet // of the command, if it is the help of one
}

func (*helpRequest) Error() string { return "help requested" }

// usageError is a command line that makes no sense.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usageErrorf(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// signalError is the end of a command by a signal.
type signalError struct{ signal syscall.Signal }

func newSignalError(s os.Signal) *signalError {
	number, ok := s.(syscall.Signal)
	if !ok {
		number = syscall.SIGINT
	}
	return &signalError{number}
}

func (e *signalError) Error() string { return "stopped: " + e.signal.String() }

// errStopped is returned by a command that serves until it is stopped, and was: a request to terminate is no failure of its then.
var errStopped = errors.New("stopped")

// toldError is a failure whose reasons are on standard error already.
type toldError struct{ err error }

func (e *toldError) Error() string { return e.err.Error() }
func (e *toldError) Unwrap() error { return e.err }

// oneLine is the text of err without the line breaks of joined errors, and with nothing in it that a terminal would obey: names of files
// are in it, and words of the command line.
func oneLine(err error) string {
	return untrusted.Escaped(strings.ReplaceAll(strings.TrimSpace(err.Error()), "\n", "; "))
}

// tell writes a line that a command says besides its results; a terminal obeys nothing in it.
func tell(w io.Writer, command, format string, args ...any) {
	fmt.Fprintf(w, "ebb %s: %s\n", command, untrusted.Escaped(fmt.Sprintf(format, args...)))
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

// greetingTimeout is how long the peer may take to say that it receives files.
const greetingTimeout = 30 * time.Second

// send is the command.
func send(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("send", "FILE... HOST:PORT",
		`Sends files to the "ebb receive" at HOST:PORT, over one connection: each with its
name (without directories), size and permission bits. The receiver verifies the
SHA-256 and answers for each file. Prints a line per file, with tabs: name, size,
seconds, rate, SHA-256.`,
		`  ebb send photo.jpg localhost:9000
  ebb send --bandwidth-limit unlimited *.iso backup.example:9000
`)
	var options transportOptions
	verbose := fs.BoolP("verbose", "v", false, "print details of the connection")
	options.register(fs, defaultBandwidthLimit)
	if err := fs.parse(args, 2, -1); err != nil {
		return err
	}
	paths, address := fs.Args()[:fs.NArg()-1], fs.Arg(fs.NArg()-1)
	if err := checkAddress(address, false); err != nil {
		return err
	}
	files, err := describeAll(paths)
	if err != nil {
		return err
	}
	t, err := open(options)
	if err != nil {
		return err
	}
	conn, err := t.dialOrSay(ctx, address)
	if err != nil {
		return err
	}
	defer t.settle()
	defer conn.Close()
	err = sendFiles(ctx, &transfer.Sender{Timeout: greetingTimeout}, c, conn, files)
	if *verbose {
		t.printDetails(c.stderr, conn)
	}
	var incomplete *transfer.IncompleteError
	switch {
	case errors.As(err, &incomplete):
		return &toldError{err}
	case err != nil:
		return fmt.Errorf("sending to %s failed: %w", address, err)
	}
	return nil
}

// describeAll looks at all files before anything is sent.
func describeAll(paths []string) ([]transfer.File, error) {
	files := make([]transfer.File, len(paths))
	byName := make(map[string]string)
	for i, path := range paths {
		file, err := transfer.Stat(path)
		if err != nil {
			return nil, err
		}
		if other, ok := byName[file.Name]; ok {
			return nil, usageErrorf("%s and %s would have the same name", other, path)
		}
		byName[file.Name] = path
		files[i] = file
	}
	return files, nil
}

// sendFiles sends and reports, with a progress bar if a person is watching.
func sendFiles(ctx context.Context, sender *transfer.Sender, c console, conn net.Conn, files []transfer.File) error {
	var bar *progressbar.ProgressBar
	if term.IsTerminal(int(c.stderr.Fd())) {
		bar = newProgress(c.stderr, files)
		defer bar.Clear()
		sender.Progress = func(name string, n int) {
			bar.Describe(name)
			bar.Add(n)
		}
	}
	sender.Report = func(r transfer.Result) {
		if bar != nil {
			bar.Clear()
		}
		if r.Err != nil {
			fmt.Fprintf(c.stderr, "ebb send: %s: %s\n", r.Name, oneLine(r.Err))
			return
		}
		printResult(c.stdout, r)
	}
	return sender.Send(ctx, conn, files)
}

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

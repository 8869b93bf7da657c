package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/ebb/cmd/ebb/internal/transfer"
)

// greetingTimeout is how long the peer may take to say that it receives files.
const greetingTimeout = 30 * time.Second

// sendText and sendExamples are of the help.
const (
	sendText = `Sends files to the "ebb receive" at HOST:PORT, over one connection: each with its
name (without directories), size and permission bits. The receiver verifies the
SHA-256 and answers for each file. Prints a line per file, with tabs: name, size,
seconds, rate, SHA-256.

With -r it sends folders, with everything in them, and of that only what the receiver
does not have: of files that have changed the parts that have. An interrupted run
goes on where it was when it is repeated. What is neither a file nor a folder nor a
symbolic link is reported and left out; the status is 1 then. Prints the total; with
-v a line per entry that was stored.

The connection is encrypted, and goes to nobody but the receiver whose identity is
ID. "ebb receive" prints what to type here.`
	sendExamples = `  ebb send photo.jpg ID@localhost:9000
  ebb send --bandwidth-limit unlimited *.iso ID@backup.example:9000
  ebb send -r photos music ID@backup.example:9000
  ebb send --plain photo.jpg localhost:9000   neither encrypted nor known to go to the right one
`
)

// send is the command.
func send(ctx context.Context, c console, open opener, args []string) error {
	fs := newFlagSet("send", "FILE... ID@HOST:PORT", sendText, sendExamples)
	var options transportOptions
	verbose := fs.BoolP("verbose", "v", false, "print what limits the connection, every second and at the end")
	var folders folderOptions
	folders.register(fs)
	options.registerProtection(fs, false)
	var figures debugFlag
	figures.register(fs)
	options.register(fs, defaultBandwidthLimit)
	if err := fs.parse(args, 2, -1); err != nil {
		return err
	}
	last := fs.NArg() - 1
	to, chosen, err := options.resolveTarget(c.stderr, fs.Arg(last), "ebb receive")
	if err != nil {
		return err
	}
	if err := folders.check(); err != nil {
		return err
	}
	files, sources, err := folders.look(fs.Args()[:last])
	if err != nil {
		return err
	}
	defer closeSources(sources)
	shown, err := figures.serve("send")
	if err != nil {
		return err
	}
	defer shown.close()
	t, err := options.open(c.stderr, open, chosen)
	if err != nil {
		return err
	}
	shown.say(c.stderr, "send")
	if folders.recursive {
		return folders.send(ctx, c, t, to, sources, *verbose)
	}
	return sendFiles(ctx, c, t, to, files, *verbose)
}

// sendFiles sends files, without folders, to whom is dialled.
func sendFiles(ctx context.Context, c console, t transport, to target, files []transfer.File, verbose bool) error {
	conn, err := t.dialOrSay(ctx, to)
	if err != nil {
		return err
	}
	defer t.drainEnds()
	defer conn.Close()
	d := newDisplay(c, files)
	stop := func() {}
	if verbose {
		stop = t.watch(conn, d.line)
	}
	sender := &transfer.Sender{Timeout: greetingTimeout, Progress: d.progress, Report: d.report}
	err = sender.Send(ctx, conn, files)
	d.close()
	stop()
	var incomplete *transfer.IncompleteError
	switch {
	case errors.As(err, &incomplete):
		return &toldError{err}
	case err != nil:
		return fmt.Errorf("sending to %s failed: %w", to.address, t.explain(err))
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

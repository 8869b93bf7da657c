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
	sendText = `Sends files over one connection to the "ebb receive" at HOST:PORT. Each file is sent
with its name (without directories), size and permission bits; the receiver verifies
its SHA-256 and confirms it. Prints one line per file, separated by tabs: name, size,
seconds, rate, SHA-256.

With -r, sends folders and everything in them, skipping what the receiver already has;
of a file that has changed, only the changed parts are sent. To resume an interrupted
run, repeat the command. Anything that is not a file, folder or symbolic link is
reported and skipped, as is any name that ends in ` + transfer.PartialSuffix + `, and the exit status is
then 1. Files that Ebb itself is receiving there are left out. Prints a total, and with
-v a line for each entry stored.

The connection is encrypted, and only the receiver whose identity is ID can accept it.
"ebb receive" prints the exact command to run here.`
	sendExamples = `  ebb send photo.jpg ID@localhost:9000
  ebb send --bandwidth-limit unlimited *.iso ID@backup.example:9000
  ebb send -r photos music ID@backup.example:9000
  ebb send --plain photo.jpg localhost:9000   not encrypted, receiver not verified
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

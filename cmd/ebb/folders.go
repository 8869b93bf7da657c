package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"example.com/ebb/cmd/ebb/internal/folder"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/cmd/ebb/internal/tree"
	"example.com/ebb/internal/untrusted"
)

// folderOptions is what the command line of send says about folders.
type folderOptions struct {
	recursive, follow, checksum, delete, dryRun, json bool
}

// register adds the flags.
func (o *folderOptions) register(fs *flagSet) {
	fs.BoolVarP(&o.recursive, "recursive", "r", false, "send folders and everything in them that the receiver does not have")
	fs.BoolVar(&o.follow, "follow", false, "with -r: follow symbolic links, instead of sending the links")
	fs.BoolVar(&o.checksum, "checksum", false, "with -r: compare contents even where size and time match")
	fs.BoolVar(&o.delete, "delete", false, "with -r: delete at the receiver what the folders here do not contain; the receiver has to allow it")
	fs.BoolVar(&o.dryRun, "dry-run", false, "with -r: change nothing, print what would change")
	fs.BoolVar(&o.json, "json", false, "with -r: print JSON objects, one per line: entries, progress, total")
}

// check reports flags that make no sense together.
func (o *folderOptions) check() error {
	if o.recursive {
		return nil
	}
	for name, set := range map[string]bool{
		"follow": o.follow, "checksum": o.checksum, "delete": o.delete, "dry-run": o.dryRun, "json": o.json,
	} {
		if set {
			return usageErrorf("--%s is for folders: want -r as well", name)
		}
	}
	return nil
}

// look looks at all files, or folders, before anything is sent.
func (o *folderOptions) look(paths []string) (files []transfer.File, sources []*tree.Source, err error) {
	if slices.Contains(paths, "") { // which would be the working directory, and is a variable of a script that is not set
		return nil, nil, usageErrorf("a FILE has an empty name")
	}
	if o.recursive {
		sources, err = openSources(paths, o.follow)
		return nil, sources, err
	}
	files, err = describeAll(paths)
	return files, nil, err
}

// openSources opens all folders before anything is sent.
func openSources(paths []string, follow bool) (sources []*tree.Source, err error) {
	byName := make(map[string]string)
	for _, path := range paths {
		s, err := tree.Open(path, follow)
		if err == nil {
			sources = append(sources, s)
			err = tree.CheckPath(s.Name())
			if err != nil {
				err = fmt.Errorf("send %s: %w", path, err)
			} else if other, ok := byName[s.Name()]; ok {
				err = usageErrorf("%s and %s would have the same name", other, path)
			}
		}
		if err != nil {
			closeSources(sources)
			return nil, err
		}
		byName[s.Name()] = path
	}
	return sources, nil
}

func closeSources(sources []*tree.Source) {
	for _, s := range sources {
		s.Close()
	}
}

// send sends the sources to whom dial reaches.
func (o *folderOptions) send(ctx context.Context, c console, t transport, to target, sources []*tree.Source, verbose bool) error {
	conn, err := t.dialOrSay(ctx, to)
	if err != nil {
		return err
	}
	defer t.drainEnds()
	defer conn.Close()
	meter := new(folder.Meter)
	d := &folderDisplay{console: c, command: "send", meter: meter, json: o.json, each: verbose || o.dryRun}
	d.start()
	counting, stopCounting := context.WithCancel(ctx)
	if d.status.watched() {
		d.count(counting, sources)
	}
	stop := func() {}
	if verbose {
		stop = t.watch(conn, func(line string) { d.status.above(func() { io.WriteString(c.stderr, line) }) })
	}
	sender := &folder.Sender{
		Checksum: o.checksum, Delete: o.delete, DryRun: o.dryRun, Timeout: greetingTimeout, Meter: meter,
		Report: func(o folder.Outcome) { d.report(o, "") },
	}
	err = sender.Send(ctx, conn, sources)
	stopCounting()
	stop()
	d.close(err)
	var incomplete *folder.IncompleteError
	switch {
	case errors.As(err, &incomplete):
		return &toldError{err}
	case err != nil:
		return fmt.Errorf("sending to %s failed: %w", to.address, t.explain(err))
	}
	return nil
}

// folderDisplay is what a user sees of folders on their way.
type folderDisplay struct {
	console
	command string
	meter   *folder.Meter
	json    bool // objects instead of lines
	each    bool // a line for each entry that changed

	// Set by start.
	status *statusLine
	began  time.Time

	rate     rateMeter
	expected expected

	beating chan struct{} // closed: no more progress as JSON
	beats   sync.WaitGroup
}

// start begins to show. close ends it.
func (d *folderDisplay) start() {
	d.began, d.beating = time.Now(), make(chan struct{})
	d.status = newStatusLine(d.stderr, d.parts)
	if d.json {
		d.beats.Go(d.beat)
	}
}

// jsonInterval is how often progress is told to a machine.
const jsonInterval = time.Second

// beat tells progress to a machine.
func (d *folderDisplay) beat() {
	ticker := time.NewTicker(jsonInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			d.object(totalObject{Event: "progress", Totals: d.meter.Totals(), Seconds: time.Since(d.began).Seconds()})
		case <-d.beating:
			return
		}
	}
}

// parts are those of the line of progress.
func (d *folderDisplay) parts(now time.Time) []string {
	t := d.meter.Totals()
	rate := d.rate.add(now, t.Bytes)
	files, bytes, known := d.expected.totals()
	if !known {
		return []string{bytesText(float64(t.Bytes)), bytesText(rate) + "/s", fmt.Sprintf("%d files", t.Files), d.meter.Current().String()}
	}
	return progressParts(rate, t.Bytes, bytes, int(t.Files), int(files), d.meter.Current().String())
}

// report says how an entry ended. from is the peer, if there may be several.
func (d *folderDisplay) report(o folder.Outcome, from string) {
	if d.json {
		d.object(newEntryObject(o))
		return
	}
	switch {
	case o.Err != nil:
		d.status.above(func() { fmt.Fprintf(d.stderr, "ebb %s: %s%s: %s\n", d.command, o.Path, from, oneLine(o.Err)) })
	case d.each && (o.Deleted || o.Code != folder.CodeKept):
		d.status.above(func() { fmt.Fprintf(d.stdout, "%s\t%s\t%d bytes\t%d sent\n", resultText(o), o.Path, o.Size, o.Wire) })
	}
}

// close takes the line of progress away, and prints the total.
func (d *folderDisplay) close(err error) {
	close(d.beating)
	d.beats.Wait()
	d.status.close()
	t, took := d.meter.Totals(), time.Since(d.began)
	if d.json {
		o := totalObject{Event: "total", Totals: t, Seconds: took.Seconds()}
		if err != nil {
			o.Error = oneLine(err)
		}
		d.object(o)
		return
	}
	fmt.Fprintln(d.stdout, totalText(t, took))
}

// totalText is a session in one line.
func totalText(t folder.Totals, took time.Duration) string {
	return fmt.Sprintf("%d entries, %d files, %s: %d stored, %d unchanged, %d deleted, %d failed; %s sent in %.1f s, %s/s",
		t.Entries, t.Files, bytesText(float64(t.Bytes)), t.Stored, t.Kept, t.Deleted, t.Failed,
		bytesText(float64(t.Wire)), took.Seconds(), bytesText(float64(t.Wire)/max(took.Seconds(), 1e-3)))
}

// object prints one for a machine.
func (d *folderDisplay) object(o any) {
	line, err := json.Marshal(o)
	if err != nil {
		return // there is nothing in it that cannot be written
	}
	d.status.above(func() { fmt.Fprintf(d.stdout, "%s\n", line) })
}

// entryObject is the end of an entry for a machine.
type entryObject struct {
	Event   string         `json:"event"` // "entry"
	Path    untrusted.Text `json:"path"`  // escaped where it cannot be shown
	Raw     string         `json:"path_base64,omitempty"`
	Result  string         `json:"result"`
	Size    int64          `json:"size"`
	Sent    int64          `json:"sent"`
	Seconds float64        `json:"seconds"`
	Error   string         `json:"error,omitempty"`
}

func newEntryObject(o folder.Outcome) entryObject {
	e := entryObject{
		Event: "entry", Path: o.Path, Result: resultText(o), Size: o.Size, Sent: o.Wire, Seconds: o.Elapsed.Seconds(),
	}
	if o.Err != nil {
		e.Error = oneLine(o.Err)
	}
	if raw := string(o.Path); o.Path.String() != raw || !utf8.ValidString(raw) {
		e.Raw = base64.StdEncoding.EncodeToString([]byte(raw))
	}
	return e
}

// totalObject is what was done so far, or at the end.
type totalObject struct {
	Event string `json:"event"` // "progress" or "total"
	folder.Totals
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// resultText is how an entry ended, in a word.
func resultText(o folder.Outcome) string {
	switch {
	case o.Deleted:
		return "deleted"
	case o.Code == folder.CodeKept:
		return "unchanged"
	case o.Code == folder.CodeStored:
		return "stored"
	case o.Code == folder.CodeTouched:
		return "updated"
	case o.Code == folder.CodeWould:
		return "would be stored"
	}
	return "failed"
}

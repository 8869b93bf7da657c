package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"example.com/ebb/cmd/ebb/internal/folder"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/cmd/ebb/internal/tree"
)

const (
	// defaultKeep is how long what has arrived of a file may serve another session.
	defaultKeep = 7 * 24 * time.Hour
	// sweepInterval is how often what is older than that is looked for.
	sweepInterval = 6 * time.Hour
)

// registerFolders adds the flags that are about folders.
func (s *fileServer) registerFolders(fs *flagSet) {
	fs.BoolVar(&s.folders.Delete, "delete", false, "let \"ebb send -r --delete\" delete what its folders no longer contain")
	fs.BoolVar(&s.folders.OutsideLinks, "outside-links", false, "also store symbolic links that lead out of DIR")
	fs.DurationVar(&s.keep, "keep-partial", defaultKeep, "keep the parts of interrupted files for this `DURATION`; 0 means for ever")
	fs.BoolVar(&s.json, "json", false, "print a JSON object for each entry of a folder and for each session")
}

// configureFolders takes what the flags say, behind those of files.
func (s *fileServer) configureFolders() error {
	if s.keep < 0 {
		return usageErrorf("--keep-partial is %v: want at least 0", s.keep)
	}
	r := &s.receiver
	s.folders.Overwrite, s.folders.Umask, s.folders.Quota, s.folders.MinRate = r.Overwrite, r.Umask, r.Quota, r.MinRate
	s.folders.Greeting, s.folders.Timeout, s.folders.Meter = r.Greeting, r.Timeout, &s.meter
	return nil
}

// serveOne serves a sender of files or of folders.
func (s *fileServer) serveOne(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })
	folders, whole := folder.Sniff(conn, offerTimeout)
	stop()
	if !folders {
		receiver := s.receiver
		var last error // of a file, which may be what ends the session
		receiver.Report = func(r transfer.Result) {
			last = r.Err
			s.print(conn, r)
		}
		err := receiver.Receive(ctx, whole)
		if last != nil && errors.Is(err, last) {
			return &toldError{err}
		}
		return err
	}
	s.sessions.Add(1)
	defer s.sessions.Add(-1)
	receiver := s.folders
	session := new(folder.Meter)
	receiver.SessionMeter = session
	receiver.Report = func(o folder.Outcome) { s.reportEntry(conn, o) }
	began := time.Now()
	err := receiver.Receive(ctx, whole)
	if errors.Is(err, transfer.ErrNoSender) {
		return err
	}
	totals, took := session.Totals(), time.Since(began)
	s.above(func() {
		if !s.json {
			fmt.Fprintf(s.console.stdout, "from %v: %s\n", conn.RemoteAddr(), totalText(totals, took))
			return
		}
		o := receivedTotal{totalObject{Event: "total", Totals: totals, Seconds: took.Seconds()}, conn.RemoteAddr().String()}
		if err != nil {
			o.Error = oneLine(err)
		}
		s.object(o)
	})
	return err
}

// receivedEntry and receivedTotal are objects for a machine with who has sent it.
type receivedEntry struct {
	entryObject
	From string `json:"from"`
}

type receivedTotal struct {
	totalObject
	From string `json:"from"`
}

// object prints one for a machine.
func (s *fileServer) object(o any) {
	line, err := json.Marshal(o)
	if err != nil {
		return // there is nothing in it that cannot be written
	}
	fmt.Fprintf(s.console.stdout, "%s\n", line)
}

// reportEntry says how an entry of a folder ended.
func (s *fileServer) reportEntry(conn net.Conn, o folder.Outcome) {
	switch {
	case s.json:
		s.above(func() { s.object(receivedEntry{newEntryObject(o), conn.RemoteAddr().String()}) })
	case o.Err != nil:
		s.grumble("ebb receive: %s from %v: %s\n", o.Path, conn.RemoteAddr(), transfer.Reason(o.Err))
	case s.verbose && (o.Deleted || o.Code != folder.CodeKept):
		s.above(func() {
			fmt.Fprintf(s.console.stdout, "%s\t%s\t%d bytes\t%d sent\n", resultText(o), o.Path, o.Size, o.Wire)
		})
	}
}

// parts are those of the line of progress, as long as folders are coming.
func (s *fileServer) parts(now time.Time) []string {
	t := s.meter.Totals()
	rate := s.rate.add(now, t.Bytes)
	n := s.sessions.Load()
	if n == 0 {
		return nil
	}
	senders := fmt.Sprintf("%d senders", n)
	if n == 1 {
		senders = "1 sender"
	}
	return []string{
		bytesText(float64(t.Bytes)), bytesText(rate) + "/s", fmt.Sprintf("%d files", t.Files), senders, s.meter.Current().String(),
	}
}

// sweep removes what was left behind too long ago, now and then, until ctx ends.
func (s *fileServer) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		var before time.Time // for ever
		if s.keep > 0 {
			before = time.Now().Add(-s.keep)
		}
		tree.Sweep(ctx, s.folders.Root, before)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

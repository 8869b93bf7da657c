package qlog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"example.com/ebb/trace"
)

const (
	// chunkFull is when the records of a connection are handed over to be written, in bytes, and chunkSize the memory of one that is
	// used again: no record is larger than what lies between.
	chunkFull = 40 << 10
	chunkSize = 64 << 10
	// maxWaiting bounds what waits to be written, of all connections. Beyond it events are dropped.
	maxWaiting = 8 << 20
	// maxFree is how many chunks are kept to be used again.
	maxFree = 16
	// handOver is for how long records wait for more, as long as there are events.
	handOver = time.Second
	// maxNames is how many files may have the same name but for a number.
	maxNames = 10
)

// Directory writes a file for each connection: ID_client.sqlog or ID_server.sqlog, with the ID that the two sides share, and mode 0600. Of a
// connection that a peer has begun nothing is written before its handshake is complete.
//
// The transport never waits for the disk. What is to be written waits in memory, 8 MiB of all connections at most and 64 KiB
// of one; what exceeds that is dropped, and the file says how much. A goroutine writes, while there is something to
// write, and Flush waits for it. No file is open for longer than a write takes.
//
// A Directory may be used by any number of goroutines and endpoints.
type Directory struct {
	path string
	open func(name string, create bool) (io.WriteCloser, error)

	mu       sync.Mutex
	progress sync.Cond // a chunk was written, or somebody waits no longer
	files    map[*file]struct{}
	queue    []chunk
	waiting  int    // bytes of them, the one that is being written included
	entered  uint64 // chunks, since the beginning
	written  uint64 // likewise
	writing  bool   // the goroutine is there
	free     [][]byte
	dropped  uint64 // events
	err      error  // the first of writing
}

// chunk is records that wait to be written.
type chunk struct {
	file *file
	b    []byte
}

// NewDirectory makes a Directory of a path, which is made, with mode 0700, when the first file is written, unless it is there.
func NewDirectory(path string) *Directory {
	d := &Directory{path: path, files: make(map[*file]struct{})}
	d.progress.L = &d.mu
	d.open = d.openFile
	return d
}

// Begin is a trace.Begin: for Config.Tracer.
func (d *Directory) Begin(c trace.Conn) trace.Tracer {
	f := &file{dir: d, kept: c.Dialled, handed: c.Time}
	f.encoder.conn = c
	f.b = f.encoder.header(nil)
	d.mu.Lock()
	d.files[f] = struct{}{}
	d.mu.Unlock()
	return f.event
}

// Flush waits until the events that have happened are written, of the connections too that live on, or the context is done. Its error joins
// the context's, the first that writing has met, and the number of events that were dropped since the Directory was made.
func (d *Directory) Flush(ctx context.Context) error {
	d.mu.Lock()
	open := make([]*file, 0, len(d.files))
	for f := range d.files {
		open = append(open, f)
	}
	d.mu.Unlock()
	for _, f := range open {
		f.flush()
	}
	stop := context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.progress.Broadcast()
	})
	defer stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	for until := d.entered; d.written < until && ctx.Err() == nil; {
		d.progress.Wait()
	}
	err := d.err
	if d.written < d.entered && ctx.Err() != nil {
		err = errors.Join(fmt.Errorf("qlog: %d bytes are not in %s yet: %w", d.waiting, d.path, context.Cause(ctx)), err)
	}
	if d.dropped > 0 {
		err = errors.Join(err, fmt.Errorf("qlog: %d events are not in %s: the disk did not take them in time", d.dropped, d.path))
	}
	return err
}

// add has a chunk written, and returns memory for the next. It reports false, and does nothing, if too much is waiting; must says that it
// may not be.
func (d *Directory) add(c chunk, must bool) (next []byte, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting > maxWaiting && !must {
		return nil, false
	}
	d.queue = append(d.queue, c)
	d.waiting += len(c.b)
	d.entered++
	if !d.writing {
		d.writing = true
		go d.write()
	}
	if n := len(d.free); n > 0 && len(c.b) >= chunkFull {
		next, d.free = d.free[n-1], d.free[:n-1]
	}
	return next, true
}

// write writes all that waits.
func (d *Directory) write() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.queue) > 0 {
		c := d.queue[0]
		d.queue[0] = chunk{}
		d.queue = d.queue[1:]
		d.mu.Unlock()
		err := c.file.write(c.b)
		d.mu.Lock()
		d.written++
		d.waiting -= len(c.b)
		if cap(c.b) == chunkSize && len(d.free) < maxFree {
			d.free = append(d.free, c.b[:0])
		}
		if d.err == nil {
			d.err = err
		}
		d.progress.Broadcast()
	}
	d.queue = nil
	d.writing = false
}

// openFile opens a file to be appended to, of which create says that it must be new.
func (d *Directory) openFile(name string, create bool) (io.WriteCloser, error) {
	flags := os.O_WRONLY | os.O_APPEND
	if create {
		flags |= os.O_CREATE | os.O_EXCL
		if err := os.MkdirAll(d.path, 0o700); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(filepath.Join(d.path, name), flags, 0o600)
}

// file is the trace of one connection.
type file struct {
	dir *Directory

	// Of the goroutine that writes.
	name   string // empty: there is no file yet
	failed bool   // it took no more

	mu      sync.Mutex // guards what follows
	encoder encoder
	b       []byte        // records to be handed over
	handed  time.Duration // when some were last
	kept    bool          // the connection is one: a dial, or its handshake is complete
	over    bool          // no event follows
	dropped uint64        // events since the last record
}

// event is the trace.Tracer.
func (f *file) event(e *trace.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = f.over || e.Kind == trace.Closed
	if e.Kind == trace.StateChanged && e.Change.New == "established" {
		f.kept = true
	}
	if full := len(f.b) >= chunkFull; (full || e.Time-f.handed >= handOver) && f.kept {
		f.hand(e.Time, false)
	}
	if f.dropped > 0 && len(f.b) < chunkFull {
		f.b = f.encoder.eventsDropped(f.b, e.Time, f.dropped)
		f.dropped = 0
	}
	if len(f.b) >= chunkFull && e.Kind != trace.Closed && e.Kind != trace.StateChanged { // of these there are few
		f.drop(1)
		return
	}
	if cap(f.b)-len(f.b) < chunkSize/16 && cap(f.b) >= chunkSize/8 && cap(f.b) < chunkSize { // a busy one: its last growth
		f.b = append(make([]byte, 0, chunkSize), f.b...)
	}
	f.b = f.encoder.event(f.b, e)
	if f.over {
		f.end(e.Time)
	}
}

// drop counts events that are not written. f.mu is held.
func (f *file) drop(n uint64) {
	f.dropped += n
	f.dir.mu.Lock()
	f.dir.dropped += n
	f.dir.mu.Unlock()
}

// hand hands the records over. f.mu is held.
func (f *file) hand(now time.Duration, must bool) {
	f.b = f.encoder.endRun(f.b)
	if len(f.b) == 0 {
		return
	}
	if next, ok := f.dir.add(chunk{f, f.b}, must); ok {
		f.b, f.handed = next, now
	}
}

// end ends the file. f.mu is held.
func (f *file) end(now time.Duration) {
	if f.dropped > 0 {
		f.b = f.encoder.eventsDropped(f.b, now, f.dropped)
		f.dropped = 0
	}
	if f.kept {
		f.hand(now, true)
	}
	f.b = nil
	f.dir.mu.Lock()
	delete(f.dir.files, f)
	f.dir.mu.Unlock()
}

// flush hands over what there is.
func (f *file) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.kept && !f.over {
		f.hand(f.handed, true)
	}
}

// write writes records. It is called by one goroutine at a time.
func (f *file) write(b []byte) error {
	if f.failed {
		return nil // the error was returned, and records are missing in between
	}
	w, err := f.openForWriting()
	if err != nil {
		f.failed = true
		return fmt.Errorf("qlog: a trace cannot be written: %w", err)
	}
	_, err = w.Write(b)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		f.failed = true
		return fmt.Errorf("qlog: the trace %s ends early: %w", filepath.Join(f.dir.path, f.name), err)
	}
	return nil
}

// openForWriting makes the file, under a name that is free, or opens it again.
func (f *file) openForWriting() (io.WriteCloser, error) {
	if f.name != "" {
		return f.dir.open(f.name, false)
	}
	stem := f.encoder.conn.Original.String() + "_" + f.encoder.role()
	name := stem + extension
	for n := 2; ; n++ {
		w, err := f.dir.open(name, true)
		if err == nil {
			f.name = name
			return w, nil
		}
		if !errors.Is(err, os.ErrExist) || n > maxNames {
			return nil, err
		}
		name = fmt.Sprintf("%s-%d%s", stem, n, extension)
	}
}

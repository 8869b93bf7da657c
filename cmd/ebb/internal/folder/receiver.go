package folder

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/ebb/cmd/ebb/internal/delta"
	"example.com/ebb/cmd/ebb/internal/patient"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/cmd/ebb/internal/tree"
	"example.com/ebb/internal/untrusted"
)

// Receiver stores the folders of senders in one directory. Its fields must not change while it is used; any number of
// sessions may run at once.
type Receiver struct {
	Root         *os.Root    // the directory; nothing outside it is touched
	Overwrite    bool        // whether what is received replaces what has its name and is not the same
	Delete       bool        // whether a sender may have deleted what it does not have, in the folders that it sends
	OutsideLinks bool        // whether symbolic links may lead out of the directory
	Umask        fs.FileMode // permission bits that nothing received has
	// Greeting is how long a sender may take to greet. Timeout is how long it may be silent where it is its turn and no
	// content is wanted, or not take an answer. 0 is for ever.
	Greeting, Timeout time.Duration
	// MinRate is how many bytes per second have to come on average over each minute that was spent waiting while content
	// is wanted; what is found here already counts. 0 is any number: then it may be silent for Timeout.
	MinRate int64
	// Quota is what may be stored in all; nil is no limit. A folder and a link that are made count as files of no bytes.
	Quota *transfer.Quota
	// Report, if not nil, is told the outcome of each entry. Sessions that run at once call it at once, and a session
	// from two goroutines.
	Report func(Outcome)
	// Meter, if not nil, counts what all sessions do, and SessionMeter what one does.
	Meter, SessionMeter *Meter
}

// Receive serves the sender at the other end of conn until it ends the session. The error is not nil if the session
// broke, if ctx ended (its cause, then; the sender is told) or if any entry was not stored (an IncompleteError). It matches
// [transfer.ErrNoSender] if the peer did not behave as a sender does. What has arrived of a file that is not complete stays
// for the next session. Receive does not close conn.
func (r *Receiver) Receive(ctx context.Context, conn net.Conn) error {
	waiting := patient.New(conn, r.Timeout)
	waiting.ExpectWithin(r.Greeting)
	stop := context.AfterFunc(ctx, waiting.Interrupt)
	defer stop()
	s := &receiveSession{
		Receiver: r, ctx: ctx, conn: waiting,
		in: frameReader{r: bufio.NewReaderSize(waiting, maxFrame)},
		w:  bufio.NewWriterSize(waiting, 32<<10), writing: make(chan struct{}, 1),
		queue: make(chan queued, maxOutstanding+maxFolders),
		wants: make(map[uint64]*wanted),
		meter: cmp.Or(r.SessionMeter, new(Meter)),
	}
	s.room.L = &s.mu
	err := s.run()
	s.cleanUp()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && (!s.engaged.Load() || errors.As(err, new(protocolError))):
		return fmt.Errorf("%w: %w", transfer.ErrNoSender, err)
	case err != nil:
		return err
	}
	if t := s.meter.Totals(); t.Failed > 0 {
		return &IncompleteError{Failed: t.Failed, Entries: t.Entries}
	}
	return nil
}

// receiveSession is one Receive. One goroutine reads frames and stores content; another decides about entries, in order.
type receiveSession struct {
	*Receiver
	ctx   context.Context
	store *tree.Store
	conn  *patient.Conn
	in    frameReader
	meter *Meter // of this session

	checksum, deleting bool // what the sender asks for

	writing chan struct{} // holds one element while somebody writes: a mutex would stop virtual time, which passes where all wait for channels
	w       *bufio.Writer

	queue     chan queued  // from the reader to the decider
	undecided atomic.Int64 // in the queue, or being decided
	engaged   atomic.Bool  // an entry was accepted
	decider   sync.WaitGroup

	mu          sync.Mutex
	wants       map[uint64]*wanted
	outstanding int // entries without an answer
	chunks      int // of all wants
	ended       bool
	decideErr   error
	room        sync.Cond // chunks has become less, or ended is true

	next    uint64  // number of the next entry
	current *wanted // whose content is coming
	rated   bool    // what is expected is a rate
}

// queued is what the reader leaves to the decider.
type queued struct {
	number          uint64
	entry           tree.Entry
	leave, complete bool
}

// wanted is a file whose content is to come.
type wanted struct {
	number uint64
	entry  tree.Entry
	found  fs.FileInfo // what has its name; nil: nothing
	whole  int         // chunks of that
	basis  []string    // paths that the chunks are of
	chunks []located

	began  time.Time
	part   *tree.Partial // nil until there is content
	open   []*os.File    // of basis; nil until they are needed
	wire   int64
	held   int64
	failed bool // it has its answer, and what comes is dropped
}

// located is where a chunk is.
type located struct {
	file   int // index in basis
	offset int64
	length int
}

// run is the session up to its end; the error is nil if it was orderly.
func (s *receiveSession) run() error {
	flags, err := readGreeting(s.in.r)
	if err != nil {
		return err
	}
	s.checksum, s.deleting = flags&flagChecksum != 0, flags&flagDelete != 0
	s.store = &tree.Store{
		Root: s.Root, Overwrite: s.Overwrite, Delete: s.deleting && s.Delete, DryRun: flags&flagDryRun != 0,
		Umask: s.Umask, OutsideLinks: s.OutsideLinks,
	}
	s.w.Write(greeting(0))
	if s.deleting && !s.Delete {
		return s.giveUp(&finalError{CodeDelete, "it lets nobody delete: it runs without --delete"})
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.decider.Go(s.decideAll)
	for {
		f, err := s.await()
		if err == nil {
			if f.kind == frameDone {
				if err = s.done(); err == nil {
					return nil
				}
			} else {
				err = s.frame(f)
			}
		}
		if err != nil {
			s.mu.Lock()
			err = cmp.Or(s.decideErr, err) // which has interrupted the reader
			s.mu.Unlock()
			return s.giveUp(err)
		}
	}
}

// await returns the next frame, which has to come in time if it is the sender's turn.
func (s *receiveSession) await() (frame, error) {
	for {
		s.mu.Lock()
		content, err := len(s.wants) > 0, s.decideErr
		s.mu.Unlock()
		if err != nil {
			return frame{}, err
		}
		if s.in.r.Buffered() == 0 {
			if err := s.flush(); err != nil {
				return frame{}, err
			}
		}
		busy := s.undecided.Load() > 0
		switch {
		case content && !s.rated:
			s.conn.ExpectRate(s.MinRate)
		case !content:
			s.conn.ExpectWithin(s.Timeout)
		}
		s.rated = content
		_, err = s.in.r.Peek(1)
		if err == nil {
			return s.in.next()
		}
		var silent net.Error
		turn := busy || s.undecided.Load() > 0 // ours
		if content || !turn || !errors.As(err, &silent) || !silent.Timeout() || s.ctx.Err() != nil {
			return frame{}, unexpected(err)
		}
	}
}

// frame does what one frame says.
func (s *receiveSession) frame(f frame) error {
	switch f.kind {
	case frameEntry:
		e, err := parseEntry(f.payload)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.outstanding++
		n := s.outstanding
		s.mu.Unlock()
		if n > maxOutstanding {
			return protocolErrorf("more than %d entries without an answer", maxOutstanding)
		}
		s.next++
		return s.enqueue(queued{number: s.next - 1, entry: e})
	case frameLeave:
		p := fields{b: f.payload}
		number, complete := p.u64(), p.u8()
		if err := p.end(); err != nil {
			return err
		}
		return s.enqueue(queued{number: number, leave: true, complete: complete == 1})
	case frameBye:
		p := fields{b: f.payload}
		message := p.rest()
		return &ByeError{message}
	case frameContent, frameData, frameCopy, frameHeld, frameWhole, frameSame, frameWithdraw:
		return s.content(f)
	}
	return protocolErrorf("a frame of type %d", f.kind)
}

func (s *receiveSession) enqueue(q queued) error {
	s.undecided.Add(1)
	select {
	case s.queue <- q:
		return nil
	default:
		return protocolErrorf("more than %d folders", maxFolders)
	}
}

// done ends the session in order.
func (s *receiveSession) done() error {
	s.mu.Lock()
	left := s.outstanding
	s.mu.Unlock()
	if left > 0 || s.undecided.Load() > 0 {
		return protocolErrorf("an end before %d entries were answered", left)
	}
	if !s.store.DryRun {
		if err := s.store.Sync(); err != nil {
			return &storageError{path: ".", err: err}
		}
	}
	s.write(endFrame(beginFrame(nil, frameStored)))
	return s.flush()
}

// write sends a frame, sooner or later. Its errors come again with flush.
func (s *receiveSession) write(b []byte) {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	s.w.Write(b)
}

func (s *receiveSession) flush() error {
	s.writing <- struct{}{}
	defer func() { <-s.writing }()
	return s.w.Flush()
}

// answer ends an entry: the sender is told, and it is reported.
func (s *receiveSession) answer(number uint64, e tree.Entry, code Code, why error, w *wanted) {
	message := ""
	o := Outcome{Path: untrusted.Text(e.Path), Kind: e.Kind, Size: e.Size, Code: code, Err: why}
	if why != nil {
		message = transfer.Reason(why)
	}
	counted := false
	if w != nil {
		o.Wire, counted = w.wire, !w.began.IsZero()
		if counted {
			o.Elapsed = time.Since(w.began)
		}
	}
	s.mu.Lock()
	s.outstanding--
	s.mu.Unlock()
	if !code.Failed() {
		s.engaged.Store(true)
	}
	s.tell(o, counted)
	s.write(appendAnswer(nil, number, code, message))
}

// tell reports and counts an outcome.
func (s *receiveSession) tell(o Outcome, counted bool) {
	s.meter.ended(o, counted)
	if s.Meter != nil {
		s.Meter.ended(o, counted)
	}
	if s.Report != nil {
		s.Report(o)
	}
}

// moved counts content.
func (s *receiveSession) moved(n int64, wire bool) {
	s.meter.moved(n, wire)
	if s.Meter != nil {
		s.Meter.moved(n, wire)
	}
}

// storageError is a failure to store that the next file would have too.
type storageError struct {
	path string
	err  error
}

func (e *storageError) Error() string {
	return fmt.Sprintf("%s cannot be stored: %s", untrusted.Text(e.path), transfer.Reason(e.err))
}
func (e *storageError) Unwrap() error { return e.err }

// isFull reports whether there is no room for anything.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, errDiskQuota)
}

// finalError ends the session with a code.
type finalError struct {
	code    Code
	message string
}

func (e *finalError) Error() string { return e.message }

// giveUp ends the session for err, telling the sender why if it can still hear.
func (s *receiveSession) giveUp(err error) error {
	var storage *storageError
	var final *finalError
	var protocol protocolError
	code := CodeProtocol
	message := err.Error()
	switch {
	case s.ctx.Err() != nil:
		code, message = CodeStopped, "it was stopped"
	case errors.As(err, &storage):
		code = CodeStorage
	case errors.As(err, &final):
		code = final.code
	case errors.As(err, &protocol):
	default:
		return err
	}
	s.write(messageFrame(frameFinal, message, byte(code)))
	if s.flush() == nil {
		s.conn.LastWords()
	}
	return err
}

// cleanUp leaves nothing running and nothing open.
func (s *receiveSession) cleanUp() {
	s.mu.Lock()
	s.ended = true
	s.room.Broadcast()
	s.mu.Unlock()
	s.conn.SetWriteDeadline(time.Unix(1, 0)) // the decider waits for nobody
	close(s.queue)
	s.decider.Wait()
	for _, w := range s.wants {
		if w.part != nil {
			w.part.Leave(w.entry)
		}
		w.closeBasis()
		if !w.failed {
			s.giveBack(w.entry.Size)
		}
	}
}

func (s *receiveSession) giveBack(size int64) {
	if !s.store.DryRun {
		s.Quota.GiveBack(size)
	}
}

// sign returns the chunks of what is here of a file: first of what has its name, then of what was left behind.
func (s *receiveSession) sign(w *wanted, splitter *delta.Splitter) ([]delta.Chunk, error) {
	var chunks []delta.Chunk
	known := make(map[delta.Chunk]bool)
	for i, name := range w.basis {
		f, err := s.store.OpenBasis(name)
		if err != nil {
			continue // it has gone: the content comes over the wire
		}
		var offset int64
		splitter.Begin(f, w.entry.Size)
		for len(chunks) < delta.MaxChunks && s.ctx.Err() == nil {
			var c delta.Chunk
			if c, _, err = splitter.Next(); err != nil {
				break
			}
			if w.found != nil && i == 0 || !known[c] {
				known[c] = true
				chunks, w.chunks = append(chunks, c), append(w.chunks, located{i, offset, c.Length})
			}
			offset += int64(c.Length)
		}
		f.Close()
		if w.found != nil && i == 0 && offset == w.found.Size() {
			w.whole = len(chunks)
		}
	}
	return chunks, s.ctx.Err()
}

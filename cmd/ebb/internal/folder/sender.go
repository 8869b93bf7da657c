package folder

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"sync"
	"time"

	"example.com/ebb/cmd/ebb/internal/delta"
	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/cmd/ebb/internal/tree"
	"example.com/ebb/internal/untrusted"
)

// parting is how long a sender that ends a session waits for the receiver to hear it, or for its last words.
const parting = 2 * time.Second

// Sender sends folders. Its fields must not change during a Send.
type Sender struct {
	Checksum bool // whether a file of the same size and time is compared by its content
	Delete   bool // whether the receiver shall delete what is not in the folders here
	DryRun   bool // whether nothing is changed, and what would be is told
	// Timeout is how long the receiver may take for its greeting; 0 is for ever. Behind that the connection itself
	// tells whether it is alive.
	Timeout time.Duration
	// Report, if not nil, is told the outcome of each entry, one at a time.
	Report func(Outcome)
	// Meter counts what is done; it must not be nil.
	Meter *Meter
}

// Send sends what is in the sources to the receiver at the other end of conn, and returns when it has answered for all of
// it and has it on the disk. The error is not nil if the session broke, if ctx ended (its cause, then; the receiver is
// told) or if any entry was not stored (an IncompleteError), those that could not be read here included. Send does not close
// conn unless the session broke; then it aborts it.
func (s *Sender) Send(ctx context.Context, conn net.Conn, sources []*tree.Source) error {
	walking, stopWalking := context.WithCancel(ctx)
	defer stopWalking()
	next, stop := iter.Pull(func(yield func(tree.Item) bool) { tree.Walk(walking, sources, yield) })
	defer stop()
	session := &sendSession{
		Sender: s, ctx: ctx, conn: conn, next: next,
		in: frameReader{r: bufio.NewReader(conn)}, w: bufio.NewWriterSize(conn, 256<<10),
		heard: make(chan struct{}, 1), entries: make(map[uint64]*sent), folders: make(map[uint64]*sentFolder),
	}
	stopping := context.AfterFunc(ctx, func() {
		conn.SetWriteDeadline(time.Now().Add(parting))
		session.wake()
	})
	defer stopping()
	err := session.run()
	if ctx.Err() != nil {
		session.bye()
		return context.Cause(ctx)
	}
	if err != nil {
		ends.Abort(conn)
		return err
	}
	if t := s.Meter.Totals(); t.Failed > 0 {
		return &IncompleteError{Failed: t.Failed, Entries: t.Entries}
	}
	return nil
}

// sendSession is one Send. One goroutine writes and decides; another reads what the receiver says.
type sendSession struct {
	*Sender
	ctx  context.Context
	conn net.Conn
	next func() (tree.Item, bool)

	w        *bufio.Writer
	splitter delta.Splitter
	buf      []byte

	number  uint64
	entries map[uint64]*sent       // without an answer
	folders map[uint64]*sentFolder // not left, or without an answer to that
	inside  []*sentFolder          // where the walk is
	ready   []*sentFolder          // to be left
	wants   []event
	walked  bool
	stored  bool // the receiver has said that all is on the disk

	reader sync.WaitGroup
	in     frameReader

	mu     sync.Mutex
	events []event
	chunks int // of events and wants
	broken error
	heard  chan struct{} // there are events, or something else to look at
}

// sent is an entry without an answer.
type sent struct {
	item   tree.Item
	parent *sentFolder // nil at the top
	folder *sentFolder // of its own, if it is one
	began  time.Time   // its content; zero: it was not wanted yet
	wire   int64
	wanted bool
	ended  bool // an answer is here
	failed error
}

// sentFolder is a folder that was not left.
type sentFolder struct {
	number           uint64
	item             tree.Item
	parent           *sentFolder
	pending          int // entries in it, and folders not left
	walked, answered bool
	complete         bool
	refused          bool
	left             bool // and that has no answer yet
}

// event is something that the receiver has said.
type event struct {
	kind    frameType
	number  uint64
	code    Code
	message untrusted.Text
	whole   int
	chunks  []delta.Chunk
}

// run is the session up to its end.
func (s *sendSession) run() error {
	flags := byte(0)
	for flag, set := range map[byte]bool{flagChecksum: s.Checksum, flagDelete: s.Delete, flagDryRun: s.DryRun} {
		if set {
			flags |= flag
		}
	}
	s.w.Write(greeting(flags))
	if err := s.w.Flush(); err != nil {
		return err
	}
	if err := s.greeting(); err != nil {
		return err
	}
	s.reader.Go(s.read)
	err := s.loop()
	if err != nil && s.ctx.Err() == nil {
		// What the receiver said last explains whatever else went wrong.
		s.conn.SetReadDeadline(time.Now().Add(parting))
		s.reader.Wait()
		s.handleEvents() // answers that came while content was being sent
		var remote *RemoteError
		if broken := s.brokenErr(); errors.As(broken, &remote) {
			err = broken
		}
		return err
	}
	s.conn.SetReadDeadline(time.Unix(1, 0))
	s.reader.Wait()
	s.handleEvents()
	return err
}

// greeting waits for the receiver's.
func (s *sendSession) greeting() error {
	stop := context.AfterFunc(s.ctx, func() { s.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if s.Timeout > 0 {
		s.conn.SetReadDeadline(time.Now().Add(s.Timeout))
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if refused := transfer.Refusal(s.in.r); refused != nil {
		return refused
	}
	_, err := readGreeting(s.in.r)
	s.conn.SetReadDeadline(time.Time{})
	return err
}

// loop sends until all is answered.
func (s *sendSession) loop() error {
	for {
		if err := s.handleEvents(); err != nil {
			return err
		}
		if err := s.ctx.Err(); err != nil {
			return err
		}
		switch {
		case len(s.wants) > 0:
			want := s.wants[0]
			s.wants = s.wants[1:]
			if err := s.content(want); err != nil {
				return err
			}
			s.announce(4) // so that there is something to be wanted when this is through
		case len(s.ready) > 0:
			s.leave()
		case s.mayAnnounce():
			s.announce(1)
		default:
			over, err := s.rest()
			if over || err != nil {
				return err
			}
		}
	}
}

// rest waits for the receiver, or ends the session if there is nothing to wait for.
func (s *sendSession) rest() (over bool, err error) {
	if s.stored {
		return true, nil
	}
	if s.walked && len(s.entries) == 0 && len(s.folders) == 0 && s.number != finished {
		s.number = finished
		s.w.Write(endFrame(beginFrame(nil, frameDone)))
	}
	if err := s.w.Flush(); err != nil {
		return false, err
	}
	<-s.heard
	return false, nil
}

// finished is the number of the next entry when there is none.
const finished = ^uint64(0)

// mayAnnounce reports whether another entry may be sent now.
func (s *sendSession) mayAnnounce() bool {
	return !s.walked && len(s.entries) < maxOutstanding && len(s.folders) < maxFolders-1
}

// announce sends up to n entries.
func (s *sendSession) announce(n int) {
	for ; n > 0 && s.mayAnnounce(); n-- {
		item, ok := s.next()
		if !ok {
			s.walked = true
			return
		}
		s.announceItem(item)
	}
}

func (s *sendSession) announceItem(item tree.Item) {
	var parent *sentFolder
	if len(s.inside) > 0 {
		parent = s.inside[len(s.inside)-1]
	}
	switch {
	case item.Err != nil:
		s.report(Outcome{Path: untrusted.Text(item.Path), Code: CodeWithdrawn, Err: item.Err}, false)
		return
	case item.End:
		parent.walked, parent.complete = true, item.Complete
		s.inside = s.inside[:len(s.inside)-1]
		s.check(parent)
		return
	case parent != nil && parent.refused:
		if item.Kind == tree.Folder { // its End comes
			s.inside = append(s.inside, &sentFolder{refused: true, left: true})
		}
		return
	}
	e := &sent{item: item, parent: parent}
	if parent != nil {
		parent.pending++
	}
	if item.Kind == tree.Folder {
		e.folder = &sentFolder{number: s.number, item: item, parent: parent}
		s.folders[s.number] = e.folder
		s.inside = append(s.inside, e.folder)
	}
	s.entries[s.number] = e
	s.number++
	s.w.Write(appendEntry(nil, item.Entry))
}

// check puts a folder among those to be left if nothing in it is open.
func (s *sendSession) check(f *sentFolder) {
	if f.walked && f.answered && f.pending == 0 && !f.left {
		f.left = true
		s.ready = append(s.ready, f)
	}
}

// leave ends a folder whose entries are all answered.
func (s *sendSession) leave() {
	f := s.ready[0]
	s.ready = s.ready[1:]
	complete := byte(0)
	if f.complete {
		complete = 1
	}
	s.w.Write(numbered(nil, frameLeave, f.number, complete))
}

// report counts and reports an outcome.
func (s *sendSession) report(o Outcome, counted bool) {
	s.Meter.ended(o, counted)
	if s.Report != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.Report(o)
	}
}

// bye tells the receiver that we stop, if it listens.
func (s *sendSession) bye() {
	s.w.Write(messageFrame(frameBye, fmt.Sprint("the sender was ", context.Cause(s.ctx))))
	if s.w.Flush() != nil {
		ends.Abort(s.conn)
		return
	}
	if ends.CloseWrite(s.conn) == nil {
		s.conn.SetReadDeadline(time.Now().Add(parting))
		io.Copy(io.Discard, s.conn)
	}
}

// handleEvents takes in what the receiver has said.
func (s *sendSession) handleEvents() error {
	s.mu.Lock()
	events, err := s.events, s.broken
	s.events = nil
	s.mu.Unlock()
	for _, ev := range events {
		if err := s.handle(ev); err != nil {
			return err
		}
	}
	if s.stored {
		return nil
	}
	return err
}

func (s *sendSession) handle(ev event) error {
	switch ev.kind {
	case frameStored:
		if s.number != finished {
			return protocolErrorf("an end before there is one")
		}
		s.stored = true
		return nil
	case frameWant:
		e := s.entries[ev.number]
		if e == nil || e.wanted || e.item.Kind != tree.File {
			return protocolErrorf("content of entry %d is wanted", ev.number)
		}
		e.wanted = true
		s.wants = append(s.wants, ev)
		return nil
	}
	if e := s.entries[ev.number]; e != nil {
		s.answered(ev, e)
		return nil
	}
	f := s.folders[ev.number]
	if f == nil || !f.left {
		return protocolErrorf("an answer for entry %d", ev.number)
	}
	delete(s.folders, ev.number)
	if ev.code.Failed() && !f.refused {
		s.report(Outcome{Path: untrusted.Text(f.item.Path), Kind: tree.Folder, Code: ev.code, Err: &RemoteError{ev.code, ev.message}}, false)
	}
	s.closed(f.parent)
	return nil
}

// closed counts the end of something in a folder.
func (s *sendSession) closed(f *sentFolder) {
	if f != nil {
		f.pending--
		s.check(f)
	}
}

// answered ends an entry.
func (s *sendSession) answered(ev event, e *sent) {
	delete(s.entries, ev.number)
	e.ended = true
	o := Outcome{Path: untrusted.Text(e.item.Path), Kind: e.item.Kind, Size: e.item.Size, Wire: e.wire, Code: ev.code}
	if !e.began.IsZero() {
		o.Elapsed = time.Since(e.began)
	}
	if ev.code.Failed() {
		o.Err = &RemoteError{ev.code, ev.message}
		if e.failed != nil {
			o.Err = e.failed
		}
	}
	s.report(o, !e.began.IsZero())
	if e.folder == nil {
		s.closed(e.parent)
		return
	}
	e.folder.answered, e.folder.refused = true, ev.code.Failed()
	s.check(e.folder)
}

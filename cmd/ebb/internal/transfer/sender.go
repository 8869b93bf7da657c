package transfer

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/internal/untrusted"
)

// finalWait is how long a sender whose connection broke waits for the receiver's
// last words, which may be on their way.
const finalWait = 2 * time.Second

// Sender sends files. The zero value works. Its fields must not change during a
// Send; one Sender may serve several connections if its functions allow it.
type Sender struct {
	// Timeout is how long the receiver may take for its greeting; 0 is for
	// ever. Behind that, a receiver that writes to a slow disk may take its
	// time: the connection itself tells whether it is alive.
	Timeout time.Duration
	// Progress, if not nil, is told how many more bytes of which file were
	// handed to the connection.
	Progress func(name string, n int)
	// Report, if not nil, is told the outcome of each file, one at a time.
	// Files that a broken session leaves undecided are not reported.
	Report func(Result)
}

// Send offers the files to the receiver at the other end of conn, sends those it
// accepts and returns when it has answered for every one. The error is not nil
// if the session broke, if ctx ended (its cause, then) or if any file was not
// stored (an IncompleteError). Send does not close conn unless the session broke
// or ctx ended; then it aborts it, so that what is still on its way is dropped.
func (s *Sender) Send(ctx context.Context, conn net.Conn, files []File) error {
	stop := context.AfterFunc(ctx, func() { ends.Abort(conn) })
	defer stop()
	session := &sendSession{
		Sender: s, conn: conn,
		r: bufio.NewReader(conn), w: bufio.NewWriterSize(conn, bufferSize),
	}
	err := session.run(files)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var incomplete *IncompleteError
	if err != nil && !errors.As(err, &incomplete) {
		ends.Abort(conn)
	}
	return err
}

// sendSession is one Send.
type sendSession struct {
	*Sender
	conn   net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	failed int // files not stored
}

func (s *sendSession) run(files []File) error {
	if _, err := s.w.Write(appendGreeting(nil)); err != nil {
		return err
	}
	greeted := false
	for batch := range slices.Chunk(files, maxBatch) {
		if err := s.offer(batch); err != nil {
			return err
		}
		if !greeted {
			if err := s.greeting(); err != nil {
				return err
			}
			greeted = true
		}
		accepted, err := s.decisions(batch)
		if err != nil {
			return err
		}
		if err := s.deliver(accepted); err != nil {
			return err
		}
	}
	if _, err := s.w.Write(appendBatch(nil, nil)); err != nil {
		return err
	}
	if err := s.w.Flush(); err != nil {
		return err
	}
	if s.failed > 0 {
		return &IncompleteError{Failed: s.failed, Offered: len(files)}
	}
	return nil
}

// offer sends one batch of names.
func (s *sendSession) offer(batch []File) error {
	entries := make([]entry, len(batch))
	for i, f := range batch {
		if err := CheckName(f.Name); err != nil {
			return fmt.Errorf("%q: %w", f.Name, err)
		}
		entries[i] = entry{name: untrusted.Text(f.Name), size: f.Size, mode: f.Mode.Perm()}
	}
	if _, err := s.w.Write(appendBatch(nil, entries)); err != nil {
		return err
	}
	return s.w.Flush()
}

// greeting waits for the receiver's.
func (s *sendSession) greeting() error {
	if s.Timeout > 0 {
		s.conn.SetReadDeadline(time.Now().Add(s.Timeout))
		defer s.conn.SetReadDeadline(time.Time{})
	}
	return readGreeting(s.r)
}

// decisions reads which files of the batch the receiver wants.
func (s *sendSession) decisions(batch []File) (accepted []File, err error) {
	for _, f := range batch {
		r, err := readReply(s.r)
		if err != nil {
			return nil, err
		}
		if r.final() {
			return nil, r.err()
		}
		if err := r.err(); err != nil {
			s.report(Result{Name: untrusted.Text(f.Name), Size: f.Size, Err: err})
			continue
		}
		accepted = append(accepted, f)
	}
	return accepted, nil
}

// sentFile is a file that has left, waiting for its verdict.
type sentFile struct {
	File
	sum   [sha256.Size]byte
	began time.Time
	err   error // why it was withdrawn
}

// deliver sends the bodies and meanwhile collects the verdicts.
func (s *sendSession) deliver(files []File) error {
	sent := make(chan sentFile, len(files))
	verdict := make(chan error, 1)
	go func() { verdict <- s.verdicts(len(files), sent) }()

	err := s.bodies(files, sent)
	close(sent)
	if err != nil {
		s.w.Flush() // the files before this one are whole
		ends.CloseWrite(s.conn)
		s.conn.SetReadDeadline(time.Now().Add(finalWait))
	}
	verdictErr := <-verdict
	// A final reply explains whatever else went wrong, and the only deadline
	// of a write is the one that a failed verdict sets.
	var remote *RemoteError
	if err == nil || errors.As(verdictErr, &remote) || errors.Is(err, os.ErrDeadlineExceeded) {
		return verdictErr
	}
	return err
}

// verdicts reports the outcome of count files that arrive on sent. When the
// receiver ends the session it makes the writing side fail at once.
func (s *sendSession) verdicts(count int, sent <-chan sentFile) error {
	for range count {
		r, err := readReply(s.r)
		if err == nil && r.final() {
			err = r.err()
		}
		if err != nil {
			s.conn.SetWriteDeadline(time.Now())
			return err
		}
		f, ok := <-sent
		if !ok {
			return nil
		}
		result := Result{Name: untrusted.Text(f.Name), Size: f.Size, Elapsed: time.Since(f.began), Sum: f.sum, Err: f.err}
		if result.Err == nil {
			result.Err = r.err()
		}
		if result.Err != nil {
			result.Sum = [sha256.Size]byte{}
		}
		s.report(result)
	}
	return nil
}

func (s *sendSession) bodies(files []File, sent chan<- sentFile) error {
	for _, f := range files {
		done, err := s.body(f)
		if err != nil {
			return err
		}
		sent <- done
	}
	return s.w.Flush()
}

// body sends one file, or withdraws it. An error means that the connection is
// out of step or broken.
func (s *sendSession) body(f File) (sentFile, error) {
	done := sentFile{File: f, began: time.Now()}
	r, err := f.open()
	if err != nil {
		done.err = err
		return done, s.w.WriteByte(markWithdrawn)
	}
	defer r.Close()
	if err := s.w.WriteByte(markGoesOn); err != nil {
		return done, err
	}
	content := &hashingReader{r: io.LimitReader(r, f.Size), hash: sha256.New()}
	if s.Progress != nil {
		content.progress = func(n int) { s.Progress(f.Name, n) }
	}
	n, err := s.w.ReadFrom(content)
	switch {
	case content.err != nil:
		return done, fmt.Errorf("%s cannot be read any further: %w", f.Path, content.err)
	case err != nil:
		return done, err
	case n < f.Size:
		return done, fmt.Errorf("%s changed while being sent: it ended after %d of %d bytes", f.Path, n, f.Size)
	}
	if done.err = f.ended(r); done.err != nil {
		return done, s.w.WriteByte(markWithdrawn)
	}
	content.hash.Sum(done.sum[:0])
	_, err = s.w.Write(append([]byte{markGoesOn}, done.sum[:]...))
	return done, err
}

func (s *sendSession) report(r Result) {
	if r.Err != nil {
		s.failed++
	}
	if s.Report != nil {
		s.Report(r)
	}
}

// hashingReader hashes what is read through it.
type hashingReader struct {
	r        io.Reader
	hash     hash.Hash
	progress func(n int) // may be nil
	err      error       // a failure of r other than io.EOF
}

// Read implements io.Reader.
func (h *hashingReader) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.hash.Write(p[:n])
	if h.progress != nil && n > 0 {
		h.progress(n)
	}
	if err != nil && err != io.EOF {
		h.err = err
	}
	return n, err
}

package transfer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"time"

	"example.com/ebb/internal/untrusted"
)

// Receiver stores the files of senders in one directory. Its fields must not
// change while it is used; any number of sessions may run at once.
type Receiver struct {
	Root      *os.Root // the directory; nothing outside it is touched
	Overwrite bool     // whether a file replaces another of its name
	// Timeout is how long a sender may be silent, or not take a reply; 0 is
	// for ever.
	Timeout time.Duration
	// Report, if not nil, is told the outcome of each file that was offered.
	// Sessions that run at once call it at once.
	Report func(Result)
}

// Receive serves the sender at the other end of conn until it ends the session.
// The error is not nil if the session broke, if ctx ended (its cause, then) or if
// any file was not stored (an IncompleteError); it matches ErrGreeting if the peer was no sender.
// Whatever happens, no incomplete file is left behind. Receive does not close
// conn unless ctx ends; then it aborts it.
func (r *Receiver) Receive(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { abort(conn) })
	defer stop()
	patient := &patientConn{Conn: conn, timeout: r.Timeout}
	session := &receiveSession{
		Receiver: r, conn: patient,
		r: bufio.NewReader(patient), w: bufio.NewWriter(patient),
		buf: make([]byte, bufferSize),
	}
	err := session.run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// receiveSession is one Receive.
type receiveSession struct {
	*Receiver
	conn    *patientConn
	r       *bufio.Reader
	w       *bufio.Writer
	buf     []byte
	offered int
	failed  int
}

func (s *receiveSession) run() error {
	s.w.Write(appendGreeting(nil)) // leaves with the first reply
	if err := readGreeting(s.r); err != nil {
		s.w.Flush()
		return err
	}
	for {
		entries, err := readBatch(s.r)
		if err != nil {
			return s.giveUp(err)
		}
		if len(entries) == 0 {
			break
		}
		accepted, err := s.decide(entries)
		if err != nil {
			return err
		}
		for _, e := range accepted {
			if err := s.receive(e); err != nil {
				return s.giveUp(err)
			}
		}
	}
	if s.failed > 0 {
		return &IncompleteError{Failed: s.failed, Offered: s.offered}
	}
	return nil
}

// decide answers for each entry whether it is wanted.
func (s *receiveSession) decide(entries []entry) (accepted []entry, err error) {
	for _, e := range entries {
		s.offered++
		decision := s.admit(e)
		if decision.code != CodeOK {
			s.report(Result{Name: e.name, Size: e.size, Err: errors.New(decision.message.String())})
		} else {
			accepted = append(accepted, e)
		}
		if err := writeReply(s.w, decision); err != nil {
			return nil, err
		}
	}
	return accepted, s.w.Flush()
}

// admit refuses what can be known to fail before its content is sent. That the
// name is free now promises nothing: commit decides.
func (s *receiveSession) admit(e entry) reply {
	name := string(e.name)
	if err := CheckName(name); err != nil {
		return reply{CodeName, untrusted.Text(err.Error())}
	}
	info, err := s.Root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return reply{}
	case err != nil:
		return reply{CodeStorage, untrusted.Text(reason(err))}
	case info.IsDir():
		return reply{CodeExists, "there is a directory of this name"}
	case !s.Overwrite:
		return reply{CodeExists, "there is a file of this name, and it is not to be overwritten"}
	}
	return reply{}
}

// receive stores one body and replies to it. An error ends the session.
func (s *receiveSession) receive(e entry) error {
	result := Result{Name: e.name, Size: e.size}
	began := time.Now()
	verdict, err := s.store(e, &result)
	result.Elapsed = time.Since(began)
	switch {
	case err != nil:
		result.Err = err
	case verdict.code != CodeOK:
		result.Err = errors.New(verdict.message.String())
	}
	s.report(result)
	if err != nil {
		return err
	}
	if err := writeReply(s.w, verdict); err != nil {
		return err
	}
	return s.w.Flush()
}

// store reads one body into a file. The verdict is for the sender; an error means
// that the stream cannot be followed any further.
func (s *receiveSession) store(e entry, result *Result) (verdict reply, err error) {
	withdrawn, err := readMark(s.r)
	if err != nil {
		return reply{}, err
	}
	if withdrawn {
		return reply{CodeWithdrawn, "withdrawn by the sender"}, nil
	}
	p, err := newPartial(s.Root)
	if err != nil {
		return reply{}, &storageError{err}
	}
	defer p.discard()
	n, err := io.CopyBuffer(p, io.LimitReader(s.r, e.size), s.buf)
	switch {
	case p.err != nil:
		return reply{}, &storageError{p.err}
	case err == nil && n < e.size:
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil:
		return reply{}, fmt.Errorf("the connection ended after %d of %d bytes: %w", n, e.size, err)
	}
	if withdrawn, err = readMark(s.r); err != nil {
		return reply{}, err
	}
	if withdrawn {
		return reply{CodeWithdrawn, "withdrawn by the sender: it changed while being sent"}, nil
	}
	sum, err := readSum(s.r)
	if err != nil {
		return reply{}, err
	}
	if sum != p.sum() {
		return reply{CodeHash, "the SHA-256 of what arrived does not match"}, nil
	}
	if err := p.commit(string(e.name), e.mode, s.Overwrite); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return reply{CodeExists, "a file of this name appeared meanwhile"}, nil
		}
		return reply{CodeStorage, untrusted.Text(reason(err))}, nil
	}
	result.Sum = sum
	return reply{}, nil
}

// giveUp ends the session for err, telling the sender why if it can still hear.
func (s *receiveSession) giveUp(err error) error {
	var storage *storageError
	var protocol protocolError
	final := reply{code: codeFinal}
	switch {
	case errors.As(err, &storage):
		final.code |= CodeStorage
		final.message = untrusted.Text(reason(storage.err))
	case errors.As(err, &protocol):
		final.code |= CodeProtocol
		final.message = untrusted.Text(err.Error())
	default:
		return err
	}
	if writeReply(s.w, final) == nil && s.w.Flush() == nil {
		s.conn.lastWords()
	}
	return err
}

func (s *receiveSession) report(r Result) {
	if r.Err != nil {
		s.failed++
	}
	if s.Report != nil {
		s.Report(r)
	}
}

// storageError is a failure to store what has arrived.
type storageError struct{ err error }

func (e *storageError) Error() string { return "cannot store it: " + reason(e.err) }
func (e *storageError) Unwrap() error { return e.err }

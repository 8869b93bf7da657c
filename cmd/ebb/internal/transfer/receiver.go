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

	"example.com/ebb/cmd/ebb/internal/ends"
	"example.com/ebb/cmd/ebb/internal/patient"
	"example.com/ebb/internal/untrusted"
)

// Receiver stores the files of senders in one directory. Its fields must not
// change while it is used; any number of sessions may run at once.
type Receiver struct {
	Root      *os.Root // the directory; nothing outside it is touched
	Overwrite bool     // whether a file replaces another of its name
	// Umask is the permission bits that no stored file has, whatever its sender asks for. See [Umask].
	Umask fs.FileMode
	// Greeting is how long a sender may take to greet and to offer its first files. Timeout is how long it may take for
	// each further list of files and each ending of a file, or not take a reply. 0 is for ever.
	Greeting, Timeout time.Duration
	// MinRate is how many bytes per second the content of a file has to bring on average over each minute that was spent
	// waiting for it. 0 is any number: then it may be silent for Timeout.
	MinRate int64
	// Quota is what may be stored in all; nil is no limit. Receivers may share one.
	Quota *Quota
	// Report, if not nil, is told the outcome of each file that was offered.
	// Sessions that run at once call it at once.
	Report func(Result)
}

// Receive serves the sender at the other end of conn until it ends the session.
// The error is not nil if the session broke, if ctx ended (its cause, then) or if
// any file was not stored (an IncompleteError). It matches ErrNoSender if the peer did not behave as a
// sender does: it did not greet, broke the protocol, or went before any file of its was accepted.
// Whatever happens, no incomplete file is left behind. Receive does not close
// conn unless ctx ends; then it aborts it.
func (r *Receiver) Receive(ctx context.Context, conn net.Conn) error {
	stop := context.AfterFunc(ctx, func() { ends.Abort(conn) })
	defer stop()
	waiting := patient.New(conn, r.Timeout)
	waiting.ExpectWithin(r.Greeting)
	session := &receiveSession{
		Receiver: r, conn: waiting,
		r: bufio.NewReader(waiting), w: bufio.NewWriter(waiting),
		buf: make([]byte, bufferSize),
	}
	err := session.run()
	for _, e := range session.accepted {
		r.Quota.GiveBack(e.size)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return session.judged(err)
}

// ErrNoSender matches the error of a session whose peer did not behave as a sender. See Receive.
var ErrNoSender = errors.New("the peer is no sender of files")

// strangerError is the end of such a session.
type strangerError struct{ error }

func (e strangerError) Unwrap() error        { return e.error }
func (e strangerError) Is(target error) bool { return target == ErrNoSender }

// judged is the error of a session, marked if no sender would end one so.
func (s *receiveSession) judged(err error) error {
	var incomplete *IncompleteError
	var protocol protocolError
	if err == nil || errors.As(err, &incomplete) {
		return err
	}
	if !s.engaged || errors.As(err, &protocol) {
		return strangerError{err}
	}
	return err
}

// Refuse tells the sender at the other end of conn, in the words of the protocol, that it is not served, and why.
// It takes up to 5 s, and does not close conn.
func Refuse(conn net.Conn, why string) {
	waiting := patient.New(conn, patient.LastWords)
	w := bufio.NewWriter(waiting)
	w.Write(appendGreeting(nil))
	if writeReply(w, reply{codeFinal | CodeBusy, untrusted.Text(why)}) == nil && w.Flush() == nil {
		waiting.LastWords()
	}
}

// receiveSession is one Receive.
type receiveSession struct {
	*Receiver
	conn    *patient.Conn
	r       *bufio.Reader
	w       *bufio.Writer
	buf     []byte
	offered int
	failed  int

	accepted []entry // and not stored, refused or withdrawn yet
	engaged  bool    // a file was accepted
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
		if err := s.decide(entries); err != nil {
			return err
		}
		for len(s.accepted) > 0 {
			if err := s.receive(s.accepted[0]); err != nil {
				return s.giveUp(err)
			}
		}
		s.conn.ExpectWithin(s.Timeout)
	}
	if s.failed > 0 {
		return &IncompleteError{Failed: s.failed, Offered: s.offered}
	}
	return nil
}

// decide answers for each entry whether it is wanted.
func (s *receiveSession) decide(entries []entry) error {
	for _, e := range entries {
		s.offered++
		decision := s.admit(e)
		if decision.code != CodeOK {
			s.report(Result{Name: e.name, Size: e.size, Err: errors.New(decision.message.String())})
		} else {
			s.accepted, s.engaged = append(s.accepted, e), true
		}
		if err := writeReply(s.w, decision); err != nil {
			return err
		}
	}
	return s.w.Flush()
}

// admit refuses what can be known to fail before its content is sent, and takes the quota of what it does not. That the
// name is free now promises nothing: commit decides.
func (s *receiveSession) admit(e entry) reply {
	if no := s.unnameable(e); no.code != CodeOK {
		return no
	}
	if !s.Quota.Take(e.size) {
		return reply{CodeQuota, "the receiver's quota of files or bytes is used up"}
	}
	return reply{}
}

// unnameable is why a file cannot get its name.
func (s *receiveSession) unnameable(e entry) reply {
	name := string(e.name)
	if err := CheckName(name); err != nil {
		return reply{CodeName, untrusted.Text(err.Error())}
	}
	info, err := s.Root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return reply{}
	case err != nil:
		return reply{CodeStorage, untrusted.Text(Reason(err))}
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
	if err != nil {
		result.Err = err
		s.report(result)
		return err
	}
	s.accepted = s.accepted[1:]
	if verdict.code != CodeOK {
		s.Quota.GiveBack(e.size)
		result.Err = errors.New(verdict.message.String())
	}
	s.report(result)
	if err := writeReply(s.w, verdict); err != nil {
		return err
	}
	return s.w.Flush()
}

// store reads one body into a file. The verdict is for the sender; an error means
// that the stream cannot be followed any further.
func (s *receiveSession) store(e entry, result *Result) (verdict reply, err error) {
	s.conn.ExpectWithin(s.Timeout)
	withdrawn, err := readMark(s.r)
	if err != nil {
		return reply{}, err
	}
	if withdrawn {
		return reply{CodeWithdrawn, "withdrawn by the sender"}, nil
	}
	p, err := newPartial(s.Root)
	if err != nil {
		return reply{}, &storageError{e.name, err}
	}
	defer p.discard()
	s.conn.ExpectRate(s.MinRate)
	n, err := io.CopyBuffer(p, io.LimitReader(s.r, e.size), s.buf)
	switch {
	case p.err != nil:
		return reply{}, &storageError{e.name, p.err}
	case err == nil && n < e.size:
		err = io.ErrUnexpectedEOF
		fallthrough
	case err != nil:
		return reply{}, fmt.Errorf("the connection ended after %d of %d bytes: %w", n, e.size, err)
	}
	s.conn.ExpectWithin(s.Timeout)
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
	if err := p.commit(string(e.name), e.mode&^s.Umask, s.Overwrite); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return reply{CodeExists, "a file of this name appeared meanwhile"}, nil
		}
		return reply{CodeStorage, untrusted.Text(Reason(err))}, nil
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
		final.message = untrusted.Text(fmt.Sprintf("%s cannot be stored: %s", storage.name, Reason(storage.err)))
	case errors.As(err, &protocol):
		final.code |= CodeProtocol
		final.message = untrusted.Text(err.Error())
	default:
		return err
	}
	if writeReply(s.w, final) == nil && s.w.Flush() == nil {
		s.conn.LastWords()
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
type storageError struct {
	name untrusted.Text
	err  error
}

func (e *storageError) Error() string { return "cannot store it: " + Reason(e.err) }
func (e *storageError) Unwrap() error { return e.err }

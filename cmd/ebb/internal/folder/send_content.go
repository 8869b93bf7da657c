package folder

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"example.com/ebb/cmd/ebb/internal/delta"
	"example.com/ebb/cmd/ebb/internal/transfer"
	"example.com/ebb/internal/untrusted"
)

var unixStart = time.Unix(1, 0)

// heldInterval is how often the receiver hears how much was found to be its already.
const heldInterval = time.Second

// outgoing is a file whose content is being sent.
type outgoing struct {
	*sendSession
	entry *sent
	want  event
	known map[[sha256.Size]byte]int // chunks of the receiver's, by their sums
	hash  hash.Hash

	first, count int  // chunks that are the receiver's and were not told yet
	told         bool // something else was told
	size         int64
	lastHeld     time.Time
}

// errStopSending ends the content of a file that the receiver has answered for already.
var errStopSending = errors.New("the receiver has refused it")

// errWouldChange ends the content of a file which shall not be changed.
var errWouldChange = errors.New("its content is another")

// content sends the content of a file that is wanted, or withdraws it. An error means that the session is broken.
func (s *sendSession) content(want event) error {
	defer func() {
		s.mu.Lock()
		s.chunks -= len(want.chunks)
		s.mu.Unlock()
	}()
	e := s.entries[want.number]
	if e == nil { // it has been refused meanwhile
		return protocolErrorf("an answer for file %d before its content", want.number)
	}
	e.began = time.Now()
	name := untrusted.Text(e.item.Path)
	s.Meter.current.Store(&name)
	s.w.Write(numbered(nil, frameContent, want.number))
	f, err := e.item.OpenFile()
	if err != nil {
		return s.withdraw(e, err)
	}
	defer f.Close()
	o := &outgoing{sendSession: s, entry: e, want: want, hash: sha256.New(), lastHeld: e.began}
	if len(want.chunks) > 0 {
		err = o.chunked(f)
	} else {
		err = o.plain(f)
	}
	var local *localError
	switch {
	case errors.As(err, &local):
		return s.withdraw(e, local.error)
	case errors.Is(err, errStopSending), errors.Is(err, errWouldChange):
		s.w.Write(endFrame(beginFrame(nil, frameWithdraw)))
		return nil
	case err != nil:
		return err
	}
	return o.end(f)
}

// localError is a failure to read.
type localError struct{ error }

// withdraw ends the content of a file for a reason on this side.
func (s *sendSession) withdraw(e *sent, why error) error {
	e.failed = why
	_, err := s.w.Write(messageFrame(frameWithdraw, transfer.Reason(why)))
	return err
}

// end ends content that has come to its end.
func (o *outgoing) end(f *os.File) error {
	if err := o.entry.item.Unchanged(f); err != nil {
		return o.withdraw(o.entry, err)
	}
	if o.size != o.entry.item.Size {
		return o.withdraw(o.entry, fmt.Errorf("it changed while being sent: it ended after %d of %d bytes", o.size, o.entry.item.Size))
	}
	kind := frameWhole
	if !o.told && o.first == 0 && o.count == o.want.whole && o.count > 0 {
		kind = frameSame
	} else if o.DryRun {
		_, err := o.w.Write(endFrame(beginFrame(nil, frameWithdraw)))
		return err
	} else {
		o.tellHeld()
	}
	_, err := o.w.Write(endFrame(append(beginFrame(nil, kind), o.hash.Sum(nil)...)))
	return err
}

// plain sends all of the content.
func (o *outgoing) plain(f *os.File) error {
	if o.buf == nil {
		o.buf = make([]byte, maxData)
	}
	left := o.entry.item.Size
	for left > 0 {
		n, err := io.ReadFull(f, o.buf[:min(left, maxData)])
		if n > 0 {
			o.hash.Write(o.buf[:n])
			if err := o.data(o.buf[:n]); err != nil {
				return err
			}
			left -= int64(n)
		}
		switch {
		case err == io.EOF, err == io.ErrUnexpectedEOF:
			return nil // end says what has changed
		case err != nil:
			return &localError{err}
		}
	}
	return nil
}

// chunked sends the content that the receiver does not have.
func (o *outgoing) chunked(f *os.File) error {
	o.known = make(map[[sha256.Size]byte]int, len(o.want.chunks))
	for i, c := range o.want.chunks {
		if _, ok := o.known[c.Sum]; !ok {
			o.known[c.Sum] = i
		}
	}
	o.splitter.Begin(io.LimitReader(f, o.entry.item.Size), o.entry.item.Size)
	for {
		c, data, err := o.splitter.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return &localError{err}
		}
		o.hash.Write(data)
		if i, ok := o.find(c); ok {
			err = o.held(i, c)
		} else {
			err = o.literal(data)
		}
		if err != nil {
			return err
		}
	}
}

// find is the number of a chunk that the receiver has: the one behind the last, if it can be.
func (o *outgoing) find(c delta.Chunk) (int, bool) {
	if next := o.first + o.count; next < len(o.want.chunks) && o.want.chunks[next] == c {
		return next, true
	}
	i, ok := o.known[c.Sum]
	return i, ok && o.want.chunks[i].Length == c.Length
}

// held counts a chunk that the receiver has.
func (o *outgoing) held(i int, c delta.Chunk) error {
	if i != o.first+o.count {
		if o.DryRun && o.size > 0 {
			return errWouldChange
		}
		o.tellHeld()
		o.first = i
	}
	o.count++
	o.size += int64(c.Length)
	o.Meter.moved(int64(c.Length), false)
	if time.Since(o.lastHeld) < heldInterval {
		return nil
	}
	o.lastHeld = time.Now()
	o.w.Write(numbered(nil, frameHeld, uint64(o.size)))
	return o.look(true)
}

// tellHeld tells the chunks that the receiver has.
func (o *outgoing) tellHeld() {
	if o.count > 0 {
		b := binary.BigEndian.AppendUint32(beginFrame(nil, frameCopy), uint32(o.first))
		o.w.Write(endFrame(binary.BigEndian.AppendUint32(b, uint32(o.count))))
		o.told = true
	}
	o.first, o.count = o.first+o.count, 0
}

// literal sends content that the receiver does not have.
func (o *outgoing) literal(data []byte) error {
	if o.DryRun {
		return errWouldChange
	}
	o.tellHeld()
	for len(data) > 0 {
		n := min(len(data), maxData)
		if err := o.data(data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// data sends a frame of content.
func (o *outgoing) data(b []byte) error {
	if o.DryRun {
		return errWouldChange
	}
	o.told = true
	head := beginFrame(make([]byte, 0, 5), frameData)
	binary.BigEndian.PutUint32(head[1:], uint32(len(b)))
	o.w.Write(head)
	if _, err := o.w.Write(b); err != nil {
		return err
	}
	o.size += int64(len(b))
	o.entry.wire += int64(len(b))
	o.Meter.moved(int64(len(b)), true)
	return o.look(false)
}

// look takes in what the receiver says meanwhile. With flush it hears what was written at once.
func (o *outgoing) look(flush bool) error {
	if err := o.handleEvents(); err != nil {
		return err
	}
	if o.entry.ended {
		return errStopSending
	}
	if err := o.ctx.Err(); err != nil {
		return err
	}
	if flush {
		return o.w.Flush()
	}
	return nil
}

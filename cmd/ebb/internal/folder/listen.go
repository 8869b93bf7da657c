package folder

import (
	"example.com/ebb/cmd/ebb/internal/delta"
	"example.com/ebb/internal/untrusted"
)

// maxEvents is how many events of a receiver wait at most: a want and an answer of each entry, an answer of each folder.
const maxEvents = 2*maxOutstanding + maxFolders

// wake has the writing goroutine look around.
func (s *sendSession) wake() {
	select {
	case s.heard <- struct{}{}:
	default:
	}
}

func (s *sendSession) brokenErr() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// read takes in what the receiver says until the connection ends.
func (s *sendSession) read() {
	var err error
	for err == nil {
		var f frame
		if f, err = s.in.next(); err == nil {
			err = s.hear(f)
		}
	}
	s.mu.Lock()
	s.broken = err
	s.mu.Unlock()
	s.wake()
	if s.ctx.Err() == nil {
		s.conn.SetWriteDeadline(unixStart) // the writer waits for nobody
	}
}

// hear takes in one frame.
func (s *sendSession) hear(f frame) error {
	p := fields{b: f.payload}
	switch f.kind {
	case frameAnswer:
		ev := event{kind: f.kind, number: p.u64(), code: Code(p.u8()), message: p.rest()}
		if err := p.end(); err != nil {
			return err
		}
		return s.put(ev)
	case frameWant:
		return s.hearWant(p)
	case frameDeleted:
		s.report(Outcome{Path: untrusted.Text(f.payload), Deleted: true}, false)
		return nil
	case frameFinal:
		code, message := Code(p.u8()), p.rest()
		if err := p.end(); err != nil {
			return err
		}
		return &RemoteError{code, message}
	case frameStored:
		if err := p.end(); err != nil {
			return err
		}
		return s.put(event{kind: f.kind})
	}
	return protocolErrorf("a frame of type %d", f.kind)
}

// hearWant reads which file is wanted, and what of it the receiver has.
func (s *sendSession) hearWant(p fields) error {
	ev := event{kind: frameWant, number: p.u64(), whole: int(p.u32())}
	count := int(p.u32())
	if err := p.end(); err != nil {
		return err
	}
	s.mu.Lock()
	s.chunks += count
	total := s.chunks
	s.mu.Unlock()
	if count > delta.MaxChunks || total > maxChunks || ev.whole > count {
		return protocolErrorf("%d chunks of a file, %d of all that are wanted", count, total)
	}
	for len(ev.chunks) < count {
		f, err := s.in.next()
		if err != nil {
			return err
		}
		if f.kind != frameChunks {
			return protocolErrorf("a frame of type %d where chunks are to come", f.kind)
		}
		if ev.chunks, err = parseChunks(ev.chunks, f.payload, count-len(ev.chunks)); err != nil {
			return err
		}
	}
	return s.put(ev)
}

// put hands an event to the writing goroutine.
func (s *sendSession) put(ev event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.events) >= maxEvents {
		return protocolErrorf("more answers than entries")
	}
	s.events = append(s.events, ev)
	s.wake()
	return nil
}

package ebb

import (
	"context"
	"os"
	"sync"
	"time"

	core "example.com/ebb/internal/endpoint"
	"example.com/ebb/qlog"
	"example.com/ebb/trace"
)

// traceVariable names the directory to trace connections in, as with other implementations of qlog.
const traceVariable = "QLOGDIR"

// tracePatience is how long Endpoint.Close waits for traces to be written.
const tracePatience = 2 * time.Second

// directories is those that QLOGDIR has named. They are the process's, so that what waits for the disk is bounded
// for all its endpoints together, and Drain can wait for it.
var directories directorySet

// directorySet is directories by their paths. Its lock is taken with no other held but that of an endpoint.
type directorySet struct {
	mu     sync.Mutex
	byPath map[string]*qlog.Directory
}

// at is the directory of a path.
func (s *directorySet) at(path string) *qlog.Directory {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.byPath[path]
	if d == nil {
		if s.byPath == nil {
			s.byPath = make(map[string]*qlog.Directory)
		}
		d = qlog.NewDirectory(path)
		s.byPath[path] = d
	}
	return d
}

// flush waits until all that happened is written, or the context is done. That a trace is not whole is no failure of the connections', and its
// file says so.
func (s *directorySet) flush(ctx context.Context) {
	s.mu.Lock()
	all := make([]*qlog.Directory, 0, len(s.byPath))
	for _, d := range s.byPath {
		all = append(all, d)
	}
	s.mu.Unlock()
	for _, d := range all {
		d.Flush(ctx)
	}
}

// traceAsAsked sets the Tracer that QLOGDIR asks for, if there is no other, and returns its directory; nil: it asks for none.
func (c *Config) traceAsAsked() *qlog.Directory {
	path := os.Getenv(traceVariable)
	if c.Tracer != nil || path == "" {
		return nil
	}
	d := directories.at(path)
	c.Tracer = d.Begin
	return d
}

// traceWith has a connection that is about to be started told about, if it is to be.
func (c *conn) traceWith(p *core.Params, now time.Duration) {
	if c.settings.Tracer == nil {
		return
	}
	t := trace.Conn{
		Dialled: p.Client, Protected: p.Handshake != nil, Original: p.OriginalDst, ID: p.Local, Peer: p.Peer,
		Local: *c.local, Remote: p.Path.Remote, Time: now, Wall: c.endpoint.epoch.Add(now),
	}
	if p.Client {
		t.Original, t.Peer = p.Peer, 0
	}
	p.Trace = c.settings.Tracer(t)
}

// finishTraces waits until the traces are written, but not for ever, and says what is missing in them.
func (s *settings) finishTraces() {
	if s.traces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), tracePatience)
	defer cancel()
	if err := s.traces.Flush(ctx); err != nil {
		s.Logger.Warn("traces are not whole", "directory", os.Getenv(traceVariable), "error", err)
	}
}

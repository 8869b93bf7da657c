package limits

// Stream is the scope of one stream of a connection. What it holds is held by the connection too.
type Stream struct {
	conn      *Conn
	direction Resource // InboundStreams or OutboundStreams

	// Guarded by conn.mu.
	used     int64
	peak     int64
	released bool
}

// InboundStream takes the place of a stream that the peer opens. An error is an *Error, or ErrReleased.
func (c *Conn) InboundStream() (*Stream, error) { return c.openStream(InboundStreams) }

// OutboundStream takes the place of a stream that we open. An error is an *Error, or ErrReleased.
func (c *Conn) OutboundStream() (*Stream, error) { return c.openStream(OutboundStreams) }

func (c *Conn) openStream(direction Resource) (*Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state >= ended {
		return nil, ErrReleased
	}
	b := c.streamBook(direction)
	own := c.endpoint.manager.classes[LevelConn]
	if limit := own.bounds[0][direction]; b.used >= limit {
		b.refused++
		own.totals.refused[direction].Add(1)
		return nil, &Error{Level: LevelConn, Scope: LevelConn.String(), Resource: direction, Used: b.used, Limit: limit}
	}
	if at := takeAll(c.under(), direction, 1, c.standing); at != nil {
		at.refuse(direction)
		return nil, at.error(direction, 0, c.standing)
	}
	b.used++
	b.peak = max(b.peak, b.used)
	return &Stream{conn: c, direction: direction}, nil
}

func (c *Conn) streamBook(direction Resource) *streamBook {
	return &c.rarely().streams[direction-InboundStreams]
}

// Reserve is Conn.Reserve within the limits of the stream.
func (s *Stream) Reserve(n int, p Priority) bool {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.endpoint.manager.classes[LevelStream]
	if s.released {
		return false
	}
	if n >= 0 && s.used > p.bound(own.bounds[0][Memory])-int64(n) {
		own.totals.refused[Memory].Add(1)
		return false
	}
	if !c.reserve(int64(n), p) {
		return false
	}
	s.used += int64(n)
	s.peak = max(s.peak, s.used)
	return true
}

// Free gives back n bytes that Reserve has granted. After the Release of the stream, or of its connection, nothing happens.
func (s *Stream) Free(n int) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.released || c.state == released {
		return
	}
	if int64(n) > s.used {
		panic("BUG: more memory was freed than was reserved")
	}
	s.used -= int64(n)
	c.free(int64(n))
}

// Release gives back what the stream holds. It may be called again, to no effect but that it is counted.
func (s *Stream) Release() {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.released {
		c.endpoint.manager.again.Add(1)
		return
	}
	s.released = true
	raise(&c.endpoint.manager.classes[LevelStream].totals.peak[Memory], s.peak)
	if c.state == released {
		return
	}
	c.streamBook(s.direction).used--
	giveAll(c.under(), s.direction, 1)
	c.free(s.used)
	s.used = 0
}

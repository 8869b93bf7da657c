// Package tlsdriver makes the TLS 1.3 handshakes of protected connections, through crypto/tls's interface for QUIC (RFC 9001
// section 4). What packets carry it is not its business: bytes of each level go in and come out, and secrets come out.
//
// crypto/tls calls the application (a certificate from disk, a verifier that asks a server) and computes for a millisecond
// at a time. So a Driver does its work in one method, Work, for which its owner has a goroutine that may block. All other methods
// return at once, and may be called with a connection's lock held.
//
// The package is not pure: crypto/tls draws random numbers and looks at the clock.
package tlsdriver

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"

	"example.com/ebb/internal/protect"
)

// MaxWaiting is how many bytes of the peer's may wait for Work.
const MaxWaiting = 64 << 10

// ErrTooMuch says that the peer has sent more than is kept for it while the application is busy with what came before.
var ErrTooMuch = errors.New("tlsdriver: too much of a handshake at once")

// Params is what a handshake begins with.
type Params struct {
	Client bool
	// TLS is what ClientConfig or ServerConfig has made. It may be shared.
	TLS *tls.Config
	// Transport is what we say of ourselves, authenticated by the handshake. It is not interpreted.
	Transport []byte
	// Local and Remote are the addresses that the callbacks of a server find in tls.ClientHelloInfo.
	Local, Remote net.Addr
}

// Driver is one side of a handshake. Its methods may be called concurrently, Work by one at a time.
type Driver struct {
	params Params
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	in      []message
	waiting int  // bytes in in
	working bool // Work is called, or somebody has promised to
	begun   bool
	closed  bool
	events  []protect.Event // that were not returned yet
	state   *tls.ConnectionState
	failed  bool

	// Of Work alone.
	conn    *tls.QUICConn // nil: not begun, or not needed any more
	tickets ticketReader
}

// message is some bytes of the peer's.
type message struct {
	level protect.Level
	data  []byte
}

// New makes a driver. Its handshake ends, with an error, when ctx does; callbacks get a context that is derived from ctx. Close
// has to be called in the end.
func New(ctx context.Context, p Params) *Driver {
	d := &Driver{params: p}
	d.ctx, d.cancel = context.WithCancel(ctx)
	return d
}

// Start begins. It reports whether the caller has to have Work called: once for each such report, on a goroutine of its own.
func (d *Driver) Start() (work bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.promise()
}

// Receive takes the bytes that come next on the crypto stream of a level, borrowed. It reports whether the caller has to
// have Work called, as Start does. The error is ErrTooMuch, which ends the connection.
func (d *Driver) Receive(l protect.Level, b []byte) (work bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed || d.failed:
		return false, nil
	case d.waiting+len(b) > MaxWaiting:
		return false, ErrTooMuch
	}
	d.in = append(d.in, message{l, bytes.Clone(b)})
	d.waiting += len(b)
	return d.promise(), nil
}

// promise reports whether somebody new has to work.
func (d *Driver) promise() bool {
	work := !d.working && !d.closed && !d.failed
	d.working = d.working || work
	return work
}

// Next returns what came of the work and was not returned before; of kind EventNone if there is no more for now.
func (d *Driver) Next() (e protect.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.events) == 0 {
		d.events = nil
		return e
	}
	e, d.events = d.events[0], d.events[1:]
	return e
}

// State is what TLS says of the connection. It reports false before EventDone.
func (d *Driver) State() (tls.ConnectionState, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == nil {
		return tls.ConnectionState{}, false
	}
	return *d.state, true
}

// Close ends the handshake, wherever it is, and gives up what it holds. It does not wait for Work, which returns when a
// callback of the application's has. After it there are no more events.
func (d *Driver) Close() {
	d.mu.Lock()
	idle := !d.closed && !d.working
	d.closed, d.in, d.waiting, d.events = true, nil, 0, nil
	d.mu.Unlock()
	d.cancel()
	if idle { // nobody else will
		d.drop()
	}
}

// Work does what there is to do, and returns when that is all. It may block, as callbacks do. Whenever there are events it calls
// news, without a lock.
func (d *Driver) Work(news func()) {
	for {
		next, m := d.take()
		switch next {
		case over:
			d.drop()
			fallthrough
		case rest:
			return
		}
		events := d.step(next, m)
		d.mu.Lock()
		if d.closed {
			events = nil
		}
		d.events = append(d.events, events...)
		d.mu.Unlock()
		if len(events) > 0 {
			news()
		}
	}
}

// action is what Work does next.
type action uint8

const (
	rest  action = iota // nothing, for now
	over                // nothing, for ever
	begin               // the handshake
	read                // a message
)

// take returns what is to be done next. Whoever works stops working if that is nothing.
func (d *Driver) take() (next action, m message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return over, m // and the promise stands: nobody is to work after this
	case d.failed:
		d.working, d.in, d.waiting = false, nil, 0
		return over, m
	case !d.begun:
		d.begun = true
		return begin, m
	case len(d.in) > 0:
		m, d.in = d.in[0], d.in[1:]
		d.waiting -= len(m.data)
		return read, m
	}
	d.working, d.in = false, nil
	return rest, m
}

// drop gives crypto/tls up. Nobody works.
func (d *Driver) drop() {
	if d.conn != nil {
		d.conn.Close() // ends a goroutine that waits for us, and waits for that. The error is that of the handshake
		d.conn = nil
	}
}

// step has crypto/tls do one thing, and returns what comes of it.
func (d *Driver) step(next action, m message) (events []protect.Event) {
	var err error
	switch {
	case next == begin:
		err = d.begin()
	case d.done():
		err = d.later(m)
	default:
		err = d.conn.HandleData(tlsLevel(m.level), m.data)
	}
	if err == nil {
		events, err = d.collect()
	}
	if err == nil && !d.done() {
		err = d.ctx.Err()
	}
	if err != nil {
		d.mu.Lock()
		d.failed = true
		d.mu.Unlock()
		failure := newError(err)
		events = append(events, protect.Event{Kind: protect.EventFailed, Err: failure, Alert: uint8(failure.Alert)})
	}
	if err != nil || d.done() && !d.awaitsTicket() {
		d.cancel()
		d.drop()
	}
	return events
}

func (d *Driver) begin() error {
	config := &tls.QUICConfig{TLSConfig: d.params.TLS}
	if d.params.Client {
		d.conn = tls.QUICClient(config)
	} else {
		config.TLSConfig = withAddrs(config.TLSConfig, d.params.Local, d.params.Remote)
		d.conn = tls.QUICServer(config)
	}
	d.conn.SetTransportParameters(d.params.Transport)
	return d.conn.Start(d.ctx)
}

func (d *Driver) done() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state != nil
}

// collect takes the events of crypto/tls. That the handshake is done comes last, when all secrets are known.
func (d *Driver) collect() (events []protect.Event, err error) {
	done := false
	for d.conn != nil {
		e := d.conn.NextEvent()
		out := protect.Event{Level: ourLevel(e.Level), Suite: protect.Suite(e.Suite)}
		switch e.Kind {
		case tls.QUICNoEvent:
			if !done {
				return events, nil
			}
			done = false
			if err = d.finish(); err != nil {
				return events, err
			}
			events = append(events, protect.Event{Kind: protect.EventDone})
			continue // a ticket may have come of it
		case tls.QUICErrorEvent:
			return events, e.Err
		case tls.QUICHandshakeDone:
			done = true
			continue
		case tls.QUICWriteData:
			out.Kind = protect.EventSend
		case tls.QUICSetWriteSecret:
			out.Kind = protect.EventSealSecret
		case tls.QUICSetReadSecret:
			out.Kind = protect.EventOpenSecret
		case tls.QUICTransportParameters:
			out.Kind, out.Level = protect.EventPeer, protect.LevelInitial
		default:
			continue // of early data and sessions, which we do not ask for
		}
		out.Data = bytes.Clone(e.Data)
		events = append(events, out)
	}
	return events, nil
}

// finish is called when the handshake is done. A server says a ticket.
func (d *Driver) finish() error {
	state := d.conn.ConnectionState()
	d.mu.Lock()
	d.state = &state
	d.mu.Unlock()
	if !d.params.Client {
		return d.conn.SendSessionTicket(tls.QUICSessionTicketOptions{})
	}
	return nil
}

// awaitsTicket reports whether crypto/tls is of use after the handshake: to a client that can keep the ticket that the
// server may say. The first one will do.
func (d *Driver) awaitsTicket() bool {
	c := d.params.TLS
	return d.params.Client && c.ClientSessionCache != nil && !c.SessionTicketsDisabled && d.tickets.whole == 0
}

// later takes what the peer says after the handshake.
func (d *Driver) later(m message) error {
	switch {
	case m.level != protect.LevelData:
		return nil // the rest of a handshake that is over
	case !d.params.Client:
		return errUnexpected // a client has nothing to say
	}
	whole := d.tickets.whole
	if err := d.tickets.read(m.data); err != nil || d.conn == nil || whole > 0 {
		return err
	}
	return d.conn.HandleData(tls.QUICEncryptionLevelApplication, m.data)
}

func tlsLevel(l protect.Level) tls.QUICEncryptionLevel {
	switch l {
	case protect.LevelInitial:
		return tls.QUICEncryptionLevelInitial
	case protect.LevelHandshake:
		return tls.QUICEncryptionLevelHandshake
	}
	return tls.QUICEncryptionLevelApplication
}

func ourLevel(l tls.QUICEncryptionLevel) protect.Level {
	switch l {
	case tls.QUICEncryptionLevelInitial:
		return protect.LevelInitial
	case tls.QUICEncryptionLevelHandshake:
		return protect.LevelHandshake
	}
	return protect.LevelData
}

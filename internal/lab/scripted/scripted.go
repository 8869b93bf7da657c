// Package scripted stands in for TLS where runs have to be equal to the last bit: a handshake that says messages of given sizes in
// the order of TLS 1.3, and makes its secrets from a seed. It protects nothing.
//
// The package is pure.
package scripted

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"

	"example.com/ebb/internal/protect"
)

// Script is what a handshake is made from. Both sides have the same, but for Client.
type Script struct {
	Client bool
	Seed   uint64 // of the secrets
	Suite  protect.Suite
	// Sizes of the messages, in bytes, without what they carry: as TLS says them with the key shares that Go sends and
	// one certificate, if 0.
	Hello, Answer, Flight, Finished, Ticket int
	// Held has events wait until Release, as those of a handshake on another goroutine do.
	Held bool
	// Fail has this side refuse the other's identity, with an alert.
	Fail uint8
}

// The kinds of messages.
const (
	hello byte = iota
	answer
	flight
	finished
	ticket
)

// errRefused is why a handshake with Script.Fail ends.
var errRefused = errors.New("scripted: refused")

// Handshake is one side of a handshake. It implements protect.Handshake.
type Handshake struct {
	script Script
	ours   []byte                        // parameters
	in     [protect.LevelData + 1][]byte // bytes of messages that are not whole
	held   []protect.Event               // until Release
	events []protect.Event               //
	over   bool                          // failed
	heard  int                           // tickets
}

// New makes a side that says ours.
func New(s Script, ours []byte) *Handshake {
	for _, d := range []struct {
		size  *int
		usual int
	}{{&s.Hello, 1500}, {&s.Answer, 1200}, {&s.Flight, 800}, {&s.Finished, 36}, {&s.Ticket, 200}} {
		if *d.size == 0 {
			*d.size = d.usual
		}
	}
	if s.Suite == 0 {
		s.Suite = protect.AES128GCM
	}
	return &Handshake{script: s, ours: ours}
}

// Tickets is how many have come.
func (h *Handshake) Tickets() int { return h.heard }

// Start begins.
func (h *Handshake) Start() {
	if h.script.Client {
		h.say(protect.LevelInitial, hello, h.script.Hello, h.ours)
	}
}

// Receive takes bytes of the peer's.
func (h *Handshake) Receive(l protect.Level, b []byte) error {
	h.in[l] = append(h.in[l], b...)
	for !h.over && len(h.in[l]) >= headerSize {
		n := headerSize + int(binary.BigEndian.Uint32(h.in[l][1:]))
		if len(h.in[l]) < n {
			return nil
		}
		m := h.in[l][:n:n]
		h.in[l] = h.in[l][n:]
		h.hear(l, m[0], m[headerSize:])
	}
	if len(h.in[l]) == 0 {
		h.in[l] = nil
	}
	return nil
}

// Next returns what has come of that.
func (h *Handshake) Next() (e protect.Event) {
	if len(h.events) > 0 {
		e, h.events = h.events[0], h.events[1:]
	} else {
		h.events = nil
	}
	return e
}

// Release lets what was held be seen, and reports whether there was anything.
func (h *Handshake) Release() bool {
	h.events, h.held = append(h.events, h.held...), nil
	return len(h.events) > 0
}

// Secret is the secret of a level and direction.
func (s Script) Secret(l protect.Level, client bool) []byte {
	b := binary.BigEndian.AppendUint64([]byte{byte(l), 0}, s.Seed)
	if client {
		b[1] = 1
	}
	sum := sha256.Sum256(b)
	if s.Suite == protect.AES256GCM {
		return append(sum[:], sum[:16]...)
	}
	return sum[:]
}

// headerSize is that of a message: its kind and its length.
const headerSize = 5

func (h *Handshake) tell(e protect.Event) {
	if h.script.Held {
		h.held = append(h.held, e)
	} else {
		h.events = append(h.events, e)
	}
}

// say says a message: what it carries, and so many bytes besides.
func (h *Handshake) say(l protect.Level, kind byte, size int, carries []byte) {
	b := binary.BigEndian.AppendUint32([]byte{kind}, uint32(2+len(carries)+size))
	b = binary.BigEndian.AppendUint16(b, uint16(len(carries)))
	b = append(b, carries...)
	h.tell(protect.Event{Kind: protect.EventSend, Level: l, Data: append(b, make([]byte, size)...)})
}

func (h *Handshake) secret(kind protect.EventKind, l protect.Level) {
	ours := kind == protect.EventSealSecret
	h.tell(protect.Event{Kind: kind, Level: l, Suite: h.script.Suite, Data: h.script.Secret(l, ours == h.script.Client)})
}

func (h *Handshake) fail(alert uint8) {
	h.over = true
	h.tell(protect.Event{Kind: protect.EventFailed, Err: errRefused, Alert: alert})
}

// hear does what follows from a message.
func (h *Handshake) hear(l protect.Level, kind byte, b []byte) {
	const unexpected = 10
	s := &h.script
	want := map[byte]protect.Level{hello: protect.LevelInitial, answer: protect.LevelInitial, ticket: protect.LevelData}
	level, ok := want[kind]
	if !ok {
		level = protect.LevelHandshake
	}
	theirs := kind == answer || kind == flight || kind == ticket
	if len(b) < 2 || level != l || theirs != s.Client {
		h.fail(unexpected)
		return
	}
	n := int(binary.BigEndian.Uint16(b))
	peer := protect.Event{Kind: protect.EventPeer, Data: b[2:min(len(b), 2+n)]}
	switch kind {
	case hello:
		h.tell(peer)
		h.say(protect.LevelInitial, answer, s.Answer, nil)
		h.secret(protect.EventSealSecret, protect.LevelHandshake)
		h.secret(protect.EventOpenSecret, protect.LevelHandshake)
		h.say(protect.LevelHandshake, flight, s.Flight, h.ours)
		h.secret(protect.EventSealSecret, protect.LevelData)
	case answer:
		h.secret(protect.EventSealSecret, protect.LevelHandshake)
		h.secret(protect.EventOpenSecret, protect.LevelHandshake)
	case flight:
		h.tell(peer)
		if s.Fail != 0 {
			h.fail(s.Fail)
			return
		}
		h.say(protect.LevelHandshake, finished, s.Finished, nil)
		h.secret(protect.EventSealSecret, protect.LevelData)
		h.secret(protect.EventOpenSecret, protect.LevelData)
		h.tell(protect.Event{Kind: protect.EventDone})
	case finished:
		if s.Fail != 0 {
			h.fail(s.Fail)
			return
		}
		h.secret(protect.EventOpenSecret, protect.LevelData)
		h.tell(protect.Event{Kind: protect.EventDone})
		h.say(protect.LevelData, ticket, s.Ticket, nil)
	case ticket:
		h.heard++
	default:
		h.fail(unexpected)
	}
}

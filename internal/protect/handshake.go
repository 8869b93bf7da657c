package protect

// Level is what a packet, and the bytes of the handshake in it, are protected with (RFC 9001 section 4).
type Level uint8

// The levels, in the order in which a connection goes through them.
const (
	LevelInitial   Level = iota // INITIAL and ACCEPT
	LevelHandshake              // HANDSHAKE
	LevelData                   // short packets
)

var levelNames = [...]string{LevelInitial: "initial", LevelHandshake: "handshake", LevelData: "data"}

// String returns the level's name.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return "unknown level"
}

// Event is one thing that a cryptographic handshake has to say or has learnt.
type Event struct {
	Kind  EventKind
	Level Level  // of EventSend, EventSealSecret and EventOpenSecret
	Suite Suite  // of both secrets
	Data  []byte // bytes to be sent, a secret, or the peer's parameters; the receiver's to keep
	Err   error  // of EventFailed
	Alert uint8  // of EventFailed: what the peer is told of it, by the numbers of TLS (RFC 8446 section 6)
}

// EventKind is the kind of an event.
type EventKind uint8

// The kinds of events.
const (
	EventNone       EventKind = iota
	EventSend                 // Data is to be sent on the crypto stream of Level
	EventSealSecret           // Data is the secret for what is sent at Level
	EventOpenSecret           // Data is the secret for what comes at Level
	EventPeer                 // Data is what the peer says of itself. It is authenticated only once EventDone has come
	EventDone                 // the peer is who it has to be, and the handshake is complete
	EventFailed               // Err ends the handshake; nothing follows
)

// Handshake agrees with the peer on secrets. It says bytes and hears the peer's, on the crypto stream of each level. It may work
// on another goroutine: then its owner tells the connection when there are new events.
type Handshake interface {
	// Start begins. A client has something to say from then on.
	Start()
	// Receive takes the next bytes that the peer said at a level, borrowed. An error says that they are too many.
	Receive(l Level, b []byte) error
	// Next returns what has come of that and was not returned before; of kind EventNone if there is no more for now.
	Next() Event
}

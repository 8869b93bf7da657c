package router

// Reason is why a datagram was dropped.
type Reason uint8

// The reasons.
const (
	Malformed    Reason = iota // it does not parse, or cannot open a connection
	Corrupt                    // the trailer does not match
	Small                      // too short for an answer, or for an INITIAL
	Stray                      // a long packet for nobody
	Late                       // it belongs to a connection that is gone
	Crossed                    // a dial of ours to the same host goes before
	HalfOpenFull               // too many half-open connections
	BacklogFull                // too many connections wait for Accept: what would add one
	Limited                    // its answer would be one too many
	OverLimit                  // a limit of package limits is reached
	NotAdmitted                // Admit has turned it away
	Reasons                    // how many there are
)

var reasonNames = [Reasons]string{
	Malformed:    "malformed",
	Corrupt:      "corrupt",
	Small:        "small",
	Stray:        "stray",
	Late:         "late",
	Crossed:      "crossed",
	HalfOpenFull: "half-open full",
	BacklogFull:  "backlog full",
	Limited:      "limited",
	OverLimit:    "over limit",
	NotAdmitted:  "not admitted",
}

// String returns the reason in words.
func (r Reason) String() string {
	if r < Reasons {
		return reasonNames[r]
	}
	return "unknown reason"
}

// Counters is what a router has done since it was made, and what it holds now.
type Counters struct {
	Connections int // in the tables now, whatever their state
	HalfOpen    int // of these: server's side, address not proved yet
	Tombstones  int // remembered now

	Queued      int   // waiting for Accept, those included that have ended meanwhile
	QueuedBytes int64 // what these may hold, and those that have a place and are about to follow

	Delivered uint64 // datagrams handed to a connection
	Opened    uint64 // INITIALs that opened a connection
	Displaced uint64 // half-open connections whose place one of these has taken
	Forgotten uint64 // of these: protected ones that could not be opened, or would open none
	Foreign   uint64 // datagrams that are not Ebb's

	Retries uint64 // answers with RETRY
	// BadCookies is how many of these answered a cookie that was too old, or another's.
	BadCookies uint64
	Refusals   uint64 // with REFUSE
	Unknowns   uint64 // with UNKNOWN
	Versions   uint64 // with VERSIONS
	Closes     uint64 // with the CLOSE of a connection that is gone

	Evicted uint64          // tombstones replaced before their time
	Dropped [Reasons]uint64 // datagrams dropped, by reason
}

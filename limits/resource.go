package limits

// Resource is what is limited.
type Resource uint8

// The resources. Handshakes are a rate, a second; everything else is a number of what is held at the moment.
const (
	Connections     Resource = iota // established, inbound and outbound together
	Inbound                         // established, made by the peer
	Outbound                        // made by us, from the first packet
	HalfOpen                        // made by the peer and not established yet
	InboundStreams                  // opened by the peer
	OutboundStreams                 // opened by us
	Memory                          // bytes
	Descriptors                     // sockets
	Handshakes                      // begun by peers, a second
	resources       = iota
)

// held is how many resources are numbers of what is held.
const held = int(Handshakes)

var resourceNames = [resources]string{
	"connections", "inbound connections", "outbound connections", "half-open connections",
	"inbound streams", "outbound streams", "bytes of memory", "descriptors", "handshakes",
}

// String is how errors name the resource.
func (r Resource) String() string {
	if int(r) < len(resourceNames) {
		return resourceNames[r]
	}
	return "unknown resource"
}

// Priority is how much a reservation of memory matters, from 0 to 128. One of priority p is admitted if the use with it
// is at most limit × (128 + p)/256 in each scope: the lowest ones have the first half of every limit, and only the highest
// ones have all of it. So service fades before it fails. Values outside of the range are its ends.
type Priority int

// The priorities that Ebb uses, in the order in which service fades.
const (
	OutOfOrder    Priority = 0   // data that arrives out of order, beyond the first window: to 50 % of each limit
	WindowGrowth  Priority = 32  // a larger window than before, and what is held in it: to 62.5 %
	WindowRenewal Priority = 64  // a window of the size that it has: to 75 %; above, windows shrink when they are renewed
	NewConnection Priority = 96  // the state of a new connection: to 87.5 %
	FirstWindow   Priority = 128 // the first window of a connection, in order or not: to the limit
)

// bound is what may be in use for a reservation of this priority to be admitted.
func (p Priority) bound(limit int64) int64 {
	if limit == none {
		return none
	}
	return limit * (128 + int64(min(max(p, 0), 128))) / 256
}

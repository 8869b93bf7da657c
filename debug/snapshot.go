package debug

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/untrusted"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// Version is that of the JSON. It changes when a name does, or what stands for it; new names change nothing.
const Version = 1

const (
	// DefaultMaxConnections is Config.MaxConnections if that is 0.
	DefaultMaxConnections = 10_000
	// maxEndpoints bounds the endpoints that a snapshot has, and maxPeers the scopes of networks, peers and identities.
	maxEndpoints = 256
	maxPeers     = 20
)

// started is where Snapshot.UptimeSeconds counts from.
var started = time.Now()

// Config is what there is to say beside what the process knows itself. The zero value is ready to use.
type Config struct {
	// Program is the title; "" stands for the name of the executable.
	Program string
	// Hosts are names by which a browser may address the server, in addition to IP addresses and localhost, without a port.
	Hosts []string
	// MaxConnections bounds the connections in a snapshot; 0 stands for DefaultMaxConnections. Negative is an empty list. There are
	// totals of the others.
	MaxConnections int
	// Pools are those without a name that no endpoint uses at the moment, by what they are to be called.
	Pools map[string]*pool.Pool
}

// Snapshot is a process at a moment. Its JSON is what the handler serves. Rates are bytes per second, and -1 is none; times are seconds.
type Snapshot struct {
	Version       int       `json:"version"`
	Program       string    `json:"program"`
	PID           int       `json:"pid"`
	Time          time.Time `json:"time"`
	UptimeSeconds float64   `json:"uptime_seconds"` // of a clock that nobody sets: differences of counters are divided by its differences

	Totals Totals `json:"totals"`

	ConnectionsTotal int          `json:"connections_total"` // those included that Connections has no room for
	Connections      []Connection `json:"connections"`
	EndpointsTotal   int          `json:"endpoints_total"` // those of Dial included
	Endpoints        []Endpoint   `json:"endpoints"`       // not those of Dial, which have one connection
	Pools            []Pool       `json:"pools"`
	Limits           []Limits     `json:"limits"` // of each manager
}

// Totals is ebb.Counters.
type Totals struct {
	Dialled            uint64 `json:"dialled"`
	Accepted           uint64 `json:"accepted"`
	Ended              uint64 `json:"ended"`
	PacketsSent        uint64 `json:"packets_sent"`
	PacketsReceived    uint64 `json:"packets_received"`
	BytesSent          uint64 `json:"bytes_sent"`
	BytesReceived      uint64 `json:"bytes_received"`
	StreamBytesSent    uint64 `json:"stream_bytes_sent"`
	BytesRetransmitted uint64 `json:"bytes_retransmitted"`
	PacketsLost        uint64 `json:"packets_lost"`
	SpuriousLosses     uint64 `json:"spurious_losses"`
	PacketsMarked      uint64 `json:"packets_marked"`
	Probes             uint64 `json:"probes"`
	Timeouts           uint64 `json:"timeouts"`
	BlackHoles         uint64 `json:"black_holes"`
	SendErrors         uint64 `json:"send_errors"`
}

// Endpoint is an ebb.EndpointInfo, less what the limits say.
type Endpoint struct {
	Local             string            `json:"local"`
	Listening         bool              `json:"listening"`
	Connections       int               `json:"connections"`
	HalfOpen          int               `json:"half_open"`
	Queued            int               `json:"queued"`
	QueuedBytes       int64             `json:"queued_bytes"`
	Tombstones        int               `json:"tombstones"`
	Blocked           int               `json:"blocked"`
	Sockets           int               `json:"sockets"`
	DatagramsSent     uint64            `json:"datagrams_sent"`
	DatagramsReceived uint64            `json:"datagrams_received"`
	BytesSent         uint64            `json:"bytes_sent"`
	BytesReceived     uint64            `json:"bytes_received"`
	CallsSent         uint64            `json:"calls_sent"`
	CallsReceived     uint64            `json:"calls_received"`
	Overflows         uint64            `json:"overflows"`
	Foreign           uint64            `json:"foreign"`
	Retries           uint64            `json:"retries"`
	Refusals          uint64            `json:"refusals"`
	Dropped           map[string]uint64 `json:"dropped,omitempty"` // by reason
	SocketModes       []string          `json:"socket_modes"`      // "batch", "gso", "gro", "df", "ecn", "stamps"
}

// Pool is a pool.Snapshot with its name: "default", what pool.Named calls it, what Config.Pools does, or "pool 1" and so on.
type Pool struct {
	Name                         string `json:"name"`
	Members                      int    `json:"members"`
	Throttled                    int    `json:"throttled"`
	TotalBytesPerSecond          int64  `json:"total_bytes_per_second"`
	MinimumBytesPerSecond        int64  `json:"minimum_bytes_per_second"`
	RateBytesPerSecond           int64  `json:"rate_bytes_per_second"`
	ReceiveTotalBytesPerSecond   int64  `json:"receive_total_bytes_per_second"`
	ReceiveMinimumBytesPerSecond int64  `json:"receive_minimum_bytes_per_second"`
	Strict                       bool   `json:"strict"`
}

// Limits is a limits.Snapshot.
type Limits struct {
	Manager  string  `json:"manager"` // "default", or "manager 1" and so on
	Opened   uint64  `json:"opened"`
	Released uint64  `json:"released"`
	Scopes   []Scope `json:"scopes"` // the process, endpoints, and of networks, peers and identities those nearest to a limit; last those that stand for all of a level
}

// Scope is a limits.Usage.
type Scope struct {
	Level string `json:"level"`
	Scope string `json:"scope"`
	Books []Book `json:"books"` // those in which nothing has ever happened and that have no limit are left out
}

// Book is a limits.Book.
type Book struct {
	Resource string `json:"resource"`
	Used     int64  `json:"used"`
	Peak     int64  `json:"peak"`
	Limit    int64  `json:"limit"` // -1: none
	Refused  uint64 `json:"refused"`
}

// Read looks at the process. config may be nil.
func Read(config *Config) Snapshot {
	if config == nil {
		config = new(Config)
	}
	now := time.Now()
	s := Snapshot{
		Version: Version, Program: config.Program, PID: os.Getpid(), Time: now, UptimeSeconds: now.Sub(started).Seconds(),
		Totals: Totals(ebb.Totals()), Connections: []Connection{}, Endpoints: []Endpoint{}, Limits: []Limits{},
	}
	if s.Program == "" && len(os.Args) > 0 {
		s.Program = filepath.Base(os.Args[0])
	}
	used := inUse{pools: make(map[*pool.Pool]bool), managers: make(map[*limits.Manager]bool)}
	most := cmp.Or(config.MaxConnections, DefaultMaxConnections)
	for e := range ebb.Endpoints() {
		info := e.Info()
		used.note(e)
		s.EndpointsTotal++
		s.ConnectionsTotal += info.Connections
		if !info.Dialled && len(s.Endpoints) < maxEndpoints {
			s.Endpoints = append(s.Endpoints, endpointOf(&info))
		}
		if len(s.Connections) >= most {
			continue
		}
		s.Connections = slices.Grow(s.Connections, min(info.Connections, most-len(s.Connections)))
		for c := range e.Connections() {
			if s.Connections = append(s.Connections, connectionOf(&c)); len(s.Connections) >= most {
				break
			}
		}
	}
	s.ConnectionsTotal = max(s.ConnectionsTotal, len(s.Connections))
	s.Pools = used.listPools(config.Pools)
	for i, m := range used.orderedManagers {
		s.Limits = append(s.Limits, limitsOf(numbered("manager", i, m == limits.Default()), m.Snapshot()))
	}
	return s
}

// endpointOf is an endpoint for the JSON.
func endpointOf(i *ebb.EndpointInfo) Endpoint {
	e := Endpoint{
		Local: i.Local.String(), Listening: i.Listening, Connections: i.Connections, HalfOpen: i.HalfOpen,
		Queued: i.Queued, QueuedBytes: i.QueuedBytes, Tombstones: i.Tombstones, Blocked: i.Blocked, Sockets: max(1, len(i.Sockets)),
		DatagramsSent: i.Socket.DatagramsSent, DatagramsReceived: i.Socket.DatagramsReceived,
		BytesSent: i.Socket.BytesSent, BytesReceived: i.Socket.BytesReceived,
		CallsSent: i.Socket.CallsSent, CallsReceived: i.Socket.CallsReceived, Overflows: i.Socket.Overflows,
		Foreign: i.Foreign, Retries: i.Retries, Refusals: i.Refusals, Dropped: i.Dropped, SocketModes: []string{},
	}
	for _, mode := range []struct {
		name string
		on   bool
	}{
		{"batch", i.Socket.Batch}, {"gso", i.Socket.GSO}, {"gro", i.Socket.GRO}, {"df", i.Socket.DontFragment},
		{"ecn", i.Socket.ECN}, {"stamps", i.Socket.Stamps},
	} {
		if mode.on {
			e.SocketModes = append(e.SocketModes, mode.name)
		}
	}
	return e
}

// limitsOf is the books of a manager for the JSON.
func limitsOf(name string, s limits.Snapshot) Limits {
	l := Limits{Manager: name, Opened: s.Opened, Released: s.Released}
	l.Scopes = append(l.Scopes, scopeOf(s.Process))
	for _, u := range s.Endpoints[:min(len(s.Endpoints), maxEndpoints)] {
		l.Scopes = append(l.Scopes, scopeOf(u))
	}
	near := slices.Concat(s.Networks, s.Peers, s.Identities)
	slices.SortStableFunc(near, func(a, b limits.Usage) int { return cmp.Compare(fullness(b), fullness(a)) })
	for _, u := range near[:min(len(near), maxPeers)] {
		l.Scopes = append(l.Scopes, scopeOf(u))
	}
	for _, u := range s.Totals {
		if u.Level != limits.LevelProcess {
			l.Scopes = append(l.Scopes, scopeOf(u))
		}
	}
	return l
}

// fullness is how near a scope is to one of its limits; above 1 if it has refused.
func fullness(u limits.Usage) (most float64) {
	for _, b := range u.All() {
		if b.Limit > 0 {
			most = max(most, float64(b.Used)/float64(b.Limit))
		}
		if b.Refused > 0 {
			most = max(most, 1+float64(b.Refused))
		}
	}
	return most
}

func scopeOf(u limits.Usage) Scope {
	s := Scope{Level: u.Level.String(), Scope: untrusted.Text(u.Scope).String(), Books: []Book{}}
	for r, b := range u.All() {
		if b != (limits.Book{Limit: -1}) {
			s.Books = append(s.Books, Book{r.String(), b.Used, b.Peak, b.Limit, b.Refused})
		}
	}
	return s
}

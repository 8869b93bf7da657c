package shaper_test

import (
	"flag"
	"testing"
	"time"

	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/pool"
)

const (
	ms = time.Millisecond
	kb = 1_000
	mb = 1_000_000
)

// long makes the tables measure for ten seconds a row, which takes minutes.
var long = flag.Bool("long", false, "measure the tables for ten seconds a row")

// window is a controller whose window never changes and that does not pace: the budget alone is under test.
type window struct {
	congestion.Base
	size int
}

func (w window) Window() int                    { return w.size }
func (w window) PacingRate(time.Duration) int64 { return 0 }
func (w window) Stats() congestion.Stats        { return congestion.Stats{Window: w.size} }

func windows(n int) congestion.Factory {
	return func(congestion.Params) congestion.Controller { return window{size: n} }
}

// world is a client with a pool, a server that reads everything, and connections between them.
type world struct {
	*simnet.Sim
	t      testing.TB
	pool   *pool.Pool
	client *simnet.Station
	server *simnet.Station
	flows  []*flow
}

// flow is one of the client's connections. It writes as long as it is busy.
type flow struct {
	*simnet.Flow
	busy bool
}

func newWorld(t testing.TB, p *pool.Pool, factory congestion.Factory, up simnet.LinkConfig) *world {
	w := &world{Sim: simnet.NewSim(1), t: t, pool: p}
	w.client = w.NewStation("10.0.0.1:1000", factory)
	w.client.Pool = p
	w.server = w.addServer("10.0.0.2:2000", up)
	return w
}

// addServer adds a host behind a link of its own.
func (w *world) addServer(addr string, up simnet.LinkConfig) *simnet.Station {
	s := w.NewStation(addr, windows(64<<10))
	s.Accept = func(f *simnet.Flow) { f.OnChange = func() { discard(f) } }
	w.Join(w.client, s, up, simnet.LinkConfig{Delay: up.Delay})
	return s
}

// discard reads what has arrived.
func discard(f *simnet.Flow) {
	var b [64 << 10]byte
	for {
		if n, err := f.Conn.Read(b[:]); n == 0 || err != nil {
			return
		}
	}
}

// zeros is what the flows send.
var zeros [64 << 10]byte

// dial makes n connections to a server, silent ones, and waits for them.
func (w *world) dial(to *simnet.Station, n int) []*flow {
	w.t.Helper()
	fresh := make([]*flow, n)
	for i := range fresh {
		f := &flow{Flow: w.client.Dial(to)}
		f.OnChange = func() {
			for f.busy {
				if n, err := f.Conn.Write(zeros[:]); n < len(zeros) || err != nil {
					return
				}
			}
		}
		fresh[i] = f
	}
	w.flows = append(w.flows, fresh...)
	ok := w.RunUntil(20*time.Second, func() bool {
		for _, f := range fresh {
			if !f.Conn.Established() {
				return false
			}
		}
		return true
	})
	if !ok {
		w.t.Fatal("not all connections were established")
	}
	return fresh
}

// start makes flows busy.
func start(flows ...*flow) {
	for _, f := range flows {
		f.busy = true
		f.Flush()
	}
}

// rates lets d pass and returns at what rate each of the flows has sent, in bytes per second.
func (w *world) rates(d time.Duration, flows []*flow) (each []float64, sum float64) {
	before := make([]uint64, len(flows))
	for i, f := range flows {
		before[i] = f.Conn.Info().Stats.BytesSent
	}
	w.Run(d)
	for i, f := range flows {
		r := float64(f.Conn.Info().Stats.BytesSent-before[i]) / d.Seconds()
		each = append(each, r)
		sum += r
	}
	return each, sum
}

func newPool(t testing.TB, total, min int64) *pool.Pool {
	t.Helper()
	p, err := pool.New(total, min)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

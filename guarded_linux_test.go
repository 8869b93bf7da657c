//go:build !race

package ebb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/ebb"
	"example.com/ebb/internal/hostile"
	"example.com/ebb/limits"
)

func init() { systemRoles["guarded"] = guardedRole }

// guardedState is what a guarded server says of itself.
type guardedState struct {
	Heap, RSS     int64 // bytes: in use after a collection, and of the process
	Used, Peak    int64 // bytes charged
	Inbound       int64 // connections
	Opened        uint64
	Sent, Arrived uint64 // bytes of UDP payload
	Forged        uint64 // INITIALs that got a RETRY, or nothing
}

// guardedRole is a server with a budget of memory, -1 for none, whose connections say with their first byte what they want: to be read
// to the end, never to be read and sent without end, to have what is said sent back, or to hear its state.
func guardedRole(budget string) error {
	memory, err := strconv.ParseInt(budget, 10, 64)
	if err != nil {
		return err
	}
	c := limits.Unlimited().Config()
	if memory > 0 {
		c = limits.Config{Process: limits.Limits{Memory: memory}, Allow: []netip.Prefix{}}
	}
	m, err := limits.New(c)
	if err != nil {
		return err
	}
	lc := ebb.ListenConfig{Config: &ebb.Config{Limits: m, HandshakeTimeout: 3 * time.Second, BandwidthLimit: 5_000_000}}
	l, err := lc.Listen(context.Background(), "udp4", "0.0.0.0:0")
	if err != nil {
		return err
	}
	fmt.Printf("127.0.0.1:%d\n", l.Addr().(*net.UDPAddr).Port)
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go serveGuarded(c, m, l.(*ebb.Listener).Endpoint())
	}
}

func serveGuarded(c net.Conn, m *limits.Manager, e *ebb.Endpoint) {
	defer c.Close()
	first := make([]byte, 1)
	for {
		if _, err := io.ReadFull(c, first); err != nil {
			return
		}
		switch first[0] {
		case 'r':
			io.Copy(io.Discard, c)
			c.Write(first)
			return
		case 'g':
			for zeros := make([]byte, 1000); ; {
				if _, err := c.Write(zeros); err != nil {
					return
				}
			}
		case 'e':
			c.Write(first)
		case 's':
			json.NewEncoder(c).Encode(guardedNow(m, e))
		}
	}
}

func guardedNow(m *limits.Manager, e *ebb.Endpoint) (s guardedState) {
	runtime.GC()
	runtime.GC() // what the pools keep goes with the second
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	s.Heap = int64(stats.HeapInuse)
	status, _ := os.ReadFile("/proc/self/status")
	if _, rest, ok := strings.Cut(string(status), "VmRSS:"); ok {
		fmt.Sscan(rest, &s.RSS)
		s.RSS <<= 10
	}
	books, info := m.Snapshot(), e.Info()
	s.Used, s.Peak, s.Inbound, s.Opened = books.Process.Memory.Used, books.Process.Memory.Peak, books.Process.Inbound.Used, books.Opened
	s.Sent, s.Arrived = info.Socket.BytesSent, info.Socket.BytesReceived
	s.Forged = info.Retries
	return s
}

// guarded is such a server in a process of its own, and a connection to ask it.
type guarded struct {
	*testing.T
	address string
	control net.Conn
	answers *json.Decoder
}

func newGuarded(t *testing.T, budget int64) *guarded {
	t.Helper()
	_, address := startRole(t, "guarded "+strconv.FormatInt(budget, 10))
	g := &guarded{T: t, address: address}
	g.control = g.dial()
	g.answers = json.NewDecoder(g.control)
	return g
}

func (g *guarded) dial() net.Conn {
	g.Helper()
	d := ebb.Dialer{Timeout: 10 * time.Second, Config: &ebb.Config{BandwidthLimit: 5_000_000}}
	c, err := d.Dial("udp4", g.address)
	if err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() { c.(*ebb.Conn).Abort() })
	return c
}

func (g *guarded) state() (s guardedState) {
	g.Helper()
	g.control.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := g.control.Write([]byte("s")); err != nil {
		g.Fatal(err)
	}
	if err := g.answers.Decode(&s); err != nil {
		g.Fatal(err)
	}
	return s
}

// transfers sends n streams of a size side by side and returns the bytes a second.
func (g *guarded) transfers(n, size int) float64 {
	g.Helper()
	start := time.Now()
	var group sync.WaitGroup
	for range n {
		c := g.dial().(*ebb.Conn)
		group.Go(func() {
			c.SetDeadline(time.Now().Add(2 * time.Minute))
			_, err := c.Write(append([]byte("r"), make([]byte, size)...))
			c.CloseWrite()
			if _, failed := io.ReadFull(c, make([]byte, 1)); err != nil || failed != nil {
				g.Errorf("a transfer: %v, %v", err, failed)
			}
		})
	}
	group.Wait()
	return float64(n*size) / time.Since(start).Seconds()
}

// crowds is n crowds on addresses of their own, in networks of their own.
func (g *guarded) crowds(n int) (all []*hostile.Crowd) {
	g.Helper()
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(g.address))
	for i := range n {
		pc, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 1, byte(1+i), 1)})
		if err != nil {
			g.Fatal(err)
		}
		g.Cleanup(func() { pc.Close() })
		all = append(all, &hostile.Crowd{Conn: pc, To: to, First: 'g'})
	}
	return all
}

// raid has each of the crowds open so many connections, fill their windows, and let what they are sent lie.
func raid(all []*hostile.Crowd, each int) (opened int) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, c := range all {
		group.Go(func() {
			n := c.Open(each, 20*time.Second)
			for range 3 { // a part gets lost in the socket
				c.Rewind()
				c.Say(64 << 10)
			}
			mu.Lock()
			opened += n
			mu.Unlock()
		})
	}
	group.Wait()
	return opened
}

// TestGreedyConnectionsStayInTheBudget: connections that fill their windows, are not read, and acknowledge nothing of what they are sent
// hold what the budget admits and no more, and honest ones go on: all finish, and with -long at seven tenths of their rate at least.
func TestGreedyConnectionsStayInTheBudget(t *testing.T) {
	budget, conns := int64(16<<20), 200
	if *longTables {
		budget, conns = 64<<20, 1000
	}
	for name, n := range map[string]int{"two addresses": 2, "twenty addresses": 20} {
		t.Run(name, func(t *testing.T) {
			g := newGuarded(t, budget)
			alone := g.transfers(4, 4<<20)
			empty := g.state()
			opened := raid(g.crowds(n), conns/n)
			rate := g.transfers(4, 4<<20)
			s := g.state()
			t.Logf("%d of %d opened, %d there; charged %d, at most %d of %d; heap %d, RSS %d beyond the empty process; %.1f of %.1f MB/s",
				opened, conns, s.Inbound, s.Used, s.Peak, budget, s.Heap-empty.Heap, s.RSS-empty.RSS, rate/1e6, alone/1e6)
			if s.Peak > budget+budget/100 {
				t.Errorf("%d bytes are charged, of %d", s.Peak, budget)
			}
			if grown := s.Heap - empty.Heap; grown > budget+budget/10 {
				t.Errorf("the heap has grown by %d, the budget is %d", grown, budget)
			}
			if grown := s.RSS - empty.RSS; grown > 2*budget {
				t.Errorf("the process has grown by %d, the budget is %d", grown, budget)
			}
			if *longTables && rate < 0.7*alone { // a figure for a quiet machine: here that they finish
				t.Errorf("honest transfers have %.0f bytes a second, and %.0f alone", rate, alone)
			}
			if opened < conns*9/10 || s.Peak < budget/4 {
				t.Errorf("the attack is none: %d connections, %d bytes", opened, s.Peak)
			}
		})
	}
}

package udp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hidden is a UDP socket that New does not recognize as one.
type hidden struct{ *net.UDPConn }

// path is one way for a socket to move datagrams.
type path struct {
	name   string
	noUDP  bool // any net.PacketConn
	opt    Options
	batch  bool // on Linux, as are the two below
	gso    bool // trains are sent whole
	gro    bool // trains are read whole
	moreOf bool // control messages: ECN, packet information
}

var paths = []path{
	{name: "GSO and GRO", batch: true, gso: true, gro: true, moreOf: true},
	{name: "GSO", opt: Options{NoGRO: true}, batch: true, gso: true, moreOf: true},
	{name: "GRO", opt: Options{NoGSO: true}, batch: true, gro: true, moreOf: true},
	{name: "batch", opt: Options{NoGSO: true, NoGRO: true}, batch: true, moreOf: true},
	{name: "single", opt: Options{NoBatch: true}, moreOf: true},
	{name: "packet conn", noUDP: true},
}

// systemPaths are those of a *net.UDPConn.
var systemPaths = paths[:5]

// each runs a test over every path.
func each(t *testing.T, f func(t *testing.T, p path)) {
	for _, p := range paths {
		t.Run(p.name, func(t *testing.T) { f(t, p) })
	}
}

func (p path) listen(t testing.TB, network, local string) *Socket {
	t.Helper()
	laddr, err := net.ResolveUDPAddr(network, local)
	if err != nil {
		t.Fatal(err)
	}
	if !p.noUDP {
		s, err := Listen(network, laddr, p.opt)
		return p.opened(t, s, err)
	}
	c, err := net.ListenUDP(network, laddr)
	if err != nil {
		t.Skip(err)
	}
	s, err := New(hidden{c}, p.opt)
	return p.opened(t, s, err)
}

func (p path) dial(t testing.TB, network string, local, remote netip.AddrPort) *Socket {
	t.Helper()
	var laddr *net.UDPAddr
	if local.IsValid() {
		laddr = net.UDPAddrFromAddrPort(local)
	}
	raddr := net.UDPAddrFromAddrPort(remote)
	if !p.noUDP {
		s, err := Dial(network, laddr, raddr, p.opt)
		return p.opened(t, s, err)
	}
	c, err := net.DialUDP(network, laddr, raddr)
	if err != nil {
		t.Skip(err)
	}
	s, err := New(hidden{c}, p.opt)
	return p.opened(t, s, err)
}

// opened closes the socket with the test, and before that if it hangs.
func (p path) opened(t testing.TB, s *Socket, err error) *Socket {
	t.Helper()
	if err != nil {
		var errno syscall.Errno
		if errors.As(err, &errno) && (errno == syscall.EAFNOSUPPORT || errno == syscall.EADDRNOTAVAIL) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	i, linux := s.Info(), runtime.GOOS == "linux"
	if i.Batch != (p.batch && linux) || i.GSO != (p.gso && linux) || i.GRO != (p.gro && linux) {
		t.Errorf("Info.Batch, GSO, GRO = %v, %v, %v", i.Batch, i.GSO, i.GRO)
	}
	hang := time.AfterFunc(20*time.Second, func() { s.Close() })
	t.Cleanup(func() {
		hang.Stop()
		s.Close()
	})
	return s
}

// at is the address of s seen from the same machine, by the given IP.
func at(s *Socket, ip string) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), uint16(s.LocalAddr().Port))
}

// room is buffers for a Read of up to n messages.
func room(s *Socket, n int) []Message {
	size := 2048
	if s.Info().GRO {
		n, size = min(n, 8), MaxTrain
	}
	ms := make([]Message, n)
	for i := range ms {
		ms[i].Buf = make([]byte, size)
	}
	return ms
}

// apart is the datagrams of a message.
func apart(m Message) (all []Message) {
	if m.datagrams() == 1 {
		return []Message{m}
	}
	for b := range slices.Chunk(m.Buf[:m.N], m.SegmentSize) {
		d := m
		d.Buf, d.N, d.SegmentSize = b, len(b), 0
		all = append(all, d)
	}
	return all
}

// Read waits for datagrams and describes them in ms[:n]: at least one, unless there is an error.
func (s *Socket) Read(ms []Message) (n int, err error) {
	r := single{ms: ms}
	err = s.Receive(&r)
	return r.n, err
}

// readReports waits for n reports. What they quote is a copy.
func readReports(t testing.TB, s *Socket, n int) []Report {
	t.Helper()
	r := single{ms: room(s, 1), until: n}
	if err := s.Receive(&r); err != nil || len(r.reports) != n {
		blameICMP(t)
		t.Fatalf("%d reports, error %v, want %d", len(r.reports), err, n)
	}
	return r.reports
}

// single is a Receiver that wants one batch.
type single struct {
	ms      []Message
	n       int
	until   int // ends with so many reports, if it is not 0
	reports []Report
}

func (r *single) Lend() []Message { return r.ms }

func (r *single) Take(n int) bool {
	r.n = n
	return n == 0
}

func (r *single) Report(rs []Report) bool {
	for _, report := range rs {
		report.Quoted = slices.Clone(report.Quoted)
		r.reports = append(r.reports, report)
	}
	return r.until == 0 || len(r.reports) < r.until
}

// read reads n datagrams. What is longer than 2 KiB is cut off unless the
// socket reads trains; then there may be more than n.
func read(t testing.TB, s *Socket, n int) []Message {
	t.Helper()
	var all []Message
	for len(all) < n {
		ms := room(s, n-len(all))
		k, err := s.Read(ms)
		if err != nil {
			t.Fatalf("Read after %d datagrams: %v", len(all), err)
		}
		if k < 1 {
			t.Fatalf("Read returned %d messages and no error", k)
		}
		for _, m := range ms[:k] {
			all = append(all, apart(m)...)
		}
	}
	return all
}

// write writes everything, at once.
func write(t testing.TB, s *Socket, ms ...Message) {
	t.Helper()
	if n, err := s.Write(ms); n != len(ms) || err != nil {
		t.Fatalf("Write = %d of %d, %v", n, len(ms), err)
	}
}

// pattern is n bytes that begin with seed and differ along the way.
func pattern(seed, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(seed + i*7)
	}
	return p
}

// payloads are the bytes of messages.
func payloads(ms []Message) (all [][]byte) {
	for _, m := range ms {
		all = append(all, m.Buf[:m.N])
	}
	return all
}

// icmpFailures is how many ICMP messages the kernel could not send, 0 if it does not say.
func icmpFailures() (n int) {
	b, _ := os.ReadFile("/proc/net/snmp")
	var names []string
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if i := slices.Index(names, "OutErrors"); i > 0 && fields[0] == "Icmp:" {
			n, _ = strconv.Atoi(fields[i])
		}
		names = fields
	}
	return n
}

// icmpFailuresBefore is that when the tests began.
var icmpFailuresBefore = icmpFailures()

// blameICMP skips a test that waited for a report in vain if the kernel could not send some. It has few buffers for
// ICMP, which all network namespaces share, and one slow link somewhere can hold them all.
func blameICMP(t testing.TB) {
	t.Helper()
	if n := icmpFailures() - icmpFailuresBefore; n > 0 {
		t.Skipf("the kernel could not send %d ICMP messages", n)
	}
}

package udp

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// isolated runs f in a network namespace of its own, after the given commands
// of iproute2. It skips the test where that is not allowed. Sockets made in
// f stay in the namespace.
func isolated(t *testing.T, f func(), commands ...string) {
	t.Helper()
	skip := make(chan string, 1)
	go func() {
		defer close(skip)
		runtime.LockOSThread() // and never unlock it: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			skip <- "no network namespace: " + err.Error()
			return
		}
		for _, c := range append([]string{"ip link set lo up"}, commands...) {
			args := strings.Fields(c)
			if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
				skip <- c + ": " + err.Error() + ": " + string(out)
				return
			}
		}
		f()
	}()
	if why, ok := <-skip; ok {
		t.Skip(why)
	}
	switch { // in f, which cannot end this goroutine
	case t.Failed():
		t.FailNow()
	case t.Skipped():
		t.SkipNow()
	}
}

// TestDontFragment carries, of docs/wire.md: [W163].
func TestDontFragment(t *testing.T) {
	for _, p := range systemPaths {
		var server *Socket
		clients := make(map[string]*Socket)
		isolated(t, func() {
			server = p.listen(t, "udp", ":0")
			clients["4"] = p.listen(t, "udp4", ":0")
			clients["6"] = p.listen(t, "udp6", ":0")
			clients["4, dual stack"] = p.listen(t, "udp", ":0")
			clients["6, dual stack"] = p.listen(t, "udp", ":0")
			clients["4, connected"] = p.dial(t, "udp", netip.AddrPort{}, at(server, "127.0.0.1"))
		}, "ip link set lo mtu 1500")
		for name, client := range clients {
			if !client.Info().DontFragment {
				t.Errorf("%s, %s: Info.DontFragment is false", p.name, name)
			}
			to, fits := at(server, "127.0.0.1"), 1500-20-8
			if name[0] == '6' {
				to, fits = at(server, "::1"), 1500-40-8
			}
			b := make([]byte, fits+1)
			write(t, client, Message{Buf: b, N: fits, Remote: to})
			if got := read(t, server, 1)[0].N; got != fits {
				t.Errorf("%s, %s: received %d bytes, want %d", p.name, name, got, fits)
			}
			_, err := client.Write([]Message{{Buf: b, N: fits + 1, Remote: to}})
			if !errors.Is(err, syscall.EMSGSIZE) {
				t.Errorf("%s, %s: Write of %d bytes: %v, want EMSGSIZE", p.name, name, fits+1, err)
			}
		}
	}
}

// awaitRoutes waits for routes of the namespace's local table. The kernel adds
// those of new IPv6 addresses a little later, and until then the addresses
// cannot be reached.
func awaitRoutes(t *testing.T, routes ...string) {
	t.Helper()
	for _, r := range routes {
		for {
			out, err := exec.Command("ip", "-6", "route", "show", "table", "local").CombinedOutput()
			if err != nil {
				t.Fatalf("ip route: %v: %s", err, out)
			}
			if strings.Contains(string(out), r) {
				break
			}
		}
	}
}

func TestAnswersFromTheAddressSpokenToIPv6(t *testing.T) {
	for _, p := range systemPaths {
		for _, network := range []string{"udp", "udp6"} {
			var server, client *Socket
			isolated(t, func() {
				awaitRoutes(t, "local fd77::1 ", "local fd77::2 ")
				server = p.listen(t, network, "[::]:0")
				client = p.dial(t, "udp6", netip.MustParseAddrPort("[fd77::1]:0"), at(server, "fd77::2"))
			}, "ip addr add fd77::1/128 dev lo nodad", "ip addr add fd77::2/128 dev lo nodad")
			write(t, client, Message{Buf: []byte("question"), N: 8})
			q := read(t, server, 1)[0]
			if q.Local != netip.MustParseAddr("fd77::2") {
				t.Fatalf("%s: Local = %v, want fd77::2", p.name, q.Local)
			}
			write(t, server,
				Message{Buf: []byte("no"), N: 2, Remote: q.Remote, Local: netip.MustParseAddr("::1")},
				Message{Buf: []byte("yes"), N: 3, Remote: q.Remote, Local: q.Local})
			if a := read(t, client, 1)[0]; string(a.Buf[:a.N]) != "yes" {
				t.Errorf("%s: answered %q", p.name, a.Buf[:a.N])
			}
		}
	}
}

func TestLocalOfABroadcastCanAnswer(t *testing.T) {
	for _, p := range systemPaths {
		for _, network := range []string{"udp", "udp4"} {
			server := p.listen(t, network, "0.0.0.0:0")
			client := p.listen(t, "udp4", "127.0.0.1:0")
			write(t, client, Message{Buf: []byte("who"), N: 3, Remote: at(server, "127.255.255.255")})
			q := read(t, server, 1)[0]
			if q.Local != netip.MustParseAddr("127.0.0.1") {
				t.Fatalf("%s, %s: Local = %v, want 127.0.0.1", p.name, network, q.Local)
			}
			write(t, server, Message{Buf: []byte("me"), N: 2, Remote: q.Remote, Local: q.Local})
			read(t, client, 1)
		}
	}
}

func TestParseControl(t *testing.T) {
	message := func(level, typ int32, data ...byte) []byte {
		b, room := extend(make([]byte, 0, controlSpace), level, typ, len(data))
		copy(room, data)
		return b
	}
	header := netip.MustParseAddr("::ffff:10.255.255.255").As16()
	mapped := message(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, append(header[:], 1, 0, 0, 0)...)
	info4 := message(unix.IPPROTO_IP, unix.IP_PKTINFO, 1, 0, 0, 0, 10, 0, 0, 1, 10, 255, 255, 255)
	tos := message(unix.IPPROTO_IP, unix.IP_TOS, 0xb9)
	tests := []struct {
		name  string
		b     []byte
		local string
		ecn   uint8
	}{
		{"none", nil, "", 0},
		{"IPv4 first", slices.Concat(info4, mapped, tos), "10.0.0.1", 1},
		{"IPv6 first", slices.Concat(tos, mapped, info4), "10.0.0.1", 1},
		{"IPv6 alone", mapped, "10.255.255.255", 0},
		{"unknown", slices.Concat(message(99, 99, 1, 2, 3), tos), "", 1},
		{"cut off", slices.Concat(tos, info4[:20]), "", 1},
		{"too short", slices.Concat(message(unix.IPPROTO_IP, unix.IP_PKTINFO, 1, 2), message(unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 3)), "", 0},
	}
	for _, tt := range tests {
		s := &Socket{features: features{packetInfo: true, ecn: true}}
		var m Message
		s.parseControl(&m, tt.b)
		var want netip.Addr
		if tt.local != "" {
			want = netip.MustParseAddr(tt.local)
		}
		if dscp := map[uint8]uint8{1: 46}[tt.ecn]; m.DSCP != dscp { // 0xb9
			t.Errorf("%s: DSCP = %d, want %d", tt.name, m.DSCP, dscp)
		}
		if m.Local != want || m.ECN != tt.ecn {
			t.Errorf("%s: Local, ECN = %v, %d, want %v, %d", tt.name, m.Local, m.ECN, want, tt.ecn)
		}
	}
}

func TestWaitsSeeWhatIsThereAlready(t *testing.T) {
	for _, p := range paths {
		server := p.listen(t, "udp4", "127.0.0.1:0")
		client := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
		for range 3 {
			if err := client.WaitWritable(); err != nil {
				t.Errorf("%s: WaitWritable with an empty buffer: %v", p.name, err)
			}
		}
		write(t, client, Message{Buf: []byte("hello"), N: 5})
		read(t, server, 1)
	}
}

// slow is a loopback that holds datagrams, and with them the room in the
// send buffer, and lets through what tbf's rate says.
func slow(rate string) string {
	return "tc qdisc add dev lo root tbf burst 5000 limit 10000000 rate " + rate
}

func TestWriteNeverWaits(t *testing.T) {
	for _, p := range systemPaths {
		if p.batch {
			t.Run(p.name, func(t *testing.T) { writeNeverWaits(t, p) })
		}
	}
}

func writeNeverWaits(t *testing.T, p path) {
	const segment, count = 1000, 400
	var server, client *Socket
	isolated(t, func() {
		server = p.listen(t, "udp4", "127.0.0.1:0")
		p.opt.WriteBuffer = 20_000
		client = p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
	}, slow("20mbit"))

	// 400 numbered datagrams in trains of 100, continued wherever a Write
	// stopped: each arrives once, in order.
	b := make([]byte, segment*count)
	for i := range count {
		binary.BigEndian.PutUint32(b[i*segment:], uint32(i))
	}
	var ms []Message
	for ; len(b) > 0; b = b[100*segment:] {
		ms = append(ms, Message{Buf: b, N: 100 * segment, SegmentSize: segment})
	}
	inTrain := 0
	for len(ms) > 0 {
		n, err := client.Write(ms)
		if ms = ms[n:]; len(ms) == 0 {
			break
		}
		if err != ErrWouldBlock {
			t.Fatalf("Write: %v", err)
		}
		if ms[0].Sent > 0 {
			inTrain++
		}
		if err := client.WaitWritable(); err != nil {
			t.Fatal(err)
		}
	}
	if inTrain == 0 {
		t.Error("no Write stopped within a train")
	}
	for i, m := range read(t, server, count) {
		if got := binary.BigEndian.Uint32(m.Buf); int(got) != i || m.N != segment {
			t.Fatalf("datagram %d is number %d with %d bytes", i, got, m.N)
		}
	}
	i := client.Info()
	if i.SendErrors.WouldBlock == 0 || i.Sent.Datagrams != count {
		t.Errorf("Info = %+v", i)
	}
}

func TestWriteWhileAnotherWaits(t *testing.T) {
	var server, client *Socket
	isolated(t, func() {
		p := paths[0]
		server = p.listen(t, "udp4", "127.0.0.1:0")
		p.opt.WriteBuffer = 20_000
		client = p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
	}, slow("1kbit"))
	b := make([]byte, 100_000)
	ms := []Message{{Buf: b, N: len(b), SegmentSize: 1000}}
	if n, err := client.Write(ms); n != 0 || err != ErrWouldBlock {
		t.Fatalf("Write = %d, %v, want 0, ErrWouldBlock", n, err)
	}
	sent := ms[0].Sent
	woken := make(chan error)
	go func() { woken <- client.WaitWritable() }()
	for waiting := false; !waiting; runtime.Gosched() {
		client.writeMu.Lock()
		waiting = client.waiters == 1
		client.writeMu.Unlock()
	}
	if n, err := client.Write(ms); n != 0 || err != ErrWouldBlock || ms[0].Sent != sent {
		t.Errorf("Write = %d, %v, Sent %d, want 0, ErrWouldBlock, %d", n, err, ms[0].Sent, sent)
	}
	select {
	case err := <-woken:
		t.Fatalf("WaitWritable returned %v while the buffer was full", err)
	default:
	}
	client.Close()
	if err := <-woken; err != net.ErrClosed {
		t.Errorf("WaitWritable = %v, want net.ErrClosed", err)
	}
}

func TestDroppedByTheKernel(t *testing.T) {
	for _, p := range systemPaths {
		p.opt.ReadBuffer = 10_000
		server := p.listen(t, "udp4", "127.0.0.1:0")
		client := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
		const trains, each = 3, 60
		b := make([]byte, each*1000)
		for range trains {
			write(t, client, Message{Buf: b, N: len(b), SegmentSize: 1000})
		}

		// The loopback delivers before a send returns: what there is to
		// read now is all that there was room for.
		kept := 0
		for ready := true; ready; {
			kept += len(read(t, server, 1))
			server.raw.Control(func(fd uintptr) {
				fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
				n, err := unix.Poll(fds, 0)
				ready = err == nil && n == 1
			})
		}
		lost := trains*each - kept
		if p.gso && p.gro {
			lost /= each // whole trains, and the kernel counts each as one
		}
		if lost == 0 {
			t.Fatal("nothing was dropped")
		}
		write(t, client, Message{Buf: b, N: 1})
		read(t, server, 1)
		if got := server.Info().Dropped; got != uint64(lost) {
			t.Errorf("%s: Dropped = %d, want %d", p.name, got, lost)
		}
	}
}

package udp

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestBatchArrivesWhole(t *testing.T) {
	tests := []struct{ name, network, listen, ip string }{
		{"IPv4", "udp4", "127.0.0.1:0", "127.0.0.1"},
		{"IPv6", "udp6", "[::1]:0", "::1"},
		{"dual stack, IPv4", "udp", ":0", "127.0.0.1"},
		{"dual stack, IPv6", "udp", ":0", "::1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, p path) {
				server := p.listen(t, tt.network, tt.listen)
				client := p.listen(t, tt.network, tt.listen)
				var ms []Message
				var want [][]byte
				total := 0
				for i := range 130 { // all at once, they fit in a small buffer
					b := pattern(i, 1+i*2)
					want = append(want, b)
					ms = append(ms, Message{Buf: b, N: len(b), Remote: at(server, tt.ip)})
					total += len(b)
				}
				write(t, client, ms...)
				got := read(t, server, len(ms))
				if d := cmp.Diff(want, payloads(got)); d != "" {
					t.Errorf("payloads (-sent +received):\n%s", d)
				}
				for _, m := range got {
					if m.Remote != at(client, tt.ip) {
						t.Fatalf("Remote = %v, want %v", m.Remote, at(client, tt.ip))
					}
					if m.SegmentSize != 0 || m.Sent != 0 {
						t.Fatalf("SegmentSize, Sent = %d, %d after a Read", m.SegmentSize, m.Sent)
					}
				}
				sent, received := client.Info().Sent, server.Info().Received
				for _, c := range []Traffic{sent, received} {
					if c.Datagrams != 130 || c.Bytes != uint64(total) {
						t.Errorf("counted %+v, want 130 datagrams, %d bytes", c, total)
					}
				}
				if wantCalls := uint64(130); client.batch {
					if sent.Calls != 3 { // 64 + 64 + 2
						t.Errorf("%d calls to send, want 3", sent.Calls)
					}
				} else if sent.Calls != wantCalls || received.Calls != wantCalls {
					t.Errorf("%d and %d calls, want %d", sent.Calls, received.Calls, wantCalls)
				}
			})
		})
	}
}

func TestTrainIsSplit(t *testing.T) {
	each(t, func(t *testing.T, p path) {
		server := p.listen(t, "udp4", "127.0.0.1:0")
		client := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
		long, short := pattern(1, 70*1000+1), pattern(2, 500)
		write(t, client,
			Message{Buf: long, N: len(long), SegmentSize: 1000},
			Message{Buf: short, N: 400, SegmentSize: 1000},
			Message{Buf: short, N: 400, SegmentSize: 200, Sent: 200})
		want := slices.Collect(slices.Chunk(long, 1000))
		want = append(want, short[:400], short[200:400])
		if d := cmp.Diff(want, payloads(read(t, server, len(want)))); d != "" {
			t.Errorf("datagrams (-want +got):\n%s", d)
		}
	})
}

func TestConnected(t *testing.T) {
	each(t, func(t *testing.T, p path) {
		server := p.listen(t, "udp4", "127.0.0.1:0")
		stranger := p.listen(t, "udp4", "127.0.0.1:0")
		client := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
		if client.Remote() != at(server, "127.0.0.1") {
			t.Errorf("Remote() = %v", client.Remote())
		}
		if server.Remote().IsValid() {
			t.Errorf("Remote() = %v of a socket that is not connected", server.Remote())
		}
		to := at(client, "127.0.0.1")
		write(t, stranger, Message{Buf: []byte("stranger"), N: 8, Remote: to})
		write(t, server, Message{Buf: []byte("server"), N: 6, Remote: to})
		got := read(t, client, 1)[0]
		if string(got.Buf[:got.N]) != "server" || got.Remote != at(server, "127.0.0.1") {
			t.Errorf("read %q from %v", got.Buf[:got.N], got.Remote)
		}
		if got.Local != to.Addr() {
			t.Errorf("Local = %v, want %v", got.Local, to.Addr())
		}
		write(t, client, Message{Buf: []byte("back"), N: 4, Remote: got.Remote, Local: got.Local})
		read(t, server, 1)
	})
}

func TestBadMessages(t *testing.T) {
	each(t, func(t *testing.T, p path) {
		server := p.listen(t, "udp4", "127.0.0.1:0")
		open := p.listen(t, "udp4", "127.0.0.1:0")
		connected := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
		to := at(server, "127.0.0.1")
		buf := make([]byte, 10)
		tests := []struct {
			name string
			s    *Socket
			m    Message
			want error
		}{
			{"N beyond Buf", open, Message{Buf: buf, N: 11, Remote: to}, errMessage},
			{"N negative", open, Message{Buf: buf, N: -1, Remote: to}, errMessage},
			{"SegmentSize negative", open, Message{Buf: buf, N: 5, SegmentSize: -1, Remote: to}, errMessage},
			{"Sent beyond N", open, Message{Buf: buf, N: 5, Sent: 6, Remote: to}, errMessage},
			{"Sent negative", open, Message{Buf: buf, N: 5, Sent: -1, Remote: to}, errMessage},
			{"ECN", open, Message{Buf: buf, N: 5, ECN: 4, Remote: to}, errECN},
			{"no remote", open, Message{Buf: buf, N: 5}, errNoRemote},
			{"another remote", connected, Message{Buf: buf, N: 5, Remote: at(open, "127.0.0.1")}, errNotRemote},
		}
		for _, tt := range tests {
			good := Message{Buf: buf, N: 10, Remote: to}
			n, err := tt.s.Write([]Message{good, tt.m, good})
			if n != 1 || err != tt.want {
				t.Errorf("%s: Write = %d, %v, want 1, %v", tt.name, n, err, tt.want)
			}
			if IsTemporary(err) {
				t.Errorf("%s: %v is temporary", tt.name, err)
			}
		}
		if got := read(t, server, len(tests)); len(got) != len(tests) {
			t.Errorf("%d good messages arrived, want %d", len(got), len(tests))
		}
		done := Message{Buf: buf, N: 10, Sent: 10, Remote: to}
		if n, err := open.Write([]Message{done, done}); n != 2 || err != nil {
			t.Errorf("Write of finished messages = %d, %v", n, err)
		}
		if n, err := open.Write(nil); n != 0 || err != nil {
			t.Errorf("Write(nil) = %d, %v", n, err)
		}
	})
}

func TestOversizedDatagram(t *testing.T) {
	each(t, func(t *testing.T, p path) {
		server := p.listen(t, "udp4", "127.0.0.1:0")
		client := p.listen(t, "udp4", "127.0.0.1:0")
		to := at(server, "127.0.0.1")
		largest := pattern(3, 65507) // 65535 less the IPv4 and UDP headers
		write(t, client, Message{Buf: largest, N: len(largest), Remote: to})
		in := []Message{{Buf: make([]byte, 65535)}}
		if n, err := server.Read(in); n != 1 || err != nil || !bytes.Equal(in[0].Buf[:in[0].N], largest) {
			t.Fatalf("Read = %d, %v, %d bytes", n, err, in[0].N)
		}

		// The second of these is refused; with it skipped the rest leaves.
		big := make([]byte, 65508+3)
		ms := []Message{
			{Buf: []byte("first"), N: 5, Remote: to},
			{Buf: big, N: len(big), SegmentSize: 65508, Remote: to},
			{Buf: []byte("last"), N: 4, Remote: to},
		}
		n, err := client.Write(ms)
		if n != 1 || !errors.Is(err, syscall.EMSGSIZE) || !IsTemporary(err) || ms[1].Sent != 0 {
			t.Fatalf("Write = %d, %v, Sent %d, want 1, EMSGSIZE, 0", n, err, ms[1].Sent)
		}
		if !ms[1].Skip() || ms[1].Sent != 65508 {
			t.Fatalf("Skip left Sent = %d", ms[1].Sent)
		}
		write(t, client, ms[1:]...)
		want := [][]byte{[]byte("first"), {0, 0, 0}, []byte("last")}
		if d := cmp.Diff(want, payloads(read(t, server, 3))); d != "" {
			t.Errorf("datagrams (-want +got):\n%s", d)
		}
		if ms[1].Skip() {
			t.Error("Skip of a finished message says there is more")
		}
		if got := client.Info().SendErrors; got != (SendErrors{TooBig: 1}) {
			t.Errorf("SendErrors = %+v", got)
		}
	})
}

func TestCloseWakesRead(t *testing.T) {
	each(t, func(t *testing.T, p path) {
		s := p.listen(t, "udp4", "127.0.0.1:0")
		err := make(chan error)
		go func() {
			_, e := s.Read([]Message{{Buf: make([]byte, 100)}})
			err <- e
		}()
		for s.readMu.TryLock() { // until it is Read that holds it
			s.readMu.Unlock()
			runtime.Gosched()
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		free(t, s)
		if got := <-err; got != net.ErrClosed {
			t.Errorf("Read at a Close = %v, want net.ErrClosed", got)
		}
		closedEverywhere(t, s)
	})
}

// free checks that nobody holds the address of a socket that is closed.
func free(t *testing.T, s *Socket) {
	t.Helper()
	c, err := net.ListenUDP("udp4", s.LocalAddr())
	if err != nil {
		t.Fatalf("its address is still taken: %v", err)
	}
	c.Close()
}

// closedEverywhere checks that every method knows the end.
func closedEverywhere(t *testing.T, s *Socket) {
	t.Helper()
	buf := make([]byte, 10)
	_, readErr := s.Read([]Message{{Buf: buf}})
	_, writeErr := s.Write([]Message{{Buf: buf, N: 10, Remote: at(s, "127.0.0.1")}})
	for name, err := range map[string]error{
		"Read": readErr, "Write": writeErr,
		"WaitWritable": s.WaitWritable(), "Close": s.Close(),
	} {
		if err != net.ErrClosed {
			t.Errorf("%s after Close = %v, want net.ErrClosed", name, err)
		}
	}
	if i := s.Info(); i.ReceiveErrors != 0 || i.SendErrors != (SendErrors{}) {
		t.Errorf("Close was counted as an error: %+v", i)
	}
	if s.LocalAddr().Port == 0 {
		t.Error("LocalAddr has no port after Close")
	}
}

func TestConnectionRefused(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the timing of ICMP on loopback is known for Linux")
	}
	each(t, func(t *testing.T, p path) {
		gone := p.listen(t, "udp4", "127.0.0.1:0")
		client := p.dial(t, "udp4", netip.AddrPort{}, at(gone, "127.0.0.1"))
		local := gone.LocalAddr().String()
		gone.Close()
		m := Message{Buf: []byte("hello"), N: 5}
		write(t, client, m)
		r := readReports(t, client, 1)
		want := []Report{{Remote: netip.MustParseAddrPort(local), Kind: PortUnreachable}}
		if p.batch {
			want[0].Quoted = []byte("hello")
		}
		if d := cmp.Diff(want, r, cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
			t.Errorf("report (-want +got):\n%s", d)
		}

		write(t, client, m)
		ms := []Message{m}
		n, err := client.Write(ms)
		wantSendErrors := SendErrors{}
		if p.batch {
			if n != 1 || err != nil {
				t.Errorf("a Write behind one that was refused = %d, %v", n, err)
			}
			readReports(t, client, 2)
		} else {
			wantSendErrors.Refused = 1
			var op *net.OpError
			if n != 0 || ms[0].Sent != 0 || !errors.Is(err, syscall.ECONNREFUSED) || !IsTemporary(err) || errors.As(err, &op) {
				t.Errorf("a refused Write = %d, Sent %d, %v, want a temporary ECONNREFUSED", n, ms[0].Sent, err)
			}
		}
		if i := client.Info(); i.ReceiveErrors != 0 || i.SendErrors != wantSendErrors || i.Reported == 0 || i.Reports != p.batch {
			t.Errorf("Info = %+v", i)
		}

		back := p.listen(t, "udp4", local)
		write(t, client, m)
		if got := read(t, back, 1)[0]; string(got.Buf[:got.N]) != "hello" {
			t.Errorf("read %q", got.Buf[:got.N])
		}
	})
}

func TestAnswersFromTheAddressSpokenTo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs 127.0.0.2")
	}
	each(t, func(t *testing.T, p path) {
		for _, network := range []string{"udp", "udp4"} {
			server := p.listen(t, network, "0.0.0.0:0")
			if got := server.Info().PacketInfo; got != p.moreOf {
				t.Fatalf("%s: Info.PacketInfo = %v", network, got)
			}
			if !p.moreOf {
				continue
			}
			to := at(server, "127.0.0.2")
			client := p.dial(t, "udp4", netip.MustParseAddrPort("127.0.0.3:0"), to)
			write(t, client, Message{Buf: []byte("question"), N: 8})
			q := read(t, server, 1)[0]
			if q.Local != to.Addr() {
				t.Fatalf("%s: Local = %v, want %v", network, q.Local, to.Addr())
			}
			// Without Local the kernel would answer from 127.0.0.1, and the
			// connected client would not see it.
			answer := Message{Buf: []byte("no"), N: 2, Remote: q.Remote}
			write(t, server, answer)
			answer = Message{Buf: []byte("yesyes"), N: 6, SegmentSize: 3, Remote: q.Remote, Local: q.Local}
			write(t, server, answer)
			for _, a := range read(t, client, 2) {
				if string(a.Buf[:a.N]) != "yes" || a.Remote != to {
					t.Errorf("%s: answered %q from %v, want yes from %v", network, a.Buf[:a.N], a.Remote, to)
				}
			}
		}
	})
}

// TestECNAndDSCP: both arrive as they were sent, in any mixture.
func TestECNAndDSCP(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a dual-stack socket does not tell everywhere")
	}
	each(t, func(t *testing.T, p path) {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			server := p.listen(t, "udp", ":0")
			open := p.listen(t, "udp", ":0")
			connected := p.dial(t, "udp", netip.AddrPort{}, at(server, ip))
			if server.Info().ECN != p.moreOf {
				t.Fatalf("Info.ECN = %v", !p.moreOf)
			}
			for name, s := range map[string]*Socket{"open": open, "connected": connected} {
				var ms []Message
				type byteOf struct{ ECN, DSCP uint8 }
				var want []byteOf
				mark := func(b byteOf) {
					ms = append(ms, Message{Buf: make([]byte, 20), N: 20, SegmentSize: 10, Remote: at(server, ip), ECN: b.ECN, DSCP: b.DSCP})
					if !p.moreOf {
						b = byteOf{}
					}
					want = append(want, b, b)
				}
				for ecn := range uint8(4) {
					for _, dscp := range []uint8{0, 1, 46, 63} {
						mark(byteOf{ecn, dscp})
					}
				}
				for ecn := range uint8(4) { // so often in a row that a socket may take to it
					for _, dscp := range []uint8{0, 1} {
						for range 20 {
							mark(byteOf{ecn, dscp})
						}
						mark(byteOf{(ecn + 2) % 4, dscp})
						mark(byteOf{ecn, 1 - dscp})
					}
				}
				write(t, s, ms...)
				var got []byteOf
				for _, m := range read(t, server, len(want)) {
					got = append(got, byteOf{m.ECN, m.DSCP})
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s to %s: codepoints (-want +got):\n%s", name, ip, d)
				}
			}
		}
	})
}

func TestLinkLocalKeepsItsZone(t *testing.T) {
	addr := linkLocal(t)
	each(t, func(t *testing.T, p path) {
		server := p.listen(t, "udp6", "[::]:0")
		to := netip.AddrPortFrom(addr, uint16(server.LocalAddr().Port))
		client := p.listen(t, "udp6", "[::]:0")
		write(t, client, Message{Buf: []byte("question"), N: 8, Remote: to})
		q := read(t, server, 1)[0]
		if q.Remote.Addr() != addr {
			t.Fatalf("Remote = %v, want %v", q.Remote, addr)
		}
		if p.moreOf && q.Local != addr.WithZone("") {
			t.Errorf("Local = %v, want %v without a zone", q.Local, addr)
		}
		write(t, server, Message{Buf: []byte("answer"), N: 6, Remote: q.Remote, Local: q.Local})
		if a := read(t, client, 1)[0]; a.Remote != to {
			t.Errorf("answer from %v, want %v", a.Remote, to)
		}
	})
}

// linkLocal returns a link-local address of this machine.
func linkLocal(t *testing.T) netip.Addr {
	ifs, err := net.Interfaces()
	if err != nil {
		t.Skip(err)
	}
	for _, i := range ifs {
		addrs, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
				return p.Addr().WithZone(i.Name)
			}
		}
	}
	t.Skip("no link-local address")
	panic("unreachable")
}

func TestTruncated(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("not all systems say")
	}
	each(t, func(t *testing.T, p path) {
		server := p.listen(t, "udp4", "127.0.0.1:0")
		client := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
		b := pattern(0, 100)
		write(t, client, Message{Buf: b, N: 100})
		in := []Message{{Buf: make([]byte, 10)}}
		if n, err := server.Read(in); n != 1 || err != nil || !bytes.Equal(in[0].Buf[:in[0].N], b[:10]) {
			t.Fatalf("Read = %d, %v, %v", n, err, in[0].Buf[:in[0].N])
		}
		want := uint64(1)
		if p.noUDP {
			want = 0
		}
		if got := server.Info().Truncated; got != want {
			t.Errorf("Truncated = %d, want %d", got, want)
		}
	})
}

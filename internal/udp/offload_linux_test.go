package udp

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTrainsOfAllShapes sends trains around all the bounds of the kernel, each
// between two single datagrams.
func TestTrainsOfAllShapes(t *testing.T) {
	each(t, func(t *testing.T, p path) {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			server := p.listen(t, "udp", ":0")
			client := p.listen(t, "udp", ":0")
			single := Message{Buf: []byte("single"), N: 6, Remote: at(server, ip)}
			for _, size := range []int{1, 2, 100, 1472, 2000, 9000, 21835, 21836, 32753, 32754, 65487} {
				if size > 2000 && !p.gro {
					continue // beyond the buffers of a Read
				}
				for _, full := range []int{0, 1, 2, 3, 43, 44, 45, 63, 64, 65, 128, 130} {
					for _, last := range []int{0, 1, size - 1} {
						n := size*full + last
						if n == 0 || n > 200_000 || last == size {
							continue
						}
						b := pattern(full, n)
						write(t, client, single, Message{Buf: b, N: n, SegmentSize: size, Remote: at(server, ip)}, single)
						want := slices.Collect(slices.Chunk(b, size))
						got := payloads(read(t, server, len(want)+2))
						if len(got) != len(want)+2 || !slices.EqualFunc(got[1:len(got)-1], want, bytes.Equal) {
							t.Fatalf("%s: %d × %d + %d bytes arrived as %d datagrams, or not the same", ip, full, size, last, len(got)-2)
						}
					}
				}
			}
			sent, received := client.Info().Sent, server.Info().Received
			if sent.Datagrams != received.Datagrams || sent.Bytes != received.Bytes {
				t.Errorf("%s: counted %+v sent, %+v received", ip, sent, received)
			}
		}
	})
}

func TestTrainsTravelWhole(t *testing.T) {
	type shape struct{ n, segment int }
	tests := []struct {
		name    string
		n, size int
		want    []shape
	}{
		{"full packets", 44 * 1472, 1472, []shape{{44 * 1472, 1472}}},
		{"a shorter last", 10*1472 + 1, 1472, []shape{{10*1472 + 1, 1472}}},
		{"two, the second short", 1001, 1000, []shape{{1001, 1000}}},
		{"more than the kernel takes", 65 * 100, 100, []shape{{64 * 100, 100}, {100, 0}}},
		{"longer than a datagram", 46 * 1472, 1472, []shape{{44 * 1472, 1472}, {2 * 1472, 1472}}},
		{"one", 1472, 1472, []shape{{1472, 0}}},
		{"less than one", 1000, 1472, []shape{{1000, 0}}},
	}
	p := paths[0]
	server := p.listen(t, "udp4", "127.0.0.1:0")
	client := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
	for _, tt := range tests {
		b := pattern(1, tt.n)
		write(t, client, Message{Buf: b, N: tt.n, SegmentSize: tt.size, ECN: 1})
		var got []shape
		var all []byte
		for len(all) < tt.n {
			ms := room(server, len(tt.want))
			k, err := server.Read(ms)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range ms[:k] {
				got = append(got, shape{m.N, m.SegmentSize})
				all = append(all, m.Buf[:m.N]...)
				if m.ECN != 1 {
					t.Errorf("%s: ECN = %d, want 1", tt.name, m.ECN)
				}
			}
		}
		if !slices.Equal(got, tt.want) || !bytes.Equal(all, b) {
			t.Errorf("%s: read %v, want %v", tt.name, got, tt.want)
		}
	}
}

// refuseTrains makes the kernel refuse trains on a socket, with EINVAL: one
// without checksums cannot send them. Single datagrams go on.
func refuseTrains(t *testing.T, s *Socket, on int) {
	t.Helper()
	s.raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, on); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRefusedTrainIsCutUp(t *testing.T) {
	for _, p := range systemPaths[:2] {
		server := p.listen(t, "udp4", "127.0.0.1:0")
		client := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
		long := pattern(2, 150*1000+7)
		train := func(sent int) Message { return Message{Buf: long, N: len(long), SegmentSize: 1000, Sent: sent} }
		send := func(ms ...Message) [][]byte {
			var want [][]byte
			for _, m := range ms {
				want = append(want, payloads(apart(Message{Buf: m.Buf[m.Sent:], N: m.N - m.Sent, SegmentSize: m.SegmentSize}))...)
			}
			write(t, client, ms...)
			return want
		}
		compare := func(when string, want [][]byte) {
			t.Helper()
			if got := payloads(read(t, server, len(want))); !slices.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("%s, %s: %d datagrams arrived, or others, want %d", p.name, when, len(got), len(want))
			}
		}
		single := Message{Buf: []byte("single"), N: 6}

		compare("before", send(single, train(0), single))
		before := client.Info()
		if !before.GSO {
			t.Errorf("%s: Info.GSO is false before a train was refused", p.name)
		}
		refuseTrains(t, client, 1)
		compare("refused", send(single, single, train(149_000), train(3000), single, train(0)))
		i := client.Info()
		if i.GSO || i.SendErrors != (SendErrors{}) {
			t.Errorf("%s: after a refused train Info = %+v", p.name, i)
		}
		if got := i.Sent.Datagrams - before.Sent.Datagrams; got != 3+2+148+151 {
			t.Errorf("%s: counted %d datagrams, want %d", p.name, got, 3+2+148+151)
		}
		refuseTrains(t, client, 0)
		compare("after", send(train(0)))
		if client.Info().GSO {
			t.Errorf("%s: GSO came back", p.name)
		}
	}
}

// TestOtherErrorsLeaveTrainsOn: EINVAL of a single datagram, and a train too
// large for the way, say nothing about trains.
func TestOtherErrorsLeaveTrainsOn(t *testing.T) {
	p := paths[0]
	var server, client *Socket
	isolated(t, func() {
		server = p.listen(t, "udp4", ":0")
		client = p.listen(t, "udp4", ":0")
	}, "ip link set lo mtu 1500")
	to := at(server, "127.0.0.1")
	b := pattern(5, 3*1473+100)
	ms := []Message{
		{Buf: b, N: 2 * 1472, SegmentSize: 1472, Remote: to},
		{Buf: b, N: len(b), SegmentSize: 1473, Remote: to}, // three too large, and a short one
		{Buf: b, N: 2 * 1472, SegmentSize: 1472, Remote: to},
	}
	skipped := 0
	for len(ms) > 0 {
		n, err := client.Write(ms)
		if ms = ms[n:]; err == nil {
			break
		}
		if !errors.Is(err, syscall.EMSGSIZE) || ms[0].SegmentSize != 1473 || ms[0].Sent != skipped*1473 {
			t.Fatalf("Write: %v with Sent %d of a train of %d-byte datagrams", err, ms[0].Sent, ms[0].SegmentSize)
		}
		ms[0].Skip()
		skipped++
	}
	want := [][]byte{b[:1472], b[1472:2944], b[3*1473:], b[:1472], b[1472:2944]}
	if got := payloads(read(t, server, 5)); skipped != 3 || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("skipped %d datagrams, %d arrived, or others; want 3 and %d", skipped, len(got), len(want))
	}
	if !client.Info().GSO {
		t.Error("GSO is off")
	}
}

func TestWithoutGSOTrainsAreCutUp(t *testing.T) {
	p := paths[0]
	server := p.listen(t, "udp4", "127.0.0.1:0")
	client := p.dial(t, "udp4", netip.AddrPort{}, at(server, "127.0.0.1"))
	client.disableGSO()
	if client.Info().GSO {
		t.Error("Info.GSO is true")
	}
	b := pattern(7, 40*1000)
	write(t, client, Message{Buf: b, N: len(b), SegmentSize: 1000})
	ms := room(server, 1)
	if n, err := server.Read(ms); n != 1 || err != nil || ms[0].N != 1000 || ms[0].SegmentSize != 0 {
		t.Errorf("Read = %d, %v, %d bytes in segments of %d, want a datagram of 1000", n, err, ms[0].N, ms[0].SegmentSize)
	}
	if got := read(t, server, 39); len(got) != 39 {
		t.Errorf("%d more datagrams, want 39", len(got))
	}
}

func TestRefusesTrain(t *testing.T) {
	for _, err := range []error{syscall.EIO, syscall.EINVAL} {
		if !refusesTrain(err) {
			t.Errorf("%v is not taken for a refusal", err)
		}
	}
	for _, err := range []error{nil, syscall.EAGAIN, syscall.EMSGSIZE, syscall.ECONNREFUSED, syscall.ENOBUFS, syscall.EPERM} {
		if refusesTrain(err) {
			t.Errorf("%v is taken for a refusal", err)
		}
	}
}

func TestZones(t *testing.T) {
	var z zones
	if got := z.name(1); got != "lo" {
		t.Errorf("interface 1 is %q, want lo", got)
	}
	const none = 1 << 30
	if got := z.name(none); got != strconv.Itoa(none) {
		t.Errorf("an interface that does not exist is %q", got)
	}
	z.names[1] = "renamed"
	if got := z.name(1); got != "renamed" {
		t.Errorf("interface 1 is %q: it was looked up again", got)
	}
	z.until = z.until.Add(-2 * zonesLifetime)
	if got := z.name(1); got != "lo" {
		t.Errorf("interface 1 is %q after the lifetime", got)
	}
}

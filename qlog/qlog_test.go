package qlog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/ebb/internal/lab/qlogcheck"
	"example.com/ebb/trace"
	"example.com/ebb/wire"
)

// conn is what a Directory is told of a connection.
func conn(dialled bool) trace.Conn {
	return trace.Conn{
		Dialled: dialled, Original: 0x1234, ID: 1, Peer: 2, Time: time.Second, Wall: time.Unix(1e9, 0),
		Local: netip.MustParseAddrPort("192.0.2.1:1000"), Remote: netip.MustParseAddrPort("[2001:db8::1]:2000"),
	}
}

// data is a packet with a piece of the stream.
func data(at time.Duration, number, offset uint64, length int) *trace.Event {
	b, err := wire.AppendDataHeader(nil, offset, length, false, true)
	if err != nil {
		panic(err)
	}
	b = append(b, make([]byte, length)...)
	return &trace.Event{Kind: trace.Sent, Time: at, Packet: trace.Packet{Type: wire.Short, Numbered: true, Number: number, Size: length + 20, Frames: b}}
}

// everything is an event of each kind, with every frame, and the end.
func everything() []*trace.Event {
	var frames []byte
	frames = wire.AppendPing(frames)
	frames = wire.Must(wire.AppendAck(frames, &wire.Ack{Delay: time.Millisecond, HasECN: true, CE: 3}, []wire.Range{{First: 1, Last: 2}, {First: 9, Last: 9}}, 1000))
	frames = wire.AppendWindow(frames, 1<<40)
	frames = wire.AppendBlocked(frames, 5)
	frames = wire.Must(wire.AppendReset(frames, wire.CodeReset, 7))
	frames = wire.AppendStop(frames, wire.CodeNone)
	frames = wire.AppendPathChallenge(frames, [8]byte{1})
	frames = wire.AppendPathResponse(frames, [8]byte{2})
	frames = wire.Must(wire.AppendResetToken(frames, make([]byte, wire.ResetTokenSize)))
	frames = wire.Must(wire.AppendCrypto(frames, 3, []byte("hello")))
	frames = wire.AppendClose(frames, wire.CodeAlert+40, "a \"reason\"\n\x1e\x00")
	frames = wire.Must(wire.AppendDataHeader(frames, 100, 5, true, true))
	frames = append(frames, "quite"...)
	all := []*trace.Event{
		{Kind: trace.RecoverySet, Recovery: trace.Recovery{PacketThreshold: 3, TimeThreshold: 1.125, Granularity: time.Millisecond}},
		{Kind: trace.StateChanged, Change: trace.Change{New: "handshake"}},
		{Kind: trace.StateChanged, Change: trace.Change{Old: "handshake", New: "established"}},
		{Kind: trace.Received, Packet: trace.Packet{Type: wire.Short, Numbered: true, Number: 8, Size: 300, Frames: frames}},
		{Kind: trace.Received, Packet: trace.Packet{Type: wire.Retry, Size: 60}},
		{Kind: trace.Sent, Packet: trace.Packet{Type: wire.Short, Numbered: true, Size: 1452, SizeProbe: true, Frames: wire.AppendPadding(wire.AppendPing(nil), 1400)}},
		{Kind: trace.Sent, Packet: trace.Packet{Type: wire.Short, Numbered: true, Size: 40, Probe: true, Frames: wire.AppendPing(nil)}},
		{Kind: trace.Dropped, Packet: trace.Packet{Type: wire.PacketType(0xff), Size: 12}, Reason: trace.Malformed},
		{Kind: trace.Lost, Packet: trace.Packet{Type: wire.Short, Numbered: true, Number: 3}, Reason: trace.AfterTheDelay},
		{Kind: trace.Spurious, Packet: trace.Packet{Type: wire.Short, Numbered: true, Number: 3}},
		{Kind: trace.Measured, Metrics: &trace.Metrics{MinRTT: 20 * time.Millisecond, Window: 12000, Rate: 1e6, QueueDelay: time.Millisecond, HasQueueDelay: true}},
		{Kind: trace.Measured, Metrics: &trace.Metrics{MinRTT: 20 * time.Millisecond, Window: 12000, Rate: 1e6, SSThresh: 9000}},
		{Kind: trace.Measured, Metrics: &trace.Metrics{MinRTT: 20 * time.Millisecond, Window: 12000, Rate: 1e6, SSThresh: 9000}},
		{Kind: trace.Congestion, Change: trace.Change{Old: "slow start", New: "recovery"}},
		{Kind: trace.Limited, Change: trace.Change{New: "pacer"}},
		{Kind: trace.SizeChanged, Sizes: trace.Sizes{Old: 1200, New: 1452, Done: true}},
		{Kind: trace.ECNChanged, Change: trace.Change{Old: "testing", New: "capable"}},
		{Kind: trace.KeyChanged, Key: trace.Key{Handshake: true, Ours: true}},
		{Kind: trace.KeyChanged, Key: trace.Key{Phase: 2, Peer: true}},
		{Kind: trace.Kind(200)},
		{Kind: trace.Closed, End: trace.End{Peer: true, Code: wire.CodeAlert + 40, Kind: "TLS", Reason: "bad \x1b certificate"}},
	}
	for i, e := range all {
		e.Time = time.Second + time.Duration(i)*1234567*time.Nanosecond
	}
	return all
}

// contents is the files of a directory by their names.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	all, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, f := range all {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := f.Info(); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", f.Name(), info.Mode())
		}
		files[f.Name()] = b
	}
	return files
}

// TestEveryEventIsInTheSchema: every event, with every frame, is what the published schema says.
func TestEveryEventIsInTheSchema(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	d := NewDirectory(dir)
	for _, dialled := range []bool{true, false} {
		tell := d.Begin(conn(dialled))
		for _, e := range everything() {
			tell(e)
		}
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	files := contents(t, dir)
	if len(files) != 2 {
		t.Fatalf("there are %d files", len(files))
	}
	for _, name := range []string{"0000000000001234_client.sqlog", "0000000000001234_server.sqlog"} {
		counts, err := qlogcheck.File(files[name], true)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if counts["quic:packet_received"] != 2 || counts["quic:recovery_metrics_updated"] != 3 || counts["quic:connection_closed"] != 1 {
			t.Errorf("%s has %v", name, counts)
		}
		if bytes.Contains(files[name], []byte("quite")) || bytes.Contains(files[name], []byte("hello")) {
			t.Errorf("%s has contents of packets", name)
		}
	}
}

// TestTheSchemaIsChecked: the checker finds what is wrong.
func TestTheSchemaIsChecked(t *testing.T) {
	dir := t.TempDir()
	d := NewDirectory(dir)
	tell := d.Begin(conn(true))
	for _, e := range everything() {
		tell(e)
	}
	d.Flush(t.Context())
	good := contents(t, dir)["0000000000001234_client.sqlog"]
	for _, change := range [][2]string{
		{"\x1e{\"time\":0,", "{\"time\":0,"},
		{`"packet_number":8`, `"packet_number":-8`},
		{`"packet_number":8`, `"number":8`},
		{`"frame_type":"ping"`, `"frame_type":"pong"`},
		{`"acked_ranges":[[9],`, `"acked_ranges":[9,`},
		{`quic:mtu_updated`, `quic:mtu`},
		{`"min_rtt":20`, `"min_rtt":"20"`},
		{`"new":"capable"`, `"newer":"capable"`},
		{`"trigger":"time_threshold"`, `"trigger":"time"`},
		{`application/qlog+json-seq`, `application/json`},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) {
			t.Fatalf("there is no %q", change[0])
		}
		if _, err := qlogcheck.File([]byte(bad), true); err == nil {
			t.Errorf("with %q in place of %q nothing is found", change[1], change[0])
		}
	}
	if _, err := qlogcheck.File(good[:len(good)-20], false); err == nil {
		t.Error("half a record is not found")
	}
}

// TestExpandedRunIsEachPacket: a run is one event, and Expand makes of it what is written of each packet.
func TestExpandedRunIsEachPacket(t *testing.T) {
	write := func(apart bool) []byte {
		dir := t.TempDir()
		d := NewDirectory(dir)
		tell := d.Begin(conn(true))
		at := time.Second
		for i := range uint64(40) {
			if i%10 == 0 {
				at += time.Millisecond
			}
			number := i
			if i > 25 {
				number++ // one is left out
			}
			tell(data(at, number, i*1000, 1000))
			if apart {
				tell(&trace.Event{Kind: trace.Kind(200), Time: at}) // which nobody knows, and ends a run
			}
		}
		tell(&trace.Event{Kind: trace.Closed, Time: at})
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		return contents(t, dir)["0000000000001234_client.sqlog"]
	}
	runs, each := write(false), write(true)
	counts, err := qlogcheck.File(runs, true)
	if err != nil || counts["ebb:packets_sent"] != 5 || counts["quic:packet_sent"] != 0 {
		t.Errorf("runs: %v, %v; want five runs and no other packet", counts, err)
	}
	if counts, err := qlogcheck.File(each, true); err != nil || counts["quic:packet_sent"] != 40 {
		t.Errorf("packets: %v, %v", counts, err)
	}
	var expanded bytes.Buffer
	if err := Expand(&expanded, bytes.NewReader(runs)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(expanded.Bytes(), each) {
		t.Errorf("expanded:\n%s\nwant:\n%s", expanded.Bytes(), each)
	}
}

// stuck is a file on a disk that does nothing until it is released, and then says err.
type stuck struct {
	release chan struct{}
	err     error

	mu  sync.Mutex
	got bytes.Buffer
}

func (s *stuck) Write(b []byte) (int, error) {
	<-s.release
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	return s.got.Write(b)
}

func (s *stuck) Close() error { return nil }

// TestASlowDiskHoldsNothingUp: while the disk takes nothing, every event returns, what waits is bounded, and the file says how much
// is missing.
func TestASlowDiskHoldsNothingUp(t *testing.T) {
	s := &stuck{release: make(chan struct{})}
	d := NewDirectory("")
	d.open = func(string, bool) (io.WriteCloser, error) { return s, nil }
	tell := d.Begin(conn(true))
	const events = 50_000
	for i := range uint64(events) {
		tell(data(time.Second+time.Duration(i)*time.Microsecond, i, i*1000, 1000)) // a run each
	}
	d.mu.Lock()
	waiting, dropped := d.waiting, d.dropped
	d.mu.Unlock()
	if waiting > maxWaiting+chunkSize || dropped == 0 {
		t.Errorf("%d bytes wait and %d events were dropped; want %d bytes at most", waiting, dropped, maxWaiting)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush of a disk that does nothing: %v", err)
	}
	close(s.release)
	if err := d.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), "events are not in") {
		t.Errorf("Flush when events were dropped: %v", err)
	}
	tell(&trace.Event{Kind: trace.Closed, Time: time.Hour})
	d.Flush(t.Context())
	counts, err := qlogcheck.File(s.got.Bytes(), true)
	if err != nil {
		t.Fatal(err)
	}
	var missing uint64
	q, err := NewReader(&s.got)
	if err != nil {
		t.Fatal(err)
	}
	for {
		r, err := q.Next()
		if err != nil {
			break
		}
		if r.Name == "ebb:events_dropped" {
			n, _ := strings.CutPrefix(string(r.Data), `{"count":`)
			for _, c := range strings.TrimSuffix(n, "}") {
				missing = missing*10 + uint64(c-'0')
			}
		}
	}
	if got := uint64(counts["quic:packet_sent"]); missing != dropped || got+missing != events {
		t.Errorf("the file has %d packets and says that %d are missing; %d of %d were dropped", got, missing, dropped, events)
	}
}

// TestAFullDisk: the first error is told, and the connection goes on.
func TestAFullDisk(t *testing.T) {
	s := &stuck{release: make(chan struct{}), err: syscall.ENOSPC}
	close(s.release)
	d := NewDirectory("traces")
	d.open = func(string, bool) (io.WriteCloser, error) { return s, nil }
	tell := d.Begin(conn(true))
	for i := range uint64(10_000) {
		tell(data(time.Second+time.Duration(i)*time.Millisecond, i, 0, 1000))
	}
	tell(&trace.Event{Kind: trace.Closed, Time: time.Minute})
	if err := d.Flush(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Flush of a full disk: %v", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.files) != 0 || d.waiting != 0 {
		t.Errorf("%d connections and %d bytes are left", len(d.files), d.waiting)
	}
}

// TestStrangersMakeNoFiles: of a connection that a peer has begun there is a file only when its handshake is complete.
func TestStrangersMakeNoFiles(t *testing.T) {
	dir := t.TempDir()
	d := NewDirectory(dir)
	for range 100 {
		tell := d.Begin(conn(false))
		tell(&trace.Event{Kind: trace.StateChanged, Time: time.Second, Change: trace.Change{New: "handshake"}})
		tell(&trace.Event{Kind: trace.Received, Time: 5 * time.Second, Packet: trace.Packet{Type: wire.Initial, Numbered: true, Size: 1200}})
		if err := d.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		tell(&trace.Event{Kind: trace.Closed, Time: 9 * time.Second})
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if files := contents(t, dir); len(files) != 0 || len(d.files) != 0 {
		t.Errorf("%d files, %d connections are left", len(files), len(d.files))
	}
}

// TestEqualNames: two connections whose names are equal have a file each.
func TestEqualNames(t *testing.T) {
	dir := t.TempDir()
	d := NewDirectory(dir)
	for range 3 {
		d.Begin(conn(true))(&trace.Event{Kind: trace.Closed, Time: 2 * time.Second})
	}
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	files := contents(t, dir)
	for _, name := range []string{"0000000000001234_client.sqlog", "0000000000001234_client-2.sqlog", "0000000000001234_client-3.sqlog"} {
		if _, err := qlogcheck.File(files[name], true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReaderOfWhatIsBroken: no file makes the reader panic, and half a last record is none.
func TestReaderOfWhatIsBroken(t *testing.T) {
	for _, text := range []string{"", "\x1e", "\x1e\n", "\x1e{}\n", "hello", "\x1e{\"file_schema\":1}\n", "\x1e[]\n\x1e[]\n"} {
		if _, err := NewReader(strings.NewReader(text)); err == nil {
			t.Errorf("%q has a header", text)
		}
	}
	for text, want := range map[string]string{"": "is empty", "hello\n": "JSON Text Sequence", "\x1e{\"file_sch": "JSON Text Sequence"} {
		if _, err := NewReader(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	q, err := NewReader(strings.NewReader("\x1e{\"file_schema\":\"urn:ietf:params:qlog:file:sequential\"}\n\x1e{\"time\":1.5,\"name\":\"a:b\",\"data\":{}}\n\x1e{\"time\":2,\"na"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := q.Next(); err != nil || r.Time != 1500*time.Microsecond || r.Name != "a:b" {
		t.Errorf("the first event is %+v, %v", r, err)
	}
	if r, err := q.Next(); err != io.EOF {
		t.Errorf("half an event is %+v, %v", r, err)
	}
}

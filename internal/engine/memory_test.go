package engine_test

import (
	"errors"
	"testing"
	"time"

	"example.com/ebb/internal/engine"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/internal/stream"
	"example.com/ebb/limits"
	"example.com/ebb/wire"
)

// TestSparseBytesPinLittle: two bytes here and there, in a window that has grown, pin a bounded multiple of what they are. Without
// the bound they pinned every chunk of it: 1.5 kB of packets half of 4 MiB, and 8 kB all of 16 MiB.
func TestSparseBytesPinLittle(t *testing.T) {
	f := newForger(t)
	const window = 4 << 20
	grow(f, window)
	sent := 0
	for i := range uint64(window / 2 / stream.ChunkSize) { // of which all is offered
		b := f.packet(data(f.read()+3+i*stream.ChunkSize, 2, false))
		sent += len(b)
		f.w.server.Inject(f.w.client.Addr, b)
	}
	if f.server.Removed {
		t.Fatalf("ended: %v", f.server.Conn.Err())
	}
	pinned := f.w.server.Chunks() * stream.ChunkSize
	t.Logf("%d bytes of packets pin %d", sent, pinned)
	if pinned > 300<<10 {
		t.Errorf("%d bytes of packets pin %d bytes", sent, pinned)
	}
	f.say(data(f.read(), 1000, false))
	if got := f.server.Conn.Info().ReceiveBuffered; got < 1000 {
		t.Errorf("%d bytes are there: what comes in order is refused", got)
	}
}

// grow has the server's window grow to a size: the forger sends in order, and the application reads at once.
func grow(f *forger, window int) {
	for range 1 << 16 {
		if f.server.Conn.Info().ReceiveWindow >= window {
			return
		}
		f.stream(16)
	}
}

// stream sends so many packets in order, within a quarter of a millisecond, and has the application read them.
func (f *forger) stream(packets int) {
	buf := make([]byte, 64<<10)
	for range packets {
		f.say(data(f.offset, 1000, false))
		f.offset += 1000
		for n, _ := f.server.Conn.Read(buf); n > 0; n, _ = f.server.Conn.Read(buf) {
			f.server.Flush()
		}
	}
	f.w.Run(time.Millisecond / 4)
}

// read is up to where the server's application has read.
func (f *forger) read() uint64 { return f.offset }

// small is limits of one station: so much memory, and nothing else.
func small(t *testing.T, memory int64) *limits.Manager {
	t.Helper()
	c := limits.Unlimited().Config()
	c.Process.Memory = memory
	m, err := limits.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTransferWithLittleMemory: a receiver, or a sender, whose memory is a tenth of what the path wants is slow and loses no byte,
// and what is charged is never above the limit.
func TestTransferWithLittleMemory(t *testing.T) {
	const memory, size = 256 << 10, 4 << 20
	for name, at := range map[string]func(w *world) *simnet.Station{
		"receiver": func(w *world) *simnet.Station { return w.server },
		"sender":   func(w *world) *simnet.Station { return w.client },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, simnet.LinkConfig{Delay: rtt / 2, Loss: 0.02}, simnet.LinkConfig{Delay: rtt / 2, Loss: 0.02})
			m := small(t, memory)
			at(w).SetLimits(m)
			client, server := w.connect()
			sent, got := 0, 0
			buf := make([]byte, 256<<10)
			client.OnChange = func() {
				for sent < size {
					n, err := client.Conn.Write(buf[:min(len(buf), size-sent)])
					if err != nil {
						t.Fatal(err)
					}
					if sent += n; n == 0 {
						client.Conn.AwaitMemory(w.Now())
						break
					}
				}
			}
			server.OnChange = func() {
				for n, _ := server.Conn.Read(buf); n > 0; n, _ = server.Conn.Read(buf) {
					got += n
				}
			}
			client.Flush()
			if !w.RunUntil(5*time.Minute, func() bool { return got == size }) {
				t.Fatalf("%d bytes after %v: %+v %+v", got, w.Now(), client.Conn.Info(), server.Conn.Info())
			}
			s := m.Snapshot().Process.Memory
			t.Logf("%v; %+v", w.Now(), s)
			if s.Peak > memory {
				t.Errorf("%d bytes were charged, of %d", s.Peak, memory)
			}
		})
	}
}

// TestMemoryTakenInATransfer: a sender that has the word for a large window goes on when others take the memory behind it. What the
// receiver drops then it does not acknowledge, so nothing declares the first of it lost but a timeout, and that repeats just what
// the receiver has room for: the bytes that it lacks first.
// Of docs/wire.md: [W256].
func TestMemoryTakenInATransfer(t *testing.T) {
	const memory, size, window = 8 << 20, 16 << 20, 1 << 20
	link := simnet.LinkConfig{Delay: rtt / 2, Rate: 5_000_000, Queue: 1 << 20}
	w := newWorld(t, 1, link, link)
	w.client.Controller = fixedFactory(window / 2)
	m := small(t, memory)
	w.server.SetLimits(m)
	other, err := m.Endpoint("other", limits.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	held, err := other.Outbound(w.client.Addr.Addr())
	if err != nil {
		t.Fatal(err)
	}
	client, server := w.connect()
	buf := make([]byte, 256<<10)
	sent, got := 0, 0
	client.OnChange = func() {
		for n := 1; n > 0 && sent < size; sent += n {
			if n, err = client.Conn.Write(buf[:min(len(buf), size-sent)]); err != nil {
				t.Fatal(err)
			}
		}
	}
	server.OnChange = func() {
		for n, _ := server.Conn.Read(buf); n > 0; n, _ = server.Conn.Read(buf) {
			got += n
		}
	}
	client.Flush()
	if !w.RunUntil(time.Minute, func() bool { return server.Conn.Info().ReceiveWindow >= window }) {
		t.Fatal("the window does not grow")
	}
	if !held.Reserve(memory/16*11, limits.FirstWindow) {
		t.Fatal("the memory cannot be taken")
	}
	w.Run(200 * time.Millisecond)
	gone := link
	gone.Loss = 1
	w.up.SetConfig(w.Now(), gone)
	w.Run(30 * time.Millisecond) // so much is lost that nothing behind it is within the first window
	w.up.SetConfig(w.Now(), link)
	began, least := w.Now(), client.Conn.Info().PeerWindow
	if !w.RunUntil(time.Minute, func() bool { return got == size }) {
		t.Fatalf("%d bytes after %v: %+v %+v", got, w.Now(), client.Conn.Info(), server.Conn.Info())
	}
	rest := w.Now() - began
	t.Logf("%v for the rest, %d bytes of window at the time: %+v", rest, least, client.Conn.Info().Stats)
	if rest > 15*time.Second {
		t.Errorf("the rest took %v", rest)
	}
}

// TestWindowsFadeWithMemory: a window grows while there is memory, halves as it is renewed when there is little, and is never less
// than the first.
func TestWindowsFadeWithMemory(t *testing.T) {
	m := small(t, 8<<20)
	f := newForgerWith(t, m)
	grow(f, 1<<20)
	if w := f.server.Conn.Info().ReceiveWindow; w < 1<<20 {
		t.Fatalf("the window is %d", w)
	}
	other, err := m.Endpoint("other", limits.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	held, err := other.Outbound(f.w.client.Addr.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if !held.Reserve(6<<20+limits.Overhead, limits.FirstWindow) {
		t.Fatal("no memory")
	}
	for range 250 {
		f.stream(16)
	}
	if w := f.server.Conn.Info().ReceiveWindow; w != stream.InitialWindow {
		t.Errorf("the window is %d where memory is short, want %d", w, stream.InitialWindow)
	}
	held.Release()
	grow(f, 1<<20)
	if w := f.server.Conn.Info().ReceiveWindow; w < 1<<20 {
		t.Errorf("the window is %d, though there is memory again", w)
	}
}

// TestHealthCheck: a peer that acknowledges nothing ends after the check, though it sends PINGs; one that does lives.
func TestHealthCheck(t *testing.T) {
	adjust := func(p *engine.Params) { p.HealthCheck = 10 * time.Second }
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	w.server.Adjust = adjust
	_, server := w.connect()
	w.Run(2 * time.Minute)
	if server.Removed {
		t.Errorf("a peer in health: %v", server.Conn.Err())
	}

	for check, lives := range map[time.Duration]bool{0: true, 10 * time.Second: false} {
		f := makeForger(t, fixedFactory(64<<10), func(w *world) {
			w.server.Adjust = func(p *engine.Params) { p.HealthCheck = check }
		})
		for range 120 {
			f.say(wire.AppendPing(nil))
			f.w.Run(time.Second)
		}
		var e *engine.Error
		if ended := errors.As(f.server.Conn.Err(), &e) && e.Kind == engine.KindIdleTimeout; ended == lives {
			t.Errorf("a peer that sends PING and acknowledges nothing, checked every %v: %v", check, f.server.Conn.Err())
		}
	}
}

// TestMaxAge: a connection ends at its age, whatever it does.
func TestMaxAge(t *testing.T) {
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	w.server.Adjust = func(p *engine.Params) { p.MaxAge = time.Minute }
	client, server := w.connect()
	w.Run(59 * time.Second)
	if client.Removed || server.Removed {
		t.Fatal("it ended before")
	}
	w.Run(2 * time.Second)
	var e *engine.Error
	if !errors.As(server.Conn.Err(), &e) || e.Kind != engine.KindAge || !client.Removed {
		t.Errorf("after a minute: %v, client removed %v", server.Conn.Err(), client.Removed)
	}
}

// TestLeastProgressOfTheClosed: a reader that takes a byte per 1.5 s does not keep a closed connection; without the bound it did for
// as long as it liked, 27 hours for the first window.
func TestLeastProgressOfTheClosed(t *testing.T) {
	w := newWorld(t, 1, path(0, rtt), path(0, rtt))
	client, server := w.connect()
	client.Conn.Write(make([]byte, 256<<10))
	client.Flush()
	w.Run(5 * time.Second)
	client.Conn.Close(w.Now())
	client.Flush()
	closed := w.Now()
	one := make([]byte, 1)
	var read func()
	read = func() {
		server.Conn.Read(one)
		server.Flush()
		w.After(1500*time.Millisecond, read)
	}
	read()
	if !w.RunUntil(10*time.Minute, func() bool { return client.Removed }) {
		t.Fatalf("it lives 10 minutes after Close: %+v", client.Conn.Info())
	}
	var e *engine.Error
	t.Logf("over after %v: %v", w.Now()-closed, client.Conn.Err())
	if took := w.Now() - closed; took > 65*time.Second || !errors.As(client.Conn.Err(), &e) || e.Kind != engine.KindLingerTimeout {
		t.Errorf("over after %v: %v", took, client.Conn.Err())
	}
}

package perf

import (
	"bufio"
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/ebb"
)

// serve runs a server on a listener until the test ends.
func serve(t *testing.T, ln net.Listener) *Server {
	t.Helper()
	s := &Server{MaxSeconds: 5, MaxStreams: 4, Look: nothing, Log: func(line string) { t.Log(line) }}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { s.Serve(ctx, ln) })
	t.Cleanup(group.Wait)
	t.Cleanup(func() { cancel(); ln.Close() })
	return s
}

func nothing(net.Conn) (Sample, bool) { return Sample{}, false }

// lookAt tells of connections of Ebb.
func lookAt(conn net.Conn) (Sample, bool) {
	i := conn.(*ebb.Conn).Info()
	return Sample{Packets: i.PacketsSent, RTT: i.LatestRTT, LimitedBy: i.LimitedBy.String()}, true
}

func overTCP(t *testing.T) (net.Listener, func(context.Context) (net.Conn, error)) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln, func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", ln.Addr().String())
	}
}

func overEbb(t *testing.T) (net.Listener, func(context.Context) (net.Conn, error)) {
	ln, err := ebb.Listen("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln, func(ctx context.Context) (net.Conn, error) { return ebb.DialContext(ctx, "udp", ln.Addr().String()) }
}

// TestBothEndsAgree: in each direction, over both networks, what one end has received is what the other has sent, the intervals add up to
// it, and of a sender what limited it makes its time.
func TestBothEndsAgree(t *testing.T) {
	for name, network := range map[string]func(*testing.T) (net.Listener, func(context.Context) (net.Conn, error)){"tcp": overTCP, "ebb": overEbb} {
		look := nothing
		if name == "ebb" {
			look = lookAt
		}
		t.Run(name, func(t *testing.T) {
			ln, dial := network(t)
			s := serve(t, ln)
			s.Look = look
			for _, q := range []Request{{Up: 2, Seconds: 5, Bytes: 300_000}, {Down: 1, Seconds: 0.3}, {Up: 1, Down: 2, Seconds: 5, Bytes: 200_000}} {
				told := 0
				r, err := Run(t.Context(), dial, q, look, 50*time.Millisecond, func(Interval) { told++ })
				if err != nil {
					t.Fatalf("%+v: %v", q, err)
				}
				checkReport(t, r, name == "ebb")
				if told != len(r.Intervals) || told == 0 {
					t.Errorf("%d intervals were told, and %d are in the report", told, len(r.Intervals))
				}
				eventually(t, "the test is over", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.test == nil })
			}
		})
	}
}

func checkReport(t *testing.T, r *Report, looked bool) {
	t.Helper()
	if len(r.Here) != r.Up+r.Down || len(r.There) != len(r.Here) {
		t.Fatalf("%d and %d results of %+v", len(r.Here), len(r.There), r.Request)
	}
	var moved, inIntervals int64
	for _, h := range r.Here {
		moved += h.Bytes
		found := false
		for _, o := range r.There {
			if o.Down != h.Down || o.Index != h.Index {
				continue
			}
			found = true
			if o.Bytes != h.Bytes || o.Sender == h.Sender || o.Error != "" || h.Error != "" || o.Bytes == 0 {
				t.Errorf("one end has %+v, the other %+v", h, o)
			}
			if r.Bytes > 0 && o.Bytes != r.Bytes {
				t.Errorf("%d bytes were carried, of %d", o.Bytes, r.Bytes)
			}
			if h.Sender && looked {
				checkSent(t, &h)
			}
		}
		if !found {
			t.Errorf("the other end has nothing for %+v", h)
		}
	}
	for _, i := range r.Intervals {
		inIntervals += i.BytesUp + i.BytesDown
	}
	if inIntervals != moved {
		t.Errorf("the intervals have %d bytes, the connections %d", inIntervals, moved)
	}
}

func checkSent(t *testing.T, h *Result) {
	t.Helper()
	if h.Sent == nil || h.Sent.Packets == 0 || h.Sent.MinRTT <= 0 || h.Sent.MinRTT > h.Sent.MeanRTT || h.Sent.MeanRTT > h.Sent.MaxRTT {
		t.Fatalf("of a sender: %+v", h.Sent)
	}
	var limited float64
	for _, seconds := range h.Sent.LimitedBy {
		limited += seconds
	}
	if limited <= 0 || limited > h.Seconds+1e-6 { // of rounding
		t.Errorf("it was limited for %v of %v s: %v", limited, h.Seconds, h.Sent.LimitedBy)
	}
}

// TestAServerIsBounded: what a stranger asks for beyond the bounds is refused with a reason, a second test is, and what is no request, or a
// data connection of no test, is closed without an answer.
func TestAServerIsBounded(t *testing.T) {
	ln, dial := overTCP(t)
	s := serve(t, ln)
	for want, q := range map[string]Request{
		"up to 5 seconds":     {Up: 1, Seconds: 6},
		"up to 4 connections": {Down: 5, Seconds: 1},
		"negative":            {Up: 1, Seconds: 1, Bytes: -1},
		"in each direction":   {Seconds: 1},
	} {
		if _, err := Run(t.Context(), dial, q, nothing, time.Second, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", q, err, want)
		}
	}
	control, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	var a answer
	writeMessage(control, opening{Test: &Request{Down: 1, Seconds: 5}})
	if err := readMessage(bufio.NewReader(control), &a); err != nil || a.Token == "" {
		t.Fatalf("the first test: %+v, %v", a, err)
	}
	if _, err := Run(t.Context(), dial, Request{Up: 1, Seconds: 1}, nothing, time.Second, nil); err == nil || !regexp.MustCompile(`on, for at most (3[0-5]|[12]?[0-9]) s more: one runs at a time`).MatchString(err.Error()) {
		t.Errorf("a second test: %v", err)
	}
	for _, text := range []string{
		"hello\n", "{}\n", "[]\n", `{"data":{"token":"wrong","down":true}}` + "\n",
		`{"data":{"token":"` + a.Token + `","down":true,"index":7}}` + "\n", strings.Repeat("x", maxMessage+10),
	} {
		conn, err := dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, text)
		conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		if n, _ := io.Copy(io.Discard, conn); n != 0 {
			t.Errorf("%.40q is answered with %d bytes", text, n)
		}
		conn.Close()
	}
	control.Close() // which ends the test
	eventually(t, "the test is over", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.test == nil })
}

// mute is a connection whose peer has been killed: nothing comes any more, and that nobody is there shows when something is written.
type mute struct {
	net.Conn
	killed chan struct{}
}

func (m *mute) Write(b []byte) (int, error) {
	select {
	case <-m.killed:
		m.Conn.Close()
		return 0, syscall.ECONNRESET
	default:
		return m.Conn.Write(b)
	}
}

// TestAServerNoticesAClientThatWasKilled: however long it was quiet while the client sent, it is free for the next within seconds, and the
// client had results to read until then behind any number of spaces.
func TestAServerNoticesAClientThatWasKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{MaxSeconds: 3600, MaxStreams: 1, Look: nothing, Log: func(string) {}}
		killed := make(chan struct{})
		dial := func(o opening) (client net.Conn) {
			client, conn := net.Pipe()
			places := make(chan struct{}, 1)
			places <- struct{}{}
			go s.take(t.Context(), &mute{conn, killed}, places)
			if err := writeMessage(client, o); err != nil {
				t.Fatal(err)
			}
			return client
		}
		control := dial(opening{Test: &Request{Up: 1, Seconds: 3600}})
		in := bufio.NewReader(control)
		var a answer
		if err := readMessage(in, &a); err != nil || a.Token == "" {
			t.Fatalf("%+v, %v", a, err)
		}
		dial(opening{Data: &greeting{Token: a.Token}})
		go io.Copy(io.Discard, in)
		on := func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.test != nil }
		time.Sleep(time.Hour) // virtual
		if !on() {
			t.Error("the test is over before its time")
		}
		close(killed)
		time.Sleep(2 * heartbeat)
		if synctest.Wait(); on() {
			t.Error("the test is still on")
		}
	})
	text := strings.Repeat(" ", 2*maxMessage) + `{"token":"a"}` + "\n"
	var a answer
	if err := readMessage(bufio.NewReaderSize(strings.NewReader(text), maxMessage), &a); err != nil || a.Token != "a" {
		t.Errorf("a message behind spaces: %+v, %v", a, err)
	}
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(20 * time.Second); !holds(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

package traced_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"example.com/ebb/cmd/ebb/internal/traced"
	"example.com/ebb/congestion"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/lab/qlogcheck"
	"example.com/ebb/internal/lab/simnet"
	"example.com/ebb/ledbat"
	"example.com/ebb/qlog"
	"example.com/ebb/trace"
)

const (
	rate  = 1_000_000 // bytes per second of the bottleneck
	delay = 20 * time.Millisecond
	queue = 60_000 // bytes of it, 60 ms
	lasts = 8 * time.Second
)

// transfer has one end send over a bottleneck for a while, and returns its trace and the connection.
func transfer(t *testing.T, factory congestion.Factory) (path string, flow *simnet.Flow) {
	t.Helper()
	sim := simnet.NewSim(1)
	sender, receiver := sim.NewStation("192.0.2.1:1000", factory), sim.NewStation("192.0.2.2:2000", factory)
	sim.Join(sender, receiver, simnet.LinkConfig{Rate: rate, Queue: queue, Delay: delay}, simnet.LinkConfig{Delay: delay})
	path = t.TempDir()
	dir := qlog.NewDirectory(path)
	sender.Adjust = func(p *endpoint.Params) {
		p.Trace = dir.Begin(trace.Conn{Dialled: true, Original: p.Peer, ID: p.Local, Local: p.Path.Local, Remote: p.Path.Remote, Time: sim.Now(), Wall: time.Unix(0, 0)})
	}
	receiver.Accept = func(f *simnet.Flow) {
		var buf [64 << 10]byte
		f.OnChange = func() {
			for {
				if n, err := f.Conn.Read(buf[:]); n == 0 || err != nil {
					return
				}
			}
		}
	}
	flow = sender.Dial(receiver)
	var zeros [64 << 10]byte
	flow.OnChange = func() {
		for flow.Conn.Established() {
			if n, err := flow.Conn.Write(zeros[:]); n == 0 || err != nil {
				return
			}
		}
	}
	sim.Run(lasts)
	if err := dir.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	all, err := filepath.Glob(filepath.Join(path, "*_client.sqlog"))
	if err != nil || len(all) != 1 {
		t.Fatalf("the files are %v, %v", all, err)
	}
	return all[0], flow
}

// TestFlow: what is read from the trace of a transfer is what the link carries, what the connection counts and what the queue holds: with
// a controller that fills the queue and tells nothing of it, and with one that measures it.
func TestFlow(t *testing.T) {
	for _, c := range []struct {
		name        string
		factory     congestion.Factory
		least, most float64 // of the longest queue, ms
	}{
		{"cubic", cubic.Factory(), 55, 66},
		{"adaptive", ledbat.Factory(ledbat.Config{}), 3, 66},
	} {
		t.Run(c.name, func(t *testing.T) {
			path, flow := transfer(t, c.factory)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := qlogcheck.File(b, false); err != nil {
				t.Fatal(err)
			}
			f, err := traced.Read(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			check(t, f, flow, c.least, c.most)
			var expanded bytes.Buffer
			if err := qlog.Expand(&expanded, bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
			g, err := traced.Read(bytes.NewReader(expanded.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			if g.PacketsSent != f.PacketsSent || g.BytesSent != f.BytesSent || !slices.EqualFunc(g.Sent, f.Sent, near) {
				t.Errorf("expanded it has %d packets of %d bytes, and %d of %d before", g.PacketsSent, g.BytesSent, f.PacketsSent, f.BytesSent)
			}
		})
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6*(1+math.Abs(a)) }

func check(t *testing.T, f *traced.Flow, flow *simnet.Flow, least, most float64) {
	t.Helper()
	s := flow.Conn.Info().Stats
	for _, c := range []struct {
		what      string
		got, want uint64
	}{
		{"packets sent", f.PacketsSent, s.PacketsSent}, {"bytes sent", f.BytesSent, s.BytesSent},
		{"packets received", f.PacketsReceived, s.PacketsReceived}, {"bytes received", f.BytesReceived, s.BytesReceived},
		{"losses", f.Lost, s.PacketsLost}, {"spurious ones", f.Spurious, s.SpuriousLosses},
	} {
		if c.got != c.want {
			t.Errorf("the trace has %d %s, the connection counted %d", c.got, c.what, c.want)
		}
	}
	var sum float64
	middle := f.Sent[len(f.Sent)/4 : len(f.Sent)*3/4]
	for _, v := range middle {
		sum += v
	}
	const link = rate * 8 / 1e6
	if mean := sum / float64(len(middle)); mean > link || mean < 0.85*link {
		t.Errorf("packets leave at %.2f Mbit/s, over a link of %.2f", mean, link)
	}
	if longest := slices.Max(f.Queue); longest < least || longest > most {
		t.Errorf("the longest queue is %.1f ms, want %v to %v", longest, least, most)
	}
	if f.MinRTT < 2*delay || f.MinRTT > 2*delay+5*time.Millisecond {
		t.Errorf("the least round trip is %v over a path of %v", f.MinRTT, 2*delay)
	}
	if window := slices.Max(f.Window); window < 40 || window > 1000 {
		t.Errorf("the largest window is %.0f KB", window)
	}
	var limited time.Duration
	for _, l := range f.Limits {
		limited += l.For
	}
	if missing := f.Length - limited; missing < 0 || missing > 200*time.Millisecond {
		t.Errorf("the limits make %v of %v: %v", limited, f.Length, f.Limits)
	}
	if f.Length < lasts-time.Second || f.End != "" {
		t.Errorf("the trace is %v long and ends %q", f.Length, f.End)
	}
}

// TestHostileTraces: a file may come from anybody, and is an error where it says what cannot be.
func TestHostileTraces(t *testing.T) {
	const header = "\x1e{\"file_schema\":\"urn:ietf:params:qlog:file:sequential\"}\n"
	for name, text := range map[string]string{
		"late":     header + "\x1e{\"time\":1e300,\"name\":\"quic:packet_sent\",\"data\":{}}\n",
		"negative": header + "\x1e{\"time\":-5,\"name\":\"quic:packet_sent\",\"data\":{}}\n",
		"run":      header + "\x1e{\"time\":1,\"name\":\"ebb:packets_sent\",\"data\":{\"count\":1000000000000}}\n",
		"type":     header + "\x1e{\"time\":1,\"name\":\"quic:recovery_metrics_updated\",\"data\":{\"min_rtt\":\"x\"}}\n",
		"array":    header + "\x1e[1]\n",
	} {
		if f, err := traced.Read(bytes.NewReader([]byte(text))); err == nil {
			t.Errorf("%s: %+v, want an error", name, f)
		}
	}
}

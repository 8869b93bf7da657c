package main

import (
	"encoding/json"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestPerf: over Ebb and over TCP on the same port number, protected and plain, as JSON with iperf3's names, and in words.
func TestPerf(t *testing.T) {
	for name, flags := range map[string][]string{"protected": {"perf"}, "plain": {"perf", "--plain"}} {
		t.Run(name, func(t *testing.T) { testPerf(t, flags) })
	}
}

func testPerf(t *testing.T, perf []string) {
	with := func(args ...string) []string { return append(slices.Clone(perf), args...) }
	server := start(t, prepare(t, "ebb", with("--serve", "127.0.0.1:0")...), true)
	if protected := len(perf) == 1; strings.Contains(server.address, "@") != protected {
		t.Errorf("the server is at %s", server.address)
	}
	status, stdout, stderr := execute(t, "ebb", with("--over", "both", "--seconds", "0.3", "--both-ways", "--json", server.address)...)
	if status != 0 || stderr != "" {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	var printed map[string]struct {
		Start struct {
			Test struct {
				Protocol string `json:"protocol"`
				Bidir    int    `json:"bidir"`
			} `json:"test_start"`
		} `json:"start"`
		Intervals []struct {
			Streams []struct {
				Sender      bool  `json:"sender"`
				Retransmits *int  `json:"retransmits"`
				Window      int   `json:"snd_cwnd"`
				RTT         int64 `json:"rtt"`
			} `json:"streams"`
			Sum struct {
				Bytes int64 `json:"bytes"`
			} `json:"sum"`
		} `json:"intervals"`
		End map[string]json.RawMessage `json:"end"`
	}
	if err := json.Unmarshal([]byte(stdout), &printed); err != nil {
		t.Fatalf("%v in\n%s", err, stdout)
	}
	for _, name := range []string{"ebb", "tcp"} {
		p := printed[name]
		if p.Start.Test.Protocol != name || p.Start.Test.Bidir != 1 || len(p.Intervals) == 0 {
			t.Errorf("%s: %+v", name, p)
		}
		for _, pair := range [][2]string{{"sum_sent", "sum_received"}, {"sum_sent_bidir_reverse", "sum_received_bidir_reverse"}} {
			var sent, received struct {
				Bytes       int64   `json:"bytes"`
				Rate        float64 `json:"bits_per_second"`
				Retransmits *int    `json:"retransmits"`
			}
			json.Unmarshal(p.End[pair[0]], &sent)
			json.Unmarshal(p.End[pair[1]], &received)
			if sent.Bytes == 0 || sent.Bytes != received.Bytes || received.Rate == 0 || (sent.Retransmits != nil) != told(name) {
				t.Errorf("%s: %s %+v, %s %+v", name, pair[0], sent, pair[1], received)
			}
		}
		if s := p.Intervals[0].Streams[0]; told(name) && (!s.Sender || s.Retransmits == nil || s.Window == 0 || s.RTT == 0) {
			t.Errorf("%s: the first interval of the first sender is %+v", name, s)
		}
		checkPerfSenders(t, name, p.End["streams"])
	}
	perfInWords(t, with, server)
}

// perfInWords looks at what is printed for people, and at the end of the server.
func perfInWords(t *testing.T, with func(...string) []string, server *process) {
	t.Helper()
	status, stdout, stderr := execute(t, "ebb", with("--seconds", "0.2", "--reverse", server.address)...)
	if status != 0 || !strings.Contains(stdout, "limited by ") || !strings.Contains(stdout, "queue ") || !strings.Contains(stdout, "down 0: sent ") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	status, stdout, stderr = execute(t, "ebb", with("--seconds", "0.2", "--over", "tcp", server.address)...)
	if status != 0 || strings.Contains(stdout, "  retransmitted ") != told("tcp") || strings.Contains(stdout, "limited by") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	status, _, stderr = execute(t, "ebb", with("--seconds", "3600", server.address)...)
	if status != 1 {
		t.Errorf("a test that is too long: status %d", status)
	}
	wantOneLine(t, stderr, "up to 60 seconds")
	server.Process.Kill()
	server.wait(t)
}

// told says whether a sender over a network can tell of more than bytes here.
func told(network string) bool { return network == "ebb" || runtime.GOOS == "linux" }

// TestPerfAdmitsWhoIsListed: over both networks nobody is measured whose identity is not the one that was named, or that the server does not list; and
// what is protected and what is plain do not talk.
func TestPerfAdmitsWhoIsListed(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.pem")
	server := start(t, prepare(t, "ebb", "perf", "--serve", "--peer", somebody, "127.0.0.1:0"), true)
	for over, wants := range map[string][3]string{
		"ebb": {"does not admit our identity", "its identity is", "protected connections only"},
		"tcp": {"bad certificate", "its identity is", "does not answer"}, // it does not know why
	} {
		for i, args := range [][]string{
			{"--key", other, server.address},
			{"--key", other, somebody + "@" + server.at()},
			{"--plain", server.at()},
		} {
			want := wants[i]
			status, stdout, stderr := execute(t, "ebb", append([]string{"perf", "--seconds", "0.1", "--over", over}, args...)...)
			if status != 1 || strings.Contains(stdout, "sent ") || !strings.Contains(stderr, want) {
				t.Errorf("over %s with %q: status %d\n%s%s", over, args, status, stdout, stderr)
			}
		}
	}
	server.Process.Kill()
	server.wait(t)
	if said := server.stderr.String(); !strings.Contains(said, "which no --peer names") || strings.Contains(server.stdout.String(), "received") {
		t.Errorf("the server says\n%s%s", said, server.stdout.String())
	}
}

// checkPerfSenders looks at what senders of both ends have told of their connections.
func checkPerfSenders(t *testing.T, name string, text json.RawMessage) {
	t.Helper()
	var streams []struct {
		Sender struct {
			Ebb    *struct{} `json:"ebb"`
			Window int       `json:"max_snd_cwnd"`
			Least  int64     `json:"min_rtt"`
			Mean   int64     `json:"mean_rtt"`
			Most   int64     `json:"max_rtt"`
		} `json:"sender"`
	}
	json.Unmarshal(text, &streams)
	if len(streams) != 2 {
		t.Fatalf("%s: %s", name, text)
	}
	for _, stream := range streams { // those of the server are from the other end
		s := stream.Sender
		if (s.Ebb != nil) != (name == "ebb") || told(name) && (s.Window == 0 || s.Least <= 0 || s.Least > s.Mean || s.Mean > s.Most) {
			t.Errorf("%s: a sender is %+v", name, s)
		}
	}
}

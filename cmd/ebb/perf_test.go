package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestPerf: over Ebb and over TCP on the same port number, as JSON with iperf3's names, and in words.
func TestPerf(t *testing.T) {
	server := start(t, prepare(t, "ebb", "perf", "--serve", "127.0.0.1:0"), true)
	status, stdout, stderr := execute(t, "ebb", "perf", "--over", "both", "--seconds", "0.3", "--both-ways", "--json", server.address)
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
			if sent.Bytes == 0 || sent.Bytes != received.Bytes || received.Rate == 0 || (sent.Retransmits != nil) != (name == "ebb") {
				t.Errorf("%s: %s %+v, %s %+v", name, pair[0], sent, pair[1], received)
			}
		}
	}
	status, stdout, stderr = execute(t, "ebb", "perf", "--seconds", "0.2", "--reverse", server.address)
	if status != 0 || !strings.Contains(stdout, "limited by ") || !strings.Contains(stdout, "queue ") || !strings.Contains(stdout, "down 0: sent ") {
		t.Errorf("status %d\n%s%s", status, stdout, stderr)
	}
	status, _, stderr = execute(t, "ebb", "perf", "--seconds", "3600", server.address)
	if status != 1 {
		t.Errorf("a test that is too long: status %d", status)
	}
	wantOneLine(t, stderr, "up to 60 seconds")
	server.Process.Kill()
	server.wait(t)
}

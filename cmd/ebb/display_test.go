package main

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/ebb"
)

// A connection that is watched is described every second and at the end.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, calls := time.Now(), 0
		network := transport{describe: func(net.Conn) func() string {
			return func() string { calls++; return fmt.Sprint("line ", calls) }
		}}
		conn, peer := net.Pipe()
		defer conn.Close()
		defer peer.Close()
		var got []string
		stop := network.watch(conn, func(line string) { got = append(got, fmt.Sprint(time.Since(start), " ", line)) })
		time.Sleep(2500 * time.Millisecond)
		stop()
		want := []string{"1s pipe: line 1\n", "2s pipe: line 2\n", "2.5s pipe: line 3\n"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// ebb send -v says every second what limits the connection and what each limit
// admits.
func TestSendVerbose(t *testing.T) {
	to := t.TempDir()
	receiver := start(t, prepare(t, "ebb", "receive", "--once", "127.0.0.1:0", to), true)
	file := writeFile(t, filepath.Join(t.TempDir(), "film"), randomBytes(3_000_000))
	status, _, stderr := execute(t, "ebb", "send", "-v", "--total-bandwidth-limit", "2MB/s", file, receiver.address)
	if status != 0 || receiver.wait(t) != 0 {
		t.Errorf("status %d", status)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	if len(lines) < 2 {
		t.Errorf("3 MB at 2 MB/s, and only\n%s", stderr)
	}
	form := regexp.MustCompile(`^` + regexp.QuoteMeta(receiver.at()) + `: (established|closing|done), sending [0-9.]+ [kM]?B/s, .*` +
		`limited by (pool|application|congestion window|pacer|receiver window|socket) \(.*congestion window .*pool 2\.00 MB/s\); `)
	for i, line := range lines {
		// The receiver ends the connection when it has the end of the session, which may be before the last line.
		if m := form.FindStringSubmatch(line); m == nil || m[1] != "established" && i < len(lines)-1 {
			t.Errorf("a line is\n%s", line)
		}
	}
}

func TestDescribeInfoSaysWhatTheSilenceIs(t *testing.T) {
	got := describeInfo(ebb.ConnInfo{
		State: "established", LimitedBy: "peer silent", SinceHeard: 12_345_678 * time.Microsecond, SinceAcked: 13 * time.Second,
		Socket: ebb.SocketInfo{Batch: true, GRO: true},
	}, "0 B/s", "0 B/s")
	for _, want := range []string{"limited by peer silent", "the last 12.346s ago, the last acknowledgement 13s ago", "socket: batches, GRO"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if got := describeSocket(ebb.SocketInfo{}); got != "single datagrams" {
		t.Errorf("a socket without modes: %q", got)
	}
}

func TestDescribeLimits(t *testing.T) {
	none := ebb.LimitRates{ReceiverWindow: -1, CongestionWindow: -1, Pacer: -1, Pool: -1, Own: -1}
	if got := describeLimits(none); got != "" {
		t.Errorf("no limit is %q", got)
	}
	all := ebb.LimitRates{ReceiverWindow: 1, CongestionWindow: 2_000, Pacer: 3_000_000, Pool: 4_500_000, Own: 5_000_000_000}
	const want = " (receiver window 1 B/s, congestion window 2.00 kB/s, pacer 3.00 MB/s, pool 4.50 MB/s, own limit 5.00 GB/s)"
	if got := describeLimits(all); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPerfOverKernelPath: over a path of 20 Mbit/s and 40 ms, what perf says agrees with what the laboratory counts within 2 %: bytes, and
// the rate. The laboratory counts whole IP packets, from the first of the handshake on; perf the application's bytes.
func TestPerfOverKernelPath(t *testing.T) {
	bin := netlab(t)
	dir := t.TempDir()
	ebb, said := filepath.Join(dir, "ebb"), filepath.Join(dir, "perf.json")
	goBuild(t, ".", ebb)
	script := fmt.Sprintf(`
		ip netns exec $NETLAB_B %[1]s perf --serve --plain $NETLAB_B_IP:7000 >&2 & server=$!
		for i in 1 2 3 4 5 6 7 8 9 10; do
			ip netns exec $NETLAB_B ss -Hlnu sport = :7000 | grep -q . && break
			sleep 0.2
		done
		ip netns exec $NETLAB_A %[1]s perf --plain --seconds 8 --json $NETLAB_B_IP:7000 > %[2]s
		status=$?
		kill $server
		wait $server
		exit $status`, ebb, said)
	cmd := exec.Command(bin, "-name", fmt.Sprintf("ebp%d", os.Getpid()%10000), "-rate", "20mbit", "-rtt", "40ms", "-queue", "100ms", "--", "sh", "-c", script)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, stderr.String())
	}
	var flows []struct {
		Flow    string
		Packets int
		Bytes   float64
		Rate    float64 `json:"mbit_per_s"`
		Queue   float64 `json:"queue_mean_ms"`
	}
	if err := json.Unmarshal(out, &flows); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(said)
	if err != nil {
		t.Fatal(err)
	}
	var d perfDocument
	if err := json.Unmarshal(b, &d); err != nil || len(d.End.Streams) != 1 || d.End.Streams[0].Sender.Ebb == nil {
		t.Fatalf("%v\n%s", err, b)
	}
	most := flows[0]
	for _, f := range flows {
		if f.Bytes > most.Bytes {
			most = f
		}
	}
	sent := d.End.Streams[0].Sender.Ebb
	const headers = 20 + 8 // of IPv4 and UDP, in each packet
	perPacket := float64(sent.PacketBytes)/float64(sent.Packets) + headers
	perByte := (float64(sent.PacketBytes) + headers*float64(sent.Packets)) / float64(d.End.SumSent.Bytes)
	bytes, rate := perByte*float64(d.End.SumReceived.Bytes), perByte*d.End.SumReceived.BitsPerSecond/1e6
	t.Logf("the laboratory: %.0f bytes, %.2f Mbit/s, a queue of %.2f ms; perf: %.0f, %.2f, %.2f; %.0f bytes a packet",
		most.Bytes, most.Rate, most.Queue, bytes, rate, sent.MeanQueue*1000, perPacket)
	if math.Abs(bytes/most.Bytes-1) > 0.02 || math.Abs(rate/most.Rate-1) > 0.02 {
		t.Errorf("perf says %.0f bytes at %.2f Mbit/s, the laboratory %.0f at %.2f: more than 2 %% apart", bytes, rate, most.Bytes, most.Rate)
	}
}

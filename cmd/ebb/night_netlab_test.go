package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// kept is the part of its rate alone that a download keeps beside us, at least.
const kept = 0.95

// A download of the night, by CUBIC, and the part of it that is looked at: behind its beginning.
const (
	downloadTime = 45 * time.Second
	downloadWarm = 5 * time.Second
)

// packetSeries is what netlab writes: how many megabits of a flow from A to B, by its port at B, crossed in each tenth of a second,
// and when that ended.
type packetSeries map[int][]crossed

type crossed struct {
	at, mbit float64
}

// readPacketSeries reads netlab's -csv.
func readPacketSeries(t *testing.T, path string) packetSeries {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	form := regexp.MustCompile(`^([0-9.]+),a>b (?:tcp|udp) \d+>(\d+),([0-9.]+),`)
	all := make(packetSeries)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		m := form.FindStringSubmatch(lines.Text())
		if m == nil {
			continue // the head, or the other direction
		}
		at, _ := strconv.ParseFloat(m[1], 64)
		port, _ := strconv.Atoi(m[2])
		rate, _ := strconv.ParseFloat(m[3], 64)
		all[port] = append(all[port], crossed{at, rate / 10})
	}
	if err := lines.Err(); err != nil || len(all) == 0 {
		t.Fatalf("netlab's series has no flow: %v", err)
	}
	return all
}

// span is when the first and the last bytes of a flow crossed.
func (s packetSeries) span(port int) (first, last float64) {
	first = -1
	for _, c := range s[port] {
		if c.mbit > 0 {
			last = c.at
			if first < 0 {
				first = c.at
			}
		}
	}
	return first, last
}

// rate is the mean of a flow between two times, in Mbit/s.
func (s packetSeries) rate(port int, from, to float64) (sum float64) {
	for _, c := range s[port] {
		if c.at > from && c.at <= to {
			sum += c.mbit
		}
	}
	return sum / (to - from)
}

// nightPath is a home line that a folder and a download share.
var nightPath = []string{"-rate", "20mbit", "-rtt", "40ms", "-queue", "100ms", "-timing"}

// onNightPath runs a script over the path, and returns what crossed it and what was said.
func onNightPath(t *testing.T, lab, script string) (packetSeries, string) {
	t.Helper()
	series := filepath.Join(t.TempDir(), "series.csv")
	args := append([]string{"-name", fmt.Sprintf("ebn%d", os.Getpid()%10000), "-csv", series}, nightPath...)
	out, err := exec.Command(lab, append(args, "--", "sh", "-c", script)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "late by") {
			t.Log(strings.TrimSpace(line))
		}
	}
	return readPacketSeries(t, series), string(out)
}

// TestTheNightBesideADownload: while ebb send -r copies a folder over 20 Mbit/s, downloads by the kernel's CUBIC keep 95 % of what they have alone:
// one that is there when the copying begins, and one that begins beside it. The folder arrives.
func TestTheNightBesideADownload(t *testing.T) {
	if !*long {
		t.Skip("skipped: it takes five minutes; -long runs it")
	}
	lab := netlab(t)
	download := fmt.Sprintf("ip netns exec $NETLAB_A $NETLAB tcp-source -cc cubic -for %v -to $NETLAB_B_IP:", downloadTime)
	const sink = "ip netns exec $NETLAB_B $NETLAB tcp-sink -listen :"
	alone, _ := onNightPath(t, lab, fmt.Sprintf("%[1]s5001 & sink=$!; %[2]s5001; kill $sink; exit 0", sink, download))
	warm, long := downloadWarm.Seconds(), downloadTime.Seconds()
	first, _ := alone.span(5001)
	base := alone.rate(5001, first+warm, first+long)
	t.Logf("a download alone: %.2f Mbit/s", base)

	from, inbox := night{files: 2007, fileSize: 50_000, bigSize: 200 << 20}.make(t), t.TempDir()
	self, id := ownCommand(t)
	beside, out := onNightPath(t, lab, receiveAtB(self, inbox, "--once")+fmt.Sprintf(`
		%[2]s5001 & %[2]s5002 &
		for i in $(seq 100); do
			[ $(ip netns exec $NETLAB_B ss -Hlnt | wc -l) -ge 2 ] && break
			sleep 0.1
		done
		%[3]s5001 & one=$!
		sleep 3
		ip netns exec $NETLAB_A %[1]s send -r %[4]s %[5]s@$NETLAB_B_IP:7000 & sender=$!
		wait $one
		sleep 10
		%[3]s5002
		wait $sender && wait $receiver`,
		self, sink, download, from, id))
	began, ended := beside.span(7000)
	for port, name := range map[int]string{5001: "there before", 5002: "that begins beside it"} {
		first, _ := beside.span(port)
		from, to := max(first, began)+warm, first+long
		if ended < to {
			t.Fatalf("the folder is copied after %.1f s, and a download %s goes on until %.1f s\n%s", ended, name, to, out)
		}
		rate, ours := beside.rate(port, from, to), beside.rate(7000, from, to)
		t.Logf("a download %s: %.2f Mbit/s, %.1f %% of what it has alone; ebb send -r beside it %.2f", name, rate, 100*rate/base, ours)
		if rate < kept*base {
			t.Errorf("a download %s keeps %.1f %% of its rate, want %.0f", name, 100*rate/base, 100*kept)
		}
		if ours == 0 {
			t.Errorf("nothing of the folder crosses beside a download %s", name)
		}
	}
	second, _ := beside.span(5002)
	rest := beside.rate(7000, second+long+10, ended-5)
	t.Logf("behind them: ebb send -r has %.2f Mbit/s; the folder took %.0f s", rest, ended-began)
	wantSameFolders(t, from, filepath.Join(inbox, "data"))
}

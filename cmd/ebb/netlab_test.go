package main

import (
	"flag"
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

// netlabEnv names the folder of netlab, a laboratory of two hosts and one emulated path
// on a single Linux machine: a Go module whose command builds the path, runs a shell
// command and takes the path away.
const netlabEnv = "EBB_NETLAB"

var netlabFloor = flag.String("netlab-min-ssthresh", "320000", "--min-ssthresh of the sender over netlab, in bytes")

// netlab builds the laboratory's command, or skips the test and says why.
func netlab(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(netlabEnv)
	switch {
	case dir == "":
		t.Skipf("skipped: %s does not name the folder of netlab", netlabEnv)
	case os.Geteuid() != 0:
		t.Skip("skipped: netlab makes network namespaces, which needs root")
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("skipped: netlab needs /dev/net/tun")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("skipped: netlab needs the ip command of iproute2")
	}
	bin := filepath.Join(t.TempDir(), "netlab")
	goBuild(t, dir, bin)
	return bin
}

// home is the user's folder, where Go keeps what it has compiled; TestMain names another in the environment.
var home = os.Getenv("HOME")

// goBuild builds the command in a folder.
func goBuild(t *testing.T, dir, bin string) {
	t.Helper()
	build := exec.Command("go", "-C", dir, "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "HOME="+home)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", dir, err, out)
	}
}

// TestTransferOverKernelPath: a file crosses a path of 50 Mbit/s and 50 ms with 1 % loss
// that the kernel's packets take, from ebb send to ebb receive, each in a host of its own.
func TestTransferOverKernelPath(t *testing.T) {
	acrossNetlab(t, "--min-ssthresh "+*netlabFloor, "-rate", "50mbit", "-rtt", "50ms", "-loss", "0.01")
}

// ackLossBytes is the least size of a file that shows a rate, over 50 Mbit/s.
const ackLossBytes = 64 << 20

// TestLostAcksOverKernelPath: half of the packets of the way back are lost, and a transfer still has 40 of 50 Mbit/s.
func TestLostAcksOverKernelPath(t *testing.T) {
	took := acrossNetlab(t, "", "-rate", "50mbit", "-rtt", "40ms", "-loss-back", "0.5")
	rate := float64(*transferBytes) * 8 / 1e6 / took.Seconds()
	t.Logf("%.1f Mbit/s of the application's bytes", rate)
	if *transferBytes >= ackLossBytes && rate < 40 {
		t.Errorf("%.1f Mbit/s, want 40", rate)
	}
}

// acrossNetlab sends a file across a path of the laboratory and returns how long the sender took. flags are more of the
// sender's, lab the path's.
func acrossNetlab(t *testing.T, flags string, lab ...string) time.Duration {
	t.Helper()
	bin := netlab(t)
	dir := t.TempDir()
	ebb := filepath.Join(dir, "ebb")
	goBuild(t, ".", ebb)
	path, into := filepath.Join(dir, "file"), filepath.Join(dir, "into")
	want := writeNoise(t, path, *transferBytes)
	if err := os.Mkdir(into, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`
		ip netns exec $NETLAB_B %[1]s receive --plain --once $NETLAB_B_IP:7000 %[2]s & receiver=$!
		for i in 1 2 3 4 5 6 7 8 9 10; do
			ip netns exec $NETLAB_B ss -Hlnu sport = :7000 | grep -q . && break
			sleep 0.2
		done
		ip netns exec $NETLAB_A %[1]s send --plain -v --bandwidth-limit unlimited %[4]s %[3]s $NETLAB_B_IP:7000 && wait $receiver`,
		ebb, into, path, flags)
	args := append([]string{"-name", fmt.Sprintf("ebb%d", os.Getpid()%10000)}, lab...)
	out, err := exec.Command(bin, append(args, "--", "sh", "-c", script)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := hashOf(t, filepath.Join(into, "file")); got != want {
		t.Errorf("sha256 %s, want %s", got, want)
	}
	// Both sides say how long it took until the receiver had confirmed the file; the end of the connection comes after that.
	var took time.Duration
	for _, m := range regexp.MustCompile(`(?m)^file\t\d+ bytes\t(\d+\.\d+) s\t`).FindAllStringSubmatch(string(out), -1) {
		seconds, _ := strconv.ParseFloat(m[1], 64)
		took = max(took, time.Duration(seconds*float64(time.Second)))
	}
	if took == 0 {
		t.Fatalf("nobody says how long it took:\n%s", out)
	}
	t.Logf("%d bytes in %v", *transferBytes, took.Round(time.Millisecond))
	said := regexp.MustCompile(`(?m)^.*(round trip|sha256).*$`).FindAllString(string(out), -1)
	t.Log(strings.Join(said, "\n"))
	return took
}

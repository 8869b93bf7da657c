package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// smallPaths are the rates at which many small files cross 50 ms. Twice a bandwidth-delay product of packets may wait.
var smallPaths = []string{"20mbit", "100mbit"}

// TestManySmallFilesOverKernelPath: 2,000 files of 4 KB cross 50 ms within three times what one file of their size takes, and a run that finds
// them all there takes no more than that file.
func TestManySmallFilesOverKernelPath(t *testing.T) {
	if !*long {
		t.Skip("skipped: it takes half a minute; -long runs it, and internal/folder has the same in virtual time")
	}
	lab := netlab(t)
	const files, size = 2000, 4096
	dir := t.TempDir()
	one, many := filepath.Join(dir, "one"), filepath.Join(dir, "many")
	content := randomBytes(files * size)
	for i := range files {
		folder := filepath.Join(many, fmt.Sprint("folder ", i%20))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(folder, fmt.Sprint("file ", i)), content[i*size:(i+1)*size])
	}
	if err := os.Mkdir(one, 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(one, "file"), content)
	for _, rate := range smallPaths {
		inbox, said := t.TempDir(), t.TempDir()
		self, id := ownCommand(t)
		send := fmt.Sprintf("ip netns exec $NETLAB_A %s send -r --json %%s %s@$NETLAB_B_IP:7000 >%s/%%s || exit 1\n", self, id, said)
		script := receiveAtB(self, inbox, "") +
			fmt.Sprintf(send, one, "one") + fmt.Sprintf(send, many, "many") + fmt.Sprintf(send, many, "again") + "kill $receiver; wait $receiver"
		args := []string{"-name", fmt.Sprintf("ebs%d", os.Getpid()%10000), "-rate", rate, "-rtt", "50ms", "-queue", "100ms", "--", "sh", "-c", script}
		if out, err := exec.Command(lab, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", rate, err, out)
		}
		took := make(map[string]float64)
		for _, run := range []string{"one", "many", "again"} {
			b, err := os.ReadFile(filepath.Join(said, run))
			if err != nil {
				t.Fatal(err)
			}
			took[run] = sentTotal(t, string(b)).Seconds
		}
		t.Logf("%s: one file of %d bytes %.2f s, %d files %.2f s, again %.2f s", rate, files*size, took["one"], files, took["many"], took["again"])
		if took["many"] > 3*took["one"] {
			t.Errorf("%s: %d files take %.2f s, one of their size %.2f s", rate, files, took["many"], took["one"])
		}
		if took["again"] > took["one"] {
			t.Errorf("%s: it takes %.2f s to find that nothing has changed", rate, took["again"])
		}
		wantSameFolders(t, many, filepath.Join(inbox, "many"))
	}
}

// ownCommand is this program, which is ebb in an environment of receiveAtB, and the identity of both ends.
func ownCommand(t *testing.T) (self, id string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	status, id, stderr := execute(t, "ebb", "id")
	if status != 0 {
		t.Fatalf("ebb id: status %d\n%s", status, stderr)
	}
	return self, strings.TrimSpace(id)
}

// receiveAtB is the beginning of a script for netlab: a receiver at B, port 7000, that listens when it is over.
func receiveAtB(self, inbox, flags string) string {
	return fmt.Sprintf(`
		export %s=ebb
		ip netns exec $NETLAB_B %s receive %s $NETLAB_B_IP:7000 %s & receiver=$!
		for i in $(seq 100); do
			ip netns exec $NETLAB_B ss -Hlnu sport = :7000 | grep -q . && break
			sleep 0.1
		done
`, asCommand, self, flags, inbox)
}

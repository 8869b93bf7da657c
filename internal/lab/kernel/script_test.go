package kernel

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestArguments(t *testing.T) {
	p := path{mbit: 2.5, rtt: 40 * time.Millisecond, queue: 16_000, loss: 0.001, at: "60s:rtt=100ms"}
	want := []string{"-rate", "2.5mbit", "-rtt", "40ms", "-queue", "16000B", "-loss", "0.001", "-at", "60s:rtt=100ms"}
	if diff := cmp.Diff(want, p.arguments()); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	noisy := path{mbit: 1, aggregate: 10 * time.Millisecond, jitter: 20 * time.Millisecond, reorder: 0.01, trace: "a b", aqm: "codel"}
	want = []string{"-rate", "1mbit", "-rtt", "0s", "-queue", "0B", "-aggregate", "10ms", "-jitter", "20ms", "-reorder", "0.01", "-trace", "a b", "-aqm", "codel"}
	if diff := cmp.Diff(want, noisy.arguments()); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if got := p.bdp(); got != 12_500 {
		t.Errorf("BDP %d, want 12500", got)
	}
}

func TestScript(t *testing.T) {
	s := script([]flow{
		{kind: "cubic", port: 5001, runs: 5 * time.Second},
		{kind: ebb, port: 7001, after: 1500 * time.Millisecond, runs: 7 * time.Second},
		{kind: ebb, control: "bbr", port: 7002, runs: 7 * time.Second, watched: true},
		{kind: probe, port: 7003, runs: 3 * time.Second},
		{kind: call, port: 7004, runs: 3 * time.Second},
	}, "/tmp/it's here/ebb", "/some dir", []string{"--congestion-control", "ledbat++"})
	for _, want := range []string{
		"$NETLAB tcp-sink -listen :5001 &",
		"pipe -l --plain --bandwidth-limit unlimited $NETLAB_B_IP:7001 </dev/null >/dev/null &",
		"pipe -l --plain --bandwidth-limit unlimited $NETLAB_B_IP:7002 </dev/null >'/some dir/watched' &",
		"-ge 5 ] && break",
		"pipe --bandwidth-limit 3mbit --plain '--congestion-control' 'cubic' $NETLAB_B_IP:7004",
		"(sleep 0; exec ip netns exec $NETLAB_A $NETLAB tcp-source -to $NETLAB_B_IP:5001 -cc cubic -for 5s)",
		"(sleep 1.5; exec timeout --foreground 7 ip netns exec $NETLAB_A '/tmp/it'\\''s here/ebb' pipe",
		"'--congestion-control' 'ledbat++' $NETLAB_B_IP:7001",
		"'--congestion-control' 'bbr' $NETLAB_B_IP:7002",
		"for i in $(seq 30); do echo; sleep 0.1; done | timeout --foreground 3 ip",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("the script lacks %q:\n%s", want, s)
		}
	}
	if strings.Count(s, "timeout --foreground 28.5 ip netns exec $NETLAB_B") != 5 {
		t.Errorf("not every receiver has a limit:\n%s", s)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("skipped: no sh to check the syntax with")
	}
	if out, err := exec.Command(sh, "-n", "-c", s).CombinedOutput(); err != nil {
		t.Errorf("sh does not like the script: %v\n%s", err, out)
	}
}

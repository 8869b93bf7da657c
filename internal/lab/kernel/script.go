package kernel

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// path is an emulated path, the same in both directions but for the loss.
type path struct {
	mbit  float64
	rtt   time.Duration
	queue int     // bytes
	loss  float64 // fraction, from A to B
	at    string  // changes, as netlab's -at takes them
}

// bytesPerSecond is the rate of the bottleneck.
func (p path) bytesPerSecond() float64 { return p.mbit * 1e6 / 8 }

// bdp is the bandwidth-delay product in bytes.
func (p path) bdp() int { return int(p.bytesPerSecond() * p.rtt.Seconds()) }

// arguments are netlab's for the path.
func (p path) arguments() []string {
	args := []string{
		"-rate", strconv.FormatFloat(p.mbit, 'f', -1, 64) + "mbit",
		"-rtt", p.rtt.String(), "-queue", strconv.Itoa(p.queue) + "B",
	}
	if p.loss > 0 {
		args = append(args, "-loss", strconv.FormatFloat(p.loss, 'f', -1, 64))
	}
	if p.at != "" {
		args = append(args, "-at", p.at)
	}
	return args
}

// ebb is the kind of a flow that is Ebb's; the others are the kernel's congestion controls.
const ebb = "ebb"

// flow is one sender at A for a time, and its receiver at B.
type flow struct {
	kind  string // ebb, or reno, cubic, bbr
	port  int    // of the receiver: the flow's name in the trace
	after time.Duration
	runs  time.Duration
}

// length is when the last of the flows ends.
func length(flows []flow) time.Duration {
	var end time.Duration
	for _, f := range flows {
		end = max(end, f.after+f.runs)
	}
	return end
}

// script is what netlab runs: the receivers, a wait until all listen, the senders. Every process
// stays in the script's process group, which netlab ends, and has a limit of its own on top.
func script(flows []flow, command string, extra []string) string {
	var b strings.Builder
	b.WriteString("unset GOMAXPROCS\nif command -v chrt >/dev/null; then chrt -o -p 0 $$; fi\n")
	limit := seconds(length(flows) + setupTime)
	for _, f := range flows {
		in := "timeout --foreground " + limit + " ip netns exec $NETLAB_B "
		if f.kind == ebb {
			fmt.Fprintf(&b, "%s%s pipe -l --bandwidth-limit unlimited $NETLAB_B_IP:%d </dev/null >/dev/null &\n", in, quote(command), f.port)
		} else {
			fmt.Fprintf(&b, "%s$NETLAB tcp-sink -listen :%d &\n", in, f.port)
		}
	}
	fmt.Fprintf(&b, "for i in $(seq 100); do [ $(ip netns exec $NETLAB_B ss -Hlntu | wc -l) -ge %d ] && break; sleep 0.05; done\n", len(flows))
	b.WriteString("senders=\n")
	for _, f := range flows {
		fmt.Fprintf(&b, "(sleep %s; exec %s) & senders=\"$senders $!\"\n", seconds(f.after), sender(f, command, extra))
	}
	b.WriteString("wait $senders\nexit 0\n")
	return b.String()
}

// sender is the command line of a flow's sending side.
func sender(f flow, command string, extra []string) string {
	in := "ip netns exec $NETLAB_A "
	if f.kind != ebb {
		return fmt.Sprintf("%s$NETLAB tcp-source -to $NETLAB_B_IP:%d -cc %s -for %s", in, f.port, f.kind, f.runs)
	}
	words := []string{quote(command), "pipe", "--bandwidth-limit", "unlimited"}
	for _, e := range extra {
		words = append(words, quote(e))
	}
	return fmt.Sprintf("timeout --foreground %s %s%s $NETLAB_B_IP:%d </dev/zero >/dev/null",
		seconds(f.runs), in, strings.Join(words, " "), f.port)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// quote makes a word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

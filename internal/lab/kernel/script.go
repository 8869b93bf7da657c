package kernel

import (
	"fmt"
	"path/filepath"
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

	aggregate time.Duration // from A to B packets leave at multiples of it; 0: as they come
	jitter    time.Duration // uniform extra delay, order kept
	reorder   float64       // fraction that skips half of the delay
	trace     string        // a file that the rate from A to B is played from; "": none
	aqm       string        // how the queue is managed, as netlab's -aqm takes it; "": not at all
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
	if p.aggregate > 0 {
		args = append(args, "-aggregate", p.aggregate.String())
	}
	if p.jitter > 0 {
		args = append(args, "-jitter", p.jitter.String())
	}
	if p.reorder > 0 {
		args = append(args, "-reorder", strconv.FormatFloat(p.reorder, 'f', -1, 64))
	}
	if p.trace != "" {
		args = append(args, "-trace", p.trace)
	}
	if p.aqm != "" {
		args = append(args, "-aqm", p.aqm)
	}
	return args
}

// The kinds of a flow that are Ebb's; the others are the kernel's congestion controls. A probe sends ten small
// packets a second, to see what the path does to them. A call sends 3 Mbit/s, paced, as best effort, and yields to nobody.
const ebb, probe, call = "ebb", "probe", "call"

// callLimit is what a call sends, as a command's --bandwidth-limit takes it.
const callLimit = "3mbit"

// flow is one sender at A for a time, and its receiver at B.
type flow struct {
	kind    string // ebb, probe, call, or reno, cubic, bbr
	control string // Ebb's --congestion-control; "": what the command was told, or the default
	port    int    // of the receiver: the flow's name in the trace
	after   time.Duration
	runs    time.Duration
	watched bool // what its receiver gets is in the trace too, at port + received; one flow of a run may be
}

// isEbb reports whether both ends are the ebb command.
func (f flow) isEbb() bool { return f.kind == ebb || f.kind == probe || f.kind == call }

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
func script(flows []flow, command, dir string, extra []string) string {
	var b strings.Builder
	limit := seconds(length(flows) + setupTime)
	for _, f := range flows {
		in := "timeout --foreground " + limit + " ip netns exec $NETLAB_B "
		if f.isEbb() {
			to := "/dev/null"
			if f.watched {
				to = quote(filepath.Join(dir, watchName))
			}
			fmt.Fprintf(&b, "%s%s pipe -l --plain --bandwidth-limit unlimited $NETLAB_B_IP:%d </dev/null >%s &\n", in, quote(command), f.port, to)
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
	if !f.isEbb() {
		return fmt.Sprintf("%s$NETLAB tcp-source -to $NETLAB_B_IP:%d -cc %s -for %s", in, f.port, f.kind, f.runs)
	}
	words := []string{quote(command), "pipe", "--bandwidth-limit", "unlimited", "--plain"}
	if f.kind == call {
		words[3] = callLimit
		extra = []string{"--congestion-control", "cubic"}
	}
	if f.control != "" {
		extra = []string{"--congestion-control", f.control}
	}
	for _, e := range extra {
		words = append(words, quote(e))
	}
	send := fmt.Sprintf("timeout --foreground %s %s%s $NETLAB_B_IP:%d", seconds(f.runs), in, strings.Join(words, " "), f.port)
	if f.kind == probe {
		return fmt.Sprintf("sh -c %s >/dev/null", quote(fmt.Sprintf(
			"for i in $(seq %d); do echo; sleep 0.1; done | %s", int(10*f.runs.Seconds()), send)))
	}
	return send + " </dev/zero >/dev/null"
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) }

// quote makes a word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

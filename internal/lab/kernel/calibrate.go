package kernel

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// closeEnough is how far a model may be from what it models, in percent.
const closeEnough = 10

// setUp is a path with flows of one kind on it.
type setUp struct {
	name  string
	path  path
	flows []flow
}

// setUps are the paths on which models and kernel are compared: each kind alone and twice, in a deep buffer and a
// faster link, and alone in a shallow one.
func (b bench) setUps() []setUp {
	deep := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 256_000}
	fast := path{mbit: 50, rtt: 30 * time.Millisecond, queue: 375_000}
	low := path{mbit: 10, rtt: 40 * time.Millisecond, queue: 16_000}
	var all []setUp
	for _, kind := range []string{"reno", "cubic", "bbr"} {
		one := []flow{{kind: kind, port: theirs, runs: b.last(60 * time.Second)}}
		// Two start together: who is first is not what is compared.
		two := append(one[:1:1], flow{kind: kind, port: theirs + 1, after: 500 * time.Millisecond, runs: b.last(60 * time.Second)})
		for _, p := range []path{deep, fast, low} {
			all = append(all, setUp{name: p.text() + ", " + kind, path: p, flows: one})
		}
		for _, p := range []path{deep, fast} {
			all = append(all, setUp{name: p.text() + ", two " + kind, path: p, flows: two})
		}
	}
	return all
}

// text names a path.
func (p path) text() string {
	return fmt.Sprintf("%g Mbit/s, %v, %d KB", p.mbit, p.rtt, p.queue/1000)
}

// measures are what is compared of a run.
type measures struct {
	rate  float64 // Mbit/s through the bottleneck, all flows
	loss  float64 // % of the packets offered
	queue float64 // ms, mean of the intervals
	share float64 // % that the flow with more has, if there are several
}

// measureAll takes the figures from a trace.
func measureAll(t trace, flows []flow) measures {
	in := together(t, flows)
	sum := t.sum()
	m := measures{rate: sum.rate(in) * 8 / 1e6}
	packets := sum.rate(in) * (in.to - in.from).Seconds() / fullPacket
	drops := float64(sum.drops(in))
	m.loss = percent(drops, drops+packets)
	waits := sum.queues(in)
	for _, w := range waits {
		m.queue += ms(w) / float64(len(waits))
	}
	for _, f := range flows {
		m.share = max(m.share, percent(t[f.port].rate(in), sum.rate(in)))
	}
	return m
}

// comparison is one measure of a model and of the kernel.
type comparison struct {
	setUp, metric, unit string
	model, kernel       float64
}

// ratio is the model's over the kernel's: 1 where both have none.
func (c comparison) ratio() float64 {
	if c.model == c.kernel {
		return 1
	}
	return c.model / c.kernel
}

func (c comparison) met() bool { return math.Abs(c.ratio()-1) <= closeEnough/100.0 }

// compare lists the measures of both.
func compare(s setUp, model, kernel measures) []comparison {
	all := []comparison{
		{s.name, "rate", "Mbit/s", model.rate, kernel.rate},
		{s.name, "loss", "%", model.loss, kernel.loss},
		{s.name, "queue", "ms", model.queue, kernel.queue},
	}
	if len(s.flows) > 1 {
		all = append(all, comparison{s.name, "larger share", "%", model.share, kernel.share})
	}
	return all
}

// Calibrate compares the models of package competitor with the kernel's TCP on the same paths:
// rate, loss and queue, the mean over the rounds on both sides. It prints both columns with their
// ratio, which is to be within 10 %. Scenarios, if there are any, are words that the names of the
// set-ups must contain.
func Calibrate(ctx context.Context, o Options, w io.Writer) (met bool, err error) {
	l, err := openLab(ctx, o.Folder, o.Ebb)
	if err != nil {
		return false, err
	}
	defer l.close()
	if o.Log != nil {
		l.stderr = o.Log
	}
	var all []comparison
	for _, s := range (bench{l.run, o.Scale}).setUps() {
		if !s.chosen(o.Scenarios) {
			continue
		}
		fmt.Fprintln(w, s.name)
		var models, kernels []measures
		for seed := range max(o.Rounds, 1) {
			t, err := l.run(ctx, s.path, s.flows)
			if err != nil {
				return false, fmt.Errorf("%s: %w", s.name, err)
			}
			kernels = append(kernels, measureAll(t, s.flows))
			models = append(models, measureAll(model(uint64(seed+1), s.path, s.flows), s.flows))
		}
		all = append(all, compare(s, mean(models), mean(kernels))...)
	}
	fmt.Fprintln(w)
	return writeComparisons(w, o.TSV, all)
}

// chosen reports whether the name of the set-up has one of the words, or there are none.
func (s setUp) chosen(words []string) bool {
	for _, word := range words {
		if strings.Contains(s.name, word) {
			return true
		}
	}
	return len(words) == 0
}

func mean(rounds []measures) measures {
	var m measures
	n := float64(len(rounds))
	for _, r := range rounds {
		m.rate += r.rate / n
		m.loss += r.loss / n
		m.queue += r.queue / n
		m.share += r.share / n
	}
	return m
}

// writeComparisons prints the table, and the same to a file if one is named.
func writeComparisons(w io.Writer, name string, all []comparison) (met bool, err error) {
	met = true
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "set-up\tmetric\tmodel\tkernel\tratio\t")
	var tsv strings.Builder
	tsv.WriteString("setup\tmetric\tunit\tmodel\tkernel\tratio\tverdict\n")
	for _, c := range all {
		verdict := "met"
		if !c.met() {
			met, verdict = false, "missed"
		}
		fmt.Fprintf(table, "%s\t%s\t%s %s\t%s %s\t%.2f\t%s\n", c.setUp, c.metric, number(c.model), c.unit, number(c.kernel), c.unit, c.ratio(), verdict)
		fmt.Fprintf(&tsv, "%s\t%s\t%s\t%.4g\t%.4g\t%.3f\t%s\n", c.setUp, c.metric, c.unit, c.model, c.kernel, c.ratio(), verdict)
	}
	if err := table.Flush(); err != nil {
		return false, err
	}
	if name != "" {
		if err := os.WriteFile(name, []byte(tsv.String()), 0o644); err != nil {
			return false, fmt.Errorf("the file for the figures: %w", err)
		}
	}
	return met, nil
}

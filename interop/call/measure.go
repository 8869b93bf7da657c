package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/ebb/internal/lab/netlab"
)

// The bars: what the call keeps of its rate, and by how much its delay may rise.
const (
	leastKept = 97 // %
	mostRise  = 5  // ms, of the 95th percentile
)

// attempts is how often a run is measured at most, if the laboratory stalls in each.
const attempts = 3

// plan is what is measured.
type plan struct {
	folder string
	rounds int
	times  times
	start  int // bits per second at which the call begins,
	most   int // and at most
	stall  time.Duration
	paths  []string // names; none: all
	log    io.Writer
}

// times are the lengths of a run.
type times struct {
	call time.Duration // the whole of it
	warm time.Duration // of it left out
	ebb  time.Duration // after which the transfer begins
}

// path is one of the laboratory's.
type path struct {
	name      string
	arguments []string
}

func paths() []path {
	return []path{
		{"20 Mbit/s, 40 ms, drop-tail of 250 KB", []string{"-rate", "20mbit", "-rtt", "40ms", "-queue", "250000B"}},
		{"50 Mbit/s, 40 ms, 500 KB, departures every 10 ms", []string{"-rate", "50mbit", "-rtt", "40ms", "-queue", "500000B", "-aggregate", "10ms"}},
	}
}

// result is a call alone, one beside Ebb, and what Ebb had.
type result struct {
	alone, beside callFigures
	bulk          bulkFigures
	late          time.Duration // of the laboratory
	repeated      int
}

// kept is the rate beside Ebb as a percentage of that alone, and rise the delay's, in ms.
func (r result) kept() float64 { return 100 * r.beside.Mbit / r.alone.Mbit }
func (r result) rise() float64 { return r.beside.DelayP95 - r.alone.DelayP95 }

// measure runs the plan and prints a table; met says whether all bars are met.
func measure(ctx context.Context, p plan, w io.Writer) (met bool, err error) {
	lab, err := netlab.Open(ctx, p.folder, p.log)
	if err != nil {
		return false, err
	}
	defer lab.Close()
	met = true
	var table strings.Builder
	t := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "path\tfigure\tbar\tmedian\tworst\t")
	for _, at := range paths() {
		if len(p.paths) > 0 && !slices.ContainsFunc(p.paths, func(word string) bool { return strings.Contains(at.name, word) }) {
			continue
		}
		fmt.Fprintln(w, at.name)
		var all []result
		for n := range p.rounds {
			r, err := p.round(ctx, lab, at)
			if err != nil {
				return false, fmt.Errorf("%s: %w", at.name, err)
			}
			fmt.Fprintf(w, "  round %d: the call keeps %.1f %%, %+.1f ms; Ebb has %.1f Mbit/s; the laboratory was late by up to %v, %d runs repeated\n",
				n+1, r.kept(), r.rise(), r.bulk.Mbit, r.late.Round(100*time.Microsecond), r.repeated)
			all = append(all, r)
		}
		met = report(t, at.name, all) && met
	}
	t.Flush()
	_, err = fmt.Fprintf(w, "\n%s", table.String())
	return met, err
}

// report adds the rows of a path to the table.
func report(t io.Writer, name string, all []result) bool {
	var met bool
	row := func(figure, bar, unit string, value func(result) float64, low bool) float64 {
		var values []float64
		for _, r := range all {
			values = append(values, value(r))
		}
		slices.Sort(values)
		worst := values[len(values)-1]
		if low {
			worst = values[0]
		}
		n := len(values)
		median := (values[(n-1)/2] + values[n/2]) / 2
		fmt.Fprintf(t, "%s\t%s\t%s\t%.4g %s\t%.4g\t\n", name, figure, bar, median, unit, worst)
		return median
	}
	met = row("the call keeps", fmt.Sprintf("≥ %d", leastKept), "%", result.kept, true) >= leastKept
	met = row("p95 of its delay, more than alone", fmt.Sprintf("≤ %d", mostRise), "ms", result.rise, false) <= mostRise && met
	row("its rate alone", "", "Mbit/s", func(r result) float64 { return r.alone.Mbit }, true)
	row("p95 of its delay alone", "", "ms", func(r result) float64 { return r.alone.DelayP95 }, false)
	row("p95 of its way alone", "", "ms", func(r result) float64 { return r.alone.WayP95 }, false)
	row("p95 of its way beside", "", "ms", func(r result) float64 { return r.beside.WayP95 }, false)
	row("packets lost alone", "", "", func(r result) float64 { return float64(r.alone.Lost) }, false)
	row("packets lost beside", "", "", func(r result) float64 { return float64(r.beside.Lost) }, false)
	row("Ebb's rate beside", "", "Mbit/s", func(r result) float64 { return r.bulk.Mbit }, true)
	return met
}

// round is a call alone and one beside Ebb.
func (p plan) round(ctx context.Context, lab *netlab.Lab, at path) (r result, err error) {
	if err := p.run(ctx, lab, at, false, &r, &r.alone); err != nil {
		return r, err
	}
	return r, p.run(ctx, lab, at, true, &r, &r.beside)
}

// run is one call. If the laboratory stalled it is repeated.
func (p plan) run(ctx context.Context, lab *netlab.Lab, at path, bulk bool, r *result, figures *callFigures) error {
	for attempt := 1; ; attempt++ {
		said, err := lab.Run(ctx, p.times.call+30*time.Second, at.arguments, p.script(lab.Dir, bulk))
		if err != nil {
			return err
		}
		if p.stall > 0 && said.Late > p.stall && attempt < attempts {
			r.repeated++
			continue
		}
		r.late = max(r.late, said.Late)
		if err := readJSON(filepath.Join(lab.Dir, "call"), figures); err != nil {
			return fmt.Errorf("%w\n%s", err, said.Said)
		}
		if figures.Mbit == 0 {
			return fmt.Errorf("nothing arrived of the call\n%s", said.Said)
		}
		if bulk {
			err = readJSON(filepath.Join(lab.Dir, "bulk"), &r.bulk)
		}
		return err
	}
}

func readJSON(name string, v any) error {
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("what an end has measured: %w", err)
	}
	return nil
}

// script is what runs in the laboratory: both ends of the call, and of the transfer.
func (p plan) script(dir string, bulk bool) string {
	self, err := os.Executable()
	if err != nil {
		panic("BUG: no path of this program: " + err.Error())
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	self = quote(self)
	seconds := func(d time.Duration) string { return fmt.Sprintf("%gs", d.Seconds()) }
	// Receivers are up a little before the senders, and longer.
	listen := p.times.call + 2*time.Second
	var b strings.Builder
	in := "ip netns exec $NETLAB_B " + self
	fmt.Fprintf(&b, "%s sink --for %s --warm %s $NETLAB_B_IP:6000 >%s & sinks=$!\n", in, seconds(listen), seconds(p.times.warm), quote(filepath.Join(dir, "call")))
	receivers := 1
	if bulk {
		fmt.Fprintf(&b, "%s bulk-sink --for %s --warm %s $NETLAB_B_IP:7000 >%s & sinks=\"$sinks $!\"\n",
			in, seconds(listen), seconds(p.times.warm-p.times.ebb), quote(filepath.Join(dir, "bulk")))
		receivers++
	}
	fmt.Fprintf(&b, "for i in $(seq 100); do [ $(ip netns exec $NETLAB_B ss -Hlnu | wc -l) -ge %d ] && break; sleep 0.05; done\n", receivers)
	in = "ip netns exec $NETLAB_A " + self
	if bulk {
		fmt.Fprintf(&b, "(sleep %g; exec %s bulk-source --for %s $NETLAB_B_IP:7000) & sinks=\"$sinks $!\"\n",
			p.times.ebb.Seconds(), in, seconds(p.times.call-p.times.ebb))
	}
	fmt.Fprintf(&b, "%s source --for %s --start %d --most %d $NETLAB_B_IP:6000 || exit 1\n", in, seconds(p.times.call), p.start, p.most)
	b.WriteString("for pid in $sinks; do wait $pid || exit 1; done\n")
	return b.String()
}

// skipped reports whether an error says that there is no laboratory here.
func skipped(err error) bool { return errors.Is(err, netlab.ErrUnavailable) }

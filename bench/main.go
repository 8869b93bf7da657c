// Bench compares Ebb with other transports, on one machine and in one run. It
// needs Linux. docs/performance.md says what the columns mean.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/ebb/bench/internal/against"
	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/peer"
	"example.com/ebb/bench/internal/raw"
	"example.com/ebb/bench/internal/report"
)

func main() {
	if ran, err := measure.RunChild(); ran {
		exit(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func exit(err error) {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	fmt.Fprintln(os.Stderr, "bench:", err)
	if _, ok := errors.AsType[usageError](err); ok {
		os.Exit(2)
	}
	os.Exit(1)
}

// usageError is what is wrong with the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// options is the command line.
type options struct {
	quick, apart, json bool
	rounds             int
	plan               measure.Plan
	chart, from        string
	peers              []peer.Peer
	measurements       []measure.Measurement
	raw                []raw.Way
	against            *against.Config // nil: no other tree
}

// run is the command.
func run(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return usageError{err}
	}
	if o.against != nil {
		return o.compare(ctx, out, progress)
	}
	if o.page() {
		r, err := report.ReadPage(o.from)
		if err != nil {
			return err
		}
		return r.WriteChart(o.chart)
	}
	r, err := o.measured(ctx, progress)
	if err != nil {
		return err
	}
	r.Finish()
	if o.chart != "" {
		if err := r.WriteChart(o.chart); err != nil {
			return err
		}
	}
	if o.json {
		return r.WriteJSON(out)
	}
	return r.WriteTable(out)
}

// page reports whether -from names a page with a table, which has enough for a picture and not for a report.
func (o options) page() bool { return filepath.Ext(o.from) == ".md" }

// measured is the report of a run, or of the earlier one that -from names.
func (o options) measured(ctx context.Context, progress io.Writer) (*report.Report, error) {
	if o.from != "" {
		return report.ReadFile(o.from)
	}
	r := &report.Report{Machine: report.ThisMachine(), Plan: o.reported()}
	for _, p := range o.peers {
		r.Peers = append(r.Peers, report.Peer{Name: p.Name, Version: p.Version(), Tuning: p.Tuning})
	}
	for _, w := range o.raw {
		r.Peers = append(r.Peers, report.Peer{Name: w.Name, Tuning: w.Describe()})
	}
	return r, o.rounded(ctx, r, progress)
}

// compare is a run with -against.
func (o options) compare(ctx context.Context, out, progress io.Writer) error {
	c, err := against.Run(ctx, *o.against, progress)
	if err != nil {
		return err
	}
	write := c.WriteTable
	if o.json {
		write = c.WriteJSON
	}
	if err := write(out); err != nil {
		return err
	}
	return c.Err()
}

func parse(args []string, messages io.Writer) (options, error) {
	var o options
	var peers, measurements, dir string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // an error is one line, and the caller prints it
	fs.BoolVar(&o.quick, "quick", false, "a minute or two, in place of half an hour or more")
	fs.BoolVar(&o.apart, "apart", false, "each end in a process of its own")
	fs.BoolVar(&o.json, "json", false, "print JSON")
	fs.IntVar(&o.rounds, "rounds", 0, "how often each peer has its turn; 0 is 2 with -quick, 40 with -against, else 10")
	fs.DurationVar(&o.plan.Slot, "slot", 0, "how long a turn takes; 0 is 250ms with -quick, 500ms with -against, else 2s")
	fs.StringVar(&o.chart, "chart", "", "draw the bulk rates into this file, .svg or .png")
	fs.StringVar(&o.from, "from", "", "measure nothing: print this file, which -json wrote; or of a page in Markdown (.md) draw the first table with -chart")
	fs.StringVar(&peers, "peers", "", "comma-separated peers; empty is all")
	fs.StringVar(&measurements, "measure", "", "comma-separated: bulk, bulk8, ping, dial, dial32, dial-resumed, dial32-resumed, relay, idle, many, raw; empty is all")
	fs.StringVar(&dir, "against", "", "compare this tree with the one in this folder, in pairs of turns; goes with -peers, -measure, -rounds, -slot and -json")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(messages)
			fs.Usage()
		}
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.rounds < 0 || o.plan.Slot < 0 {
		return o, errors.New("-rounds and -slot are not negative")
	}
	if o.page() && o.chart == "" {
		return o, errors.New("-from a page in Markdown goes with -chart: the page has the table already")
	}
	var err error
	if dir != "" {
		if err = compares(fs); err == nil {
			o.against, err = o.comparison(dir, peers, measurements)
		}
		return o, err
	}
	o.fill()
	if o.peers, err = peer.Select(peers); err != nil {
		return o, err
	}
	o.measurements, o.raw, err = selected(measurements)
	return o, err
}

// compares is an error if a flag was given that -against does not go with.
func compares(fs *flag.FlagSet) (err error) {
	fs.Visit(func(f *flag.Flag) {
		if !slices.Contains([]string{"against", "peers", "measure", "rounds", "slot", "json"}, f.Name) {
			err = fmt.Errorf("-%s does not go with -against", f.Name)
		}
	})
	return err
}

// comparison is that of the tree whose bench folder this is with the one in dir.
func (o options) comparison(dir, peers, measurements string) (*against.Config, error) {
	turns, err := against.Turns(peers, measurements, cmp.Or(o.rounds, against.UsualPairs))
	if err != nil {
		return nil, err
	}
	old, err := against.FindTree(dir)
	if err != nil {
		return nil, err
	}
	tree, err := against.FindTree("..")
	if err != nil {
		return nil, fmt.Errorf("-against runs in the folder bench of the new tree: %w", err)
	}
	return &against.Config{Old: old, New: tree, Turns: turns, Slot: cmp.Or(o.plan.Slot, against.UsualSlot)}, nil
}

// fill sets what the command line left open.
func (o *options) fill() {
	plan, rounds := measure.Plan{
		Slot: 2 * time.Second, RelaySlot: 10 * time.Second, IdlePairs: 1000, Settle: 2 * time.Second, IdleTime: 20 * time.Second,
	}, 10
	if o.quick {
		plan, rounds = measure.Plan{
			Slot: 250 * time.Millisecond, RelaySlot: 3 * time.Second, IdlePairs: 300, Settle: time.Second, IdleTime: time.Second, ManyDivisor: 10,
		}, 2
	}
	if o.plan.Slot > 0 {
		plan.Slot = o.plan.Slot
	}
	o.plan = plan
	if o.rounds == 0 {
		o.rounds = rounds
	}
}

// selected is what a list of measurements names; the raw limits are one of
// them here, though they have no peers.
func selected(list string) ([]measure.Measurement, []raw.Way, error) {
	if list == "" {
		return measure.All(), raw.Ways(), nil
	}
	var ways []raw.Way
	names := strings.Split(list, ",")
	names = slices.DeleteFunc(names, func(name string) bool {
		if strings.TrimSpace(name) != "raw" {
			return false
		}
		ways = raw.Ways()
		return true
	})
	if len(names) == 0 {
		return nil, ways, nil
	}
	measurements, err := measure.Select(strings.Join(names, ","))
	return measurements, ways, err
}

func (o options) ends() measure.Ends {
	if o.apart {
		return measure.Apart
	}
	return measure.Together
}

func (o options) reported() report.Plan {
	ends := "one process"
	if o.apart {
		ends = "a process each"
	}
	return report.Plan{
		Start: time.Now().UTC().Truncate(time.Second), Rounds: o.rounds,
		SlotSeconds: o.plan.Slot.Seconds(), RelaySeconds: o.plan.RelaySlot.Seconds(),
		IdlePairs: o.plan.IdlePairs, IdleSeconds: o.plan.IdleTime.Seconds(), Ends: ends,
	}
}

// rounded has all take their turns, in each round beginning with another, so
// that whatever else the machine does hits all of them alike. A turn that
// fails is reported and the rest goes on.
func (o options) rounded(ctx context.Context, r *report.Report, progress io.Writer) error {
	for round := range o.rounds {
		fmt.Fprintf(progress, "round %d of %d\n", round+1, o.rounds)
		for _, m := range o.measurements {
			if m.Rounds > 0 && round >= m.Rounds || m.OnceQuick && o.quick && round > 0 {
				continue
			}
			for i := range o.peers {
				p := o.peers[(i+round)%len(o.peers)]
				if !m.Takes(p) {
					continue
				}
				if err := o.turn(ctx, r, m, p, progress); err != nil {
					return err
				}
			}
		}
		for _, w := range o.raw {
			sample, err := w.Run(ctx, o.plan.Slot)
			if fatal(ctx, err) {
				return fmt.Errorf("%s: %w", w.Name, err)
			}
			if err != nil {
				r.AddFailure(w.Name, "raw", err)
				continue
			}
			r.Add(w.Name, sample)
		}
	}
	return ctx.Err()
}

// turn is one peer's turn at one measurement. Its error ends the run.
func (o options) turn(ctx context.Context, r *report.Report, m measure.Measurement, p peer.Peer, progress io.Writer) error {
	start := time.Now()
	sample, err := m.Run(ctx, p, o.plan, o.ends())
	fmt.Fprintf(progress, "%s, %s: %.1f s\n", m.Name, p.Name, time.Since(start).Seconds())
	switch {
	case fatal(ctx, err):
		return fmt.Errorf("%s, %s: %w", p.Name, m.Name, err)
	case err != nil:
		fmt.Fprintln(progress, "failed:", err)
		r.AddFailure(p.Name, m.Name, err)
	default:
		r.Add(p.Name, sample)
	}
	return nil
}

// fatal says whether a turn's error makes the whole run worthless.
func fatal(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.Is(err, measure.ErrShortCut))
}

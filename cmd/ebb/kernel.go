package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/internal/lab/kernel"
)

// The variables that name the folders of netlab and of the recorded links where --netlab and --traces do not.
const (
	netlabVariable = "EBB_NETLAB"
	tracesVariable = "EBB_TRACES"
)

// exitSkipped is the status of a measurement that cannot be made here, as Automake has it.
const exitSkipped = 77

// skippedError is a measurement that this machine has no laboratory for.
type skippedError struct{ err error }

func (e *skippedError) Error() string { return e.err.Error() }
func (e *skippedError) Unwrap() error { return e.err }

// aboutNetlab is the part of the help that says what the measurement stands on.
const aboutNetlab = `
netlab is the laboratory: two network namespaces and one emulated path between them. It is a
separate Go module and not part of Ebb; the maintainers have it, and .ci/run looks for it in
../shared/netlab, beside the checkout. Section 10 of docs/congestion.md says what such a program has
to do. Recorded links are files in mahimahi's format, like those in traces/ of
github.com/ravinet/mahimahi.
`

// measureKernel is the command.
func measureKernel(ctx context.Context, c console, _ opener, args []string) error {
	fs := newFlagSet("kernel", "[SCENARIO]...",
		`Sends real packets of Ebb and of the kernel's own TCP (Reno, CUBIC, BBR) through one
emulated bottleneck, and reports what the bottleneck saw: the rate of each, and the queue.
Runs all scenarios unless some are named. With --calibrate, compares Ebb's Reno, CUBIC
and BBR with the kernel's, allowing a difference of 10 % in rate and 25 % in queue; the
arguments are then words such as "cubic" that choose paths.

With --results, an interrupted run continues where it stopped, as long as the source is
the same. If the laboratory's own timing shows that it stalled, the run is repeated;
after three such runs it is left out. So measure on a machine that does nothing else.
The exit status is 1 if a bar (a target) is missed, and 77 without Linux, root or
netlab.`,
		`  ebb kernel --netlab ../netlab --list
  ebb kernel --rounds 5 --again 10 --results testdata/kernel/results.tsv
  ebb kernel --calibrate --rounds 5 --results testdata/kernel/results.tsv
  ebb kernel --report --markdown --results testdata/kernel/results.tsv
  ebb kernel --rounds 3 --tsv kernel.tsv 4 5
`)
	options := kernel.Options{}
	fs.footer = aboutNetlab
	fs.StringVar(&options.Folder, "netlab", os.Getenv(netlabVariable), "`FOLDER` of the laboratory's module; by default $"+netlabVariable)
	fs.StringVar(&options.Traces, "traces", os.Getenv(tracesVariable), "`FOLDER` of recorded links; by default $"+tracesVariable)
	fs.IntVar(&options.Rounds, "rounds", 1, "measure each scenario this `NUMBER` of times")
	fs.IntVar(&options.Again, "again", 0, "if a bar is missed after --rounds, measure this `NUMBER` of times in total; 0 means no more")
	fs.Float64Var(&options.Scale, "scale", 1, "multiply the lengths of the scenarios by this `FACTOR`")
	quick := fs.Bool("quick", false, "run each scenario for the shortest time that gives meaningful figures")
	fs.DurationVar(&options.Stall, "stall", 25*time.Millisecond, "repeat a run in which the laboratory was late by this `DURATION` or more; 0 means never")
	fs.StringVar(&options.Results, "results", "", "add each round to this `FILE`, and measure only what it lacks")
	fs.StringVar(&options.TSV, "tsv", "", "also write the figures to this `FILE`")
	mode := fs.String("congestion-control", "", "congestion control of Ebb's sender, by `NAME`: "+settings.ControlNames())
	fs.BoolVar(&options.Calibrate, "calibrate", false, "compare Ebb's Reno, CUBIC and BBR with the kernel's")
	fs.BoolVar(&options.Report, "report", false, "measure nothing; print the figures in the file of --results")
	fs.BoolVar(&options.Markdown, "markdown", false, "print the table in Markdown")
	list := fs.Bool("list", false, "list the scenarios and how long each takes, and exit")
	verbose := fs.BoolP("verbose", "v", false, "show the output of the processes")
	if err := fs.parse(args, 0, -1); err != nil {
		return err
	}
	options.Scenarios = fs.Args()
	if *quick {
		options.Scale = 0.2
	}
	if *verbose {
		options.Log = c.stderr
	}
	if *mode != "" {
		options.Arguments = []string{"--congestion-control", *mode}
	}
	listings, err := checkKernel(options, *mode)
	if err != nil {
		return err
	}
	if *list {
		return listKernel(c.stdout, listings)
	}
	return runKernel(ctx, c, options)
}

// checkKernel says what is wrong with a command line, or what it would measure.
func checkKernel(o kernel.Options, mode string) ([]kernel.Listing, error) {
	switch {
	case o.Rounds < 1 || o.Rounds > 1000 || o.Again < 0 || o.Again > 1000:
		return nil, usageErrorf("--rounds is 1 to 1000, and --again at most that")
	case !(o.Scale > 0 && o.Scale <= 10):
		return nil, usageErrorf("--scale is above 0 and at most 10")
	case o.Stall < 0:
		return nil, usageErrorf("--stall is %v: want at least 0", o.Stall)
	case o.Report && o.Results == "":
		return nil, usageErrorf("--report needs --results")
	}
	if info, err := os.Stat(o.Traces); o.Traces != "" && (err != nil || !info.IsDir()) {
		return nil, usageErrorf("--traces, or $%s, is %q: there is no such folder", tracesVariable, o.Traces)
	}
	if o.Report {
		if _, err := os.Stat(o.Results); err != nil {
			return nil, fmt.Errorf("there are no figures to report: %w", err)
		}
	}
	if mode != "" {
		if _, err := settings.ParseControl(mode); err != nil {
			return nil, usageErrorf("--congestion-control %q: %w", mode, err)
		}
	}
	listings, err := kernel.List(o)
	if err != nil {
		return nil, &usageError{err}
	}
	return listings, nil
}

// listKernel prints the scenarios with the time that one round of each takes.
func listKernel(w io.Writer, all []kernel.Listing) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var sum time.Duration
	for _, l := range all {
		sum += l.Round()
		fmt.Fprintf(table, "%s\t%.0f s\t%s\n", l.Name, l.Round().Seconds(), l.About)
	}
	fmt.Fprintf(table, "\t%.0f s\ta round of all\n", sum.Seconds())
	return table.Flush()
}

// runKernel measures, and turns a missing laboratory into the status that says so.
func runKernel(ctx context.Context, c console, options kernel.Options) (err error) {
	if err := checkWritable(options.TSV); err != nil {
		return fmt.Errorf("--tsv: %w", err)
	}
	if options.Ebb, err = os.Executable(); err != nil {
		return fmt.Errorf("the ebb command cannot find itself: %w", err)
	}
	met, err := kernel.Run(ctx, options, c.stdout)
	switch {
	case errors.Is(err, kernel.ErrUnavailable):
		return &skippedError{fmt.Errorf("skipped: %w", err)}
	case err != nil:
		return err
	case !met:
		return errors.New("not every bar is met")
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"example.com/ebb/cmd/ebb/internal/settings"
	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/matrix"
	"example.com/ebb/internal/untrusted"
)

// simFlags is the command line of sim.
type simFlags struct {
	seeds      int
	first      uint64
	mode       string
	floor      int
	only       string
	quick      bool
	list       bool
	json, tsv  bool
	markdown   bool
	pictures   string
	traces     string
	scenarios  []string
	recorded   []matrix.Recording
	controller congestion.Factory
}

// sim is the command.
func sim(ctx context.Context, c console, _ opener, args []string) error {
	var f simFlags
	if err := f.parse(args); err != nil {
		return err
	}
	if err := f.readTraces(); err != nil {
		return err
	}
	if f.list {
		return listScenarios(c.stdout, matrix.Scenarios(f.recorded...))
	}
	cases, err := f.cases()
	if err != nil {
		return err
	}
	if len(f.recorded) == 0 && slices.ContainsFunc(cases, func(c matrix.Case) bool { return c.Row == "N4" }) {
		fmt.Fprintf(c.stderr, "no recorded traces in %q: row N4 has generated ones\n", f.traces)
	}
	plan := matrix.Plan{Subject: f.controller, Seeds: f.seeds, First: f.first, Quick: f.quick}
	if f.pictures != "" {
		if plan.Picture, err = pictures(f.pictures); err != nil {
			return err
		}
	}
	if term.IsTerminal(int(c.stderr.Fd())) {
		plan.Progress = func(r *matrix.Result) {
			fmt.Fprintf(c.stderr, "%s: done\n", strings.TrimSpace(r.Row+" "+r.Case))
		}
	}
	results, err := matrix.Run(ctx, plan, cases)
	if err != nil {
		return err
	}
	if err := f.print(c.stdout, results); err != nil {
		return err
	}
	if met, bars := matrix.Count(results); met < bars {
		return fmt.Errorf("%d of %d bars are missed", bars-met, bars)
	}
	return nil
}

func (f *simFlags) parse(args []string) error {
	fs := newFlagSet("sim", "[SCENARIO]...",
		`Simulates the scenarios that congestion control is tested with, in virtual time, and
compares the results with their bars (targets). Runs all scenarios unless some are named.
The same command line gives the same figures on every machine. The exit status is 1 if a
bar is missed.`,
		`  ebb sim --list
  ebb sim 4 5 --seeds 3
  ebb sim 6 --case "40 ms, 1 BDP" --seeds 1
  ebb sim --quick --seeds 1 --congestion-control ledbat++ --pictures drawn
`)
	fs.IntVar(&f.seeds, "seeds", 20, "run each case this `NUMBER` of times")
	fs.Uint64Var(&f.first, "seed", 1, "use this `NUMBER` as the first seed")
	fs.StringVar(&f.mode, "congestion-control", settings.Adaptive.String(), "congestion control, by `NAME`: "+settings.ControlNames())
	fs.IntVar(&f.floor, "min-ssthresh", 0, "floor under LEDBAT's slow-start threshold, in `BYTES`; 0 derives one from the path, -1 means none")
	fs.StringVar(&f.only, "case", "", "run only the case with this `NAME`")
	fs.BoolVar(&f.quick, "quick", false, "shorter runs, for everyday use")
	fs.BoolVar(&f.list, "list", false, "list the scenarios and exit")
	fs.StringVar(&f.pictures, "pictures", "", "draw the first seed of every case, as SVG, into `FOLDER`")
	fs.StringVar(&f.traces, "traces", "", "`FOLDER` of recorded links in mahimahi's format, *.up and *.down; by default $"+tracesVariable+
		", or "+tracesDefault+" if that exists")
	fs.BoolVar(&f.json, "json", false, "print JSON, with the value of every seed")
	fs.BoolVar(&f.tsv, "tsv", false, "print tab-separated lines")
	fs.BoolVar(&f.markdown, "markdown", false, "print the figures that have bars as a Markdown table")
	if err := fs.parse(args, 0, -1); err != nil {
		return err
	}
	f.scenarios = fs.Args()
	if f.seeds < 1 || f.seeds > 10_000 {
		return usageErrorf("--seeds is from 1 to 10000, not %d", f.seeds)
	}
	if f.json && f.tsv || f.json && f.markdown || f.tsv && f.markdown {
		return usageErrorf("--json, --tsv and --markdown exclude each other")
	}
	if f.floor < -1 {
		return usageErrorf("--min-ssthresh is %d: want at least 0, or -1 for none", f.floor)
	}
	var err error
	f.controller, err = controllerOf(f.mode, f.floor)
	return err
}

// tracesDefault is where recorded links are if neither --traces nor $EBB_TRACES says it.
const tracesDefault = "../shared/traces"

// readTraces reads the recorded traces there are. A directory that was named has to have some.
func (f *simFlags) readTraces() (err error) {
	named := f.traces != ""
	if !named {
		f.traces, named = os.LookupEnv(tracesVariable)
	}
	if f.traces == "" {
		f.traces, named = tracesDefault, false
	}
	if f.recorded, err = matrix.Recordings(f.traces); err != nil {
		return err
	}
	if named && len(f.recorded) == 0 {
		return usageErrorf("there is no trace in %s", f.traces)
	}
	for i := range f.recorded {
		f.recorded[i].Name = untrusted.Escaped(f.recorded[i].Name) // its file's, which cases and pictures are named after
	}
	return nil
}

// controllerOf makes the controllers of a name; floor is LEDBAT's MinSSThresh.
func controllerOf(name string, floor int) (congestion.Factory, error) {
	control, err := settings.ParseControl(name)
	if err != nil {
		return nil, usageErrorf("--congestion-control %q: %w", name, err)
	}
	factory := control.Factory(floor)
	if err := congestion.Check(factory); err != nil {
		return nil, &usageError{err}
	}
	return factory, nil
}

func (f *simFlags) cases() ([]matrix.Case, error) {
	cases, err := matrix.SelectFrom(matrix.Scenarios(f.recorded...), f.scenarios...)
	if err != nil {
		return nil, &usageError{err}
	}
	if f.only == "" && f.quick {
		return matrix.Daily(cases), nil
	}
	if f.only == "" {
		return cases, nil
	}
	var names []string
	for _, c := range cases {
		if name := fmt.Sprintf("%q", c.Name); c.Name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	cases = slices.DeleteFunc(cases, func(c matrix.Case) bool { return c.Name != f.only })
	if len(cases) == 0 && len(names) == 0 {
		return nil, usageErrorf("no case %q: the cases of these scenarios have no names", f.only)
	}
	if len(cases) == 0 {
		return nil, usageErrorf("no case %q; there are %s", f.only, strings.Join(names, ", "))
	}
	return cases, nil
}

func (f *simFlags) print(w io.Writer, results []matrix.Result) error {
	switch {
	case f.json:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(results)
	case f.tsv:
		return matrix.WriteTSV(w, results)
	case f.markdown:
		return matrix.WriteMarkdown(w, results)
	}
	return matrix.WriteTable(w, results)
}

func listScenarios(w io.Writer, scenarios []matrix.Scenario) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range scenarios {
		fmt.Fprintf(table, "%s\t%s\n", s.Row, s.Title)
		for _, c := range s.Cases {
			if c.Name != "" {
				fmt.Fprintf(table, "\t  %s\n", c.Name)
			}
		}
	}
	return table.Flush()
}

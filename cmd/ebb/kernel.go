package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"example.com/ebb/internal/lab/kernel"
)

// netlabVariable names the folder of netlab where --netlab does not.
const netlabVariable = "EBB_NETLAB"

// exitSkipped is the status of a measurement that cannot be made here, as Automake has it.
const exitSkipped = 77

// skippedError is a measurement that this machine has no laboratory for.
type skippedError struct{ err error }

func (e *skippedError) Error() string { return e.err.Error() }
func (e *skippedError) Unwrap() error { return e.err }

// measureKernel is the command.
func measureKernel(ctx context.Context, c console, _ opener, args []string) error {
	fs := newFlagSet("kernel", "[SCENARIO]...",
		`Measures Ebb and the kernel's own TCP (Reno, CUBIC, BBR) on one emulated bottleneck
that real packets take: what each gets, and what queue is there, by what the
bottleneck saw. Without a scenario it runs them all. With --calibrate it holds the
models of these TCPs, which simulations compete with, against the kernel's own; the
arguments are then words such as "cubic" that choose set-ups.

It needs Linux, root and netlab, whose folder is --netlab or $`+netlabVariable+`; where
these are missing it says so and exits with 77.`,
		`  ebb kernel --netlab ../netlab
  ebb kernel --rounds 3 --tsv kernel.tsv 4 5
  ebb kernel --quick
`)
	options := kernel.Options{}
	fs.StringVar(&options.Folder, "netlab", os.Getenv(netlabVariable), "folder of the laboratory's module")
	fs.IntVar(&options.Rounds, "rounds", 1, "how often each scenario is measured")
	fs.Float64Var(&options.Scale, "scale", 0.5, "factor on the lengths of the scenarios; 1 is in full")
	quick := fs.Bool("quick", false, "as short as the figures mean something")
	fs.StringVar(&options.TSV, "tsv", "", "also write the figures to this file")
	mode := fs.String("congestion-control", "", "of Ebb's sender, as for \"ebb pipe\"")
	calibrate := fs.Bool("calibrate", false, "compare the models of TCP with the kernel's")
	verbose := fs.BoolP("verbose", "v", false, "show what the processes say")
	if err := fs.parse(args, 0, -1); err != nil {
		return err
	}
	options.Scenarios = fs.Args()
	if *quick {
		options.Scale = 0.1
	}
	if options.Rounds < 1 || !(options.Scale > 0 && options.Scale <= 10) {
		return usageErrorf("--rounds is at least 1 and --scale above 0 and at most 10")
	}
	for _, name := range options.Scenarios {
		if !*calibrate && !slices.Contains(kernel.Names(), name) {
			return usageErrorf("there is no scenario %q: choose from %s", name, strings.Join(kernel.Names(), ", "))
		}
	}
	if *mode != "" {
		options.Arguments = []string{"--congestion-control", *mode}
	}
	if *verbose {
		options.Log = c.stderr
	}
	return runKernel(ctx, c, options, *calibrate)
}

// runKernel measures, and turns a missing laboratory into the status that says so.
func runKernel(ctx context.Context, c console, options kernel.Options, calibrate bool) (err error) {
	if options.Ebb, err = os.Executable(); err != nil {
		return fmt.Errorf("the ebb command cannot find itself: %w", err)
	}
	measure := kernel.Run
	if calibrate {
		measure = kernel.Calibrate
	}
	met, err := measure(ctx, options, c.stdout)
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

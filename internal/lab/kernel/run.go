package kernel

import (
	"context"
	"fmt"
	"io"
	"os"
)

// Options say what is measured and how.
type Options struct {
	Folder string // of netlab's module
	Ebb    string // the ebb command
	// Arguments are further arguments of Ebb's sending side.
	Arguments []string
	Scenarios []string // by name; none: all
	Rounds    int      // times that each is measured, at least 1
	// Scale multiplies the lengths of the scenarios, above 0; a run is never shorter than six
	// seconds.
	Scale float64
	TSV   string    // a file for the figures; "": none
	Log   io.Writer // what the processes say; nil: nothing
}

// Run measures the scenarios and prints a table of the figures to w: medians over the rounds and
// the worst round, each beside its bar. An error that is ErrUnavailable says that there is no
// laboratory. A bar that is missed is no error: met says whether all are met.
func Run(ctx context.Context, o Options, w io.Writer) (met bool, err error) {
	chosen, err := choose(o.Scenarios)
	if err != nil {
		return false, err
	}
	l, err := openLab(ctx, o.Folder, o.Ebb)
	if err != nil {
		return false, err
	}
	defer l.close()
	l.extra = o.Arguments
	if o.Log != nil {
		l.stderr = o.Log
	}
	var lines []line
	met = true
	for _, s := range chosen {
		fmt.Fprintf(w, "%s: %s\n", s.name, s.about)
		var rounds [][]figure
		for range max(o.Rounds, 1) {
			figures, err := s.run(ctx, bench{l.run, o.Scale})
			if err != nil {
				return false, fmt.Errorf("scenario %s: %w", s.name, err)
			}
			rounds = append(rounds, figures)
		}
		lines = append(lines, gather(s.name, rounds)...)
	}
	for _, l := range lines {
		met = met && l.met()
	}
	fmt.Fprintln(w)
	if err := writeTable(w, lines); err != nil {
		return false, err
	}
	return met, saveTSV(o.TSV, lines)
}

// saveTSV writes the figures to a file, if one is asked for.
func saveTSV(name string, lines []line) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("the file for the figures: %w", err)
	}
	if err := writeTSV(f, lines); err != nil {
		f.Close()
		return fmt.Errorf("writing the figures to %s: %w", name, err)
	}
	return f.Close()
}

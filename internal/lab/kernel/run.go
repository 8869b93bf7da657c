package kernel

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Options say what is measured and how.
type Options struct {
	Folder string // of netlab's module
	Traces string // of recorded links, in mahimahi's format; "": what needs them is left out
	Ebb    string // the ebb command
	// Arguments are further arguments of Ebb's sending side.
	Arguments []string
	// Calibrate compares Ebb's Reno, CUBIC and BBR with the kernel's instead of running the scenarios.
	Calibrate bool
	// Scenarios are those to measure, by name, or of a calibration by a word of the name; none: all.
	Scenarios []string
	Rounds    int // times that each is measured, at least 1
	Again     int // times if a bar is missed after Rounds; less than Rounds: no more than these
	// Scale multiplies the lengths of the scenarios, above 0; a run is never shorter than six
	// seconds.
	Scale float64
	// Stall is by how much the laboratory may deliver a packet too late. A run in which it was later is measured
	// again, and after three such runs their round does not count. 0: whatever it is.
	Stall    time.Duration
	Results  string    // a file that keeps the rounds, so that a run goes on where another was interrupted; "": none
	Report   bool      // measure nothing, tell what Results has
	Markdown bool      // print the table in Markdown
	TSV      string    // a file for the figures; "": none
	Log      io.Writer // what the processes say; nil: nothing
}

// Run measures the scenarios and prints a table of the figures to w: medians over the rounds and
// the worst round, each beside its bar. An error that is ErrUnavailable says that there is no
// laboratory. A bar that is missed is no error: met says whether all are met.
func Run(ctx context.Context, o Options, w io.Writer) (met bool, err error) {
	chosen, err := choose(o)
	if err != nil {
		return false, err
	}
	kept, err := openRecord(o.Results)
	if err != nil {
		return false, err
	}
	var lines []line
	if o.Report {
		for _, s := range chosen {
			lines = append(lines, gather(s.name, kept.of(kept.last(s.name), s.name))...)
		}
	} else if lines, err = measureAll(ctx, o, chosen, kept, w); err != nil {
		return false, err
	}
	write := writeTable
	switch {
	case o.Markdown && o.Calibrate:
		write = writePivot
	case o.Markdown:
		write = writeMarkdown
	}
	if err := write(w, lines); err != nil {
		return false, err
	}
	return allMet(lines), saveTSV(o.TSV, lines)
}

// measureAll runs what is not in the record yet.
func measureAll(ctx context.Context, o Options, chosen []scenario, kept *record, w io.Writer) ([]line, error) {
	l, err := openLab(ctx, o)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	source, err := sourceID(o)
	if err != nil {
		return nil, err
	}
	session := session{Options: o, lab: l, source: source, kept: kept, w: w}
	left, err := session.left()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(w, "source %s: rounds that are missing take %v, if nothing is repeated\n", source, left.Round(time.Second))
	var lines []line
	for _, s := range chosen {
		all, err := session.scenario(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("scenario %s: %w", s.name, err)
		}
		lines = append(lines, all...)
	}
	fmt.Fprintln(w)
	return lines, nil
}

// session is one call of Run.
type session struct {
	Options
	lab    *lab
	source string
	kept   *record
	w      io.Writer
}

// left is how long the rounds take that the record does not have.
func (s *session) left() (sum time.Duration, err error) {
	all, err := List(s.Options)
	for _, l := range all {
		have := len(steady(s.kept.of(s.source, l.Name)))
		sum += time.Duration(max(s.Rounds-have, 0)) * l.Round()
	}
	return sum, err
}

// scenario measures a scenario until there are enough rounds of it: more where a bar is missed, and some in place of
// those that do not count.
func (s *session) scenario(ctx context.Context, one scenario) ([]line, error) {
	fmt.Fprintf(s.w, "%s: %s\n", one.name, one.about)
	if one.missing != "" {
		fmt.Fprintf(s.w, "  skipped: %s\n", one.missing)
		return nil, nil
	}
	want := max(s.Rounds, 1)
	for spare := want; ; {
		all := s.kept.of(s.source, one.name)
		lines := gather(one.name, all)
		if len(steady(all)) >= want || spare == 0 {
			if want >= s.Again || allMet(lines) {
				return lines, nil
			}
			want, spare = s.Again, s.Again
			continue
		}
		r, err := s.round(ctx, one)
		if err != nil {
			return nil, err
		}
		if r.late.stalled {
			spare--
		}
	}
}

// round measures a scenario once and keeps what it found.
func (s *session) round(ctx context.Context, one scenario) (round, error) {
	s.lab.takeLateness()
	began := time.Now()
	figures, err := one.run(ctx, bench{run: s.lab.run, scale: s.Scale, traces: s.Traces})
	if err != nil {
		return round{}, err
	}
	r := round{
		source: s.source, scenario: one.name, ended: time.Now(), took: time.Since(began), late: s.lab.takeLateness(), figures: figures,
	}
	if err := s.kept.add(r); err != nil {
		return round{}, err
	}
	fmt.Fprintf(s.w, "  round %d: %.0f s; the laboratory was late by up to %v%s\n",
		len(s.kept.of(s.source, one.name)), r.took.Seconds(), r.late.worst.Round(100*time.Microsecond), r.late.text())
	return r, nil
}

// text is what else there is to say about a round.
func (l lateness) text() string {
	var text strings.Builder
	if l.repeated > 0 {
		fmt.Fprintf(&text, "; it had stalled in %d runs, which were repeated", l.repeated)
	}
	if l.stalled {
		text.WriteString("; it stalled in every attempt: dropped")
	}
	return text.String()
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

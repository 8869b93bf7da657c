package kernel

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// line is one figure over the rounds.
type line struct {
	scenario string
	figure
	median, extreme float64
	rounds          int // that count
	stalled         int // that do not, because the laboratory stalled in them
	repeated        int // runs that were measured anew because of that
}

// gather puts the rounds of a scenario together: the median of each figure, and its worst. Rounds in which the
// laboratory stalled count only where there are no others.
func gather(name string, rounds []round) []line {
	good := steady(rounds)
	stalled := len(rounds) - len(good)
	if len(good) == 0 {
		good = rounds
	}
	if len(good) == 0 {
		return nil
	}
	repeated := 0
	for _, r := range rounds {
		repeated += r.late.repeated
	}
	var lines []line
	for i, f := range good[0].figures {
		var values []float64
		for _, r := range good {
			if i >= len(r.figures) || r.figures[i].name != f.name {
				continue
			}
			values = append(values, r.figures[i].value)
			if r.figures[i].details != "" {
				f.details = r.figures[i].details
			}
		}
		slices.Sort(values)
		l := line{
			scenario: name, figure: f, median: median(values), extreme: values[0],
			rounds: len(good), stalled: stalled, repeated: repeated,
		}
		for _, v := range values {
			if f.worse(v, l.extreme) {
				l.extreme = v
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// steady are the rounds in which the laboratory did not stall.
func steady(rounds []round) (good []round) {
	for _, r := range rounds {
		if !r.late.stalled {
			good = append(good, r)
		}
	}
	return good
}

// median of sorted values: the middle one, or the mean of the two in the middle.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// met reports whether the median and the worst are within their bars.
func (l line) met() bool { return l.figure.met(l.median, l.extreme) }

// allMet reports whether all bars are met.
func allMet(lines []line) bool {
	return !slices.ContainsFunc(lines, func(l line) bool { return !l.met() })
}

// verdict is a word for the table.
func (l line) verdict() string {
	switch {
	case l.kind == noBar:
		return ""
	case l.met():
		return "met"
	}
	return "missed"
}

// count is how many rounds there were, and what was left out.
func (l line) count() string {
	text := fmt.Sprint(l.rounds)
	if l.stalled > 0 {
		text += fmt.Sprintf(", %d dropped", l.stalled)
	}
	if l.repeated > 0 {
		text += fmt.Sprintf(", %d runs repeated", l.repeated)
	}
	return text
}

// unit is what stands behind the values of a figure.
func (l line) unitText() string {
	if l.unit == "" {
		return ""
	}
	return " " + l.unit
}

// writeTable prints the lines for people.
func writeTable(w io.Writer, lines []line) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "scenario\tmetric\tbar: median; worst\tmedian\tworst\trounds\t")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s%s\t%s%s\t%s\t%s %s\n", l.scenario, l.name, l.bars(),
			number(l.median), l.unitText(), number(l.extreme), l.unitText(), l.count(), l.verdict(), l.details)
	}
	return t.Flush()
}

// writeMarkdown prints the lines as a table of a page. What misses its bar is bold.
func writeMarkdown(w io.Writer, lines []line) error {
	var b strings.Builder
	b.WriteString("| scenario | figure | bar: median; worst | median | worst | rounds |\n|---|---|---|---|---|---|\n")
	for _, l := range lines {
		value := number(l.median)
		if !l.met() {
			value = "**" + value + "**"
		}
		name := l.name
		if l.unit != "" {
			name += ", " + l.unit
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", l.scenario, name, l.bars(), value, number(l.extreme), l.count())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTSV writes the lines for programs, one a line with tabs and a heading.
func writeTSV(w io.Writer, lines []line) error {
	if _, err := fmt.Fprintln(w, "scenario\tmetric\tunit\tbar\tmedian\tworst\trounds\tstalled\trepeated\tverdict"); err != nil {
		return err
	}
	for _, l := range lines {
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%.4g\t%.4g\t%d\t%d\t%d\t%s\n", l.scenario, l.name, l.unit, l.barText(),
			l.median, l.extreme, l.rounds, l.stalled, l.repeated, l.verdict()); err != nil {
			return err
		}
	}
	return nil
}

// writePivot prints the lines as a table of a page with a row for each scenario and a column for each figure. What
// misses its bar is bold.
func writePivot(w io.Writer, lines []line) error {
	var names, scenarios []string
	cells := make(map[[2]string]string)
	for _, l := range lines {
		name := l.name
		if l.unit != "" {
			name += ", " + l.unit
		}
		if l.kind != noBar {
			name += " (" + l.bars() + ")"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if !slices.Contains(scenarios, l.scenario) {
			scenarios = append(scenarios, l.scenario)
		}
		value := number(l.median)
		if !l.met() {
			value = "**" + value + "**"
		}
		cells[[2]string{l.scenario, name}] = value
		cells[[2]string{l.scenario, ""}] = l.count()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s | rounds |\n|---|%s---|\n", strings.Join(names, " | "), strings.Repeat("---|", len(names)))
	for _, s := range scenarios {
		fmt.Fprintf(&b, "| %s |", s)
		for _, name := range append(names, "") {
			fmt.Fprintf(&b, " %s |", cells[[2]string{s, name}])
		}
		b.WriteString("\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

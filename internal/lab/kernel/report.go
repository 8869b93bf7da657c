package kernel

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// line is one figure over the rounds.
type line struct {
	scenario string
	figure
	median, extreme float64
	rounds          int
}

// gather puts the rounds of a scenario together: the median of each figure, and its worst.
func gather(name string, rounds [][]figure) []line {
	var lines []line
	if len(rounds) == 0 {
		return nil
	}
	for i, f := range rounds[0] {
		var values []float64
		for _, r := range rounds {
			values = append(values, r[i].value)
			if r[i].details != "" {
				f.details = r[i].details
			}
		}
		slices.Sort(values)
		l := line{scenario: name, figure: f, median: median(values), rounds: len(values)}
		l.extreme = values[len(values)-1]
		if f.least {
			l.extreme = values[0]
		}
		lines = append(lines, l)
	}
	return lines
}

// median of sorted values: the middle one, or the mean of the two in the middle.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// met reports whether the median and the worst are within their bars.
func (l line) met() bool {
	switch {
	case l.noBar:
		return true
	case l.least:
		return l.median >= l.bar && l.extreme >= l.worst
	}
	return l.median <= l.bar && l.extreme <= l.worst
}

// verdict is a word for the table.
func (l line) verdict() string {
	switch {
	case l.noBar:
		return ""
	case l.met():
		return "met"
	}
	return "missed"
}

// bars is what is asked, "≥ 95; ≥ 90 %".
func (l line) bars() string {
	if l.noBar {
		return ""
	}
	sign := "≤"
	if l.least {
		sign = "≥"
	}
	return fmt.Sprintf("%s %s; %s %s", sign, number(l.bar), sign, number(l.worst))
}

// number is three digits of a value.
func number(v float64) string { return fmt.Sprintf("%.3g", v) }

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
	fmt.Fprintln(t, "scenario\tmetric\tbar: median; worst\tmedian\tworst\t")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s%s\t%s%s\t%s %s\n", l.scenario, l.name, l.bars(),
			number(l.median), l.unitText(), number(l.extreme), l.unitText(), l.verdict(), l.details)
	}
	return t.Flush()
}

// writeTSV writes the lines for programs, one a line with tabs and a heading.
func writeTSV(w io.Writer, lines []line) error {
	if _, err := fmt.Fprintln(w, "scenario\tmetric\tunit\tbar_median\tbar_worst\tmedian\tworst\trounds\tverdict"); err != nil {
		return err
	}
	for _, l := range lines {
		sign := "<="
		if l.least {
			sign = ">="
		}
		bar, worst := sign+number(l.bar), sign+number(l.worst)
		if l.noBar {
			bar, worst = "", ""
		}
		if _, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.4g\t%.4g\t%d\t%s\n", l.scenario, l.name, l.unit, bar, worst,
			l.median, l.extreme, l.rounds, l.verdict()); err != nil {
			return err
		}
	}
	return nil
}

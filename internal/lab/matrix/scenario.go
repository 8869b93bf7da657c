package matrix

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/ebb/congestion"
)

// Case is one set-up with what is measured in it.
type Case struct {
	Row  string // the scenario it belongs to: "6"
	Name string // what distinguishes it from the scenario's other cases; may be empty
	Bars []Bar
	// Full says that the case is left out of a quick run of everything.
	Full bool
	// Measure runs the set-up once.
	Measure func(*Env) []Figure
}

// String is the row and the name.
func (c *Case) String() string { return strings.TrimSpace(c.Row + " " + c.Name) }

// Scenario is a row of the matrix.
type Scenario struct {
	Row   string
	Title string // rate, round trip, buffer, length and who sends
	Cases []Case
}

// Figure is a number that a run yields.
type Figure struct {
	Name  string // with its unit: "queue p95, ms"
	Value float64
}

// Bar is what the figure of a name has to reach.
type Bar struct {
	Figure string
	Most   bool    // the figure is to be at most that, not at least
	Median float64 // over the seeds
	Worst  float64 // of the seeds
}

// String is the bar as the table shows it.
func (b Bar) String() string {
	sign := "≥"
	if b.Most {
		sign = "≤"
	}
	if b.Median == b.Worst {
		return fmt.Sprintf("%s %g", sign, b.Median)
	}
	return fmt.Sprintf("%s %g; %g", sign, b.Median, b.Worst)
}

// met reports whether a figure with this median and worst value clears the bar.
func (b Bar) met(median, worst float64) bool {
	if b.Most {
		return median <= b.Median && worst <= b.Worst
	}
	return median >= b.Median && worst >= b.Worst
}

// atLeast is a bar for the median and the worst seed alike.
func atLeast(figure string, bound float64) Bar { return Bar{figure, false, bound, bound} }

// about is a bar for a share in percent: the worst seed may be five points below it.
func about(figure string, bound float64) Bar { return Bar{figure, false, bound, bound - 5} }

// atMost likewise.
func atMost(figure string, bound float64) Bar { return Bar{figure, true, bound, bound} }

// Env is what a run of a case is given.
type Env struct {
	Subject congestion.Factory // the controller that is judged
	Seed    uint64
	Quick   bool // a shortened run, for every day

	labs []*lab // for pictures; nil unless they are wanted
	keep bool
}

// lasting is how long something takes: shorter in a quick run.
func (e *Env) lasting(full, quick time.Duration) time.Duration {
	if e.Quick {
		return quick
	}
	return full
}

// Scenarios is the matrix in the order of its rows, then those with a name. Rows with mobile links have generated
// traces, and those that are given.
func Scenarios(recorded ...Recording) []Scenario {
	all := slices.Concat(aloneRows(), yieldRows(), fairRows(), lossRows(), pathRows(),
		noiseRows(), changeRows(), mobileRows(recorded), besideRows(recorded), extraRows())
	slices.SortStableFunc(all, func(a, b Scenario) int { return rank(a.Row) - rank(b.Row) })
	for i := range all {
		for j := range all[i].Cases {
			all[i].Cases[j].Row = all[i].Row
		}
	}
	return all
}

// rank orders rows: by number, then N1 and so on, then those with a name.
func rank(row string) int {
	n := 0
	if _, err := fmt.Sscanf(row, "%d", &n); err == nil {
		return n
	}
	if _, err := fmt.Sscanf(row, "N%d", &n); err == nil {
		return 100 + n
	}
	return 1000
}

// Daily is the cases that a quick run of everything has.
func Daily(cases []Case) []Case {
	return slices.DeleteFunc(slices.Clone(cases), func(c Case) bool { return c.Full })
}

// Select returns the cases of the rows with the given names, of all rows if there are none. It
// fails for a name that no row has.
func Select(rows ...string) ([]Case, error) { return SelectFrom(Scenarios(), rows...) }

// SelectFrom is Select among the given scenarios.
func SelectFrom(scenarios []Scenario, rows ...string) ([]Case, error) {
	for _, row := range rows {
		if !slices.ContainsFunc(scenarios, func(s Scenario) bool { return s.Row == row }) {
			var names []string
			for _, s := range scenarios {
				names = append(names, s.Row)
			}
			return nil, fmt.Errorf("no scenario %q; there are %s", row, strings.Join(names, " "))
		}
	}
	var cases []Case
	for _, s := range scenarios {
		if len(rows) == 0 || slices.Contains(rows, s.Row) {
			cases = append(cases, s.Cases...)
		}
	}
	return cases, nil
}

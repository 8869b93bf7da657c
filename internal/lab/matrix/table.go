package matrix

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// WriteTable prints results for people: a line for every figure, median and range over the seeds,
// the bar and whether it is met.
func WriteTable(w io.Writer, results []Result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "row\tcase\tfigure\tmedian\tworst\tmin\tmax\tbar\t")
	for _, r := range results {
		row, name := r.Row, r.Case
		for _, o := range r.Figures {
			word, worst := "", ""
			if o.Bar != "" {
				word, worst = "met", digits(o.Worst)
			}
			if !o.Met {
				word = "MISSED"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row, name, o.Figure, digits(o.Median), worst, digits(o.Min), digits(o.Max), o.Bar, word)
			row, name = "", ""
		}
	}
	return table.Flush()
}

// Count is how many bars were met, and how many there are.
func Count(results []Result) (met, bars int) {
	for _, r := range results {
		for _, o := range r.Figures {
			if o.Bar != "" {
				bars++
				if o.Met {
					met++
				}
			}
		}
	}
	return met, bars
}

// WriteTSV writes results as they are kept in files: a line for every figure, tab-separated.
func WriteTSV(w io.Writer, results []Result) error {
	var b strings.Builder
	b.WriteString("row\tcase\tseeds\tfigure\tmedian\tmin\tmax\tbar\tmet\n")
	for _, r := range results {
		for _, o := range r.Figures {
			met := ""
			if o.Bar != "" {
				met = fmt.Sprint(o.Met)
			}
			fmt.Fprintf(&b, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Row, r.Case, r.Seeds, o.Figure, digits(o.Median), digits(o.Min), digits(o.Max), o.Bar, met)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes the figures that have a bar as a table for a page: median, worst seed, bar.
func WriteMarkdown(w io.Writer, results []Result) error {
	var b strings.Builder
	b.WriteString("| row | case | seeds | figure | median; worst | bar | |\n|---|---|---|---|---|---|---|\n")
	for _, r := range results {
		for _, o := range r.Figures {
			if o.Bar == "" {
				continue
			}
			word := "met"
			if !o.Met {
				word = "**missed**"
			}
			fmt.Fprintf(&b, "| %s | %s | %d | %s | %s; %s | %s | %s |\n", r.Row, r.Case, r.Seeds, o.Figure, digits(o.Median), digits(o.Worst), o.Bar, word)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// digits is a number with at least three digits that count.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 2:
		return fmt.Sprintf("%.4f", v)
	case a < 100:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.1f", v)
}

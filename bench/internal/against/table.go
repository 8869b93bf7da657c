package against

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"example.com/ebb/bench/internal/report"
)

// WriteJSON writes all of it.
func (c *Comparison) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// WriteTable writes what a person reads.
func (c *Comparison) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s; turns of %.2f s; medians, of new/old with the smallest and the largest of the pairs.\nold: %s\nnew: %s\n\n",
		c.Machine, c.Start.Format("2006-01-02 15:04 MST"), c.SlotSeconds, c.Old, c.New)
	report.Align(&b, c.rows(), true)
	for _, s := range c.Skipped {
		fmt.Fprintf(&b, "\nSkipped: %s\n", s)
	}
	for _, f := range c.Failures {
		fmt.Fprintf(&b, "\nFAILED: %s\n", f)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rows is the table's, peer by peer.
func (c *Comparison) rows() [][]string {
	head := []string{"", "old", "new", "new/old", "smallest", "largest", "worse in", ""}
	rows := [][]string{head}
	for _, peer := range c.peers() {
		row := make([]string, len(head))
		row[0] = peer
		rows = append(rows, row)
		for _, k := range kinds {
			for _, f := range c.Figures {
				if f.Peer == peer && f.Metric == k.metric {
					rows = append(rows, f.row(k))
				}
			}
		}
	}
	return rows
}

func (f Figure) row(k kind) []string {
	mark := ""
	if f.Worse {
		mark = "WORSE"
	}
	ratio := func(v float64) string { return fmt.Sprintf("%.3f", v) }
	return []string{
		"  " + k.title, report.Digits(f.OldMedian * k.scale), report.Digits(f.NewMedian * k.scale),
		ratio(f.Ratio.Median), ratio(f.Ratio.Min), ratio(f.Ratio.Max), fmt.Sprintf("%d of %d", f.WorsePairs, len(f.Ratios)), mark,
	}
}

// peers is all that have a figure, in the order in which they came.
func (c *Comparison) peers() []string {
	var peers []string
	for _, f := range c.Figures {
		if !slices.Contains(peers, f.Peer) {
			peers = append(peers, f.Peer)
		}
	}
	return peers
}

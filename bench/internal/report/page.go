package report

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"example.com/ebb/bench/internal/measure"
)

// ReadPage reads the first table of a page in Markdown that WriteTable wrote and that has bulk rates, so that a picture
// beside the table has no other figures. Of each figure it has what the table has: the median, the smallest and the
// largest. Machine and plan are left out.
func ReadPage(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(string(text), "```")
	for i := 1; i < len(parts); i += 2 { // what is between two fences
		r := new(Report)
		if err := r.readTable(parts[i]); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if slices.ContainsFunc(r.Results, func(to Result) bool { return to.Metric == measure.BulkRate }) {
			r.Finish()
			return r, nil
		}
	}
	return nil, fmt.Errorf("%s has no table with bulk rates between lines of ```: want one that bench has printed", path)
}

// cellGap is what stands between two cells of a line: Align puts three spaces there, or more.
var cellGap = regexp.MustCompile(` {3,}`)

// readTable adds the sections of a table.
func (r *Report) readTable(text string) error {
	var columns []*column // of the section, by cell: nil for the peer and for a ratio; none between sections
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		cells := cellGap.Split(line, -1)
		if i := slices.IndexFunc(sections, func(s section) bool { return s.title == cells[0] }); i >= 0 {
			columns = sections[i].under(cells)
			continue
		}
		if line == "" {
			columns = nil
		}
		if columns != nil && len(cells) != len(columns) {
			return fmt.Errorf("%q has %d cells, three spaces apart: want %d, as many as the head of its table", line, len(cells), len(columns))
		}
		for i, c := range columns {
			if c == nil || cells[i] == "–" {
				continue
			}
			if err := r.addCell(cells[0], c, cells[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// under is the column of each cell of a head. A table of an earlier version may lack some of them.
func (s section) under(head []string) []*column {
	found, next := make([]*column, len(head)), 0
	for i, title := range head {
		for j := next; j < len(s.columns); j++ {
			if s.columns[j].title == title {
				found[i], next = &s.columns[j], j+1
				break
			}
		}
	}
	return found
}

// figure is a cell: a median and, of several samples, the smallest and the largest.
var figure = regexp.MustCompile(`^([0-9.]+)(?: \(([0-9.]+) to ([0-9.]+)\))?$`)

// addCell adds the samples that a cell tells of.
func (r *Report) addCell(peer string, c *column, cell string) error {
	match := figure.FindStringSubmatch(cell)
	if match == nil {
		return fmt.Errorf("%s, %s: %q is no figure, such as 9.5 or 9.5 (9 to 10)", peer, c.title, cell)
	}
	if !slices.ContainsFunc(r.Peers, func(p Peer) bool { return p.Name == peer }) {
		r.Peers = append(r.Peers, Peer{Name: peer})
	}
	to := r.result(peer, c.metric)
	for _, text := range match[1:] {
		if text == "" {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", peer, c.title, err)
		}
		to.Samples = append(to.Samples, v/c.scale)
	}
	return nil
}

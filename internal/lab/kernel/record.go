package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// round is what one measurement of a scenario found.
type round struct {
	source   string // what was measured: sourceID
	scenario string
	ended    time.Time
	took     time.Duration
	late     lateness
	figures  []figure
}

// record is the rounds measured so far, and the file that keeps them, in the order in which they ended. Without a
// file it keeps them in memory.
type record struct {
	name   string
	rounds []round
}

// recordHead is the first line of a record. A round is as many lines as it has figures: the line's place and their
// number come first, so that a round of which a line is missing is none.
const recordHead = "line\tsource\tscenario\tended\tseconds\tlate_ms\trepeated\tstalled\tmetric\tunit\tbar\tvalue\tdetails\n"

// openRecord reads what a file has. A file that is not there has nothing, and is made when there is something.
func openRecord(name string) (*record, error) {
	r := &record{name: name}
	if name == "" {
		return r, nil
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the file of the results: %w", err)
	}
	var now round
	number := 0
	for line := range strings.Lines(string(text)) {
		if number++; number == 1 && line != recordHead {
			return nil, fmt.Errorf("%s has no results: its first line is not %q", name, strings.TrimSpace(recordHead))
		} else if number == 1 || !strings.HasSuffix(line, "\n") {
			continue // a line without an end was interrupted
		}
		place, of, one, err := parseRound(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, number, err)
		}
		switch {
		case place == 1:
			now = one
		case place != len(now.figures)+1 || one.scenario != now.scenario:
			continue
		default:
			now.figures = append(now.figures, one.figures...)
		}
		if len(now.figures) == of {
			r.rounds = append(r.rounds, now)
			now = round{}
		}
	}
	return r, nil
}

// add keeps a round.
func (r *record) add(one round) error {
	r.rounds = append(r.rounds, one)
	if r.name == "" {
		return nil
	}
	var text strings.Builder
	if info, err := os.Stat(r.name); err != nil || info.Size() == 0 {
		text.WriteString(recordHead)
	}
	for i, f := range one.figures {
		fmt.Fprintf(&text, "%d/%d\t%s\t%s\t%s\t%.0f\t%.1f\t%d\t%v\t%s\t%s\t%s\t%s\t%s\n", i+1, len(one.figures), one.source, one.scenario,
			one.ended.UTC().Format(time.RFC3339), one.took.Seconds(), ms(one.late.worst), one.late.repeated, one.late.stalled,
			f.name, f.unit, f.barText(), strconv.FormatFloat(f.value, 'g', 6, 64), f.details)
	}
	if err := os.MkdirAll(filepath.Dir(r.name), 0o755); err != nil {
		return fmt.Errorf("the folder of the results: %w", err)
	}
	file, err := os.OpenFile(r.name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("the file of the results: %w", err)
	}
	if _, err := file.WriteString(text.String()); err != nil {
		file.Close()
		return fmt.Errorf("writing the results to %s: %w", r.name, err)
	}
	return file.Close()
}

// of lists the rounds of a scenario for a source.
func (r *record) of(source, scenario string) (all []round) {
	for _, one := range r.rounds {
		if one.source == source && one.scenario == scenario {
			all = append(all, one)
		}
	}
	return all
}

// last is the source that a scenario was last measured with; "": none.
func (r *record) last(scenario string) (source string) {
	for _, one := range r.rounds {
		if one.scenario == scenario {
			source = one.source
		}
	}
	return source
}

// parseRound takes a line apart: a round with one figure.
func parseRound(line string) (place, of int, r round, err error) {
	f := strings.Split(line, "\t")
	if want := strings.Count(recordHead, "\t") + 1; len(f) != want {
		return 0, 0, r, fmt.Errorf("%d fields, want %d", len(f), want)
	}
	if _, err := fmt.Sscanf(f[0], "%d/%d", &place, &of); err != nil || place < 1 || of < place {
		return 0, 0, r, fmt.Errorf("%q is no place of a line", f[0])
	}
	r = round{source: f[1], scenario: f[2], late: lateness{stalled: f[7] == "true"}}
	if r.ended, err = time.Parse(time.RFC3339, f[3]); err != nil {
		return 0, 0, r, err
	}
	var numbers [4]float64
	for i, text := range []string{f[4], f[5], f[6], f[11]} {
		if numbers[i], err = strconv.ParseFloat(text, 64); err != nil {
			return 0, 0, r, err
		}
	}
	r.took = time.Duration(numbers[0] * float64(time.Second))
	r.late.worst = time.Duration(numbers[1] * float64(time.Millisecond))
	r.late.repeated = int(numbers[2])
	one := figure{name: f[8], unit: f[9], value: numbers[3], details: f[12]}
	if err := one.setBar(f[10]); err != nil {
		return 0, 0, r, err
	}
	r.figures = []figure{one}
	return place, of, r, nil
}

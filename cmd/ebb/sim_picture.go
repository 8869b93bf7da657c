package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"example.com/ebb/internal/lab/matrix"
)

// pictures draws into a directory, which is made if it is not there and found writable.
func pictures(dir string) (func(*matrix.Case, []matrix.Trace) error, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, usageErrorf("no pictures can be put into %s: %w", dir, err)
	}
	probe, err := os.CreateTemp(dir, ".ebb-sim-*")
	if err != nil {
		return nil, usageErrorf("no pictures can be put into %s: %w", dir, err)
	}
	probe.Close()
	os.Remove(probe.Name())
	return func(c *matrix.Case, traces []matrix.Trace) error {
		for i := range traces {
			path := filepath.Join(dir, pictureName(c, &traces[i]))
			if err := drawTrace(path, c, &traces[i]); err != nil {
				return fmt.Errorf("drawing %s: %w", path, err)
			}
		}
		return nil
	}, nil
}

// pictureName is a file name of row, case and trace: letters and digits, the rest are dashes.
func pictureName(c *matrix.Case, t *matrix.Trace) string {
	words := strings.FieldsFunc(strings.ToLower(c.Row+" "+c.Name+" "+t.Name), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.'
	})
	return strings.Join(words, "-") + ".svg"
}

// drawTrace draws goodput, queue and window over time, one above the other, as SVG.
func drawTrace(path string, c *matrix.Case, t *matrix.Trace) error {
	step := t.Step.Seconds()
	rate, queue := panel{label: "goodput, Mbit/s"}, panel{label: "queue, ms", curves: []curve{{values: t.Queue, step: step}}}
	window := panel{label: "window, KB"}
	for i, f := range t.Flows {
		rate.curves = append(rate.curves, curve{f.Name, f.Rate, t.RateStep.Seconds(), i})
		window.curves = append(window.curves, curve{"", f.Window, step, i})
	}
	p := picture{"row " + c.String() + ": " + t.Name, float64(len(t.Queue)-1) * step, []panel{rate, queue, window}}
	return p.write(path)
}

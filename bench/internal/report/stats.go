// Package report makes tables, JSON, verdicts and a picture of measurements.
package report

import "slices"

// Spread is the numbers of all rounds in three.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// NewSpread is that of the values, of which there is at least one. With an
// even number of them the median is the mean of the two in the middle.
func NewSpread(values []float64) Spread {
	if len(values) == 0 {
		panic("BUG: the spread of no values")
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Spread{
		Median: (sorted[(n-1)/2] + sorted[n/2]) / 2,
		Min:    sorted[0],
		Max:    sorted[n-1],
	}
}

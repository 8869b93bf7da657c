package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"example.com/ebb/bench/internal/measure"
)

// Report is a whole run.
type Report struct {
	Machine Machine   `json:"machine"`
	Plan    Plan      `json:"plan"`
	Peers   []Peer    `json:"peers"`
	Results []Result  `json:"results"`
	Bars    []Verdict `json:"bars"`
}

// Plan is how the run was made.
type Plan struct {
	Start        time.Time `json:"start"`
	Rounds       int       `json:"rounds"`
	SlotSeconds  float64   `json:"slot_seconds"`
	RelaySeconds float64   `json:"relay_slot_seconds"`
	IdlePairs    int       `json:"idle_pairs"`
	IdleSeconds  float64   `json:"idle_seconds"`
	Ends         string    `json:"ends"` // "one process" or "a process each"
}

// Peer is who took part.
type Peer struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Tuning  string `json:"tuning"`
}

// Result is one number of one peer over all rounds.
type Result struct {
	Peer   string         `json:"peer"`
	Metric measure.Metric `json:"metric"`
	Spread
	Samples []float64 `json:"samples"`
	// ToTCP is the median over that of TCP; 0 if there is none.
	ToTCP float64 `json:"to_tcp,omitempty"`
	// Failures is what went wrong in the rounds that have no sample.
	Failures []string `json:"failures,omitempty"`
}

// Add notes the sample of a turn.
func (r *Report) Add(peer string, sample measure.Sample) {
	for metric, value := range sample {
		to := r.result(peer, metric)
		to.Samples = append(to.Samples, value)
	}
}

// AddFailure notes a turn that has no sample, under the measurement's name.
func (r *Report) AddFailure(peer, measurement string, err error) {
	to := r.result(peer, measure.Metric(measurement))
	to.Failures = append(to.Failures, err.Error())
}

// Finish computes what follows from the samples.
func (r *Report) Finish() {
	for i := range r.Results {
		if to := &r.Results[i]; len(to.Samples) > 0 {
			to.Spread = NewSpread(to.Samples)
		}
	}
	for i := range r.Results {
		to := &r.Results[i]
		if tcp, ok := r.median(r.reference(), to.Metric); ok && tcp > 0 && len(to.Samples) > 0 {
			to.ToTCP = to.Median / tcp
		}
	}
	r.Bars = r.verdicts()
}

// WriteJSON writes all of it.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// ReadFile reads what WriteJSON wrote.
func ReadFile(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s is no report: %w", path, err)
	}
	return r, nil
}

// reference is the TCP that the others are compared with.
func (r *Report) reference() string {
	for _, name := range []string{"tcp-bbr", "tcp-cubic"} {
		for _, p := range r.Peers {
			if p.Name == name {
				return name
			}
		}
	}
	return ""
}

func (r *Report) result(peer string, metric measure.Metric) *Result {
	for i := range r.Results {
		if to := &r.Results[i]; to.Peer == peer && to.Metric == metric {
			return to
		}
	}
	r.Results = append(r.Results, Result{Peer: peer, Metric: metric})
	return &r.Results[len(r.Results)-1]
}

// find is the result if there is one with samples.
func (r *Report) find(peer string, metric measure.Metric) (Result, bool) {
	for _, to := range r.Results {
		if to.Peer == peer && to.Metric == metric && len(to.Samples) > 0 {
			return to, true
		}
	}
	return Result{}, false
}

func (r *Report) median(peer string, metric measure.Metric) (float64, bool) {
	to, ok := r.find(peer, metric)
	return to.Median, ok
}

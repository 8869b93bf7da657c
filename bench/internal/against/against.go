// Package against compares two source trees of Ebb: the bench of each is built, and they take
// their turns in pairs, so that whatever else the machine does hits both alike.
package against

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/ebb/bench/internal/measure"
)

// Config is what is compared, and how.
type Config struct {
	Old, New Tree
	Turns    []Turn
	Slot     time.Duration // of a turn
}

// Run builds both trees and has each turn taken by both, one right after the other; who is first
// changes from pair to pair. A turn that fails is noted and the rest goes on; a bench that dies
// ends the run. Nothing is written into the trees, and no process is left when Run returns.
func Run(ctx context.Context, c Config, progress io.Writer) (*Comparison, error) {
	folder, err := os.MkdirTemp("", "ebb-against-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	r := run{ctx: ctx, progress: progress, result: newComparison(c), skipped: map[Turn]bool{}, slot: c.Slot}
	for side, tree := range []Tree{oldSide: c.Old, newSide: c.New} {
		fmt.Fprintln(progress, "building", tree.Dir)
		if r.benches[side], err = tree.build(ctx, filepath.Join(folder, names[side]), progress); err != nil {
			return nil, err
		}
	}
	if err := r.pairs(c.Turns); err != nil {
		return nil, err
	}
	if len(r.result.Figures) == 0 && len(r.result.Failures) == 0 {
		return nil, fmt.Errorf("nothing was compared: %s", strings.Join(r.result.Skipped, "; "))
	}
	return r.result, nil
}

// The two sides of a comparison.
const (
	oldSide = iota
	newSide
)

var names = [2]string{"old", "new"}

// run is a comparison that is under way.
type run struct {
	ctx      context.Context
	progress io.Writer
	result   *Comparison
	benches  [2]bench
	slot     time.Duration
	skipped  map[Turn]bool
}

// pairs takes all pairs: the first of every turn, then the second, so that a machine that
// becomes slower in an hour does so in all figures.
func (r *run) pairs(turns []Turn) error {
	n := 0
	for _, t := range turns {
		n = max(n, t.Pairs)
	}
	for i := range n {
		for _, t := range turns {
			if i >= t.Pairs || r.skipped[t] {
				continue
			}
			fmt.Fprintf(r.progress, "pair %d of %d: %s, %s\n", i+1, t.Pairs, t.Peer, t.Measurement)
			if err := r.pair(i, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair has both benches take a turn. A tree that lacks the peer or the measurement ends the
// turn for the whole run.
func (r *run) pair(i int, t Turn) error {
	var samples [2]measure.Sample
	for _, side := range order(i) {
		o, err := r.benches[side].take(r.ctx, t, r.slot)
		if err != nil {
			return err
		}
		if o.absent != "" {
			r.skipped[t] = true
			r.result.Skipped = append(r.result.Skipped, fmt.Sprintf("%s, %s: the %s tree has %s", t.Peer, t.Measurement, names[side], o.absent))
			return nil
		}
		if o.failed != "" {
			r.result.Failures = append(r.result.Failures, fmt.Sprintf("%s, %s, %s tree: %s", t.Peer, t.Measurement, names[side], o.failed))
		}
		samples[side] = o.sample
	}
	r.result.add(t.Peer, samples[oldSide], samples[newSide])
	return nil
}

// order is who takes a turn of a pair first, and who second.
func order(pair int) [2]int {
	if pair%2 == 0 {
		return [2]int{oldSide, newSide}
	}
	return [2]int{newSide, oldSide}
}

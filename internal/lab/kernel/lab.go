package kernel

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"example.com/ebb/internal/lab/netlab"
)

// ErrUnavailable is why nothing can be measured here: netlab.ErrUnavailable.
var ErrUnavailable = netlab.ErrUnavailable

const (
	// setupTime is what building and removing a path and starting the ends may take, beyond
	// what the flows do.
	setupTime = 20 * time.Second
	// attempts is how often a run is measured at most, if the laboratory stalls in each.
	attempts = 3
)

// lab is the laboratory and the ebb command.
type lab struct {
	*netlab.Lab
	ebb   string
	extra []string      // arguments of the ebb command's sending side
	stall time.Duration // a run whose packets were delivered so much too late is repeated; 0: none is
	runs  int
	late  lateness // since it was last taken
}

// lateness is how far the laboratory itself departed from its model, over some runs.
type lateness struct {
	worst    time.Duration // by which a packet was delivered too late, in the runs that count
	repeated int           // runs that did not count
	stalled  bool          // in one of those that count it stalled nevertheless
}

// openLab builds the laboratory. Close removes what it made.
func openLab(ctx context.Context, o Options) (*lab, error) {
	l, err := netlab.Open(ctx, o.Folder, o.Log)
	if err != nil {
		return nil, err
	}
	return &lab{Lab: l, ebb: o.Ebb, extra: o.Arguments, stall: o.Stall}, nil
}

// takeLateness is what there was since the last call.
func (l *lab) takeLateness() lateness {
	late := l.late
	l.late = lateness{}
	return late
}

// run lets the flows use a path and returns what the bottleneck saw. If the laboratory says that it
// stalled, the figures are not the path's, and the run is repeated.
func (l *lab) run(ctx context.Context, p path, flows []flow) (trace, error) {
	for attempt := 1; ; attempt++ {
		t, late, err := l.runOnce(ctx, p, flows)
		if err != nil {
			return nil, err
		}
		stalled := l.stall > 0 && late > l.stall
		if stalled && attempt < attempts {
			l.late.repeated++
			continue
		}
		l.late.worst = max(l.late.worst, late)
		l.late.stalled = l.late.stalled || stalled
		return t, nil
	}
}

// runOnce also returns by how much the latest of the packets was delivered too late.
func (l *lab) runOnce(ctx context.Context, p path, flows []flow) (trace, time.Duration, error) {
	l.runs++
	csv := filepath.Join(l.Dir, fmt.Sprintf("%d.csv", l.runs))
	args := append(p.arguments(), "-csv", csv, "-seed", fmt.Sprint(l.runs))
	var got series
	var watching *arrivals
	seen, isWatched := watched(flows)
	if isWatched {
		var err error
		if watching, err = watchArrivals(l.Dir); err != nil {
			return nil, 0, err
		}
	}
	report, err := l.Run(ctx, length(flows)+setupTime, args, script(flows, l.ebb, l.Dir, l.extra))
	if isWatched {
		got = watching.close()
	}
	if err != nil {
		return nil, 0, err
	}
	t, err := read(csv, flows)
	if err != nil {
		return nil, 0, fmt.Errorf("%w\n%s", err, report.Said)
	}
	if isWatched {
		t[seen.port+received] = got
	}
	return t, report.Late, nil
}

// read takes the series that netlab wrote.
func read(csv string, flows []flow) (trace, error) {
	f, err := os.Open(csv)
	if err != nil {
		return nil, fmt.Errorf("netlab's series: %w", err)
	}
	defer os.Remove(csv)
	defer f.Close()
	t, err := readTrace(f)
	if err != nil {
		return nil, err
	}
	for _, f := range flows {
		if len(t[f.port]) == 0 {
			return nil, fmt.Errorf("%s to port %d sent nothing", f.kind, f.port)
		}
	}
	return t, nil
}

package matrix

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"example.com/ebb/ledbat"
)

// Beside Ebb a CUBIC download keeps what it has, and a call hears of it by a few ms; beside CUBIC neither does. The figures are those of the
// README: a change of the controller that moves them moves them there too.
func TestForeground(t *testing.T) {
	run := func() []Beside {
		t.Helper()
		all, err := Foreground(t.Context(), ledbat.Factory(ledbat.Config{}), 1)
		if err != nil || len(all) != 3 {
			t.Fatalf("%d, %v", len(all), err)
		}
		return all
	}
	all := run()
	alone, ebb, cubic := all[0], all[1], all[2]
	for _, b := range all {
		t.Logf("beside %s: %.1f %% kept, the other had %.1f %%; call %.1f ms, p95 %.1f, %.3f %% lost", b.Bulk, b.Kept, b.Had, b.P50, b.P95, b.Lost)
	}
	if alone.Kept != 100 || alone.Had != 0 || alone.Lost != 0 || alone.P95 < 20 || alone.P95 > 21 {
		t.Errorf("alone: %+v", figuresOf(alone))
	}
	if ebb.Kept < 95 || ebb.Lost != 0 || ebb.P95 > alone.P95+10 {
		t.Errorf("beside Ebb: %+v", figuresOf(ebb))
	}
	if cubic.Kept > 75 || cubic.P95 < alone.P95+50 {
		t.Errorf("beside CUBIC: %+v", figuresOf(cubic))
	}
	if len(ebb.Download.Flows) != 2 || ebb.Download.Flows[0].Name != "Ebb" || len(ebb.Call.Queue) == 0 {
		t.Errorf("traces of %d flows and %d queues", len(ebb.Download.Flows), len(ebb.Call.Queue))
	}
	if !raceDetector && !reflect.DeepEqual(all, run()) {
		t.Error("two runs differ")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Foreground(ctx, ledbat.Factory(ledbat.Config{}), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func figuresOf(b Beside) Beside {
	b.Download, b.Call = Trace{}, Trace{}
	return b
}

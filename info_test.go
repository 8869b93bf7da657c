package ebb

import (
	"slices"
	"testing"

	"example.com/ebb/internal/engine"
)

// TestEveryLimitOfTheEngineHasAConstant: what the engine names is what this package documents.
func TestEveryLimitOfTheEngineHasAConstant(t *testing.T) {
	documented := []Limit{LimitApplication, LimitReceiver, LimitCongestion, LimitPacer, LimitPool, LimitOwn, LimitSocket, LimitSilence}
	for l := range engine.Limits {
		if !slices.Contains(documented, Limit(l.String())) {
			t.Errorf("the engine's limit %q has no constant", l)
		}
	}
}

package ledbat

import (
	"testing"

	"example.com/ebb/congestion"
)

// TestFactoryTakesSizeAndSeedOfTheConnection: two connections of one Config have controllers of their own.
func TestFactoryTakesSizeAndSeedOfTheConnection(t *testing.T) {
	factory := Factory(Config{Mode: PlusPlus, MaxDatagramSize: 9000, Seed: 1})
	if err := congestion.Check(factory); err != nil {
		t.Fatal(err)
	}
	a := factory(congestion.Params{MaxDatagramSize: 1200, Seed: 2}).(*Controller)
	b := factory(congestion.Params{MaxDatagramSize: 1452, Seed: 3}).(*Controller)
	if a.config.Seed != 2 || a.Window() != 12_000 || b.config.Seed != 3 || b.Window() != 14_520 {
		t.Errorf("got %+v with window %d and %+v with window %d", a.config, a.Window(), b.config, b.Window())
	}
	if got := a.Stats().Name; got != PlusPlus.String() {
		t.Errorf("the mode is %q, want %q", got, PlusPlus)
	}
}

// TestFactoryOfAnInvalidConfig: the error is Validate's.
func TestFactoryOfAnInvalidConfig(t *testing.T) {
	config := Config{MinWindow: -1}
	if got, want := congestion.Check(Factory(config)), config.Validate(); got == nil || got.Error() != want.Error() {
		t.Errorf("got %v, want %v", got, want)
	}
}

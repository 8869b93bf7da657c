package settings

import (
	"fmt"
	"slices"

	"example.com/ebb/congestion"
	"example.com/ebb/congestion/bbr"
	"example.com/ebb/congestion/cubic"
	"example.com/ebb/congestion/reno"
	"example.com/ebb/ledbat"
)

// Control is a congestion controller that is offered by name. The zero value is Ebb's default.
type Control int

// The controllers: three that yield, and three that compete.
const (
	Adaptive Control = iota
	PlusPlus
	RFC6817
	Reno
	CUBIC
	BBR
)

// controls are what is offered, in the order of the constants.
func controls() []control {
	mode := func(m ledbat.Mode) control {
		return control{m.String(), true, func(floor int) congestion.Factory {
			return ledbat.Factory(ledbat.Config{Mode: m, MinSSThresh: floor})
		}}
	}
	foreground := func(name string, factory congestion.Factory) control {
		return control{name, false, func(int) congestion.Factory { return factory }}
	}
	return []control{
		mode(ledbat.Adaptive), mode(ledbat.PlusPlus), mode(ledbat.RFC6817),
		foreground("reno", reno.Factory()), foreground("cubic", cubic.Factory()), foreground("bbr", bbr.Factory()),
	}
}

// control is one of them.
type control struct {
	name    string
	floored bool                               // it has a floor under ssthresh
	factory func(floor int) congestion.Factory // floor as in ledbat.Config, in bytes
}

// ParseControl returns the controller of a name.
func ParseControl(name string) (Control, error) {
	i := slices.IndexFunc(controls(), func(c control) bool { return c.name == name })
	if i < 0 {
		return 0, fmt.Errorf("%w; want %s", errUnknownName, ControlNames())
	}
	return Control(i), nil
}

// ControlNames is the names that ParseControl takes, as prose lists them.
func ControlNames() string { return list(controlNames(), "or") }

// String is the name that ParseControl takes.
func (c Control) String() string { return controls()[c].name }

// Factory makes the controllers. The floor is ledbat.Config.MinSSThresh, in bytes; those of other kinds have none.
func (c Control) Factory(floor int) congestion.Factory { return controls()[c].factory(floor) }

// controlNames are the names of all.
func controlNames() (names []string) {
	for _, c := range controls() {
		names = append(names, c.name)
	}
	return names
}

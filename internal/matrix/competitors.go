package matrix

import (
	"example.com/ebb/congestion"
	"example.com/ebb/ledbat"
)

// Competitors are the names of the foreground's controllers.
func Competitors() []string { return []string{"reno", "cubic", "bbr"} }

// Competitor is the foreground's controller of that name.
func Competitor(name string) (congestion.Factory, bool) {
	switch name {
	case "reno":
		return reno, true
	case "cubic":
		return cubic, true
	case "bbr":
		return bbr, true
	}
	return nil, false
}

func reno(p congestion.Params) congestion.Controller  { return standIn(p) }
func cubic(p congestion.Params) congestion.Controller { return standIn(p) }
func bbr(p congestion.Params) congestion.Controller   { return standIn(p) }

// standIn is LEDBAT++ until there are models of the others.
func standIn(p congestion.Params) congestion.Controller {
	c, err := ledbat.New(ledbat.Config{Mode: ledbat.PlusPlus, MaxDatagramSize: p.MaxDatagramSize, Seed: p.Seed})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return c
}

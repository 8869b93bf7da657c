package matrix

import (
	"example.com/ebb/congestion"
	"example.com/ebb/internal/lab/competitor"
)

// Competitors are the names of the foreground's controllers.
func Competitors() []string { return []string{"reno", "cubic", "bbr"} }

// Competitor is the foreground's controller of that name.
func Competitor(name string) (congestion.Factory, bool) {
	switch name {
	case "reno":
		return competitor.Reno, true
	case "cubic":
		return competitor.CUBIC, true
	case "bbr":
		return competitor.BBR, true
	}
	return nil, false
}

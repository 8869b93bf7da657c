package kernel

import (
	"fmt"
	"math"
	"strings"
)

// figure is one number that a scenario measured, and what it has to be.
type figure struct {
	name    string
	value   float64
	unit    string
	kind    barKind
	bar     float64 // for the median over the rounds
	worst   float64 // for the worst round; equal to bar if nothing else is asked
	details string
}

// barKind is how a figure is held against its bars.
type barKind uint8

const (
	noBar     barKind = iota // shown for its own sake
	lower                    // at least the bars
	upper                    // at most the bars
	closeness                // a percentage that is to be 100, give or take the bar; single rounds may be anything
)

func atLeast(name string, value float64, unit string, bar, worst float64) figure {
	return figure{name: name, value: value, unit: unit, kind: lower, bar: bar, worst: worst}
}

func atMost(name string, value float64, unit string, bar, worst float64) figure {
	return figure{name: name, value: value, unit: unit, kind: upper, bar: bar, worst: worst}
}

func shown(name string, value float64, unit string) figure {
	return figure{name: name, value: value, unit: unit}
}

// closeTo is a value as a percentage of another, which is to be 100 within the bar.
func closeTo(name string, value, of, bar float64) figure {
	return figure{name: name, value: ratio(value, of), unit: "%", kind: closeness, bar: bar}
}

// ratio is a percentage; 100 where both are none.
func ratio(value, of float64) float64 {
	if value == of {
		return 100
	}
	return min(percent(value, of), 1e6)
}

// met reports whether a median and the worst value are within the bars.
func (f figure) met(median, worst float64) bool {
	switch f.kind {
	case lower:
		return median >= f.bar && worst >= f.worst
	case upper:
		return median <= f.bar && worst <= f.worst
	case closeness:
		return math.Abs(median-100) <= f.bar
	}
	return true
}

// worse reports whether one value is further from what is wanted than another.
func (f figure) worse(a, b float64) bool {
	switch f.kind {
	case lower:
		return a < b
	case closeness:
		return math.Abs(a-100) > math.Abs(b-100)
	}
	return a > b
}

// barText is what is asked, for programs: ">=95;>=90".
func (f figure) barText() string {
	switch f.kind {
	case lower:
		return fmt.Sprintf(">=%g;>=%g", f.bar, f.worst)
	case upper:
		return fmt.Sprintf("<=%g;<=%g", f.bar, f.worst)
	case closeness:
		return fmt.Sprintf("100+-%g", f.bar)
	}
	return ""
}

// setBar reads what barText has written.
func (f *figure) setBar(text string) error {
	var err error
	switch {
	case text == "":
	case strings.HasPrefix(text, ">="):
		f.kind = lower
		_, err = fmt.Sscanf(text, ">=%g;>=%g", &f.bar, &f.worst)
	case strings.HasPrefix(text, "<="):
		f.kind = upper
		_, err = fmt.Sscanf(text, "<=%g;<=%g", &f.bar, &f.worst)
	default:
		f.kind = closeness
		_, err = fmt.Sscanf(text, "100+-%g", &f.bar)
	}
	if err != nil {
		return fmt.Errorf("%q is no bar", text)
	}
	return nil
}

// bars is what is asked, for people: "≥ 95; ≥ 90".
func (f figure) bars() string {
	sign := "≤"
	switch f.kind {
	case noBar:
		return ""
	case closeness:
		return "100 ± " + number(f.bar)
	case lower:
		sign = "≥"
	}
	if f.bar == f.worst {
		return sign + " " + number(f.bar)
	}
	return fmt.Sprintf("%s %s; %s", sign, number(f.bar), number(f.worst))
}

// number is three digits of a value.
func number(v float64) string { return fmt.Sprintf("%.3g", v) }

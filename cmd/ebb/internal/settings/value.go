package settings

import "strings"

// Size is a number of bytes on a command line, 0 or more, with a unit or without. It is a pflag.Value.
type Size int64

// Type implements pflag.Value.
func (s *Size) Type() string { return "size" }

// String implements pflag.Value.
func (s *Size) String() string { return formatSize(int64(*s)) }

// Set implements pflag.Value.
func (s *Size) Set(text string) error {
	n, err := parseQuantity(text, false)
	if err != nil {
		return err
	}
	v, err := inRange(n, 0, maxTotal, formatSize)
	if err == nil {
		*s = Size(v)
	}
	return err
}

// Rate is a number of bytes per second on a command line, 0 or more, with a unit or without. It is a pflag.Value.
type Rate int64

// Type implements pflag.Value.
func (r *Rate) Type() string { return "rate" }

// String implements pflag.Value.
func (r *Rate) String() string { return FormatRate(int64(*r)) }

// Set implements pflag.Value.
func (r *Rate) Set(text string) error {
	n, err := parseQuantity(strings.TrimSuffix(text, "/s"), strings.HasSuffix(text, "/s"))
	if err != nil {
		return err
	}
	v, err := inRange(n, 0, maxRate, FormatRate)
	if err == nil {
		*r = Rate(v)
	}
	return err
}

package settings

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Bounds of what is accepted, in bytes or bytes per second.
const (
	// minRate is the least rate: a packet takes longer than a second below it,
	// and a number below it is most likely one without its unit.
	minRate = 1000
	// maxRate is the greatest: who wants more wants no limit.
	maxRate = 1_000_000_000_000
	// maxTotal is the greatest number of bytes altogether.
	maxTotal = 1_000_000_000_000_000
	// minFloor is the least floor under ssthresh: the smallest full packet.
	minFloor = 1200
	// maxFloor is what ledbat.Config takes.
	maxFloor = 1_000_000_000
)

// maxDigits bounds the length of a number, so that none is slow to read.
const maxDigits = 40

// unit is a unit of quantity and what it holds, in bits.
type unit struct {
	name string
	bits int64
}

// units is what quantities are written in. Prefixes are decimal, except those
// with an i. KB is a usual way to write kB.
var units = []unit{
	{"B", 8}, {"kB", 8e3}, {"KB", 8e3}, {"MB", 8e6}, {"GB", 8e9}, {"TB", 8e12},
	{"KiB", 8 << 10}, {"MiB", 8 << 20}, {"GiB", 8 << 30}, {"TiB", 8 << 40},
	{"bit", 1}, {"kbit", 1e3}, {"Mbit", 1e6}, {"Gbit", 1e9}, {"Tbit", 1e12},
}

// parseRate reads a rate in bytes per second: a whole number, or a number with a
// unit, "/s" behind it or not.
func parseRate(text string) (int64, error) {
	n, err := parseQuantity(strings.TrimSuffix(text, "/s"), strings.HasSuffix(text, "/s"))
	if err != nil {
		return 0, err
	}
	return inRange(n, minRate, maxRate, FormatRate)
}

// parseSize reads a number of bytes: a whole number, or a number with a unit.
func parseSize(text string) (int64, error) {
	n, err := parseQuantity(text, false)
	if err != nil {
		return 0, err
	}
	return inRange(n, minFloor, maxFloor, formatSize)
}

func inRange(n *big.Int, least, most int64, format func(int64) string) (int64, error) {
	if n.Cmp(big.NewInt(least)) < 0 || n.Cmp(big.NewInt(most)) > 0 {
		return 0, fmt.Errorf("it is not from %s to %s", format(least), format(most))
	}
	return n.Int64(), nil
}

// parseQuantity reads a number of bytes and rounds it down. A number without a
// unit is whole; needsUnit does not admit one.
func parseQuantity(text string, needsUnit bool) (*big.Int, error) {
	end := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	number, name := text[:end], strings.TrimLeft(text[end:], " ")
	amount, ok := new(big.Rat), false
	if len(number) <= maxDigits && !strings.HasPrefix(number, ".") && !strings.HasSuffix(number, ".") {
		_, ok = amount.SetString(number)
	}
	switch {
	case strings.HasPrefix(text, "-"):
		return nil, errors.New("it is negative")
	case !ok:
		return nil, errors.New("it is not a number with a unit")
	case name == "" && needsUnit:
		return nil, errors.New("the unit is missing")
	case name == "" && !amount.IsInt():
		return nil, errors.New("without a unit it is bytes, a whole number")
	case name == "":
		return amount.Num(), nil
	}
	bits, err := bitsOf(name)
	if err != nil {
		return nil, err
	}
	amount.Mul(amount, big.NewRat(bits, 8))
	return new(big.Int).Quo(amount.Num(), amount.Denom()), nil
}

// bitsOf is how many bits a unit has. "bit" cannot be mistaken for something else,
// so the case of its prefix does not matter; that of b and B does.
func bitsOf(name string) (int64, error) {
	for _, u := range units {
		if u.name == name || strings.HasSuffix(u.name, "bit") && strings.EqualFold(u.name, name) {
			return u.bits, nil
		}
	}
	prefix := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), "ps"), "b")
	if len(prefix) != 1 || !strings.Contains("kmgt", prefix) {
		return 0, fmt.Errorf("there is no unit %q", name)
	}
	if prefix != "k" {
		prefix = strings.ToUpper(prefix)
	}
	return 0, fmt.Errorf("%q could be bits or bytes: write %sB or %sbit", name, prefix, prefix)
}

// FormatRate is a rate in bytes per second with the largest decimal unit that
// leaves it whole, as the settings take it.
func FormatRate(n int64) string {
	if n < 0 {
		return "unlimited"
	}
	return formatSize(n) + "/s"
}

func formatSize(n int64) string {
	for _, u := range []unit{{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= u.bits && n%u.bits == 0 {
			return strconv.FormatInt(n/u.bits, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + "B"
}

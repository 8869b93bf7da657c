package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"example.com/ebb/ledbat"
)

const (
	// defaultBandwidthLimit is Ebb's own default, in bytes per second. Saying
	// it here puts it into the help.
	defaultBandwidthLimit = 10_000_000
	unlimited             = -1
)

// flagSet is the flags of one command with the text around them.
type flagSet struct {
	*pflag.FlagSet
	synopsis, text, examples string
}

// newFlagSet begins a command's flags. The synopsis names the arguments, text
// says what the command does, each example is one line.
func newFlagSet(name, synopsis, text, examples string) *flagSet {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are returned and printed once
	fs.Usage = func() {}
	fs.SortFlags = false
	return &flagSet{FlagSet: fs, synopsis: synopsis, text: text, examples: examples}
}

// parse reads the command line and checks the number of arguments; most < 0 is
// any number.
func (fs *flagSet) parse(args []string, least, most int) error {
	err := fs.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		usage := strings.TrimSpace(fs.Name() + " [FLAG]... " + fs.synopsis)
		return helpRequest(fmt.Sprintf("%s\n\nusage: ebb %s\n\n%s\nexamples:\n%s", fs.text, usage, fs.FlagUsages(), fs.examples))
	case err != nil:
		return &usageError{err}
	case fs.NArg() < least:
		return usageErrorf("too few arguments: want %s", fs.synopsis)
	case most >= 0 && fs.NArg() > most:
		return usageErrorf("unexpected argument %q", fs.Arg(most))
	}
	return nil
}

// transportOptions is what the command line says about the connections.
type transportOptions struct {
	bandwidthLimit rateValue
	minSSThresh    sizeValue
	mode           modeValue
}

// register adds the flags that all commands share.
func (o *transportOptions) register(fs *flagSet, limit int64) {
	o.bandwidthLimit = rateValue(limit)
	fs.Var(&o.bandwidthLimit, "bandwidth-limit", `bytes per second of a connection, or "unlimited" (-1)`)
	fs.Var(&o.minSSThresh, "min-ssthresh", "floor under the slow-start threshold, for long lossy paths; 0 lets Ebb find one")
	fs.Var(&o.mode, "congestion-control", `"ledbat++", or "default" for what Ebb recommends`)
	fs.Lookup("congestion-control").DefValue = "" // "(default default)" says nothing
}

// rateValue is a flag of bytes per second; -1 is unlimited.
type rateValue int64

func (v *rateValue) Type() string { return "RATE" }

func (v *rateValue) String() string {
	if *v == unlimited {
		return "unlimited"
	}
	return strconv.FormatInt(int64(*v), 10)
}

// Set implements pflag.Value.
func (v *rateValue) Set(s string) error {
	if s == "unlimited" {
		*v = unlimited
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < unlimited || n == 0 {
		return errors.New(`want bytes per second, a whole number above 0, or "unlimited"`)
	}
	*v = rateValue(n)
	return nil
}

// sizeValue is a flag of bytes.
type sizeValue int

func (v *sizeValue) Type() string   { return "BYTES" }
func (v *sizeValue) String() string { return strconv.Itoa(int(*v)) }

// Set implements pflag.Value.
func (v *sizeValue) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt {
		return errors.New("want bytes, a whole number")
	}
	*v = sizeValue(n)
	return nil
}

// modeValue is a flag for a mode of the congestion controller.
type modeValue ledbat.Mode

func (v *modeValue) Type() string   { return "NAME" }
func (v *modeValue) String() string { return ledbat.Mode(*v).String() }

// Set implements pflag.Value.
func (v *modeValue) Set(s string) error {
	mode, err := ledbat.ParseMode(s)
	if err != nil {
		return fmt.Errorf("want %q or %q", ledbat.PlusPlus, ledbat.ModeDefault)
	}
	*v = modeValue(mode)
	return nil
}

// checkAddress reports what is wrong with the form of HOST:PORT. Whether there is
// such a host is found out when it is used.
func checkAddress(address string, listening bool) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		var bad *net.AddrError
		if errors.As(err, &bad) {
			return usageErrorf("%q is not HOST:PORT: %s", address, bad.Err)
		}
		return usageErrorf("%q is not HOST:PORT: %w", address, err)
	}
	number, err := net.LookupPort("udp", port)
	if err != nil {
		return usageErrorf("%q is not HOST:PORT: there is no port %q", address, port)
	}
	if number == 0 && !listening {
		return usageErrorf("%q has port 0, which nobody can be reached at", address)
	}
	return nil
}

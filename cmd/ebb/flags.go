package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/pflag"

	"example.com/ebb/cmd/ebb/internal/settings"
)

const (
	// defaultBandwidthLimit is Ebb's own default, in bytes per second. Saying
	// it here puts it into the help.
	defaultBandwidthLimit = 10_000_000
	unlimited             = settings.Unlimited
	helpWidth             = 100 // columns
)

// flagSet is the flags of one command with the text around them.
type flagSet struct {
	*pflag.FlagSet
	synopsis, text, examples string
	footer                   string // below the flags in the help
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
		return &helpRequest{fmt.Sprintf("%s\n\nusage: ebb %s\n\n%s%s\nexamples:\n%s",
			fs.text, usage, fs.flagUsages(), fs.footer, fs.examples), fs.FlagSet}
	case err != nil:
		return &usageError{plainly(err)}
	case fs.NArg() < least:
		return usageErrorf("too few arguments: want %s", fs.synopsis)
	case most >= 0 && fs.NArg() > most:
		return usageErrorf("unexpected argument %q", fs.Arg(most))
	}
	return nil
}

// plainly is an error of a flag's value that says what is wanted, where package strconv or time would say what its function did not like.
func plainly(err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	want, ok := map[string]string{
		"int": "a whole number", "int64": "a whole number", "uint64": "a whole number from 0 on", "float64": "a number",
		"bool": "true or false", "boolfunc": "true or false", "duration": "a time with its unit, such as 1m30s",
	}[invalid.GetFlag().Value.Type()]
	if !ok { // it is of ours, and says so itself
		return err
	}
	if errors.Is(err, strconv.ErrRange) {
		want = "one that is nearer to 0"
	}
	return fmt.Errorf("--%s is %q: want %s", invalid.GetFlag().Name, invalid.GetValue(), want)
}

// flagUsages describes the flags. The value of --debug is optional and needs a "=", as "--debug ADDR[=auto]" does not say.
func (fs *flagSet) flagUsages() string {
	return strings.Replace(fs.FlagUsagesWrapped(helpWidth), "--debug ADDR[="+debugAuto+"]", "--debug[=ADDR]     ", 1)
}

// transportOptions is what the command line says about the connections.
type transportOptions struct {
	command      *flagSet
	flags        settings.Layer
	file         string
	defaultLimit int64 // bytes per second, or unlimited
}

// aboutQuantities is the part of the help that explains the kinds of values.
const aboutQuantities = `
A RATE is in bytes per second unless it has a unit: 50MB/s, 1MiB/s, 400mbit. A SIZE is in
bytes unless it has a unit: 500kB, 1MiB. The FILE of --config uses the names of the flags,
without the dashes, in a table [network-api]; limits go in a table [limits], without the
prefix limit-, and key, peer and plain in a table [tls]. A flag takes precedence over that
FILE, and the FILE over the preset. docs/tuning.md says which settings to use when.
`

// register adds the flags that all commands share. The limit is that of a command
// whose user sets none.
func (o *transportOptions) register(fs *flagSet, limit int64) {
	o.command, o.defaultLimit = fs, limit
	fs.footer = aboutQuantities
	fs.StringVar(&o.file, "config", "", "read settings from `FILE`, in TOML")
	for _, key := range settings.Keys() {
		fs.Var(&settingValue{key, &o.flags}, key.Name, key.Help)
	}
	fs.Lookup("bandwidth-limit").DefValue = settings.FormatRate(limit)
	fs.Lookup("min-bandwidth-per-connection").DefValue = settings.FormatRate(settings.DefaultMinimum)
	fs.Lookup("congestion-control").DefValue = settings.Adaptive.String()
}

// resolve reads the file, and returns what the connections are to be made with.
// What the user should know about that goes to w.
func (o *transportOptions) resolve(w io.Writer) (settings.Settings, error) {
	layers := []*settings.Layer{&o.flags}
	if o.command.Changed("config") {
		layer, err := settings.ReadFile(o.file)
		if err != nil {
			return settings.Settings{}, &usageError{err}
		}
		layers = append(layers, layer)
	}
	resolved, err := settings.Resolve(o.defaultLimit, layers...)
	if err != nil {
		return settings.Settings{}, &usageError{err}
	}
	for _, note := range resolved.Notes {
		tell(w, o.command.Name(), "%s", note)
	}
	return resolved, nil
}

// open makes the transport that the settings ask for. What the user should know about that goes to w.
func (o *transportOptions) open(w io.Writer, open opener, s settings.Settings) (transport, error) {
	t, err := open(s)
	for _, note := range t.notes {
		tell(w, o.command.Name(), "%s", note)
	}
	return t, err
}

// settingValue is the flag of a setting.
type settingValue struct {
	key   settings.Key
	layer *settings.Layer
}

func (v *settingValue) Type() string   { return v.key.Kind }
func (v *settingValue) String() string { return v.layer.Text(v.key.Name) }

// Set implements pflag.Value.
func (v *settingValue) Set(s string) error {
	return v.layer.Set(v.key.Name, s, "command line")
}

// checkWritable reports that no file can be written at a path, before what is to be written there takes its time; "" is none. What is
// there stays as it is.
func checkWritable(path string) error {
	if path == "" {
		return nil
	}
	info, before := os.Lstat(path)
	if before == nil && !info.IsDir() && !info.Mode().IsRegular() {
		return nil // a pipe, whose reader would see the end
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return err
	}
	f.Close()
	if errors.Is(before, fs.ErrNotExist) {
		return os.Remove(path)
	}
	return nil
}

// checkAddress reports what is wrong with the form of HOST:PORT. Whether there is
// such a host is found out when it is used.
func checkAddress(address string, listening bool) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		var bad *net.AddrError
		if errors.As(err, &bad) {
			return usageErrorf("%q is not HOST:PORT: %s", address, bad.Err)
		}
		return usageErrorf("%q is not HOST:PORT: %w", address, err)
	}
	if strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return usageErrorf("%q is not HOST:PORT: no host's name has such a character as in %q", address, host)
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

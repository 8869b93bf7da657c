package settings

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"example.com/ebb/ledbat"
)

// The names of the settings: of flags, with two dashes before, and of keys in a
// file.
const (
	presetKey      = "preset"
	limitKey       = "bandwidth-limit"
	totalKey       = "total-bandwidth-limit"
	minimumKey     = "min-bandwidth-per-connection"
	controlKey     = "congestion-control"
	networkTypeKey = "network-type"
	floorKey       = "min-ssthresh"
	dscpKey        = "dscp"

	// Those of package limits stand in a table of their own, without this.
	limitPrefix   = "limit-"
	memoryKey     = limitPrefix + "memory"
	connsKey      = limitPrefix + "connections"
	peerConnsKey  = limitPrefix + "connections-per-peer"
	handshakesKey = limitPrefix + "handshakes-per-peer"
)

// Values that stand for words.
const (
	// Unlimited is a rate without a limit.
	Unlimited int64 = -1
	// noFloor is the floor under ssthresh that is none.
	noFloor = -1
	// noDSCP is the service of routers that is asked for by none.
	noDSCP = -1
	// noTotal is a total that is none, which turns off one from a file or a
	// preset, and noMinimum a minimum.
	noTotal   = 0
	noMinimum = 0
	// noLimit is a limit of package limits that is none.
	noLimit = -1
)

const (
	rateForm = "bytes per second from 1kB/s to 1TB/s, such as 5000000, 50MB/s, 1MiB/s or 400mbit"
	dscpForm = "a code point from 1 to 63"
	sizeForm = "bytes from 1200 to 1GB, such as 102400, 500kB or 1MiB"

	memoryForm = `bytes from 1MB to 1TB, such as 64MiB, or "none"`
	countForm  = `a whole number from 1 to 1000000000, or "none"`
)

// Key describes a setting.
type Key struct {
	Name string // of the flag and of the key in a file
	Kind string // RATE, SIZE, NAME or CODE
	Help string // what it does, in a line

	want  string // what is allowed
	parse func(text string) (int64, error)
}

// Keys returns all settings, in the order of the help.
func Keys() []Key {
	return []Key{
		{presetKey, "NAME", "start from these settings: " + list(presetNames(), "or"),
			list(presetNames(), "or"), parsePreset},
		{limitKey, "RATE", `most that one connection may send, or "unlimited"`,
			rateForm + `, or "unlimited" (-1)`, rateOr(Unlimited, "unlimited", "-1")},
		{totalKey, "RATE", `most that all connections together may send, instead of a limit for each, or "none"`,
			rateForm + `, or "none"`, rateOr(noTotal, "none")},
		{minimumKey, "RATE", "least that each connection gets of the total, however many there are",
			rateForm + `, or "none" (0)`, rateOr(noMinimum, "none", "0")},
		{controlKey, "NAME", "yielding: adaptive, ledbat++ or rfc6817; competing: reno, cubic or bbr",
			ControlNames(), parseControl},
		{networkTypeKey, "NAME", "kind of path, which sets --min-ssthresh: " + list(networkTypeNames(), "or"),
			list(networkTypeNames(), "or"), parseNetworkType},
		{floorKey, "SIZE", `floor under the slow-start threshold, for long lossy paths; "auto" (0) derives one from the path, "none" (-1) turns it off`,
			sizeForm + `, or "auto" (0) or "none" (-1)`, parseFloor},
		{dscpKey, "CODE", `code point that asks routers for a class of service, 1 to 63; "auto" (0) is Lower Effort (1) if the congestion control yields; or "none" (-1)`,
			dscpForm + `, or "auto" (0) or "none" (-1)`, parseDSCP},
		{memoryKey, "SIZE", `most memory that all connections together may use, or "none" (default an eighth of the machine's)`, memoryForm, parseMemory},
		{connsKey, "NUMBER", `most connections that peers may open, or "none"`, countForm, parseCount},
		{peerConnsKey, "NUMBER", `most connections with one IPv4 address or IPv6 /56, or "none"`, countForm, parseCount},
		{handshakesKey, "NUMBER", `most handshakes per second from one IPv4 address or IPv6 /56, or "none"`, countForm, parseCount},
	}
}

// keyNames are the settings' names in a table of a file.
func keyNames(table string) (names []string) {
	for _, k := range Keys() {
		if in, name := k.inFile(); in == table {
			names = append(names, name)
		}
	}
	return names
}

// inFile is the table and the name that a setting has in a file.
func (k Key) inFile() (in, name string) {
	if name, ok := strings.CutPrefix(k.Name, limitPrefix); ok {
		return limitsTable, name
	}
	return table, k.Name
}

// keyIn returns the setting of a name in a table.
func keyIn(table, name string) (Key, bool) {
	keys := Keys()
	i := slices.IndexFunc(keys, func(k Key) bool {
		in, as := k.inFile()
		return in == table && as == name
	})
	if i < 0 {
		return Key{}, false
	}
	return keys[i], true
}

// keyOf returns the setting of a name.
func keyOf(name string) (Key, bool) {
	keys := Keys()
	i := slices.IndexFunc(keys, func(k Key) bool { return k.Name == name })
	if i < 0 {
		return Key{}, false
	}
	return keys[i], true
}

// rateOr reads a rate, or one of the words that stand for a value.
func rateOr(value int64, words ...string) func(text string) (int64, error) {
	return func(text string) (int64, error) {
		if slices.Contains(words, text) {
			return value, nil
		}
		return parseRate(text)
	}
}

// The least and the most of the limits.
const (
	minMemory = 1_000_000
	maxMemory = 1_000_000_000_000
	maxCount  = 1_000_000_000
)

func parseMemory(text string) (int64, error) {
	if text == "none" {
		return noLimit, nil
	}
	n, err := parseQuantity(text, false)
	if err != nil {
		return 0, err
	}
	return inRange(n, minMemory, maxMemory, formatSize)
}

func parseCount(text string) (int64, error) {
	if text == "none" {
		return noLimit, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxCount {
		return 0, errors.New("it is no such number")
	}
	return n, nil
}

func parseFloor(text string) (int64, error) {
	switch text {
	case "auto", "0":
		return 0, nil
	case "none", "-1":
		return noFloor, nil
	}
	return parseSize(text)
}

func parseDSCP(text string) (int64, error) {
	switch text {
	case "auto":
		return 0, nil
	case "none":
		return noDSCP, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < noDSCP || n > 63 {
		return 0, errNoCodePoint
	}
	return n, nil
}

// errNoCodePoint is what is not a DSCP.
var errNoCodePoint = errors.New("it is no code point")

// errUnknownName is any name that is not among those that the error goes on to list.
var errUnknownName = errors.New("there is none of this name")

func parsePreset(text string) (int64, error) {
	i := slices.Index(presetNames(), text)
	if i < 0 {
		return 0, errUnknownName
	}
	return int64(i), nil
}

func parseNetworkType(text string) (int64, error) {
	if !slices.Contains(networkTypeNames(), text) {
		return 0, errUnknownName
	}
	kind, err := ledbat.ParseNetworkType(text)
	return int64(kind), err
}

func parseControl(text string) (int64, error) {
	i := slices.Index(controlNames(), text)
	if i < 0 {
		return 0, errUnknownName
	}
	return int64(i), nil
}

// networkTypeNames are the kinds of path. The gateway of package ledbat is none:
// it is a kind of host, and a preset.
func networkTypeNames() (names []string) {
	for _, kind := range ledbat.NetworkTypes() {
		if kind != ledbat.Gateway {
			names = append(names, kind.String())
		}
	}
	return names
}

// list joins names as prose does.
func list(names []string, conjunction string) string {
	last := len(names) - 1
	if last < 1 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:last], ", ") + " " + conjunction + " " + names[last]
}

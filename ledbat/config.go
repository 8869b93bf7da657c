// Package ledbat is the default congestion controller. It takes what bandwidth
// others leave. It measures how much longer packets are on their way than they
// have to be: that is the queue. It gives way while the queue is more than the
// little that it allows itself.
//
// There are three algorithms of one kind behind one Controller. Adaptive, the default, is
// Ebb's own; PlusPlus is LEDBAT++ as drafted in draft-irtf-iccrg-ledbat-plus-plus;
// RFC6817 is LEDBAT. docs/congestion.md lists the rules of each, what was decided
// where a choice was left, and what is known to go wrong. The package is pure:
// time comes in as an argument, the arithmetic is in integers, and a Controller is
// used by one goroutine at a time.
package ledbat

import "fmt"

// Mode is a variant of LEDBAT.
type Mode int

const (
	// ModeDefault is the variant the project recommends: Adaptive.
	ModeDefault Mode = iota
	// PlusPlus is LEDBAT++ as drafted: a queue of 60 ms, and slowdowns.
	PlusPlus
	// RFC6817 is LEDBAT: a queue of 60 ms.
	RFC6817
	// Adaptive keeps a queue of 5 ms, less where buffers are small, tells loss from
	// congestion, and drains its queue to look at the path when that is in doubt.
	Adaptive
)

const (
	defaultDatagramSize = 1200          // bytes: the least of congestion.Params
	maxDatagramSize     = 65527         // bytes: what UDP over IPv6 carries
	maxWindow           = 1_000_000_000 // bytes
	initialPackets      = 10
	initialBytes        = 14720 // RFC 9002 section 7.2
	minPackets          = 2     // RFC 6817 section 2.5, MIN_CWND
)

// modeNames is what String and ParseMode share.
var modeNames = []struct {
	name string
	mode Mode
}{
	{"default", ModeDefault},
	{"adaptive", Adaptive},
	{"ledbat++", PlusPlus},
	{"rfc6817", RFC6817},
}

// String is the mode's name as ParseMode takes it.
func (m Mode) String() string {
	for _, n := range modeNames {
		if n.mode == m {
			return n.name
		}
	}
	return fmt.Sprintf("Mode(%d)", int(m))
}

// ParseMode returns the mode of a name: "default", "adaptive", "ledbat++" or
// "rfc6817".
func ParseMode(name string) (Mode, error) {
	for _, n := range modeNames {
		if n.name == name {
			return n.mode, nil
		}
	}
	return 0, fmt.Errorf("ledbat: unknown mode %q", name)
}

// Config is what a Controller is made from. The zero value is ready to use.
// Sizes are bytes of UDP payload, at most 1e9.
type Config struct {
	// Mode is the variant.
	Mode Mode

	// MinSSThresh is a floor under the slow start threshold, in bytes. On
	// long paths with loss it keeps a row of timeouts from leaving the
	// threshold so low that slow start ends at once: 100 to 500 KB for
	// 100 to 200 ms, up to 2 MB for satellites. After a timeout the window
	// is a quarter of it.
	//
	// With 0 the floor is the window at which the first slow start found a
	// queue, as long as the base delay stays within a factor of 1.5 of what
	// it was then. A negative value means no floor. Whatever it says, the
	// threshold is at least twice the minimum window.
	MinSSThresh int

	// InitialWindow is the window to begin with; 0 means ten packets, or as
	// many as fit in 14720 bytes (RFC 9002 section 7.2). It is raised to the
	// minimum window if it is less.
	InitialWindow int

	// MinWindow is the least window; 0 means two packets, which is also the
	// least that takes effect (RFC 6817 section 2.5).
	MinWindow int

	// MaxDatagramSize is the size of a full packet, 1200 to 65527; 0 means
	// 1200.
	MaxDatagramSize int

	// Seed feeds modes that draw random numbers. None does today.
	Seed uint64
}

// Validate says what is wrong with the Config, if anything.
func (c Config) Validate() error {
	switch c.Mode {
	case ModeDefault, PlusPlus, RFC6817, Adaptive:
	default:
		return fmt.Errorf("ledbat: unknown mode %v", c.Mode)
	}
	if c.MinSSThresh > maxWindow {
		return fmt.Errorf("ledbat: MinSSThresh %d is more than %d", c.MinSSThresh, maxWindow)
	}
	if c.InitialWindow < 0 || c.InitialWindow > maxWindow {
		return fmt.Errorf("ledbat: InitialWindow %d is not in 0 to %d", c.InitialWindow, maxWindow)
	}
	if c.MinWindow < 0 || c.MinWindow > maxWindow {
		return fmt.Errorf("ledbat: MinWindow %d is not in 0 to %d", c.MinWindow, maxWindow)
	}
	if n := c.MaxDatagramSize; n != 0 && (n < defaultDatagramSize || n > maxDatagramSize) {
		return fmt.Errorf("ledbat: MaxDatagramSize %d is not in %d to %d", n, defaultDatagramSize, maxDatagramSize)
	}
	return nil
}

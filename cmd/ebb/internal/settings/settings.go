package settings

import (
	"fmt"

	"example.com/ebb/ledbat"
)

// DefaultMinimum is the least that a connection gets of a total, in bytes per
// second, if nothing says otherwise and the total is not less.
const DefaultMinimum = 1_000_000

// Layer is the settings that one source gives. The zero value gives none. It is
// used by one goroutine at a time.
type Layer struct {
	given      map[string]setting
	protection protectionLayer
}

// setting is one value and where it stands.
type setting struct {
	value        int64
	text, origin string
}

// Set gives a setting by name. The origin tells people where it stands. An error
// says what is allowed; it names neither the key nor the value, which callers do
// in their own way. Given twice, the last counts.
func (l *Layer) Set(name, text, origin string) error {
	key, ok := keyOf(name)
	if !ok {
		return fmt.Errorf("there is no setting %q: there are %s", name, list(append(keyNames(table), keyNames(limitsTable)...), "and"))
	}
	value, err := key.parse(text)
	if err != nil {
		return fmt.Errorf("%w; want %s", err, key.want)
	}
	if l.given == nil {
		l.given = make(map[string]setting)
	}
	l.given[name] = setting{value, text, origin}
	return nil
}

// Text is what was given for a setting; "" if nothing was.
func (l *Layer) Text(name string) string { return l.given[name].text }

// Settings is what connections are made with. Rates are bytes per second, sizes
// bytes.
type Settings struct {
	// BandwidthLimit is that of each connection, or Unlimited. With a total it
	// is 0: the total is shared out instead.
	BandwidthLimit int64
	// TotalBandwidthLimit is that of all connections together. 0: there is none.
	TotalBandwidthLimit int64
	// MinBandwidthPerConnection is the least that a connection gets of the
	// total. 0 without a total.
	MinBandwidthPerConnection int64
	// MinSSThresh is the floor of ledbat.Config: 0 derives one, a negative one is none.
	MinSSThresh int
	// CongestionControl is the controller.
	CongestionControl Control
	// DSCP is that of ebb.Config: 0 is Lower Effort where the controller yields, a negative one is none.
	DSCP int
	// Limits is what all connections may cost.
	Limits Limits
	// Protection is how the connections are protected.
	Protection Protection
	// Notes are lines to tell the user: settings that have no effect, and why.
	Notes []string
}

// Limits is the settings of package limits: in each 0 is the default, and -1 none.
type Limits struct {
	Memory             int64 // bytes, of the process
	Connections        int64 // inbound, of the process
	ConnectionsPerPeer int64
	HandshakesPerPeer  int64 // a second
}

// Resolve takes every setting from the first layer that gives it. The preset that
// they name comes behind them, and defaultLimit, for the bandwidth-limit, behind
// that.
func Resolve(defaultLimit int64, layers ...*Layer) (Settings, error) {
	sources := append(sources(nil), layers...)
	if chosen, ok := sources.find(presetKey); ok {
		sources = append(sources, presets()[chosen.value].layer())
	}
	s := Settings{BandwidthLimit: defaultLimit}
	if mode, ok := sources.find(controlKey); ok {
		s.CongestionControl = Control(mode.value)
	}
	if dscp, ok := sources.find(dscpKey); ok {
		s.DSCP = int(dscp.value)
	}
	floor, err := sources.floor()
	if err != nil {
		return Settings{}, err
	}
	s.MinSSThresh = floor
	if control := controls()[s.CongestionControl]; floor != 0 && !control.floored {
		s.MinSSThresh = 0
		s.note("the floor under the slow-start threshold has no effect with %s", control.name)
	}
	for key, limit := range map[string]*int64{
		memoryKey: &s.Limits.Memory, connsKey: &s.Limits.Connections,
		peerConnsKey: &s.Limits.ConnectionsPerPeer, handshakesKey: &s.Limits.HandshakesPerPeer,
	} {
		if found, ok := sources.find(key); ok {
			*limit = found.value
		}
	}
	if err := s.setRates(sources); err != nil {
		return Settings{}, err
	}
	if err := s.setProtection(sources); err != nil {
		return Settings{}, err
	}
	return s, nil
}

// setRates sets what shares out bandwidth.
func (s *Settings) setRates(from sources) error {
	limit, limited := from.find(limitKey)
	if limited {
		s.BandwidthLimit = limit.value
	}
	minimum, hasMinimum := from.find(minimumKey)
	total, pooled := from.find(totalKey)
	if !pooled || total.value == noTotal {
		if hasMinimum && !pooled {
			s.note("%s has no effect without %s", minimum.label(minimumKey), totalKey)
		}
		return nil
	}
	if limited {
		s.note("%s overrides %s", total.label(totalKey), limit.label(limitKey))
	}
	s.BandwidthLimit, s.TotalBandwidthLimit = 0, total.value
	s.MinBandwidthPerConnection = min(DefaultMinimum, total.value)
	if hasMinimum {
		s.MinBandwidthPerConnection = minimum.value
	}
	if s.MinBandwidthPerConnection > total.value {
		return fmt.Errorf("%s is above %s: want at most that", minimum.label(minimumKey), total.label(totalKey))
	}
	return nil
}

func (s *Settings) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

// label is a setting as messages call it.
func (v setting) label(name string) string {
	return fmt.Sprintf("%s %s (%s)", name, v.text, v.origin)
}

// sources are layers in order of precedence.
type sources []*Layer

// find returns the setting of a name from the first layer that gives it.
func (s sources) find(name string) (setting, bool) {
	for _, layer := range s {
		if found, ok := layer.given[name]; ok {
			return found, true
		}
	}
	return setting{}, false
}

// floor is the floor under ssthresh. A network type is a word for one, so that a
// layer which gives both contradicts itself.
func (s sources) floor() (int, error) {
	for _, layer := range s {
		bytes, hasBytes := layer.given[floorKey]
		kind, hasKind := layer.given[networkTypeKey]
		switch {
		case hasBytes && hasKind:
			return 0, fmt.Errorf("%s and %s both set the floor: want one of them", bytes.label(floorKey), kind.label(networkTypeKey))
		case hasBytes:
			return int(bytes.value), nil
		case hasKind:
			return ledbat.NetworkType(kind.value).MinSSThresh(), nil
		}
	}
	return 0, nil
}

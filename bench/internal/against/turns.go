package against

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"example.com/ebb/bench/internal/measure"
	"example.com/ebb/bench/internal/peer"
)

// Turn is what both trees do one after the other: one peer, one measurement, in so many pairs.
type Turn struct {
	Peer, Measurement string
	Pairs             int
}

// What takes part if the command line does not say. Several sockets are tried where they matter:
// with several connections.
const (
	usualPeers        = "ebb,ebb-endpoint"
	usualMeasurements = "bulk,bulk8,ping,dial,dial32,idle"
	socketsPeer       = "ebb-sockets"
	socketsMeasured   = "bulk8"
)

// Many short turns tell more in the same time than a few long ones: what disturbs the machine for
// seconds spoils a few ratios of many, and the median passes over them.
const (
	UsualPairs = 40
	UsualSlot  = 500 * time.Millisecond
)

// longPairs bounds the pairs of what takes long, idle above all. What it measures is also the same
// in every pair, but for the processor time.
const longPairs = 3

// Turns is the turns of two comma-separated lists, either of which may be empty for the usual.
func Turns(peers, measurements string, pairs int) ([]Turn, error) {
	var turns []Turn
	add := func(peers, measurements string) error {
		some, err := selectTurns(peers, measurements, pairs)
		turns = append(turns, some...)
		return err
	}
	chosen := peers
	if peers == "" {
		chosen = usualPeers
	}
	if measurements == "" {
		measurements = usualMeasurements
	}
	if err := add(chosen, measurements); err != nil {
		return nil, err
	}
	if peers == "" && hasName(measurements, socketsMeasured) {
		if err := add(socketsPeer, socketsMeasured); err != nil {
			return nil, err
		}
	}
	if len(turns) == 0 {
		return nil, fmt.Errorf("no peer of %s takes part in %s", chosen, measurements)
	}
	return turns, nil
}

func selectTurns(peers, measurements string, pairs int) ([]Turn, error) {
	if hasName(measurements, "raw") {
		return nil, errors.New("raw measures the kernel, which is the same for both trees")
	}
	takers, err := peer.Select(peers)
	if err != nil {
		return nil, err
	}
	kinds, err := measure.Select(measurements)
	if err != nil {
		return nil, err
	}
	var turns []Turn
	for _, p := range takers {
		for _, m := range kinds {
			t := Turn{Peer: p.Name, Measurement: m.Name, Pairs: pairs}
			if m.Rounds > 0 {
				t.Pairs = min(pairs, longPairs)
			}
			if m.Takes(p) {
				turns = append(turns, t)
			}
		}
	}
	return turns, nil
}

func hasName(list, name string) bool {
	for n := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(n) == name {
			return true
		}
	}
	return false
}

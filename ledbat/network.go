package ledbat

import (
	"fmt"
	"strings"
	"time"
)

// NetworkType is a kind of path, by its round trip, that MinSSThresh is advised
// for. The zero value is LAN.
type NetworkType int

const (
	LAN              NetworkType = iota // below 10 ms: one building
	Regional                            // 10 to 50 ms: one country
	Continental                         // 50 to 100 ms
	Intercontinental                    // 100 to 200 ms
	Satellite                           // 500 ms and more
	Gateway                             // a host that serves peers at every distance
)

// networkTypes is the advice, in the order of the constants.
var networkTypes = [...]struct {
	name                  string
	least, most           time.Duration // round trips; most 0: no upper end
	floor                 int
	leastFloor, mostFloor int // the range that makes sense; 0: none is needed
}{
	{"lan", 0, 10 * time.Millisecond, 0, 0, 0},
	{"regional", 10 * time.Millisecond, 50 * time.Millisecond, 0, 0, 0},
	{"continental", 50 * time.Millisecond, 100 * time.Millisecond, 50_000, 50_000, 50_000},
	{"intercontinental", 100 * time.Millisecond, 200 * time.Millisecond, 250_000, 100_000, 500_000},
	{"satellite", 500 * time.Millisecond, 0, 1_000_000, 500_000, 2_000_000},
	{"gateway", 0, 0, 500_000, 500_000, 500_000},
}

// NetworkTypes returns all types, by rising round trip, and Gateway at the end.
func NetworkTypes() []NetworkType {
	return []NetworkType{LAN, Regional, Continental, Intercontinental, Satellite, Gateway}
}

// ParseNetworkType returns the type of a name: "lan", "regional", "continental",
// "intercontinental", "satellite" or "gateway".
func ParseNetworkType(name string) (NetworkType, error) {
	names := make([]string, 0, len(networkTypes))
	for i, n := range networkTypes {
		if n.name == name {
			return NetworkType(i), nil
		}
		names = append(names, n.name)
	}
	return 0, fmt.Errorf("ledbat: unknown network type %q: want %s", name, strings.Join(names, ", "))
}

func (n NetworkType) known() bool { return n >= 0 && int(n) < len(networkTypes) }

// String is the type's name as ParseNetworkType takes it.
func (n NetworkType) String() string {
	if !n.known() {
		return fmt.Sprintf("NetworkType(%d)", int(n))
	}
	return networkTypes[n].name
}

// MinSSThresh is what to set Config.MinSSThresh to, in bytes: a middle value
// where a range is advised, and 0, which derives the floor from the path, where
// none need be configured or the type is unknown.
func (n NetworkType) MinSSThresh() int {
	if !n.known() {
		return 0
	}
	return networkTypes[n].floor
}

// MinSSThreshRange is the range of MinSSThresh that makes sense, in bytes; both
// are 0 where none need be configured or the type is unknown.
func (n NetworkType) MinSSThreshRange() (least, most int) {
	if !n.known() {
		return 0, 0
	}
	return networkTypes[n].leastFloor, networkTypes[n].mostFloor
}

// RTT is the range of round trips, from least up to but not including most. most
// is 0 if there is no upper end; both are 0 for a Gateway and an unknown type.
func (n NetworkType) RTT() (least, most time.Duration) {
	if !n.known() {
		return 0, 0
	}
	return networkTypes[n].least, networkTypes[n].most
}

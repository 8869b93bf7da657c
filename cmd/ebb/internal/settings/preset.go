package settings

import (
	"strconv"

	"example.com/ebb/ledbat"
)

// preset is settings to begin with, as text.
type preset struct {
	name, purpose string
	values        [][2]string // key, value
}

// presets returns all of them.
func presets() []preset {
	gatewayFloor := strconv.Itoa(ledbat.Gateway.MinSSThresh())
	return []preset{
		{"gateway", "a host that serves many peers, near and far",
			[][2]string{{totalKey, "100MB/s"}, {minimumKey, "1MB/s"}, {floorKey, gatewayFloor}}},
		{"regular", "a peer on an ordinary access line",
			[][2]string{{totalKey, "10MB/s"}, {minimumKey, "500kB/s"}}},
		{"testing", "tests; a limit for each connection",
			[][2]string{{limitKey, "100MB/s"}}},
		{"testing-total", "tests with many connections",
			[][2]string{{totalKey, "500MB/s"}}},
	}
}

func presetNames() (names []string) {
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

// layer is the preset as a source of settings.
func (p preset) layer() *Layer {
	var l Layer
	for _, v := range p.values {
		if err := l.Set(v[0], v[1], "preset "+p.name); err != nil {
			panic("BUG: preset " + p.name + ": " + err.Error())
		}
	}
	return &l
}

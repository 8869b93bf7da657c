package ebb_test

import (
	"flag"
	"fmt"

	"example.com/ebb"
)

// offload is the way in which the tests' sockets move packets: -offload=single, for one.
var offload = offloadMode{name: "all"}

func init() {
	flag.Var(&offload, "offload", "move packets as if the system had `all`, no gso, no gro, only batch, or only single datagrams")
}

// offloadMode is the value of the flag.
type offloadMode struct {
	name   string
	config ebb.Config // of which only the switches count
}

func (m *offloadMode) String() string { return m.name }

func (m *offloadMode) Set(name string) error {
	modes := map[string]ebb.Config{
		"all":    {},
		"nogso":  {NoGSO: true},
		"nogro":  {NoGRO: true},
		"batch":  {NoGSO: true, NoGRO: true},
		"single": {NoBatch: true},
	}
	config, ok := modes[name]
	if !ok {
		return fmt.Errorf("no mode %q: they are all, nogso, nogro, batch and single", name)
	}
	m.name, m.config = name, config
	return nil
}

// inMode is a config with the switches of the flag, and its own.
func inMode(cfg *ebb.Config) *ebb.Config {
	var c ebb.Config
	if cfg != nil {
		c = *cfg
	}
	c.NoGSO = c.NoGSO || offload.config.NoGSO
	c.NoGRO = c.NoGRO || offload.config.NoGRO
	c.NoBatch = c.NoBatch || offload.config.NoBatch
	return &c
}

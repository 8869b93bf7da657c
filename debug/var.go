package debug

import (
	"encoding/json"

	"example.com/ebb"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// Variable is what Var publishes.
type Variable struct {
	Totals             Totals         `json:"totals"`
	ConnectionsTotal   int            `json:"connections_total"`
	ConnectionsByState map[string]int `json:"connections_by_state"`
	ConnectionsByLimit map[string]int `json:"connections_by_limit"` // what limits those that are established
	EndpointsTotal     int            `json:"endpoints_total"`
	HalfOpen           int            `json:"half_open"` // of all endpoints; so the next
	Queued             int            `json:"queued"`
	Pools              []Pool         `json:"pools"`
	Limits             []Limits       `json:"limits"` // the process's scopes, and those that stand for all of a level
}

// variable implements expvar.Var, without the side effects of importing that package.
type variable struct{}

// Var is a variable for expvar.Publish, and its String the JSON of a Variable: sums, and not a row for each connection. It reads the process
// whenever it is asked. The name is the caller's choice: expvar.Publish("ebb", debug.Var()).
func Var() interface{ String() string } { return variable{} }

// String implements expvar.Var.
func (variable) String() string {
	b, err := json.Marshal(ReadVariable())
	if err != nil {
		panic("BUG: a variable has no JSON: " + err.Error())
	}
	return string(b)
}

// ReadVariable looks at the process, as Read does, and keeps sums only. It takes a time that grows with the number of
// connections.
func ReadVariable() Variable {
	v := Variable{
		Totals:             Totals(ebb.Totals()),
		ConnectionsByState: make(map[string]int), ConnectionsByLimit: make(map[string]int), Limits: []Limits{},
	}
	used := inUse{pools: make(map[*pool.Pool]bool), managers: make(map[*limits.Manager]bool)}
	for e := range ebb.Endpoints() {
		used.note(e)
		v.EndpointsTotal++
		info := e.Info()
		v.HalfOpen += info.HalfOpen
		v.Queued += info.Queued
		for c := range e.Connections() {
			v.ConnectionsTotal++
			v.ConnectionsByState[string(c.State)]++
			if c.State == ebb.StateEstablished {
				v.ConnectionsByLimit[string(c.LimitedBy)]++
			}
		}
	}
	v.Pools = used.listPools(nil)
	for i, m := range used.orderedManagers {
		s := m.Snapshot()
		s.Endpoints, s.Networks, s.Peers, s.Identities = nil, nil, nil, nil
		v.Limits = append(v.Limits, limitsOf(numbered("manager", i, m == limits.Default()), s))
	}
	return v
}

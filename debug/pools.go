package debug

import (
	"fmt"
	"maps"
	"slices"

	"example.com/ebb"
	"example.com/ebb/internal/untrusted"
	"example.com/ebb/limits"
	"example.com/ebb/pool"
)

// inUse is the pools and managers that endpoints name, in the order in which they were found.
type inUse struct {
	pools           map[*pool.Pool]bool
	orderedPools    []*pool.Pool
	managers        map[*limits.Manager]bool
	orderedManagers []*limits.Manager
}

func (u *inUse) note(e *ebb.Endpoint) {
	if p := e.Pool(); p != nil && !u.pools[p] {
		u.pools[p] = true
		u.orderedPools = append(u.orderedPools, p)
	}
	if m := e.Limits(); !u.managers[m] {
		u.managers[m] = true
		u.orderedManagers = append(u.orderedManagers, m)
	}
}

// listPools is those with a name, of the process and of others, and then those that endpoints use.
func (u *inUse) listPools(others map[string]*pool.Pool) []Pool {
	list := []Pool{}
	named := make(map[*pool.Pool]bool)
	for name, p := range pool.All() {
		if name == "" {
			name = "default"
		}
		list, named[p] = append(list, poolOf(name, p)), true
	}
	for _, name := range slices.Sorted(maps.Keys(others)) {
		list, named[others[name]] = append(list, poolOf(name, others[name])), true
	}
	for i, p := range u.orderedPools {
		if !named[p] {
			list = append(list, poolOf(numbered("pool", i, false), p))
		}
	}
	return list
}

func poolOf(name string, p *pool.Pool) Pool {
	s := p.Snapshot()
	return Pool{
		Name: untrusted.Text(name).String(), Members: s.Members, Throttled: s.Throttled,
		TotalBytesPerSecond: s.Total, MinimumBytesPerSecond: s.MinPerConn, RateBytesPerSecond: s.Rate,
		ReceiveTotalBytesPerSecond: s.ReceiveTotal, ReceiveMinimumBytesPerSecond: s.ReceiveMinPerConn, Strict: s.Strict,
	}
}

// numbered names what has no name.
func numbered(what string, i int, isDefault bool) string {
	if isDefault {
		return "default"
	}
	return fmt.Sprintf("%s %d", what, i+1)
}

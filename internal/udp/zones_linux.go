package udp

import (
	"net"
	"strconv"
	"time"
)

// zonesLifetime is how long the name of a network interface is believed.
const zonesLifetime = time.Minute

// zones knows names and indices of the network interfaces of link-local addresses.
type zones struct {
	names   map[uint32]string
	indices map[string]uint32
	until   time.Time
}

// name returns the name of the interface with an index, which is the zone of an
// address.
func (z *zones) name(index uint32) string {
	z.refresh()
	if name, ok := z.names[index]; ok {
		return name
	}
	name := strconv.FormatUint(uint64(index), 10)
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	z.names[index] = name
	return name
}

// index returns the index of the interface that a zone names, by its name or as a number; 0 if there is
// none.
func (z *zones) index(name string) uint32 {
	z.refresh()
	if index, ok := z.indices[name]; ok {
		return index
	}
	index, _ := strconv.ParseUint(name, 10, 32)
	if i, err := net.InterfaceByName(name); err == nil {
		index = uint64(i.Index)
	}
	z.indices[name] = uint32(index)
	return uint32(index)
}

// refresh forgets what may have changed.
func (z *zones) refresh() {
	if now := time.Now(); now.After(z.until) {
		z.names, z.indices = make(map[uint32]string), make(map[string]uint32)
		z.until = now.Add(zonesLifetime)
	}
}

package simnet

import (
	"encoding/binary"

	"example.com/ebb/internal/endpoint"
	"example.com/ebb/internal/lab/scripted"
	"example.com/ebb/internal/protect"
)

// Protect has the station's connections be protected, with a handshake by script, and restarts it. The key of its reset tokens
// survives a Restart.
func (st *Station) Protect(script scripted.Script) {
	st.script = &script
	st.bounds.Protected = true
	for i := range 4 {
		binary.LittleEndian.PutUint64(st.bounds.ResetKey[8*i:], st.rng.Uint64())
	}
	st.bounds.Port = st.Addr.Port()
	st.Restart()
}

// protect has a connection that is about to be made be a protected one, if the station's are.
func (st *Station) protect(p *endpoint.Params) {
	if st.script == nil {
		return
	}
	script := *st.script
	script.Client = p.Client
	p.Handshake = func(ours []byte) protect.Handshake { return scripted.New(script, ours) }
}

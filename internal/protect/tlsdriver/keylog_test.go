package tlsdriver

import (
	"bytes"
	"testing"

	"example.com/ebb/internal/lab/keylog"
	"example.com/ebb/internal/protect"
	"example.com/ebb/wire"
)

// TestKeyLog: whoever has the key log reads the packets of both sides.
func TestKeyLog(t *testing.T) {
	client, server := configs(t)
	var written bytes.Buffer
	client.KeyLogWriter = &written
	c, s := ends(t, client, server)
	converse(t, c, s, 1200)
	agreed(t, c, s)
	log, err := keylog.Parse(&written)
	if err != nil || len(log) != 1 {
		t.Fatalf("%d connections, %v", len(log), err)
	}
	state, _ := c.State()
	for _, secrets := range log {
		for label, out := range map[string]protect.Event{keylog.ClientData: c.seal[protect.LevelData], keylog.ServerData: s.seal[protect.LevelData]} {
			k, err := protect.NewDataKeys(out.Suite, protect.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if err := k.SetSend(out.Data); err != nil {
				t.Fatal(err)
			}
			h := wire.Must(wire.AppendShort(nil, 9, 3, 3))
			sealed := k.Seal(append(h, "frames"...), 0, len(h), 3)
			o, err := keylog.New(state.CipherSuite, secrets[label])
			if err != nil {
				t.Fatal(err)
			}
			if p, err := o.Open(sealed, -1); err != nil || string(p.Frames) != "frames" || p.Number != 3 {
				t.Errorf("%s: %+v, %v", label, p, err)
			}
		}
	}
}

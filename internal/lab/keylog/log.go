package keylog

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// The labels of secrets in a key log.
const (
	ClientHandshake = "CLIENT_HANDSHAKE_TRAFFIC_SECRET"
	ServerHandshake = "SERVER_HANDSHAKE_TRAFFIC_SECRET"
	ClientData      = "CLIENT_TRAFFIC_SECRET_0"
	ServerData      = "SERVER_TRAFFIC_SECRET_0"
)

// Secrets are those of one connection, by label.
type Secrets map[string][]byte

// Parse reads a key log. It returns the secrets of each connection by the hexadecimal text of the client's random value.
func Parse(r io.Reader) (map[string]Secrets, error) {
	all := make(map[string]Secrets)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) != 3 {
			return nil, fmt.Errorf("keylog: a line of %d fields", len(fields))
		}
		secret, err := hex.DecodeString(fields[2])
		if err != nil {
			return nil, fmt.Errorf("keylog: %w", err)
		}
		if all[fields[1]] == nil {
			all[fields[1]] = make(Secrets)
		}
		all[fields[1]][fields[0]] = secret
	}
	return all, lines.Err()
}

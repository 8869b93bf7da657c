package tlsdriver

import (
	"crypto/tls"
	"errors"
)

// This file is for handshakes of crypto/tls over TCP that stand for one over Ebb. They make the same demands: crypto/tls itself
// is content with no application protocol, where RFC 9001 section 8.1 is not.

var errNoProtocol = errors.New("tls: there is no application protocol in common, and Config.NextProtos is set")

// CheckProtocol is for a client whose handshake is complete, with what ClientConfig has returned.
func CheckProtocol(c *tls.Config, state tls.ConnectionState) error {
	if len(c.NextProtos) > 0 && state.NegotiatedProtocol == "" {
		return errNoProtocol
	}
	return nil
}

// ServerConfigOverTCP returns a config for handshakes over TCP, from what ServerConfig has returned.
func ServerConfigOverTCP(c *tls.Config) *tls.Config {
	get := c.GetConfigForClient
	over := c.Clone()
	over.GetConfigForClient = func(info *tls.ClientHelloInfo) (chosen *tls.Config, err error) {
		if get != nil {
			if chosen, err = get(info); err != nil {
				return nil, err
			}
		}
		used := c
		if chosen != nil {
			if chosen, err = atLeast13(chosen); err != nil {
				return nil, err
			}
			used = chosen
		}
		if len(used.NextProtos) > 0 && len(info.SupportedProtos) == 0 {
			return nil, errNoProtocol
		}
		return chosen, nil
	}
	return over
}

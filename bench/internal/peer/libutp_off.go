//go:build !libutp || !cgo

package peer

// libutpPeers is empty: this build has no cgo peer.
func libutpPeers() []Peer { return nil }

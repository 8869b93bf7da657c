// Package peerid names peers by their keys, for programs that have no certificates to compare: an Ed25519 key is a name.
// Whoever holds the private key is that peer; nobody has to sign or renew anything, and the name stays the same as long as
// the key does.
//
//	key, err := peerid.LoadOrCreate(path) // at both ends
//	fmt.Println(peerid.IDOf(key))         // to be typed at the other
//	l, err := tls.Listen("tcp", ":7000", peerid.Server(key))
//	c, err := tls.Dial("tcp", addr, peerid.Client(key, id))
//
// The configs are crypto/tls's. Of says who is at the other end of a connection.
//
// What a name means is the application's to know: Server takes every client that has a key, whoever it is. Only restricts that.
package peerid

import (
	"crypto/ed25519"
	"crypto/tls"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
)

// ID is an Ed25519 public key. IDs are comparable with ==. The zero ID is nobody's.
type ID [ed25519.PublicKeySize]byte

// textSize is how many characters the text of an ID has.
const textSize = (8*ed25519.PublicKeySize + 4) / 5

var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// What may be wrong with a peer or its name.
var (
	// ErrNoKey says that the peer has shown no key, or another than Ed25519 keys.
	ErrNoKey = errors.New("peerid: the peer has no Ed25519 key")
	// ErrSyntax says that a text is not that of an ID.
	ErrSyntax = errors.New("peerid: not the text of an ID: 52 letters and digits, of a to z and 2 to 7")
)

// String returns the ID in base32 (RFC 4648 section 6), in lower case and without padding: 52 characters.
func (id ID) String() string { return encoding.EncodeToString(id[:]) }

// MarshalText implements [encoding.TextMarshaler].
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]; see Parse.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = Parse(string(text))
	return err
}

// Parse is the inverse of String. It takes capitals too. Any other text, and that of the zero ID, is ErrSyntax.
func Parse(s string) (ID, error) {
	if len(s) != textSize {
		return ID{}, ErrSyntax
	}
	b, err := encoding.DecodeString(strings.ToLower(s))
	if err != nil || len(b) != ed25519.PublicKeySize {
		return ID{}, ErrSyntax
	}
	// The last character has bits to spare, so several texts would decode to the same.
	if id := ID(b); id != (ID{}) && id.String() == strings.ToLower(s) {
		return id, nil
	}
	return ID{}, ErrSyntax
}

// NewKey makes a key at random.
func NewKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic("BUG: the system's generator fails, which crypto/rand does not report: " + err.Error())
	}
	return key
}

// IDOf is the name of the holder of a key. It is the zero ID if the key has another size than Ed25519 keys.
func IDOf(key ed25519.PrivateKey) (id ID) {
	if len(key) == ed25519.PrivateKeySize {
		copy(id[:], key[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
	}
	return id
}

// Of is who is at the other end of a connection that was made with Client or Server. The error is ErrNoKey.
func Of(state tls.ConnectionState) (ID, error) {
	if len(state.PeerCertificates) == 0 {
		return ID{}, ErrNoKey
	}
	public, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
	if !ok || len(public) != ed25519.PublicKeySize || ID(public) == (ID{}) {
		return ID{}, ErrNoKey
	}
	return ID(public), nil
}

// WrongPeerError says that the peer is not who it has to be.
type WrongPeerError struct {
	Got  ID   // who it is
	Want []ID // who it might have been
}

// Error names who it is, and who was wanted if that is one.
func (e *WrongPeerError) Error() string {
	if len(e.Want) == 1 {
		return fmt.Sprintf("peerid: the peer is %v, not %v", e.Got, e.Want[0])
	}
	return fmt.Sprintf("peerid: the peer is %v, which is none of the %d that are admitted", e.Got, len(e.Want))
}

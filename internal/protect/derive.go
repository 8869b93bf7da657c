package protect

import (
	"crypto/hkdf"
	"encoding/binary"
	"hash"

	"example.com/ebb/wire"
)

// form is what the derivation of keys and the layout of packets have to agree on, and what tells versions apart. Ours differs
// from QUIC's, so that no packet or secret of one is ever one of the other, even under the same certificate (RFC 9001 section
// 5.2 asks that of each version). The tests have QUIC's, for its vectors.
type form struct {
	salt            string // of the initial secrets
	key, iv, hp, ku string // labels
	longMask        byte   // the bits of a long header's first byte that are protected
	shortMask       byte   // the same of a short header's
}

// version3 is the form of the protected version. The salt is the first 20 bytes of the SHA-256 of
// "Ebb 0x45424203 initial salt".
func version3() form {
	return form{
		salt: "\xe2\xff\x8e\x77\x23\xbc\x29\xe9\x23\x8b\x5f\xb6\x76\x7f\x91\x05\x2d\xf7\x10\xfa",
		key:  "ebb key", iv: "ebb iv", hp: "ebb hp", ku: "ebb ku",
		longMask: 0x03, shortMask: 0x1f,
	}
}

// expandLabel is HKDF-Expand-Label of RFC 8446 section 7.1, with an empty context.
func expandLabel(h func() hash.Hash, secret []byte, label string, n int) ([]byte, error) {
	const prefix = "tls13 "
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len(prefix)+len(label)))
	info = append(info, prefix...)
	info = append(info, label...)
	info = append(info, 0)
	return hkdf.Expand(h, secret, string(info), n)
}

// initialSecrets are those of the initial level (RFC 9001 section 5.2), from the first destination that a client made up.
// Whoever sees that has them too: they keep others away.
func (f form) initialSecrets(dst wire.ID) (client, server []byte, err error) {
	h := AES128GCM.newHash
	common, err := hkdf.Extract(h, binary.BigEndian.AppendUint64(nil, uint64(dst)), []byte(f.salt))
	if err != nil {
		return nil, nil, err
	}
	if client, err = expandLabel(h, common, "client in", h().Size()); err != nil {
		return nil, nil, err
	}
	server, err = expandLabel(h, common, "server in", h().Size())
	return client, server, err
}

// nextSecret is the secret of the key phase after that of the given one (RFC 9001 section 6.1).
func (f form) nextSecret(s Suite, secret []byte) ([]byte, error) {
	return expandLabel(s.newHash, secret, f.ku, s.newHash().Size())
}

package protect

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
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

// labels expands one secret under several labels: HKDF-Expand-Label of RFC 8446 section 7.1, with an empty context. What is asked
// for has no more bytes than the hash, so HKDF-Expand is a single HMAC under the secret (RFC 5869 section 2.3), and one that is
// reset serves them all. There are a dozen secrets in a handshake: against crypto/hkdf's Expand for each label, dials of ebb-tls in bench/ were
// 1.5 to 7 % more a second (both ways alternated in one run).
type labels struct {
	mac  hash.Hash
	info []byte
	out  []byte
}

func newLabels(h func() hash.Hash, secret []byte) *labels {
	return &labels{mac: hmac.New(h, secret), info: make([]byte, 0, 32), out: make([]byte, 0, 64)}
}

// expand returns n bytes, which are valid until the next call.
func (l *labels) expand(label string, n int) []byte {
	const prefix = "tls13 "
	if n > l.mac.Size() {
		panic("BUG: more is asked of a secret than its hash has")
	}
	l.info = binary.BigEndian.AppendUint16(l.info[:0], uint16(n))
	l.info = append(l.info, byte(len(prefix)+len(label)))
	l.info = append(l.info, prefix...)
	l.info = append(l.info, label...)
	l.info = append(l.info, 0, 1) // no context, and the first block
	l.mac.Reset()
	l.mac.Write(l.info)
	l.out = l.mac.Sum(l.out[:0])
	return l.out[:n]
}

// initialSecrets are those of the initial level (RFC 9001 section 5.2), from the first destination that a client made up.
// Whoever sees that has them too: they keep others away.
func (f form) initialSecrets(dst wire.ID) (client, server []byte, err error) {
	h := AES128GCM.newHash
	common, err := hkdf.Extract(h, binary.BigEndian.AppendUint64(nil, uint64(dst)), []byte(f.salt))
	if err != nil {
		return nil, nil, err
	}
	l := newLabels(h, common)
	client = bytes.Clone(l.expand("client in", l.mac.Size()))
	return client, l.expand("server in", l.mac.Size()), nil
}

// nextSecret is the secret of the key phase after that of the given one (RFC 9001 section 6.1).
func (f form) nextSecret(s Suite, secret []byte) []byte {
	l := newLabels(s.newHash, secret)
	return l.expand(f.ku, l.mac.Size())
}

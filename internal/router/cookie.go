package router

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
	"time"

	"example.com/ebb/wire"
)

const (
	// cookieLife is how long a cookie proves an address, and therefore how long
	// a used one has to be remembered.
	cookieLife = 10 * time.Second
	// cookieRotation is how long one key makes cookies.
	cookieRotation = time.Minute
	// cookieSize is the time of issue, in milliseconds modulo 2^32, and an
	// HMAC-SHA256 truncated to 16 bytes.
	cookieSize = 4 + 16
)

// cookieJar makes and checks the cookies of RETRY. It remembers none: the time
// of issue is in the cookie, and the key follows from the secret and that time.
type cookieJar struct {
	secret [32]byte
	period int64 // of mac
	mac    hash.Hash
}

// make makes the cookie of one dial: the version, the client's ID and first destination of its INITIAL,
// from one address, at one time.
func (j *cookieJar) make(now time.Duration, remote netip.AddrPort, h wire.Header) [cookieSize]byte {
	return j.seal(now.Truncate(time.Millisecond), remote, h)
}

// valid reports whether the cookie of an INITIAL was baked for its dial at most cookieLife
// ago.
func (j *cookieJar) valid(now time.Duration, remote netip.AddrPort, h wire.Header) bool {
	cookie := h.Cookie
	if len(cookie) != cookieSize {
		return false
	}
	millis := now.Milliseconds()
	age := int64(uint32(millis) - binary.BigEndian.Uint32(cookie))
	if age > millis || age > cookieLife.Milliseconds() {
		return false
	}
	want := j.seal(time.Duration(millis-age)*time.Millisecond, remote, h)
	return hmac.Equal(cookie, want[:])
}

func (j *cookieJar) seal(issued time.Duration, remote netip.AddrPort, h wire.Header) (cookie [cookieSize]byte) {
	j.rotate(int64(issued / cookieRotation))
	binary.BigEndian.PutUint32(cookie[:], uint32(issued.Milliseconds()))

	var bound [4 + 16 + 2 + 8 + 8 + 4]byte
	copy(bound[:], cookie[:4])
	address := remote.Addr().As16()
	copy(bound[4:], address[:])
	binary.BigEndian.PutUint16(bound[20:], remote.Port())
	binary.BigEndian.PutUint64(bound[22:], uint64(h.Src))
	binary.BigEndian.PutUint64(bound[30:], uint64(h.Dst))
	binary.BigEndian.PutUint32(bound[38:], h.Version)
	j.mac.Reset()
	j.mac.Write(bound[:])
	j.mac.Write([]byte(remote.Addr().Zone()))

	var sum [sha256.Size]byte
	copy(cookie[4:], j.mac.Sum(sum[:0]))
	return cookie
}

// rotate takes the key of a period.
func (j *cookieJar) rotate(period int64) {
	if j.mac != nil && j.period == period {
		return
	}
	var label [8]byte
	binary.BigEndian.PutUint64(label[:], uint64(period))
	key := hmac.New(sha256.New, j.secret[:])
	key.Write(label[:])
	j.mac, j.period = hmac.New(sha256.New, key.Sum(nil)), period
}

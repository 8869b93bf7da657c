package protect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"example.com/ebb/wire"
)

// quic is the form of QUIC version 1, whose vectors are in RFC 9001 appendix A.
func quic() form {
	return form{
		salt: "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a",
		key:  "quic key", iv: "quic iv", hp: "quic hp", ku: "quic ku",
		longMask: 0x0f, shortMask: 0x1f,
	}
}

const vectorDst wire.ID = 0x8394c8f03e515708

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// vectors are the packets in testdata.
func vectors(t *testing.T) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile("testdata/rfc9001.txt")
	if err != nil {
		t.Fatal(err)
	}
	all, name := make(map[string][]byte), ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.Contains(line, "-"):
			name = line
		default:
			all[name] = append(all[name], unhex(t, line)...)
		}
	}
	return all
}

func checkHex(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	if hex.EncodeToString(got) != want {
		t.Errorf("%s = %x, want %s", what, got, want)
	}
}

// TestVectorKeys: RFC 9001 appendix A.1.
func TestVectorKeys(t *testing.T) {
	client, server, err := quic().initialSecrets(vectorDst)
	if err != nil {
		t.Fatal(err)
	}
	checkHex(t, "client_initial_secret", client, "c00cf151ca5be075ed0ebfb5c80323c42d6b7db67881289af4008f1f6c357aea")
	checkHex(t, "server_initial_secret", server, "3c199828fd139efd216c155ad844cc81fb82fa8d7446fa7d78be803acdda951b")
	for _, k := range []struct{ name, label, client, server string }{
		{"key", quic().key, "1f369613dd76d5467730efcbe3b1a22d", "cf3a5331653c364c88f0f379b6067e37"},
		{"iv", quic().iv, "fa044b2f42a3fd3b46fb255c", "0ac1493ca1905853b0bba03e"},
		{"hp", quic().hp, "9f50449e04a0e810283a1e9933adedd2", "c206b8d9b9f0f37644430b490eeaa314"},
	} {
		for secret, want := range map[*[]byte]string{&client: k.client, &server: k.server} {
			checkHex(t, k.name, newLabels(AES128GCM.newHash, *secret).expand(k.label, len(want)/2), want)
		}
	}
}

// TestVectorInitials: RFC 9001 appendices A.2 and A.3, sealed and opened.
func TestVectorInitials(t *testing.T) {
	packets := vectors(t)
	clientSeal, clientOpen, err := quic().newInitialKeys(vectorDst, true)
	if err != nil {
		t.Fatal(err)
	}
	serverSeal, serverOpen, err := quic().newInitialKeys(vectorDst, false)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		name   string
		seal   *SealKey
		open   *OpenKey
		header string
		number uint64
		frames []byte
		packet []byte
	}{
		{"client", clientSeal, serverOpen, "c300000001088394c8f03e5157080000449e00000002", 2,
			append(packets["client-crypto"], make([]byte, 1162-len(packets["client-crypto"]))...), packets["client-packet"]},
		{"server", serverSeal, clientOpen, "c1000000010008f067a5502a4262b5004075" + "0001", 1,
			packets["server-frames"], packets["server-packet"]},
	} {
		header := unhex(t, v.header)
		packet := v.seal.Seal(append(bytes.Clone(header), v.frames...), 0, len(header), v.number)
		if !bytes.Equal(packet, v.packet) {
			t.Errorf("%s: sealed as %x, want %x", v.name, packet, v.packet)
		}
		numberAt := len(header) - int(header[0]&numberBits) - 1
		number, frames, ok := v.open.Open(bytes.Clone(v.packet), numberAt, 0, false)
		if !ok || number != v.number || !bytes.Equal(frames, v.frames) {
			t.Errorf("%s: opened as %d, %x, %v", v.name, number, frames, ok)
		}
	}
}

// TestVectorChaCha20 [W203] [W204]: RFC 9001 appendix A.5, with the secret of the next key phase.
func TestVectorChaCha20(t *testing.T) {
	secret := unhex(t, "9ac312a7f877468ebe69422748ad00a15443f18203a07d6060f688f30f21632b")
	k, err := newDataKeys(quic, ChaCha20Poly1305, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.SetSend(secret); err != nil {
		t.Fatal(err)
	}
	if err := k.SetRecv(secret); err != nil {
		t.Fatal(err)
	}
	const number = 654360564
	header := unhex(t, "4200bff4")
	packet := k.Seal(append(header, 0x01), 0, len(header), number)
	checkHex(t, "nonce", k.send.nonce[:], "e0459b3474bdd0e46d417eb0")
	checkHex(t, "mask", k.sendHeader.buf[:maskSize], "aefefe7d03")
	checkHex(t, "packet", packet, "4cfe4189655e5cd55c41f69080575d7999c25a5bfb")
	got, frames, ok := k.Open(packet, 1, number-1, true)
	if !ok || got != number || !bytes.Equal(frames, []byte{1}) {
		t.Errorf("opened as %d, %x, %v", got, frames, ok)
	}
	checkHex(t, "ku", quic().nextSecret(ChaCha20Poly1305, secret), "1223504755036d556342ee9361d253421a826c9ecdf3c7148684b36b714881f9")
}

// TestForm: our form is none of QUIC's in any part that keeps keys apart, and its salt has no other origin than it says.
func TestForm(t *testing.T) {
	ours, theirs := version3(), quic()
	sum := sha256.Sum256([]byte("Ebb 0x45424203 initial salt"))
	if ours.salt != string(sum[:20]) {
		t.Errorf("salt %x", ours.salt)
	}
	if ours.salt == theirs.salt || ours.key == theirs.key || ours.iv == theirs.iv || ours.hp == theirs.hp || ours.ku == theirs.ku {
		t.Errorf("%+v shares something with %+v", ours, theirs)
	}
}

package peerid

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// TestLoadOrCreate: a key is made once, for its user only, and is the same ever after.
func TestLoadOrCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "ebb", "key.pem")
	key, err := LoadOrCreate(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		again, err := LoadOrCreate(path)
		if err != nil || !again.Equal(key) || IDOf(again) != IDOf(key) {
			t.Fatalf("%v, and the same: %v", err, again.Equal(key))
		}
	}
	if runtime.GOOS == "windows" {
		return // whose files have no mode
	}
	for path, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %#o, want %#o", path, got, want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, and the folder has %v", err, entries)
	}
}

// TestLoadOrCreateTogether: of several that begin at the same time one makes the key.
func TestLoadOrCreateTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	var wg sync.WaitGroup
	var keys [8]ed25519.PrivateKey
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = LoadOrCreate(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, key := range keys {
		if !bytes.Equal(key, keys[0]) {
			t.Error("two keys")
		}
	}
}

// TestSave: a file that is there is not replaced.
func TestSave(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key.pem")
	key := NewKey()
	if err := Save(path, key); err != nil {
		t.Fatal(err)
	}
	if err := Save(path, NewKey()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("%v, want %v", err, fs.ErrExist)
	}
	if got, err := Load(path); err != nil || !got.Equal(key) {
		t.Errorf("%v, and the same: %v", err, got.Equal(key))
	}
	if err := Save(path+"2", key[:32]); !errors.Is(err, errKeySize) {
		t.Errorf("%v, want %v", err, errKeySize)
	}
}

// TestLoad: what is no key, or is not the user's alone, is an error that names the file.
func TestLoad(t *testing.T) {
	key := NewKey()
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}))
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		mode       fs.FileMode
		says       string
	}{
		{"good", pkcs8(key), 0o600, ""},
		{"read only", pkcs8(key), 0o400, ""},
		{"readable", pkcs8(key), 0o640, "chmod 600"},
		{"public", pkcs8(key), 0o666, "chmod 600"},
		{"empty", "", 0o600, "no private key"},
		{"other", pkcs8(p256), 0o600, "ecdsa"},
		{"cut", pkcs8(key)[:60], 0o600, "no private key"},
		{"damaged", strings.Replace(pkcs8(key), "MC4", "MC5", 1), 0o600, "asn1"},
		{"certificate", strings.ReplaceAll(pkcs8(key), "PRIVATE KEY", "CERTIFICATE"), 0o600, "no private key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key.pem")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, c.mode); err != nil {
				t.Fatal(err)
			}
			got, err := Load(path)
			switch {
			case c.says == "" && (err != nil || !got.Equal(key)):
				t.Errorf("%v, and the same: %v", err, got.Equal(key))
			case c.says == "chmod 600" && runtime.GOOS == "windows":
			case c.says != "" && (err == nil || got != nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path)):
				t.Errorf("%v, want an error with %q and %q", err, c.says, path)
			}
		})
	}
	dir := t.TempDir()
	os.Chmod(dir, 0o755)
	for path, want := range map[string]string{dir: "is a directory, not a key file", os.DevNull: "is a device, not a key file"} {
		if _, err := Load(path); err == nil || !strings.Contains(err.Error(), path+" "+want) || strings.Contains(err.Error(), "chmod") {
			t.Errorf("%v, want an error with %q", err, path+" "+want)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want %v", err, fs.ErrNotExist)
	}
}

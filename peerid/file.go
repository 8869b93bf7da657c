package peerid

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	pemType  = "PRIVATE KEY" // PKCS #8 (RFC 7468 section 10), which openssl and others read
	maxFile  = 1 << 16       // bytes; a key has 119
	modeFile = 0o600
	modeDir  = 0o700
)

// Load reads a key from a file that Save or LoadOrCreate has written, or any PEM file with an Ed25519 key in PKCS #8. A file that others may
// read or write is refused, except on Windows, whose files have no such mode, and so are folders and devices; a pipe will do. Errors name the file.
func Load(path string) (ed25519.PrivateKey, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	mode := info.Mode()
	switch { // the kind first: nobody is to change the mode of a folder or a device
	case mode.IsDir():
		return nil, fmt.Errorf("peerid: %s is a directory, not a key file", path)
	case mode&fs.ModeDevice != 0:
		return nil, fmt.Errorf("peerid: %s is a device, not a key file", path)
	case mode.Perm()&^modeFile != 0 && runtime.GOOS != "windows":
		return nil, fmt.Errorf("peerid: the key in %s can be used by others (mode %#o): chmod 600 it, if it still is nobody else's", path, mode.Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("peerid: %s: %w", path, err)
	}
	return key, nil
}

func parseKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, errors.New("no private key in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	ours, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("a key of type %T, not of Ed25519", key)
	}
	return ours, nil
}

// Save writes a key to a new file with mode 0600. The folder is made, for the user only, if it is not there. A file that is
// there stays as it is: the error is then fs.ErrExist. The file has all of the key or does not exist, whenever the
// process ends.
func Save(path string, key ed25519.PrivateKey) error {
	if len(key) != ed25519.PrivateKeySize {
		return errKeySize
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, modeDir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".key-*") // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = errors.Join(pem.Encode(f, &pem.Block{Type: pemType, Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Link(f.Name(), path) // which, unlike a rename, replaces nothing
}

// LoadOrCreate is Load, or NewKey and Save where there is no file. Several processes may call it at the same time:
// all get the same key.
func LoadOrCreate(path string) (ed25519.PrivateKey, error) {
	key, err := Load(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	key = NewKey()
	switch err = Save(path, key); {
	case err == nil:
		return key, nil
	case errors.Is(err, fs.ErrExist):
		return Load(path)
	}
	return nil, err
}

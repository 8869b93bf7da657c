package kernel

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// module is the first line of the go.mod whose tree is measured.
const module = "module example.com/ebb"

// sourceID names what a result holds for: the Go source of the command, in whose tree the working directory is, and of
// the laboratory, and what the sender and the lengths were told. A calibration does not depend on the controllers that
// yield. Outside of the tree the command's binary stands for its source.
func sourceID(o Options) (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "%q %v\n", o.Arguments, o.Scale)
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	if root == "" {
		err = addFile(sum, "ebb", o.Ebb)
	} else {
		left := unmeasured
		if o.Calibrate {
			left = append(slices.Clone(left), "ledbat")
		}
		err = addTree(sum, root, left)
	}
	if err == nil {
		err = addTree(sum, o.Folder, nil)
	}
	if err != nil {
		return "", fmt.Errorf("what is measured: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil))[:12], nil
}

// moduleRoot is the folder of the module that the working directory is in, if that is Ebb's; "" if not.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			if first, _, _ := strings.Cut(string(text), "\n"); strings.TrimSpace(first) == module {
				return dir, nil
			}
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", nil
		}
		dir = up
	}
}

// unmeasured are the names of folders of the tree that no scenario runs: its flows are those of ebb pipe.
var unmeasured = []string{
	"testdata", "simnet", "matrix", "differential", "gosuites", "keylog", "lossy", "pagetable", "qlogcheck", "scripted", "svgtext",
	"hostile", "purity", "fuzz", "ebbtest", "examples", "contrib", "debug",
	"delta", "folder", "measure", "patient", "perf", "traced", "transfer", "tree", "tunnel",
}

// addTree adds the module's Go files but tests, and what it depends on, in the order of their names, without the folders left out.
func addTree(sum hash.Hash, root string, left []string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		switch {
		case d.IsDir() && path != root:
			_, err := os.Stat(filepath.Join(path, "go.mod"))
			if !errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(name, ".") || slices.Contains(left, name) {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") && name != "go.mod" && name != "go.sum", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		return addFile(sum, relative, path)
	})
}

func addFile(sum hash.Hash, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintf(sum, "%s\n", name)
	_, err = io.Copy(sum, f)
	return err
}

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

// place is where a suite is.
type place struct {
	module string   // the directory of the module in which it is compiled
	flags  []string // of the go command there
	source string   // the directory of the tests, in which they run
}

// place finds a suite. One that a module requires is copied into dir, with that module's list of requirements, as the go command takes overlays of no file in its cache.
func (s suite) place(ctx context.Context, dir, path string) (place, error) {
	root, err := ask(ctx, "", "list", "-m", "-f", "{{.Dir}}", "example.com/ebb")
	if err != nil {
		return place{}, err
	}
	at := place{module: filepath.Join(root, s.module)}
	if s.module == "" {
		at.source, err = ask(ctx, root, "list", "-f", "{{.Dir}}", path)
		return at, err
	}
	found, err := ask(ctx, at.module, "list", "-test", "-f", "{{.Module.Path}}\t{{.Module.Dir}}\t{{.Dir}}", path)
	if err != nil {
		return place{}, err
	}
	found, _, _ = strings.Cut(found, "\n")
	fields := strings.Split(found, "\t")
	name, cached := fields[0], fields[1]
	rest, err := filepath.Rel(cached, fields[2])
	if err != nil {
		return place{}, err
	}
	copied, list := filepath.Join(dir, "source"), filepath.Join(dir, "suite.mod")
	if err := os.CopyFS(copied, os.DirFS(cached)); err != nil {
		return place{}, err
	}
	for _, ending := range []string{"mod", "sum"} {
		content, err := os.ReadFile(filepath.Join(at.module, "go."+ending))
		if err != nil {
			return place{}, err
		}
		if err := os.WriteFile(filepath.Join(dir, "suite."+ending), content, 0o666); err != nil {
			return place{}, err
		}
	}
	if _, err := ask(ctx, at.module, "mod", "edit", "-replace=example.com/ebb="+root, "-replace="+name+"="+copied, list); err != nil {
		return place{}, err
	}
	at.flags, at.source = []string{"-modfile=" + list, "-mod=mod"}, filepath.Join(copied, rest)
	return at, nil
}
